"""Systems of the literature: what they reported, what a leaky split makes of them, and what they reach here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from musicgenre.evaluation.report.tables import Cell, Table, number
from musicgenre.evaluation.results import Evaluation
from musicgenre.layout import Layout

_STATES = {"complete": "", "pruned": "stopped early by the pruner", "failed": "failed", "skipped": "skipped", "not reached": "not reached"}


def _leaky(layout: Layout) -> Mapping[str, Any]:
    """`reports/leakage/leakage.json`, where `musicgenre leakage` has been run; empty elsewhere."""
    path = layout.reports / "leakage" / "leakage.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _reported(figures: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {float(value):.3g}" for name, value in figures.items()) or "–"


def published_table(evaluation: Evaluation, layout: Layout) -> Table | None:
    """One line a published system that a search ran or skipped; None when no search names any."""
    columns = [
        ("system", False, ""),
        ("family", False, ""),
        ("reported", False, "by its authors, on their data and their split"),
        ("here, validation macro F1", True, "the same configuration on this split, where no artist or recording is on two sides"),
        ("remark", False, ""),
    ]
    rows = []
    for item in evaluation.families:
        for entry in item.source.summary.get("published") or ():
            state = str(entry.get("state", ""))
            remark = " – ".join(part for part in (_STATES.get(state, state), str(entry.get("reason") or "")) if part)
            rows.append(
                [
                    Cell(str(entry.get("title") or entry.get("name")), sort=str(entry.get("name"))),
                    Cell(item.name, sort=item.name),
                    Cell(_reported(entry.get("figures") or {}), note=str(entry.get("source") or "")),
                    number(entry.get("validation_macro_f1"), missing="no number"),
                    Cell(remark, sort=remark),
                ]
            )
    return Table("published", columns, rows) if rows else None


def leak_words(layout: Layout) -> str:
    """One sentence on what a leaky split adds, where it has been measured."""
    found = _leaky(layout)
    accuracy = found.get("track_accuracy") or {}
    values = {name: entry.get("value") if isinstance(entry, Mapping) else entry for name, entry in accuracy.items()}
    known = [(name, float(value)) for name, value in values.items() if isinstance(value, (int, float))]
    if len(known) < 2:
        return ""
    first, last = known[0], known[-1]
    return (
        f"The same configuration reaches an accuracy of {first[1]:.3f} under the split {first[0]!r}, and {last[1]:.3f} under {last[0]!r}."
    )


__all__ = ["leak_words", "published_table"]
