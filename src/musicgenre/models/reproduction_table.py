"""The table *published / own split / honest split* of systems that were run again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

COLUMNS = ("system", "published", "own split", "re-run under its own split", "honest split", "CPU seconds")
FIGURES = ("accuracy", "macro_f1", "roc_auc")
_SHORT = {"accuracy": "acc", "macro_f1": "F1", "roc_auc": "AUC", "f1": "F1"}


def cell(figures: Mapping[str, Mapping[str, float | None]]) -> str:
    """`acc .52 [.43, .61] · F1 …` for a table."""
    parts = []
    for name in FIGURES:
        found = figures.get(name)
        if found is None:
            continue
        bounds = "" if found["low"] is None or found["high"] is None else f" [{found['low']:.2f}, {found['high']:.2f}]"
        parts.append(f"{_SHORT[name]} {found['value']:.2f}{bounds}")
    return " · ".join(parts)


def published_cell(figures: Mapping[str, float]) -> str:
    """Published figures for a table."""
    return " · ".join(f"{_SHORT.get(name, name)} {value:.2f}" for name, value in figures.items()) or "–"


def time_cell(result: Mapping[str, Any]) -> str:
    """CPU seconds of both trainings."""
    return f"{result['own']['cpu_seconds']:.0f} + {result['honest']['cpu_seconds']:.0f}"


def row(result: Mapping[str, Any]) -> list[str]:
    """One system's cells under `COLUMNS`."""
    limit = f" (at most {result['epochs_limit']} epochs)" if result["epochs_limit"] else ""
    scores = [cell(result[way]["figures"]) for way in ("own", "honest")]
    return [f"{result['name']}{limit}", published_cell(result["published"]), result["protocol"], *scores, time_cell(result)]


def markdown(results: Sequence[Mapping[str, Any]], skipped: Mapping[str, str]) -> str:
    """The table, and what was left out."""
    lines = [f"| {' | '.join(cells)} |" for cells in (COLUMNS, ["---"] * len(COLUMNS), *map(row, results))]
    lines += ["", *(f"- skipped {name}: {reason}" for name, reason in skipped.items())]
    return "\n".join(lines).rstrip() + "\n"


__all__ = ["COLUMNS", "markdown", "row"]
