"""One training loop for every Keras model of ours.

`model.fit` spends more time on its data adapter and callbacks than a small
network on its arithmetic (see `benchmarks/training.py`), so a compiled step is
fed with NumPy batches directly; the next one is made while the step runs. After each epoch the validation tracks are
scored; the weights of the best epoch are kept (highest track macro F1, then
lowest loss), and training ends when `patience` epochs brought none better.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musicgenre.errors import ModelError
from musicgenre.models.ahead import ahead
from musicgenre.models.augment import PLAIN, Augmentation, augment
from musicgenre.models.base import Report
from musicgenre.models.inputs import Segments

if TYPE_CHECKING:
    import keras
    import pandas as pd

_EPSILON = 1e-7


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes
    ----------
    decay
        `cosine` lets the rate fall to zero over all epochs; `constant` leaves it.
    class_weights
        Weigh a segment by the inverse frequency of its genre.
    resample
        Draw each epoch's segments so that every genre is equally likely (with replacement).
    patience
        Epochs without a better one before training ends; 0: never.
    """

    epochs: int
    batch: int = 32
    optimizer: str = "adam"
    rate: float = 1e-3
    momentum: float = 0.9
    decay: str = "constant"
    label_smoothing: float = 0.0
    class_weights: bool = False
    resample: bool = False
    patience: int = 0
    augmentation: Augmentation = PLAIN


