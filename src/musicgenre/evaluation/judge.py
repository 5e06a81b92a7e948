"""From scores to figures: one family on one split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from musicgenre.evaluation import bootstrap, metrics, statistics
from musicgenre.evaluation.problems import Problem
from musicgenre.evaluation.results import SplitFigures
from musicgenre.evaluation.scoring import Scores


def segment_figures(scores: Scores) -> dict[str, float]:
    """Accuracy and macro F1 when each segment is judged alone; what averaging over the track gains is the rest."""
    lengths = [len(part) for part in scores.segments]
    if not sum(lengths):
        return {}
    y = np.repeat(scores.y, lengths)
    predicted = np.concatenate([part.argmax(axis=1) for part in scores.segments if len(part)]).astype(np.intp)
    found = statistics.classification(y, predicted, len(scores.classes), np.ones((1, len(y))))
    return {"accuracy": float(found["accuracy"][0]), "macro_f1": float(found["macro_f1"][0]), "segments": float(len(y))}


def judge(scores: Scores, problems: Sequence[Problem], *, resamples: int, confidence: float, seed: int) -> SplitFigures:
    """Every figure of one family on one split, or why there is none.

    `problems` are those of this family on this split; a probability that is not a number
    leaves no figure, a constant predictor has figures and the words beside them.
    """
    n_groups = len(np.unique(scores.groups))
    for problem in problems:
        if problem.code == "not_a_number":
            return SplitFigures(tracks=len(scores.tracks), groups=n_groups, why=problem.words)
    y, p = scores.y, scores.p
    return SplitFigures(
        tracks=len(y),
        groups=n_groups,
        headline=bootstrap.headline_intervals(y, p, scores.groups, resamples=resamples, confidence=confidence, seed=seed),
        genres=tuple(metrics.per_genre(y, p)),
        segment=segment_figures(scores),
    )


__all__ = ["judge", "segment_figures"]
