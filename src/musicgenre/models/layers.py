"""Pieces that several networks share: input scaling, convolution blocks, heads.

Everything that turns a stored feature array into the network's input is a layer
of the graph, so that a bundle needs nothing but stored features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicgenre.errors import ModelError

Statistics = tuple[NDArray[np.float32], NDArray[np.float32]]


def scaled(value: Any, scaling: str, statistics: Statistics, *, name: str, top_db: float = 80.0) -> Any:
    """`standard`: zero mean, unit deviation a band, learnt on train; `unit`: dB in [−top_db, 0] to [0, 1].

    Raises
    ------
    ModelError
        If `scaling` is another word.
    """
    import keras

    if scaling == "unit":
        return keras.layers.Rescaling(1.0 / top_db, 1.0, name=f"{name}_scaled")(value)
    if scaling == "standard":
        mean, deviation = statistics
        return keras.layers.Normalization(axis=-1, mean=mean, variance=deviation.astype(np.float64) ** 2, name=f"{name}_scaled")(value)
    raise ModelError(f"scaling is {scaling!r}; it can be standard or unit.")


def steady(statistics: Statistics) -> Statistics:
    """Deviations of an embedding, none below a tenth of their median: a component that hardly varies would turn rounding into signal."""
    mean, deviation = statistics
    return mean, np.maximum(deviation, 0.1 * np.median(deviation))


def as_image(value: Any, *, size: int = 0, bands: int = 0) -> Any:
    """[frames, bands] as a one-channel image, cut to the first `bands` and resized to `size` × `size` where those are given."""
    import keras

    frames, stored = value.shape[1], value.shape[2]
    if bands > stored:
        raise ModelError(f"bands is {bands}, but only {stored} are stored. Raise the front end's number or lower it here.")
    value = keras.layers.Reshape((frames, stored, 1))(value)
    if bands and bands < stored:
        value = keras.layers.Cropping2D(((0, 0), (0, stored - bands)))(value)
    return keras.layers.Resizing(size, size)(value) if size else value


def pool_size(value: Any, pool: Sequence[int]) -> tuple[int, int]:
    """`pool` cut down to what is left of a small image, so that no axis falls below one."""
    return min(int(pool[0]), int(value.shape[1])), min(int(pool[1]), int(value.shape[2]))


def conv_block(
    value: Any,
    filters: int,
    *,
    kernel: int = 3,
    pool: Sequence[int] = (2, 2),
    pool_kind: str = "max",
    pool_padding: str = "valid",
    strides: int = 1,
    batch_norm: bool = True,
    norm_last: bool = False,
    dropout: float = 0.0,
    padding: str = "same",
    l2: float = 0.0,
    activation: str = "relu",
) -> Any:
    """Convolution, pooling, batch norm, activation, dropout; with `norm_last` convolution, activation, pooling, batch norm."""
    import keras

    layers = keras.layers
    regularizer = keras.regularizers.L2(l2) if l2 else None
    early = batch_norm and not norm_last
    kernel_size = tuple(min(kernel, int(size)) for size in value.shape[1:3])
    kinds = {"max": layers.MaxPooling2D, "average": layers.AveragePooling2D}
    if pool_kind not in kinds:
        raise ModelError(f"pool is {pool_kind!r}; it can be max or average.")
    value = layers.Conv2D(filters, kernel_size, strides=strides, padding=padding, use_bias=not early, kernel_regularizer=regularizer)(value)
    size = pool_size(value, pool)
    pooling = kinds[pool_kind](size, strides=pool_size(value, (2, 2)) if norm_last else size, padding=pool_padding)
    # Taking the maximum first gives the same function (scale and ReLU are monotone) on a quarter of the cells.
    if early and pool_kind == "max" and max(pool) > 1:
        value, pooling = pooling(value), None
    # Keras' momentum of 0.99 lags behind the few steps of a small corpus; the tutorials' networks keep it.
    value = layers.BatchNormalization(momentum=0.9)(value) if early else value
    value = layers.Activation(activation)(value)
    value = pooling(value) if pooling is not None and max(pool) > 1 else value
    value = layers.BatchNormalization()(value) if batch_norm and norm_last else value
    return layers.SpatialDropout2D(dropout)(value) if dropout else value


def pooled(value: Any, how: str) -> Any:
    """An image or a line as a vector: `average`, `max`, both (`average_max`), or `flatten`."""
    import keras

    layers = keras.layers
    rank = len(value.shape)
    average = layers.GlobalAveragePooling2D if rank == 4 else layers.GlobalAveragePooling1D
    largest = layers.GlobalMaxPooling2D if rank == 4 else layers.GlobalMaxPooling1D
    if how == "average":
        return average()(value)
    if how == "max":
        return largest()(value)
    if how == "average_max":
        return layers.Concatenate()([average()(value), largest()(value)])
    if how == "flatten":
        return layers.Flatten()(value)
    raise ModelError(f"pooling is {how!r}; it can be average, max, average_max or flatten.")


def dense_head(value: Any, units: Sequence[int], *, dropout: float = 0.0, batch_norm: bool = False, l2: float = 0.0) -> Any:
    """Fully connected layers with ReLU and dropout."""
    import keras

    regularizer = keras.regularizers.L2(l2) if l2 else None
    for size in units:
        value = keras.layers.Dense(size, activation="relu", kernel_regularizer=regularizer)(value)
        value = keras.layers.BatchNormalization()(value) if batch_norm else value
        value = keras.layers.Dropout(dropout)(value) if dropout else value
    return value


def classify(value: Any, classes: int, *, binary: bool = False, l2: float = 0.0) -> Any:
    """The output `probabilities`. With `binary` and two classes one sigmoid unit p gives [1 − p, p] (binary cross-entropy)."""
    import keras

    layers = keras.layers
    regularizer = keras.regularizers.L2(l2) if l2 else None
    if binary and classes == 2:
        positive = layers.Dense(1, activation="sigmoid", kernel_regularizer=regularizer)(value)
        return layers.Concatenate(name="probabilities")([layers.Rescaling(-1.0, 1.0)(positive), positive])
    return layers.Dense(classes, activation="softmax", kernel_regularizer=regularizer, name="probabilities")(value)


__all__ = ["Statistics", "as_image", "classify", "conv_block", "dense_head", "pooled", "scaled", "steady"]