def seed_everything(seed: int) -> None:
    """Seed Keras, NumPy and Python, and ask TensorFlow for deterministic kernels."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def make_optimizer(recipe: Recipe, steps: int) -> Any:
    """The Keras optimiser; `steps`: of the whole training, for the cosine.

    Raises
    ------
    ModelError
        If the optimiser or the decay is not known.
    """
    import keras

    rate: Any = recipe.rate
    if recipe.decay == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(recipe.rate, max(1, steps))
    elif recipe.decay != "constant":
        raise ModelError(f"decay is {recipe.decay!r}; it can be constant or cosine.")
    if recipe.optimizer == "sgd":
        return keras.optimizers.SGD(rate, momentum=recipe.momentum, nesterov=True)
    kinds = {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW, "rmsprop": keras.optimizers.RMSprop}
    if recipe.optimizer not in kinds:
        raise ModelError(f"optimizer is {recipe.optimizer!r}; it can be {', '.join([*kinds, 'sgd'])}.")
    return kinds[recipe.optimizer](rate)


def make_step(model: keras.Model, optimizer: Any) -> Callable[..., Any]:
    """A compiled step ``(inputs, targets, weights) -> (sum of losses, number right)``, traced once for all batch sizes."""
    import tensorflow as tf

    optimizer.build(model.trainable_variables)
    signature = (
        tuple(tf.TensorSpec((None, *tensor.shape[1:]), tf.float32) for tensor in model.inputs),
        tf.TensorSpec((None, model.outputs[0].shape[-1]), tf.float32),
        tf.TensorSpec((None,), tf.float32),
    )

    @tf.function(input_signature=signature, jit_compile=False, autograph=False)  # type: ignore[untyped-decorator]  # TensorFlow has no types
    def step(inputs: Any, targets: Any, weights: Any) -> Any:
        with tf.GradientTape() as tape:
            output = model(inputs if len(inputs) > 1 else inputs[0], training=True)
            losses = -tf.reduce_sum(targets * tf.math.log(tf.clip_by_value(output, _EPSILON, 1.0)), axis=-1)
            total = tf.reduce_mean(weights * losses)
            if model.losses:
                total += tf.add_n(model.losses)
        gradients = tape.gradient(total, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        right = tf.reduce_sum(tf.cast(tf.argmax(output, -1) == tf.argmax(targets, -1), tf.float32))
        return tf.reduce_sum(losses), right

    compiled: Callable[..., Any] = step
    return compiled


def make_predict(model: keras.Model) -> Callable[[Segments], NDArray[np.float32]]:
    """Segment probabilities of `model`, compiled once."""
    import tensorflow as tf

    signature = tuple(tf.TensorSpec((None, *tensor.shape[1:]), tf.float32) for tensor in model.inputs)

    @tf.function(input_signature=(signature,), jit_compile=False, autograph=False)  # type: ignore[untyped-decorator]  # as above
    def forward(inputs: Any) -> Any:
        return model(inputs if len(inputs) > 1 else inputs[0], training=False)

    def predict(segments: Segments, batch: int = 256) -> NDArray[np.float32]:
        parts = []
        for start in range(0, len(segments), batch):
            arrays = segments.batch(np.arange(start, min(start + batch, len(segments))))
            parts.append(forward(tuple(tf.constant(array) for array in arrays)).numpy())
        return np.concatenate(parts)

    return predict


def macro_f1(truth: NDArray[np.int64], predicted: NDArray[np.intp]) -> float:
    """Mean F1 over the genres that occur in `truth` or `predicted`."""
    scores = []
    for label in np.union1d(truth, predicted):
        hits = np.sum((truth == label) & (predicted == label))
        scores.append(2 * hits / (np.sum(truth == label) + np.sum(predicted == label)))
    return float(np.mean(scores))


def validation_metrics(segments: Segments, probabilities: NDArray[np.float32]) -> dict[str, float]:
    """validation_loss, validation_accuracy, validation_macro_f1, all at track level."""
    tracks, truth = segments.track_mean(probabilities), segments.track_labels
    chosen = tracks.argmax(axis=1)
    loss = -np.log(np.clip(tracks[np.arange(len(truth)), truth], _EPSILON, 1.0)).mean()
    return {
        "validation_loss": float(loss),
        "validation_accuracy": float((chosen == truth).mean()),
        "validation_macro_f1": macro_f1(truth, chosen),
    }


def train(
    model: keras.Model, training: Segments, validation: Segments, recipe: Recipe, *, seed: int, report: Report, first_epoch: int = 1
) -> pd.DataFrame:
    """Train `model` in place and leave it with its best epoch's weights.

    Returns
    -------
    DataFrame
        One row an epoch: epoch, train_loss, train_accuracy (segments), validation_loss, validation_accuracy,
        validation_macro_f1 (tracks), seconds.

    Raises
    ------
    ModelError
        If the loss is no longer a number.
    """
    import pandas as pd
    import tensorflow as tf

    classes = int(model.outputs[0].shape[-1])
    rng = np.random.default_rng(seed)
    batch = min(recipe.batch, len(training))
    steps = math.ceil(len(training) / batch)
    optimizer = make_optimizer(recipe, steps * recipe.epochs)
    step, predict = make_step(model, optimizer), make_predict(model)
    counts = np.bincount(training.labels, minlength=classes)
    balance = len(training) / np.maximum(counts, 1) / np.count_nonzero(counts)
    smoothed = np.eye(classes, dtype=np.float32) * (1 - recipe.label_smoothing) + recipe.label_smoothing / classes
    deviations = tuple(float(array.std()) for array in training.sample(64))

    def batches(order: NDArray[np.intp]) -> Iterator[tuple[Any, Any, Any]]:
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            inputs, targets = training.batch(chosen), smoothed[training.labels[chosen]]
            if recipe.augmentation.active:
                inputs, targets = augment(inputs, targets, recipe.augmentation, deviations, rng)
            weights = balance[training.labels[chosen]] if recipe.class_weights else np.ones(len(chosen))
            yield tuple(map(tf.constant, inputs)), tf.constant(targets), tf.constant(weights, tf.float32)

    rows: list[dict[str, float]] = []
    best, best_weights, stale = (-1.0, 0.0), model.get_weights(), 0
    for epoch in range(first_epoch, first_epoch + recipe.epochs):
        started = time.perf_counter()
        order = rng.permutation(len(training))
        if recipe.resample:
            shares = balance[training.labels]
            order = rng.choice(len(training), size=len(training), p=shares / shares.sum())
        loss = right = 0.0
        for prepared in ahead(batches(order)):
            part, hits = step(*prepared)
            loss, right = loss + float(part), right + float(hits)
        if not math.isfinite(loss):
            raise ModelError(f"the loss is not a number after epoch {epoch}; lower the rate ({recipe.rate:g}) or the augmentation.")
        metrics = {"train_loss": loss / len(order), "train_accuracy": right / len(order)}
        metrics |= validation_metrics(validation, predict(validation))
        rows.append({"epoch": epoch, **metrics, "seconds": time.perf_counter() - started})
        score = (metrics["validation_macro_f1"], -metrics["validation_loss"])
        if score > best:
            best, best_weights, stale = score, model.get_weights(), 0
        else:
            stale += 1
        report(epoch, metrics)
        if recipe.patience and stale >= recipe.patience:
            break
    model.set_weights(best_weights)
    return pd.DataFrame(rows).astype({"epoch": "int64"})


def shortened(recipe: Recipe, epochs: int) -> Recipe:
    """`recipe` with at most `epochs` epochs (a search's budget)."""
    return replace(recipe, epochs=max(1, min(recipe.epochs, epochs)))


__all__ = [
    "Recipe",
    "macro_f1",
    "make_optimizer",
    "make_predict",
    "make_step",
    "seed_everything",
    "shortened",
    "train",
    "validation_metrics",
]
