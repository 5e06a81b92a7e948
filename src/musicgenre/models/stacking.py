"""Stacking out of fold (Wolpert 1992): a network a kind, and a logistic regression that learns how far to trust each.

What the regression learns from are probabilities of segments whose groups the
networks had not seen: the training tracks are divided into folds that keep groups
whole, and every fold is answered by networks trained on the others, for fewer epochs
(`SHARE`). The networks that are kept are trained on all training tracks.

The networks of all kinds are trained side by side in one graph, whose loss is the mean of
theirs, so that an epoch costs what one of the other fusions does and its score can
be held against theirs. Everything ends in one graph.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
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
SHARE = 0.5  # of a training's epochs, for the networks of the folds
_FLOOR = 1e-4  # under a probability before its logarithm is taken
_NEVER = -30.0  # score of a genre without training tracks
_LEAST = 1e-7  # under a probability before its logarithm is taken in training


@dataclass(frozen=True)
class _Chosen:
    """Some of the segments of one input."""

    rows: Rows
    indices: NDArray[np.intp]

    def __getitem__(self, indices: NDArray[np.intp]) -> NDArray[np.generic]:
        return self.rows[self.indices[indices]]


def _some(segments: Segments, indices: NDArray[np.intp]) -> Segments:
    """The segments at `indices` (ascending)."""
    tracks, track = np.unique(segments.track[indices], return_inverse=True)
    return Segments(tuple(_Chosen(rows, indices) for rows in segments.rows), track, segments.labels[indices], len(tracks))


def _alone(segments: Segments, which: int) -> Segments:
    """One input alone."""
    return Segments((segments.rows[which],), segments.track, segments.labels, segments.n_tracks)


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
        One graph over all inputs. The history has a row an epoch: first of the networks that are kept, then of each fold's; what is
        scored is the normalised product of their probabilities. The last row is the stack itself, `train_*` out of fold.
    """
    import pandas as pd

    parts = range(len(training.rows))
    history: list[pd.DataFrame] = []

    def trained(segments: Segments, epochs: int) -> list[keras.Model]:
        networks = [branch(which, _alone(segments, which)) for which in parts]
        first, chosen = 1 + sum(map(len, history)), replace(recipe, epochs=epochs)
        history.append(train(_product(networks), segments, validation, chosen, seed=seed, report=report, first_epoch=first))
        return networks

    divided = folds(training.labels, groups)
    kept = trained(training, recipe.epochs)
    classes = int(kept[0].outputs[0].shape[-1])
    held_out = np.zeros((len(training), len(parts) * classes))
    for others, fold in divided:
        answers = make_predict(_logarithms(trained(_some(training, others), math.ceil(SHARE * recipe.epochs))))
        held_out[fold] = answers(_some(training, fold))
    regression = _regression(held_out, training.labels, seed)
    model = _whole(kept, regression, classes)
    p = regression.predict_proba(held_out)
    right = p[np.arange(len(p)), np.searchsorted(regression.classes_, training.labels)]
    metrics = {
        "train_loss": float(-np.log(np.clip(right, 1e-7, 1.0)).mean()),
        "train_accuracy": float((regression.classes_[p.argmax(axis=1)] == training.labels).mean()),
    }
    metrics |= validation_metrics(validation, make_predict(model)(validation))
    last = 1 + sum(map(len, history))
    report(last, metrics)
    return model, pd.concat([*history, pd.DataFrame([{"epoch": last, **metrics, "seconds": 0.0}])], ignore_index=True)


def _sources(networks: list[keras.Model]) -> list[Any]:
    import keras

    return [keras.Input(network.inputs[0].shape[1:], name=network.inputs[0].name) for network in networks]


def _product(networks: list[keras.Model]) -> keras.Model:
    """All networks as one to train: the geometric mean of their probabilities, whose log loss is the mean of theirs."""
    import keras

    sources = _sources(networks)
    logs = [keras.ops.log(network(source) + _LEAST) for network, source in zip(networks, sources, strict=True)]
    return keras.Model(sources, keras.ops.exp(keras.layers.Average()(logs)), name="product")


def _logarithms(networks: list[keras.Model]) -> keras.Model:
    """What the regression reads: the logarithms of all networks' probabilities, [segments, networks × classes]."""
    import keras

    sources = _sources(networks)
    logs = [keras.ops.log(keras.layers.Rescaling(1.0, _FLOOR)(network(source))) for network, source in zip(networks, sources, strict=True)]
    return keras.Model(sources, keras.layers.Concatenate()(logs))


def _regression(rows: NDArray[np.float64], labels: NDArray[np.int64], seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=0.1, max_iter=2000, random_state=seed).fit(rows, labels)


def _whole(finals: list[keras.Model], regression: Any, classes: int) -> keras.Model:
    """The networks and the regression as one graph."""
    import keras

    from musicgenre.models.classifiers import Logistic

    weights, bias = np.zeros((len(finals) * classes, classes)), np.full(classes, _NEVER)
    weights[:, regression.classes_], bias[regression.classes_] = Logistic(regression).weights()
    logs = _logarithms(finals)
    last = keras.layers.Dense(classes, activation="softmax", name="probabilities")
    model = keras.Model(logs.inputs, last(logs.outputs[0]), name="stack")
    last.set_weights([weights, bias])
    return model


__all__ = ["FOLDS", "SHARE", "folds", "stack"]
