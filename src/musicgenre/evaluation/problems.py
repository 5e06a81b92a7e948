"""What stands in the way of a figure, in words: found first, then written where the number would be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from musicgenre.errors import EvaluationError
from musicgenre.evaluation import metrics
from musicgenre.evaluation.inputs import FamilyInput
from musicgenre.evaluation.scoring import Scores


@dataclass(frozen=True)
class Problem:
    """One fault.

    Attributes
    ----------
    code
        missing_genre, one_track_genre, failed_family, constant_predictor or not_a_number.
    family, split
        Where; empty when it concerns all.
    words
        What is wrong and what to do about it, a sentence or two.
    """

    code: str
    words: str
    family: str = ""
    split: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def of_split(scores: Scores, split: str) -> list[Problem]:
    """Faults of the split itself: the same for every family."""
    counts = np.bincount(scores.y, minlength=len(scores.classes))
    missing = [name for name, count in zip(scores.classes, counts, strict=True) if count == 0]
    single = [name for name, count in zip(scores.classes, counts, strict=True) if count == 1]
    found = []
    if missing:
        found.append(
            Problem(
                "missing_genre",
                f"No {split} track of {', '.join(missing)}: recall, F1 and AUC of it do not exist and the macro figures leave it out. "
                "Add tracks of it by other artists, or change the `split` block.",
                split=split,
            )
        )
    if single:
        found.append(
            Problem(
                "one_track_genre",
                f"Only one {split} track of {', '.join(single)}: its recall can only be 0 or 1 and has no interval. "
                "Add tracks, or raise `split.test` and `split.validation`.",
                split=split,
            )
        )
    return found


def of_scores(scores: Scores, split: str) -> list[Problem]:
    """Faults of one family on one split."""
    bad = np.isnan(scores.p.sum(axis=1)) | np.isinf(scores.p).any(axis=1)
    if bad.any():
        first = str(scores.tracks["track_id"].iloc[int(np.flatnonzero(bad)[0])])
        why = next(iter(scores.faults.values()), "the model answers NaN")
        return [
            Problem(
                "not_a_number",
                f"{int(bad.sum())} of {len(bad)} {split} tracks got probabilities that are not numbers (first: {first}; {why}). "
                "Train this family again with a smaller learning rate.",
                scores.family,
                split,
            )
        ]
    predicted = metrics.predicted_labels(scores.p)
    if len(predicted) > 1 and len(np.unique(predicted)) == 1 and len(np.unique(scores.y)) > 1:
        name = scores.classes[int(predicted[0])]
        return [
            Problem(
                "constant_predictor",
                f"It answers {name} for every {split} track: it has learnt nothing. Give its search more trials or epochs.",
                scores.family,
                split,
            )
        ]
    return []


def of_families(families: Sequence[FamilyInput]) -> list[Problem]:
    """Families that cannot be evaluated at all."""
    return [Problem("failed_family", f"{item.failure}.", item.name) for item in families if item.failure]


def enforce(problems: Sequence[Problem], on_problem: str) -> None:
    """Do what `evaluate.on_problem` says, after everything has been written.

    Raises
    ------
    EvaluationError
        If there is a problem and `on_problem` is ``fail``.
    """
    if problems and on_problem == "fail":
        lines = "\n".join(f"  - {item.family + ': ' if item.family else ''}{item.words}" for item in problems)
        raise EvaluationError(
            f"{len(problems)} problem{'s' if len(problems) > 1 else ''} with the evaluation (the report is written, reports/report.html):\n"
            f"{lines}\nSet `evaluate.on_problem: warn` to go on regardless."
        )


__all__ = ["Problem", "enforce", "of_families", "of_scores", "of_split"]
