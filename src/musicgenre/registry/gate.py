"""The gate: evidence in, verdict out. No file, clock or store is touched here.

A candidate replaces a champion when it is shown not to be worse (the lower bound of the
paired bootstrap of macro F1 on the same test tracks is above −margin), is better as a
point estimate, hurts no genre too much, and stays inside the budgets. Without a champion
it must beat chance by a margin.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from musicgenre.params import PromoteParams


@dataclass(frozen=True)
class Figures:
    """One model on the current test tracks.

    Attributes
    ----------
    recall
        By genre; a genre without a test track is absent.
    """

    macro_f1: float
    accuracy: float
    calibration_error: float
    recall: Mapping[str, float]


@dataclass(frozen=True)
class Comparison:
    """Candidate against champion, on the same tracks and classes.

    Attributes
    ----------
    genres
        The classes that both know; the comparison is on tracks of these alone.
    tracks
        How many test tracks these are.
    candidate, champion
        On those tracks; probabilities renormalised over `genres`.
    low
        Lower bound of the interval of (candidate − champion) macro F1; None if resampling says nothing.
    """

    genres: tuple[str, ...]
    tracks: int
    candidate: Figures
    champion: Figures
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Evidence:
    """All that the gate looks at.

    Attributes
    ----------
    classes
        Of the candidate.
    comparison
        None without a champion, or when `incomparable` says why there is none.
    champion
        Version of the champion; empty when there is none.
    loads
        Empty when the bundle loaded and gave its golden answer in a fresh process without
        TensorFlow; otherwise what went wrong.
    validation
        Empty when the data passed validation; otherwise what is known.
    other_split
        The candidate was trained under another split than the current one.
    robustness_drop
        Largest loss of accuracy under the disturbances that `evaluate` tried; None if not measured.
    withdrawn
        When and why a person rolled the candidate back before; empty if never.
    missing_genres
        Genres with test tracks that the candidate does not know.
    """

    classes: tuple[str, ...]
    tracks: int
    figures: Figures
    latency_ms: float
    size_mb: float
    loads: str = ""
    champion: str = ""
    comparison: Comparison | None = None
    incomparable: str = ""
    split_policy: str = "grouped"
    other_split: bool = False
    dirty: bool = False
    validation: str = ""
    robustness_drop: float | None = None
    withdrawn: str = ""
    missing_genres: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Criterion:
    """One line of the verdict. `value` and `limit` are None where the criterion is not a number."""

    name: str
    passed: bool
    words: str
    value: float | None = None
    limit: float | None = None


@dataclass(frozen=True)
class Verdict:
    """`passed` is all criteria together; `words` the whole in one sentence."""

    passed: bool
    words: str
    criteria: tuple[Criterion, ...] = field(default_factory=tuple)

    @property
    def failed(self) -> tuple[Criterion, ...]:
        return tuple(item for item in self.criteria if not item.passed)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def _trust(evidence: Evidence, limits: PromoteParams) -> list[Criterion]:
    """Where the candidate comes from, and whether its figures can be believed."""
    leaky = evidence.split_policy == "segments"
    dirty = evidence.dirty and not limits.allow_dirty
    missing = ", ".join(evidence.missing_genres)
    tree = "Trained from committed code."
    if evidence.dirty:
        tree = "Trained from uncommitted code, which `promote.allow_dirty` allows."
    if dirty:
        tree = "Trained from uncommitted code, so it cannot be brought back; commit and train again, or set `promote.allow_dirty`."
    return [
        Criterion(
            "split policy",
            not leaky,
            "Trained under `segments`, where pieces of one track are on both sides; its figures mean nothing."
            if leaky
            else f"Trained under `{evidence.split_policy or 'unknown'}`: no artist or recording on two sides.",
        ),
        Criterion(
            "same split",
            not evidence.other_split,
            "Trained under another split; today's test tracks may have been among its training tracks."
            if evidence.other_split
            else "Trained under today's split.",
        ),
        Criterion("data validation", not evidence.validation, evidence.validation or "The data passed validation."),
        Criterion("clean work tree", not dirty, tree),
        Criterion(
            "every genre",
            not missing,
            f"It does not know {missing}, of which there are test tracks." if missing else "Knows every genre of the test set.",
        ),
        Criterion(
            "not withdrawn",
            not evidence.withdrawn,
            f"Rolled back before ({evidence.withdrawn}); only --force brings it back." if evidence.withdrawn else "Never rolled back.",
        ),
        Criterion(
            "loads and answers",
            not evidence.loads,
            evidence.loads or "Loads and gives its golden answer in a fresh process without TensorFlow.",
        ),
    ]


def _budgets(evidence: Evidence, limits: PromoteParams) -> list[Criterion]:
    figures = evidence.figures
    found = [
        _at_most("calibration error", figures.calibration_error, limits.max_calibration_error, "{:.3f}"),
        _at_most("latency", evidence.latency_ms, limits.max_latency_ms, "{:.0f} ms"),
        _at_most("size", evidence.size_mb, limits.max_size_mb, "{:.1f} MB"),
    ]
    if evidence.robustness_drop is None:
        found.append(Criterion("robustness", True, "Robustness was not measured (`evaluate.robustness`), so no limit was applied."))
    else:
        found.append(_at_most("robustness", evidence.robustness_drop, limits.max_robustness_drop, "{:.0%} of accuracy lost"))
    return found


def _at_most(name: str, value: float, limit: float, form: str) -> Criterion:
    passed = bool(value <= limit)  # a NaN fails
    word = "within" if passed else "above"
    return Criterion(name, passed, f"{name.capitalize()} {form.format(value)}, {word} the limit of {form.format(limit)}.", value, limit)


def _first(evidence: Evidence, limits: PromoteParams) -> list[Criterion]:
    """Absolute floor for a model that has nobody to be compared with."""
    chance = 1.0 / len(evidence.classes)
    limit = chance + limits.min_above_chance
    value = evidence.figures.macro_f1
    passed = bool(value >= limit)
    reaches = "reaches" if passed else "is below"
    words = f"No champion yet: macro F1 {value:.3f} {reaches} chance ({chance:.3f}) + {limits.min_above_chance:g}."
    return [Criterion("better than chance", passed, words, value, limit)]


def _against(found: Comparison, champion: str, limits: PromoteParams) -> list[Criterion]:
    gain = found.candidate.macro_f1 - found.champion.macro_f1
    on = f"on {found.tracks} test tracks of {len(found.genres)} genres"
    sure = found.low is not None and found.low > -limits.margin
    shown = "unknown" if found.low is None else f"{found.low:+.3f}"
    drops = {name: found.champion.recall[name] - value for name, value in found.candidate.recall.items() if name in found.champion.recall}
    # A loss that is not a number is the worst of all: it must fail, wherever it stands in the mapping.
    worst = max(drops, key=lambda name: math.inf if math.isnan(drops[name]) else drops[name]) if drops else ""
    drop = drops.get(worst, 0.0)
    held = bool(drop <= limits.max_recall_drop + 1e-9)
    lost = "No genre loses recall."
    if not drop <= 0:
        lost = f"Largest loss of recall: {worst} {drop:.2f}, allowed {limits.max_recall_drop:g}."
    return [
        Criterion(
            "not worse",
            sure,
            f"Macro F1 against version {champion} {on}: {gain:+.3f}, "
            f"lower bound at {limits.confidence:.0%} {shown}, must be above −{limits.margin:g}.",
            found.low,
            -limits.margin,
        ),
        Criterion(
            "better",
            gain > 0,
            f"Macro F1 {found.candidate.macro_f1:.3f} against {found.champion.macro_f1:.3f} of version {champion}.",
            found.candidate.macro_f1,
            found.champion.macro_f1,
        ),
        Criterion(
            "recall of every genre",
            held,
            lost,
            drop,
            limits.max_recall_drop,
        ),
    ]


def judge(evidence: Evidence, limits: PromoteParams) -> Verdict:
    """The verdict on a candidate; every criterion is looked at, so that a refusal names all its reasons."""
    criteria = _trust(evidence, limits)
    if evidence.comparison is not None:
        criteria += _against(evidence.comparison, evidence.champion, limits)
    elif evidence.champion:
        words = f"Cannot be compared with version {evidence.champion}: {evidence.incomparable} Use --force with a reason to decide without."
        criteria.append(Criterion("comparable", False, words))
    else:
        criteria += _first(evidence, limits)
    criteria += _budgets(evidence, limits)
    failed = [item for item in criteria if not item.passed]
    if failed:
        words = "Refused: " + " ".join(item.words for item in failed)
    elif evidence.comparison is not None:
        both = evidence.comparison
        scores = f"macro F1 {both.candidate.macro_f1:.3f} against {both.champion.macro_f1:.3f}"
        words = f"Better than version {evidence.champion} on the same {both.tracks} test tracks: {scores}."
    else:
        words = f"First model, above chance: macro F1 {evidence.figures.macro_f1:.3f} on {evidence.tracks} test tracks."
    return Verdict(not failed, words, tuple(criteria))


__all__ = ["Comparison", "Criterion", "Evidence", "Figures", "Verdict", "judge"]
