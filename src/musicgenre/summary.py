"""What the last run found, read from the reports: nothing is computed here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from musicgenre.errors import MissingInput
from musicgenre.layout import Layout


@dataclass(frozen=True)
class Row:
    """One family's line. Figures are (value, low, high); None where the report has no number."""

    family: str
    validation_f1: tuple[float, float, float] | None
    test_f1: tuple[float, float, float] | None
    accuracy: float | None
    roc_auc: float | None
    fit_s: float | None
    latency_ms: float | None
    size_mb: float | None
    selected: bool


@dataclass(frozen=True)
class Summary:
    rows: tuple[Row, ...]
    selected: str
    verdict: str
    version: str
    bento: str
    synthetic: bool


def _interval(figures: Mapping[str, Any], name: str) -> tuple[float, float, float] | None:
    entry = figures.get(name)
    if not isinstance(entry, Mapping) or entry.get("value") is None:
        return None
    value = float(entry["value"])
    low, high = entry.get("low"), entry.get("high")
    return value, value if low is None else float(low), value if high is None else float(high)


def _value(figures: Mapping[str, Any], name: str) -> float | None:
    found = _interval(figures, name)
    return found[0] if found else None


def _load(layout: Layout, name: str) -> Any:
    path = {"metrics": layout.metrics, "registry": layout.registry, "bento": layout.bento_report}[name]
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def summarise(layout: Layout, *, source: str) -> Summary:
    """Collect the figures of the last run.

    Raises
    ------
    MissingInput
        If there has been no evaluation yet.
    """
    metrics = _load(layout, "metrics")
    if not metrics:
        raise MissingInput(f"{layout.metrics} is not there yet. Run `make repro` (or `dvc repro`) first.")
    registry, bento = _load(layout, "registry"), _load(layout, "bento")
    rows = []
    for family, figures in metrics["families"].items():
        test, validation = figures.get("test") or {}, figures.get("validation") or {}
        rows.append(
            Row(
                family=family,
                validation_f1=_interval(validation, "macro_f1"),
                test_f1=_interval(test, "macro_f1"),
                accuracy=_value(test, "accuracy"),
                roc_auc=_value(test, "roc_auc"),
                fit_s=figures.get("fit_s"),
                latency_ms=figures.get("latency_ms"),
                size_mb=figures.get("size_mb"),
                selected=family == metrics.get("selected"),
            )
        )
    rows.sort(key=lambda row: -(row.validation_f1[0] if row.validation_f1 else -1.0))
    decision = registry.get("decision") or {}
    return Summary(
        rows=tuple(rows),
        selected=str(metrics.get("selected", "")),
        verdict=str(decision.get("reason") or decision.get("words") or ""),
        version=str(registry.get("champion", "") or ""),
        bento=str(bento.get("tag", "")),
        synthetic=source == "demo",
    )


__all__ = ["Row", "Summary", "summarise"]
