"""Cross-validated predictions of one light configuration, and their scores with intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from musicgenre.leakage.schemes import Pieces

ModelName = Literal["svm", "logistic", "forest"]
MODELS: tuple[ModelName, ...] = ("svm", "logistic", "forest")


def make_model(name: ModelName, seed: int) -> Any:
    """An unfitted scikit-learn pipeline with class probabilities or decision values."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    models: dict[ModelName, Callable[[], Any]] = {
        "svm": lambda: SVC(C=10.0, gamma="scale", decision_function_shape="ovr", random_state=seed),
        "logistic": lambda: LogisticRegression(C=1.0, max_iter=500, random_state=seed),
        "forest": lambda: RandomForestClassifier(200, n_jobs=1, random_state=seed),
    }
    return make_pipeline(StandardScaler(), models[name]())


def out_of_fold(pieces: Pieces, fold: NDArray[np.intp], model: ModelName, seed: int) -> NDArray[np.float64]:
    """Class scores of every segment by the model that did not see its fold: float64 [segments, classes]."""
    labels = pieces.labels[pieces.owner]
    out = np.zeros((len(labels), len(pieces.classes)))
    for number in np.unique(fold):
        held = fold == number
        fitted = make_model(model, seed).fit(pieces.values[~held], labels[~held])
        scores = fitted.predict_proba(pieces.values[held]) if model != "svm" else fitted.decision_function(pieces.values[held])
        if scores.ndim == 1:  # two classes: one column
            scores = np.stack([-scores, scores], axis=1)
        out[np.ix_(held, fitted.classes_)] = scores
    return out


@dataclass(frozen=True)
class Confusions:
    """Confusion matrices of each group that is resampled as one: float64 [groups, classes, classes] (true, predicted)."""

    segments: NDArray[np.float64]
    tracks: NDArray[np.float64]


def confusions(pieces: Pieces, scores: NDArray[np.float64], units: NDArray[np.intp]) -> Confusions:
    """Count segments by their own scores, and tracks by the mean of their segments' scores.

    Parameters
    ----------
    units
        The group of each track that a resample takes or leaves as a whole, int [tracks].
    """
    count, classes = int(units.max()) + 1, len(pieces.classes)
    labels = pieces.labels
    segments = np.zeros((count, classes, classes))
    np.add.at(segments, (units[pieces.owner], labels[pieces.owner], scores.argmax(axis=1)), 1)
    sums = np.zeros((len(labels), classes))
    np.add.at(sums, pieces.owner, scores)
    tracks = np.zeros((count, classes, classes))
    np.add.at(tracks, (units, labels, sums.argmax(axis=1)), 1)
    return Confusions(segments, tracks)


def accuracy(matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share on the diagonal, [...] of [..., classes, classes]."""
    result: NDArray[np.float64] = np.trace(matrices, axis1=-2, axis2=-1) / np.maximum(matrices.sum(axis=(-2, -1)), 1)
    return result


def macro_f1(matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over classes of 2·tp / (2·tp + fp + fn); a class that never occurs and is never predicted is left out."""
    hits = np.diagonal(matrices, axis1=-2, axis2=-1)
    both = matrices.sum(axis=-1) + matrices.sum(axis=-2)
    with np.errstate(invalid="ignore"):
        result: NDArray[np.float64] = np.nanmean(np.where(both > 0, 2 * hits / both, np.nan), axis=-1)
    return result


def weights(units: int, *, resamples: int, seed: int) -> NDArray[np.float64]:
    """How often each group is drawn in each bootstrap resample, float64 [resamples, groups]."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(units, np.full(units, 1 / units), size=resamples).astype(np.float64)


__all__ = ["MODELS", "Confusions", "ModelName", "accuracy", "confusions", "macro_f1", "make_model", "out_of_fold", "weights"]
