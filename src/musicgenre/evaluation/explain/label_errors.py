"""Tracks whose label may be wrong: models that never saw them agree on another genre, and are sure.

Confident learning (Northcutt et al. 2021, *JAIR* 70) on out-of-fold probabilities of
every track: a track is suspect when another genre's probability is what tracks of
*that* genre typically get (all but their lowest quarter), and clearly above the given genre's (*confident*), in every one of
several draws of the folds (*consistent*). Where families have scored the track as well
(validation and test), most of them must agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from musicgenre.evaluation.metrics import Labels

if TYPE_CHECKING:
    import pandas as pd

FOLDS = 5
TYPICAL = 0.25  # quantile of the probability that tracks get for the genre they are labelled with
DRAWS = 3  # of the folds
MARGIN = 0.1


@dataclass(frozen=True)
class Suspect:
    """`proposed` is what the models hear; `margin` its probability minus the given genre's; `agreeing` of `asked` families say so."""

    track_id: str
    genre: str
    proposed: str
    probability: float
    margin: float
    agreeing: int
    asked: int


def out_of_fold(x: NDArray[np.float64], y: Labels, groups: NDArray[np.intp], n_classes: int, *, seed: int) -> NDArray[np.float64]:
    """Probabilities of each track by a model that saw no track of its group, float64 [n, C].

    Logistic regression on standardised features, held the tighter the more there are; NaN for tracks whose fold lacks two classes.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    p = np.full((len(y), n_classes), np.nan)
    folds = min(FOLDS, len(np.unique(groups)))
    if folds < 2:
        return p
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for train, held in splitter.split(x, y, groups):
        if len(np.unique(y[train])) < 2:
            continue
        model = make_pipeline(StandardScaler(), LogisticRegression(C=min(1.0, 4.0 / x.shape[1]), max_iter=200))
        model.fit(x[train], y[train])
        p[held] = 0.0
        p[np.ix_(held, model.classes_)] = model.predict_proba(x[held])
    return p


def suspects(
    tracks: pd.DataFrame,
    y: Labels,
    draws: NDArray[np.float64],
    classes: tuple[str, ...],
    votes: Mapping[str, list[str]],
    *,
    limit: int = 25,
) -> list[Suspect]:
    """The most suspect labels first.

    Parameters
    ----------
    tracks
        track_id in the order of `y`.
    draws
        `out_of_fold` for several draws of the folds, float64 [D, n, C]; their mean is judged, each must agree.
    votes
        track_id → the genre each family answered.
    """
    p = draws.mean(axis=0)
    usable = np.isfinite(p).all(axis=1)
    own = p[np.arange(len(y)), y]
    members = [own[usable & (y == label)] for label in range(len(classes))]
    threshold = np.array([np.quantile(item, TYPICAL) if len(item) else np.inf for item in members])
    found = []
    for row in np.flatnonzero(usable):
        other = p[row].copy()
        other[y[row]] = -1.0
        best = int(other.argmax())
        if p[row, best] < max(threshold[best], own[row] + MARGIN) or (draws[:, row].argmax(axis=1) != best).any():
            continue
        track_id = str(tracks["track_id"].iloc[row])
        heard = votes.get(track_id, [])
        agreeing = sum(genre == classes[best] for genre in heard)
        if heard and agreeing * 2 < len(heard):
            continue
        margin = float(p[row, best] - own[row])
        found.append(Suspect(track_id, classes[y[row]], classes[best], float(p[row, best]), margin, agreeing, len(heard)))
    found.sort(key=lambda item: (-(item.margin + (item.agreeing / item.asked if item.asked else 0.0)), item.track_id))
    return found[:limit]


__all__ = ["DRAWS", "FOLDS", "Suspect", "out_of_fold", "suspects"]
