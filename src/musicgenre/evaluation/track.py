"""The evaluation as an MLflow run in the experiment ``<prefix>/evaluation``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from musicgenre.errors import TrackingUnavailable
from musicgenre.evaluation.bootstrap import Interval
from musicgenre.evaluation.results import Evaluation
from musicgenre.layout import Layout
from musicgenre.lineage import Lineage, canonical_hash
from musicgenre.params import Params
from musicgenre.tracking.client import Dataset
from musicgenre.tracking.tags import ROLE, flat, lineage_tags, source_tags
from musicgenre.tracking.tracker import Tracker


def flat_metrics(evaluation: Evaluation) -> dict[str, float]:
    """``<family>.<split>[.segment].<figure>`` and its bounds, each family's cost and what perturbations cost, as MLflow takes them."""
    found: dict[str, float] = {"test_uses": float(evaluation.test_uses)}

    def enter(prefix: str, figures: Mapping[str, Interval]) -> None:
        for name, figure in figures.items():
            for suffix, value in (("", figure.value), ("_low", figure.low), ("_high", figure.high)):
                if value is not None and value == value:
                    found[f"{prefix}.{name}{suffix}"] = float(value)

    for item in evaluation.families:
        for split, figures in item.figures.items():
            enter(f"{item.name}.{split}", figures.headline)
            enter(f"{item.name}.{split}.segment", figures.segment.headline)
        if item.cost:
            found[f"{item.name}.latency_ms"] = item.cost.latency_ms
            found[f"{item.name}.size_mb"] = item.cost.size_mb
            found[f"{item.name}.memory_mb"] = item.cost.memory_mb
        if item.fit_s is not None:
            found[f"{item.name}.fit_s"] = item.fit_s
    for measured in evaluation.robustness_of_all:
        found.update({f"{measured.family}.robustness.{row.name}.lost": row.lost for row in measured.rows})
    return found


def log_evaluation(evaluation: Evaluation, params: Params, layout: Layout, plots: Sequence[Path]) -> None:
    """Log figures, lineage, the test set as an input, report and plots as one run.

    The same models on the same test set are the same run: evaluating again opens it again.

    Raises
    ------
    TrackingUnavailable
        If the MLflow store does not answer.
    """
    lineage = Lineage(**evaluation.lineage)
    key = canonical_hash(["evaluation", lineage.split_id, sorted(item.model for item in evaluation.families)])
    tags = {
        **lineage_tags(lineage),
        **source_tags("musicgenre evaluate", lineage),
        ROLE: "evaluation",
        "selected": evaluation.selected or "none",
        "problems": str(len(evaluation.problems)),
        "test_uses": str(evaluation.test_uses),
    }
    with Tracker(params.tracking, layout, f"{params.tracking.prefix}/evaluation") as tracker:
        tracker.start(key, f"evaluation of {evaluation.selected or 'nothing'}", tags)
        tracker.params(key, flat(params.evaluate.model_dump(), "evaluate."))
        tracker.metrics(key, flat_metrics(evaluation))
        tracker.inputs(key, [Dataset(name="test", digest=lineage.split_id[:32] or "none", source=str(layout.splits), context="evaluation")])
        for path in (layout.reports / "report.html", layout.reports / "report.md", layout.metrics, layout.predictions):
            if path.is_file():
                tracker.artifact(key, path)
        for path in plots:
            folder = path.parent.relative_to(layout.reports)
            tracker.artifact(key, path, str(folder))
        tracker.end(key)
        tracker.flush(60.0)
    if tracker.failure:
        raise TrackingUnavailable(tracker.failure)


__all__ = ["flat_metrics", "log_evaluation"]
