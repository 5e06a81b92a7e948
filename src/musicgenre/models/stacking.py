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
        One graph over all inputs. The history holds every network's epochs one after another; its last row is the stack itself
        (`train_*` out of fold).
    """
    import pandas as pd

    from musicgenre.models.classifiers import Logistic

    parts = range(len(training.rows))
    divided = folds(training.labels, groups)
    histories: list[pd.DataFrame] = []

    def trained(which: int, indices: NDArray[np.intp] | None) -> keras.Model:
        mine = _part(training, which, indices)
        model = branch(which, mine)
        first = 1 + sum(map(len, histories))
        histories.append(train(model, mine, _part(validation, which), recipe, seed=seed, report=report, first_epoch=first))
        return model

    finals = [trained(which, None) for which in parts]
    classes = int(finals[0].outputs[0].shape[-1])
    held_out = np.zeros((len(training), len(parts) * classes), dtype=np.float64)
    for others, fold in divided:
        for which in parts:
            answers = make_predict(trained(which, others))(_part(training, which, fold))
            held_out[fold, which * classes : (which + 1) * classes] = np.log(answers + _FLOOR)
    regression = _regression(held_out, training.labels, seed)
    weights = np.zeros((held_out.shape[1], classes))
    bias = np.full(classes, _NEVER)
    weights[:, regression.classes_], bias[regression.classes_] = Logistic(regression).weights()
    model = _whole(finals, weights, bias)
    return model, _with_the_stack(model, pd.concat(histories, ignore_index=True), regression, held_out, training, validation, report)


def _regression(rows: NDArray[np.float64], labels: NDArray[np.int64], seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=0.1, max_iter=2000, random_state=seed).fit(rows, labels)


def _whole(finals: list[keras.Model], weights: NDArray[np.float64], bias: NDArray[np.float64]) -> keras.Model:
    """The networks and the regression as one graph."""
    import keras

    sources = [keras.Input(model.inputs[0].shape[1:], name=model.inputs[0].name) for model in finals]
    logs = [keras.ops.log(keras.layers.Rescaling(1.0, _FLOOR)(model(source))) for model, source in zip(finals, sources, strict=True)]
    last = keras.layers.Dense(len(bias), activation="softmax", name="probabilities")
    model = keras.Model(sources, last(keras.layers.Concatenate()(logs)), name="stack")
    last.set_weights([weights, bias])
    return model


def _with_the_stack(
    model: keras.Model,
    history: pd.DataFrame,
    regression: Any,
    held_out: NDArray[np.float64],
    training: Segments,
    validation: Segments,
    report: Report,
) -> pd.DataFrame:
    import pandas as pd

    p = regression.predict_proba(held_out)
    right = p[np.arange(len(p)), np.searchsorted(regression.classes_, training.labels)]
    metrics = {
        "train_loss": float(-np.log(np.clip(right, 1e-7, 1.0)).mean()),
        "train_accuracy": float((regression.classes_[p.argmax(axis=1)] == training.labels).mean()),
        **validation_metrics(validation, make_predict(model)(validation)),
    }
    epoch = len(history) + 1
    report(epoch, metrics)
    return pd.concat([history, pd.DataFrame([{"epoch": epoch, **metrics, "seconds": 0.0}])], ignore_index=True)


__all__ = ["FOLDS", "folds", "stack"]
