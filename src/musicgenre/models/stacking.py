"""Stacking out of fold (Wolpert 1992): a network a kind, and a weight a kind that says how far to trust it.

The kinds' log probabilities are added with weights that are not negative (a logarithmic
opinion pool, Genest & Zidek 1986; not negative after Breiman 1996). The weights are learnt from
segments whose groups the networks had not seen: the training tracks are divided into
folds that keep groups whole, and every fold is answered by networks trained on the
others, for fewer epochs (`SHARE`). The networks that are kept are trained on all training
tracks. A regression with a weight for every genre and kind learns the folds' artists by heart.

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
    """Train a network for every input, and learn the weights of their answers.

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
    held_out = np.zeros((len(training), len(parts), classes))
    for others, fold in divided:
        answers = make_predict(_logarithms(trained(_some(training, others), math.ceil(SHARE * recipe.epochs))))
        held_out[fold] = answers(_some(training, fold)).reshape(len(fold), len(parts), classes)
    known, labels = np.unique(training.labels, return_inverse=True)
    weights = trust(held_out[..., known], labels)
    model = _whole(kept, weights, known, classes)
    p = pool(held_out[..., known], weights)
    metrics = {
        "train_loss": float(-np.log(np.clip(p[np.arange(len(p)), labels], 1e-7, 1.0)).mean()),
        "train_accuracy": float((p.argmax(axis=1) == labels).mean()),
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
    """The logarithms of all networks' probabilities, [segments, networks × classes]."""
    import keras

    sources = _sources(networks)
    logs = [keras.ops.log(keras.layers.Rescaling(1.0, _FLOOR)(network(source))) for network, source in zip(networks, sources, strict=True)]
    return keras.Model(sources, keras.layers.Concatenate()(logs))


def pool(logs: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities [N, C] from log probabilities [N, kinds, C], added with a weight a kind."""
    scores = np.einsum("nkc,k->nc", logs, weights)
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    result: NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
    return result


def trust(logs: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """The weights [kinds], none negative, under which `pool` makes `labels` likeliest (a convex problem: there is one best loss)."""
    from scipy.optimize import minimize

    targets = np.eye(logs.shape[2])[labels]

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        p = pool(logs, weights)
        slope = np.einsum("nkc,nc->k", logs, p - targets) / len(labels)
        return float(-np.log(np.maximum(p[np.arange(len(labels)), labels], 1e-300)).mean()), slope

    kinds = logs.shape[1]
    found: NDArray[np.float64] = minimize(loss, np.full(kinds, 1 / kinds), jac=True, method="L-BFGS-B", bounds=[(0, None)] * kinds).x
    return found


def _whole(networks: list[keras.Model], weights: NDArray[np.float64], known: NDArray[np.int64], classes: int) -> keras.Model:
    """The networks and their weights as one graph; a genre that is not `known` from training is never the answer."""
    import keras

    bias = np.full(classes, _NEVER)
    bias[known] = 0.0
    logs = _logarithms(networks)
    last = keras.layers.Dense(classes, activation="softmax", name="probabilities")
    model = keras.Model(logs.inputs, last(logs.outputs[0]), name="stack")
    last.set_weights([np.concatenate([weight * np.eye(classes) for weight in weights]), bias])
    return model


__all__ = ["FOLDS", "SHARE", "folds", "pool", "stack", "trust"]
