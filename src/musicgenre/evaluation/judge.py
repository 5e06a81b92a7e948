"""From scores to figures: one family on one split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from musicgenre.evaluation import bootstrap, metrics
from musicgenre.evaluation.problems import Problem
from musicgenre.evaluation.results import SegmentFigures, SplitFigures
from musicgenre.evaluation.scoring import Scores

SEGMENT_RESAMPLES = 200  # a segment set is some twenty times a track set, and a deviation needs no more


def segment_figures(scores: Scores, *, resamples: int, confidence: float, seed: int) -> SegmentFigures:
    """The same figures when each segment is judged alone; what averaging over the track gains is the difference.

    Groups are drawn as for tracks, all segments of an artist together.
    """
    found = scores.answers("segment")
    if not len(found.y):
        return SegmentFigures()
    drawn = min(resamples, SEGMENT_RESAMPLES)
    return SegmentFigures(
        segments=len(found.y),
        headline=bootstrap.headline_intervals(found.y, found.p, found.groups, resamples=drawn, confidence=confidence, seed=seed),
        genres=tuple(metrics.per_genre(found.y, found.p)),
    )


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
        segment=segment_figures(scores, resamples=resamples, confidence=confidence, seed=seed),
    )


__all__ = ["SEGMENT_RESAMPLES", "judge", "segment_figures"]
