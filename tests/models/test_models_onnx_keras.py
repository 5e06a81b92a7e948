"""Every converted layer gives what Keras gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from musicgenre.errors import ExportError  # noqa: E402  # after the skip
from musicgenre.models.onnx.check import require_equal  # noqa: E402
from musicgenre.models.onnx.keras_graph import keras_to_onnx  # noqa: E402

L = keras.layers
IMAGE = (13, 10, 3)
LINE = (17, 6)
VECTOR = (9,)


def _randomise(model: Any, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        if "seed" in variable.path:
            continue
        values = rng.normal(0, 0.3, variable.shape)
        positive = "variance" in variable.path
        variable.assign(np.abs(values) + 0.1 if positive else values)


def _normalised(value: Any) -> Any:
    layer = L.Normalization(axis=-1)
    layer.adapt(np.random.default_rng(1).normal(2, 3, (20, *value.shape[1:])).astype("float32"))
    return layer(value)


def _gated(value: Any) -> Any:
    left, right = L.Dense(5, activation="relu")(value), L.Dense(5)(value)
    gate = L.Dense(5, activation="sigmoid")(L.Concatenate()([left, right]))
    return L.Add()([L.Multiply()([gate, left]), L.Multiply()([L.Rescaling(-1.0, 1.0)(gate), right])])


def _residual(value: Any) -> Any:
    one = L.Conv2D(4, 3, padding="same", activation="relu")(value)
    two = L.BatchNormalization()(L.Conv2D(4, 3, padding="same")(one))
    return L.Flatten()(L.ReLU(max_value=6.0)(L.Add()([one, two])))


def _nested(value: Any) -> Any:
    inner_input = keras.Input(value.shape[1:])
    inner = keras.Model(inner_input, L.GlobalMaxPooling2D()(L.Conv2D(5, 3)(inner_input)))
    return L.Concatenate()([inner(value), keras.Sequential([L.GlobalAveragePooling2D(), L.Dense(3)])(value)])


CASES: dict[str, tuple[tuple[int, ...], Callable[[Any], Any]]] = {
    "conv2d same stride": (IMAGE, L.Conv2D(4, (3, 2), strides=2, padding="same", activation="relu")),
    "conv2d valid dilated": (IMAGE, L.Conv2D(4, 3, dilation_rate=2, use_bias=False)),
    "conv1d": (LINE, L.Conv1D(4, 7, padding="same", strides=2, activation="elu")),
    "depthwise": (IMAGE, L.DepthwiseConv2D(3, strides=2, padding="same", depth_multiplier=2, activation="relu6")),
    "separable": (IMAGE, L.SeparableConv2D(5, 3, padding="same", depth_multiplier=2, activation="silu")),
    "dense": (VECTOR, L.Dense(4, activation="tanh")),
    "dense on a line": (LINE, L.Dense(4, activation="softmax")),
    "batch norm": (IMAGE, L.BatchNormalization()),
    "batch norm of a vector": (VECTOR, L.BatchNormalization(scale=False)),
    "layer norm": (VECTOR, L.LayerNormalization()),
    "normalization": (LINE, _normalised),
    "rescaling": (IMAGE, lambda x: L.Conv2D(2, 1)(L.Rescaling(1 / 80.0, 1.0)(L.Conv2D(2, 1)(x)))),
    "rescaling by channel": (IMAGE, L.Rescaling([1.0, 2.0, 3.0], [0.5, 0.0, -1.0])),
    "max pool": (IMAGE, L.MaxPooling2D(3, strides=2, padding="same")),
    "average pool": (IMAGE, L.AveragePooling2D((3, 2), strides=2, padding="same")),
    "pool 1d": (LINE, lambda x: L.Concatenate()([L.MaxPooling1D(2)(x), L.AveragePooling1D(2)(x)])),
    "global pools": (IMAGE, lambda x: L.Concatenate()([L.GlobalMaxPooling2D()(x), L.GlobalAveragePooling2D()(L.Conv2D(2, 1)(x))])),
    "global pools 1d": (LINE, lambda x: L.Concatenate()([L.GlobalMaxPooling1D()(x), L.GlobalAveragePooling1D()(x)])),
    "global pool kept": (IMAGE, lambda x: L.Multiply()([x, L.GlobalAveragePooling2D(keepdims=True)(x)])),
    "concatenate channels": (IMAGE, lambda x: L.Concatenate()([L.Conv2D(2, 1)(x), L.Conv2D(3, 1)(x)])),
    "concatenate time": (IMAGE, lambda x: L.Concatenate(axis=1)([L.Conv2D(2, 1)(x), L.Conv2D(2, 1)(x)])),
    "average": (VECTOR, lambda x: L.Average()([L.Dense(3)(x), L.Dense(3)(x)])),
    "arithmetic": (VECTOR, lambda x: (1.0 - x) * 2.0 + x / 3.0 - L.Dense(9)(x)),
    "logarithms": (VECTOR, lambda x: keras.ops.log10(1.0 + keras.ops.exp(x)) + keras.ops.log1p(x * x)),
    "maximum": (VECTOR, lambda x: L.Maximum()([x, L.Dense(9)(x)])),
    "reshape": (LINE, lambda x: L.Conv2D(2, 3, padding="same")(L.Reshape((17, 6, 1))(x))),
    "permute": (LINE, L.Permute((2, 1))),
    "flatten after conv": (IMAGE, lambda x: L.Flatten()(L.Conv2D(2, 3)(x))),
    "zero padding": (IMAGE, L.ZeroPadding2D(((1, 2), (3, 0)))),
    "zero padding 1d": (LINE, L.ZeroPadding1D((2, 1))),
    "cropping": (IMAGE, L.Cropping2D(((1, 2), (0, 3)))),
    "resize up": (IMAGE, L.Resizing(32, 29)),
    "resize down": (IMAGE, L.Resizing(5, 7)),
    "dropouts": (IMAGE, lambda x: L.GaussianNoise(0.3)(L.SpatialDropout2D(0.4)(L.Dropout(0.5)(x)))),
    "gate": (VECTOR, _gated),
    "residual": (IMAGE, _residual),
    "nested": (IMAGE, _nested),
}


@pytest.mark.parametrize("case", CASES)
def test_layer_agrees(case: str) -> None:
    shape, build = CASES[case]
    source = keras.Input(shape, name="x")
    model = keras.Model(source, build(source))
    _randomise(model)
    data = np.random.default_rng(2).normal(0, 1, (3, *shape)).astype("float32")
    expected = np.asarray(model(data, training=False))
    require_equal(keras_to_onnx(model, title=case), [("x", data)], expected, title=case)


def test_unknown_layer_is_named() -> None:
    source = keras.Input((4, 4), name="x")
    model = keras.Model(source, L.LSTM(3, name="memory")(source))
    with pytest.raises(ExportError, match="'memory' \\(LSTM\\)"):
        keras_to_onnx(model, title="x")


def test_difference_is_an_error() -> None:
    source = keras.Input((4,), name="x")
    model = keras.Model(source, L.Dense(2)(source))
    data = np.ones((2, 4), np.float32)
    wrong = np.asarray(model(data)) + 2e-5
    with pytest.raises(ExportError, match="differ by"):
        require_equal(keras_to_onnx(model, title="x"), [("x", data)], wrong, title="x")
