"""Metrics with intervals, comparisons, plots and reports. Only `evaluate` reads the test split."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from musicgenre.evaluation.results import Evaluation
    from musicgenre.layout import Layout
    from musicgenre.params import Params


def evaluate(params: Params, layout: Layout) -> Evaluation:
    """Score every family, compare, explain and write `reports/` (see `evaluation.stage`)."""
    from musicgenre.evaluation.stage import evaluate as run

    return run(params, layout)


__all__ = ["evaluate"]
