"""Stacking out of fold (Wolpert 1992): a network a kind, and a logistic regression that learns how far to trust each.

What the regression learns from are probabilities of segments whose groups the
network had not seen: the training tracks are divided into folds that keep groups
whole, and every fold is answered by networks trained on the others. Then each
network is trained once more on all training tracks; these are what is kept.
Everything ends in one graph.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musicgenre.errors import ModelError
from musicgenre.models.base import Report
from musicgenre.models.inputs import Rows, Segments
from musicgenre.models.training import Recipe, make_predict, train, validation_metrics

if TYPE_CHECKING:
    import keras
    import pandas as pd

FOLDS = 3
_FLOOR = 1e-4  # under a probability before its logarithm is taken
_NEVER = -30.0  # score of a genre without training tracks


@dataclass(frozen=True)
class _Chosen:
    """Some of the segments of one input."""

    rows: Rows
    indices: NDArray[np.intp]

    def __getitem__(self, indices: NDArray[np.intp]) -> NDArray[np.generic]:
        return self.rows[self.indices[indices]]


def _part(segments: Segments, which: int, indices: NDArray[np.intp] | None = None) -> Segments:
    """One input alone, of some segments (ascending) or of all."""
    if indices is None:
        return Segments((segments.rows[which],), segments.track, segments.labels, segments.n_tracks)
    tracks, track = np.unique(segments.track[indices], return_inverse=True)
    return Segments((_Chosen(segments.rows[which], indices),), track, segments.labels[indices], len(tracks))


def folds(labels: NDArray[np.int64], groups: NDArray[Any]) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """(others, fold) for every fold, as indices of segments; no group is in both.

    Raises
    ------
    ModelError
        If a genre has a single group: whoever answers for it has never heard it.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    fewest = min(len(np.unique(groups[labels == label])) for label in np.unique(labels))
    if fewest < 2:
        raise ModelError("stacking needs two groups (artists) of every genre among the training tracks; one genre has a single one.")
    return list(StratifiedGroupKFold(min(FOLDS, fewest)).split(np.zeros(len(labels)), labels, groups))


def stack(
    branch: Callable[[int, Segments], keras.Model],
    training: Segments,
    validation: Segments,
    groups: NDArray[Any],
    recipe: Recipe,
    *,
    seed: int,
    report: Report,
) -> tuple[keras.Model, pd.DataFrame]:
    """Train a network for every input and the regression over them.

    Parameters
    ----------
    branch
        `(which, segments)` → an untrained network on that input alone; `segments` (that input's) are what it may learn its scaling from.
    groups
        Of every training segment.

    Returns
    -------
    (model, history)
        One graph over all inputs. The history has a row a network, whose validation figures are those of the average of all that
        are trained so far (the networks of the folds add nothing to it); the last row is the stack itself, `train_*` out of fold.
    """
    import pandas as pd

    parts = range(len(training.rows))
    divided = folds(training.labels, groups)
    rows: list[dict[str, float]] = []
    said: list[NDArray[np.float32]] = []  # of the validation segments, by the networks that are kept

    def tell(metrics: dict[str, float], seconds: float) -> None:
        rows.append({"epoch": len(rows) + 1, **metrics, "seconds": seconds})
        report(len(rows), metrics)

    def trained(which: int, indices: NDArray[np.intp] | None) -> keras.Model:
        mine, held = _part(training, which, indices), _part(validation, which)
        model = branch(which, mine)
        history = train(model, mine, held, recipe, seed=seed, report=lambda epoch, metrics: None)
        if indices is None:
            said.append(make_predict(model)(held))
        last = history.iloc[-1]
        own = {name: float(last[name]) for name in ("train_loss", "train_accuracy")}
        tell(own | validation_metrics(validation, np.mean(said, axis=0)), float(history["seconds"].sum()))
        return model

    finals = [trained(which, None) for which in parts]
    classes = int(finals[0].outputs[0].shape[-1])
    held_out = np.zeros((len(training), len(parts) * classes), dtype=np.float64)
    for others, fold in divided:
        for which in parts:
            answers = make_predict(trained(which, others))(_part(training, which, fold))
            held_out[fold, which * classes : (which + 1) * classes] = np.log(answers + _FLOOR)
    regression = _regression(held_out, training.labels, seed)
    model = _whole(finals, regression, classes)
    p = regression.predict_proba(held_out)
    right = p[np.arange(len(p)), np.searchsorted(regression.classes_, training.labels)]
    out_of_fold = {
        "train_loss": float(-np.log(np.clip(right, 1e-7, 1.0)).mean()),
        "train_accuracy": float((regression.classes_[p.argmax(axis=1)] == training.labels).mean()),
    }
    tell(out_of_fold | validation_metrics(validation, make_predict(model)(validation)), 0.0)
    return model, pd.DataFrame(rows).astype({"epoch": "int64"})


def _regression(rows: NDArray[np.float64], labels: NDArray[np.int64], seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=0.1, max_iter=2000, random_state=seed).fit(rows, labels)


def _whole(finals: list[keras.Model], regression: Any, classes: int) -> keras.Model:
    """The networks and the regression as one graph."""
    import keras

    from musicgenre.models.classifiers import Logistic

    weights, bias = np.zeros((len(finals) * classes, classes)), np.full(classes, _NEVER)
    weights[:, regression.classes_], bias[regression.classes_] = Logistic(regression).weights()
    sources = [keras.Input(model.inputs[0].shape[1:], name=model.inputs[0].name) for model in finals]
    logs = [keras.ops.log(keras.layers.Rescaling(1.0, _FLOOR)(model(source))) for model, source in zip(finals, sources, strict=True)]
    last = keras.layers.Dense(classes, activation="softmax", name="probabilities")
    model = keras.Model(sources, last(keras.layers.Concatenate()(logs)), name="stack")
    last.set_weights([weights, bias])
    return model


__all__ = ["FOLDS", "folds", "stack"]
