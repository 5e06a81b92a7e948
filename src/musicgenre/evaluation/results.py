"""What an evaluation found, as plain values; the report, the metrics file and MLflow all read this one object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from musicgenre.evaluation.bootstrap import Interval
from musicgenre.evaluation.comparison import Comparison
from musicgenre.evaluation.cost import Cost
from musicgenre.evaluation.inputs import FamilyInput
from musicgenre.evaluation.metrics import GenreFigures
from musicgenre.evaluation.problems import Problem
from musicgenre.evaluation.robustness import Robustness
from musicgenre.evaluation.scoring import Level, Scores

SPLITS = ("validation", "test")


@dataclass(frozen=True)
class SegmentFigures:
    """One family on the single segments of one split; `headline` and `genres` as in `SplitFigures`, empty without segments."""

    segments: int = 0
    headline: Mapping[str, Interval] = field(default_factory=dict)
    genres: tuple[GenreFigures, ...] = ()


@dataclass(frozen=True)
class SplitFigures:
    """One family on one split.

    Attributes
    ----------
    headline
        Figures with intervals by name; empty when `why` says why there are none.
    genres
        A line a class.
    segment
        The same of single segments.
    why
        In words, why there is no number; empty when there are.
    """

    tracks: int
    groups: int
    headline: Mapping[str, Interval] = field(default_factory=dict)
    genres: tuple[GenreFigures, ...] = ()
    segment: SegmentFigures = field(default_factory=SegmentFigures)
    why: str = ""

    def value(self, name: str) -> float | None:
        """A headline figure's value, or None."""
        found = self.headline.get(name)
        return None if found is None or found.value != found.value else found.value

    def of(self, level: Level) -> SplitFigures | SegmentFigures:
        """What holds `headline` and `genres` at this level."""
        return self if level == "track" else self.segment


@dataclass(frozen=True)
class FamilyResult:
    """One family: its input, its scores and figures by split, its cost."""

    source: FamilyInput
    scores: Mapping[str, Scores] = field(default_factory=dict)
    figures: Mapping[str, SplitFigures] = field(default_factory=dict)
    cost: Cost | None = None
    model: str = ""  # identity of what answers: graphs, weights, temperature
    inputs: tuple[Mapping[str, Any], ...] = ()  # what the members read: kind, rate, shape of each input
    failure: str = ""

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def fit_s(self) -> float | None:
        """Seconds to train the winner; for an ensemble the sum that its members' summaries give."""
        found = self.source.summary.get("fit_s")
        return None if found is None else float(found)

    def value(self, split: str, name: str) -> float | None:
        """A headline figure, or None where there is no number."""
        figures = self.figures.get(split)
        return figures.value(name) if figures else None


@dataclass(frozen=True)
class Evaluation:
    """Everything one run of the stage found.

    Attributes
    ----------
    selected
        The family with the best validation macro F1; empty when none has one.
    ledger
        Split id → sets of models scored on its test set (see `ledger`).
    """

    classes: tuple[str, ...]
    families: tuple[FamilyResult, ...]
    selected: str
    problems: tuple[Problem, ...]
    comparisons: tuple[Comparison, ...]
    lineage: Mapping[str, Any]
    ledger: Mapping[str, list[str]]
    counts: Mapping[str, int]
    confidence: float = 0.95
    sections: Mapping[str, Any] = field(default_factory=dict)  # robustness, label_errors, … by name

    @property
    def test_uses(self) -> int:
        """How many different sets of models this test set has judged, this one included."""
        return len(self.ledger.get(str(self.lineage.get("split_id", "")), []))

    def family(self, name: str) -> FamilyResult:
        """A family by name (KeyError when there is none)."""
        return {item.name: item for item in self.families}[name]

    @property
    def robustness_of_all(self) -> tuple[Robustness, ...]:
        """What perturbations cost each family, where it was measured."""
        found = self.sections.get("robustness")
        return found if isinstance(found, tuple) else ()

    @property
    def robustness(self) -> Robustness | None:
        """The same of the selected family."""
        return next((item for item in self.robustness_of_all if item.family == self.selected), None)

    @property
    def ranked(self) -> list[FamilyResult]:
        """Families with figures, the best on validation first."""
        usable = [item for item in self.families if item.value("validation", "macro_f1") is not None]
        return sorted(usable, key=lambda item: -(item.value("validation", "macro_f1") or 0.0))

    def to_metrics(self) -> dict[str, Any]:
        """`reports/metrics.json`: no NaN, words where a number is missing."""
        return {
            "families": {item.name: _family_metrics(item) for item in self.families},
            "selected": self.selected,
            "test_uses": self.test_uses,
            "test_ledger": {split: list(uses) for split, uses in self.ledger.items()},
            "confidence": self.confidence,
            "split": {"id": self.lineage.get("split_id", ""), "policy": self.lineage.get("split_policy", ""), **self.counts},
            "problems": [item.to_dict() for item in self.problems],
            **({"robustness": measured.to_metrics()} if (measured := self.robustness) else {}),
            **({"robustness_of_all": {item.family: item.to_metrics() for item in found}} if (found := self.robustness_of_all) else {}),
        }


def _headline(figures: Mapping[str, Interval]) -> dict[str, Any]:
    return {
        name: {"value": None, "why": "not defined on these tracks"} if figure.value != figure.value else figure.to_dict()
        for name, figure in figures.items()
    }


def _family_metrics(item: FamilyResult) -> dict[str, Any]:
    found: dict[str, Any] = {"fit_s": item.fit_s}
    if item.cost:
        found.update(
            latency_ms=round(item.cost.latency_ms, 2), size_mb=round(item.cost.size_mb, 4), memory_mb=round(item.cost.memory_mb, 1)
        )
    if item.failure:
        found["why"] = item.failure
    for split, figures in item.figures.items():
        entry: dict[str, Any] = {"tracks": figures.tracks, "groups": figures.groups}
        if figures.why:
            entry["why"] = figures.why
        entry.update(_headline(figures.headline))
        if figures.segment.segments:
            entry["segment"] = {"segments": figures.segment.segments, **_headline(figures.segment.headline)}
        found[split] = entry
    return found


__all__ = ["SPLITS", "Evaluation", "FamilyResult", "SegmentFigures", "SplitFigures"]
