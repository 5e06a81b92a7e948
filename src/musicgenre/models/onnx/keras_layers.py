"""The Keras layers that our models use, each as ONNX nodes (see `keras_graph`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from musicgenre.errors import ExportError
from musicgenre.models.onnx.graph import GraphBuilder
from musicgenre.models.onnx.keras_graph import Arguments, Converter, Value, register


def _numpy(variable: Any) -> np.ndarray[Any, Any]:
    return np.asarray(variable, dtype=np.float32)


def _same_layout(graph: GraphBuilder, value: Value, kind: str, *more: str, **attributes: Any) -> Value:
    """An elementwise node in the layout that `value` is already in."""
    if value.is_first and value.rank > 2:
        return Value(graph, rank=value.rank, first=graph.op(kind, [value.first, *more], **attributes))
    return Value(graph, rank=value.rank, last=graph.op(kind, [value.last, *more], **attributes))


def activate(graph: GraphBuilder, value: Value, function: Any) -> Value:
    """`function` (a Keras activation) of `value`."""
    name = getattr(function, "__name__", str(function))
    simple = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "softplus": "Softplus", "elu": "Elu", "selu": "Selu"}
    if name == "linear":
        return value
    if name in simple:
        return _same_layout(graph, value, simple[name])
    if name == "relu6":
        return _same_layout(graph, value, "Clip", graph.floats(0.0), graph.floats(6.0))
    if name == "leaky_relu":
        return _same_layout(graph, value, "LeakyRelu", alpha=0.2)
    if name == "softmax":
        return Value(graph, rank=value.rank, last=graph.op("Softmax", [value.last], axis=-1))
    if name in ("silu", "swish"):
        source = value.first if value.is_first else value.last
        gate = graph.op("Sigmoid", [source])
        return _same_layout(graph, value, "Mul", gate)
    raise ExportError(f"activation {name!r} has no ONNX converter.")


def _padding(layer: Any) -> dict[str, Any]:
    return {"auto_pad": {"same": "SAME_UPPER", "valid": "VALID"}[layer.padding]}


@register("Conv1D", "Conv2D")
def _convolution(graph: GraphBuilder, layer: Any, inputs: list[Value], _: Arguments) -> Value:
    if layer.groups != 1 or layer.data_format != "channels_last":
        raise ExportError(f"layer {layer.name!r}: grouped or channels-first convolution has no converter.")
    kernel = _numpy(layer.kernel)
    kernel = np.transpose(kernel, (kernel.ndim - 1, kernel.ndim - 2, *range(kernel.ndim - 2)))
    weights = [graph.floats(kernel, "kernel")] + ([graph.floats(_numpy(layer.bias), "bias")] if layer.use_bias else [])
    strides, dilations = list(layer.strides), list(layer.dilation_rate)
    name = graph.op("Conv", [inputs[0].first, *weights], strides=strides, dilations=dilations, **_padding(layer))
    return activate(graph, Value(graph, rank=inputs[0].rank, first=name), layer.activation)


def _depthwise(graph: GraphBuilder, value: Value, layer: Any, kernel: np.ndarray[Any, Any], bias: Any) -> Value:
    height, width, channels, multiplier = kernel.shape
    kernel = np.transpose(kernel, (2, 3, 0, 1)).reshape(channels * multiplier, 1, height, width)
    weights = [graph.floats(kernel, "kernel")] + ([] if bias is None else [graph.floats(_numpy(bias), "bias")])
    dilations = list(layer.dilation_rate)
    name = graph.op("Conv", [value.first, *weights], group=channels, strides=list(layer.strides), dilations=dilations, **_padding(layer))
    return Value(graph, rank=4, first=name)


@register("DepthwiseConv2D")
def _depthwise_convolution(graph: GraphBuilder, layer: Any, inputs: list[Value], _: Arguments) -> Value:
    value = _depthwise(graph, inputs[0], layer, _numpy(layer.kernel), layer.bias if layer.use_bias else None)
    return activate(graph, value, layer.activation)


@register("SeparableConv2D")
def _separable_convolution(graph: GraphBuilder, layer: Any, inputs: list[Value], _: Arguments) -> Value:
    value = _depthwise(graph, inputs[0], layer, _numpy(layer.depthwise_kernel), None)
    kernel = np.transpose(_numpy(layer.pointwise_kernel), (3, 2, 0, 1))
    weights = [graph.floats(kernel, "kernel")] + ([graph.floats(_numpy(layer.bias), "bias")] if layer.use_bias else [])
    return activate(graph, Value(graph, rank=4, first=graph.op("Conv", [value.first, *weights])), layer.activation)


@register("Dense")
def _dense(graph: GraphBuilder, layer: Any, inputs: list[Value], _: Arguments) -> Value:
    kernel = graph.floats(_numpy(layer.kernel), "kernel")
    bias = graph.floats(_numpy(layer.bias), "bias") if layer.use_bias else None
    if inputs[0].rank == 2:
        name = graph.op("Gemm", [inputs[0].last, kernel, *([bias] if bias else [])])
    else:
        name = graph.op("MatMul", [inputs[0].last, kernel])
        name = graph.op("Add", [name, bias]) if bias else name
    return activate(graph, Value(graph, rank=inputs[0].rank, last=name), layer.activation)


@register("BatchNormalization")
def _batch_norm(graph: GraphBuilder, layer: Any, inputs: list[Value], _: Arguments) -> Value:
    value = inputs[0]
    axis = layer.axis if isinstance(layer.axis, int) else layer.axis[0]
    if axis not in (-1, value.rank - 1):
        raise ExportError(f"layer {layer.name!r}: batch norm over axis {axis} has no converter.")
    mean, variance = _numpy(layer.moving_mean), _numpy(layer.moving_variance)
    gamma = _numpy(layer.gamma) if layer.scale else np.ones_like(mean)
    beta = _numpy(layer.beta) if layer.center else np.zeros_like(mean)
    constants = [graph.floats(array, "bn") for array in (gamma, beta, mean, variance)]
    name = graph.op("BatchNormalization", [value.first, *constants], epsilon=float(layer.epsilon))
    if value.rank == 2:
        return Value(graph, rank=2, last=name)
    return Value(graph, rank=value.rank, first=name)


@register("LayerNormalization")
def _layer_norm(graph: GraphBuilder, layer: Any, inputs: list[Value], _: Arguments) -> Value:
    axis = layer.axis if isinstance(layer.axis, int) else layer.axis[0]
    if axis not in (-1, inputs[0].rank - 1) or not (layer.scale and layer.center):
        raise ExportError(f"layer {layer.name!r}: only layer norm over the last axis with scale and centre is known.")
    constants = [graph.floats(_numpy(layer.gamma)), graph.floats(_numpy(layer.beta))]
    name = graph.op("LayerNormalization", [inputs[0].last, *constants], axis=-1, epsilon=float(layer.epsilon))
    return Value(graph, rank=inputs[0].rank, last=name)


@register("Normalization")
def _normalization(graph: GraphBuilder, layer: Any, inputs: list[Value], _: Arguments) -> Value:
    deviation = np.maximum(np.sqrt(_numpy(layer.variance)), 1e-7)
    centred = graph.op("Sub", [inputs[0].last, graph.floats(_numpy(layer.mean))])
    return Value(graph, rank=inputs[0].rank, last=graph.op("Div", [centred, graph.floats(deviation)]))


@register("Rescaling")
def _rescaling(graph: GraphBuilder, layer: Any, inputs: list[Value], _: Arguments) -> Value:
    scale, offset = np.asarray(layer.scale, np.float32), np.asarray(layer.offset, np.float32)
    if scale.ndim or offset.ndim:  # a value a channel
        name = graph.op("Mul", [inputs[0].last, graph.floats(scale)])
        return Value(graph, rank=inputs[0].rank, last=graph.op("Add", [name, graph.floats(offset)]))
    value = _same_layout(graph, inputs[0], "Mul", graph.floats(scale))
    return _same_layout(graph, value, "Add", graph.floats(offset))


@register("Activation")
def _activation(graph: GraphBuilder, layer: Any, inputs: list[Value], _: Arguments) -> Value:
    return activate(graph, inputs[0], layer.activation)


@register("ReLU")
def _relu(graph: GraphBuilder, layer: Any, inputs: list[Value], _: Arguments) -> Value:
    if layer.threshold or layer.negative_slope:
        raise ExportError(f"layer {layer.name!r}: ReLU with a slope or threshold has no converter.")
    if layer.max_value is None:
        return _same_layout(graph, inputs[0], "Relu")
    return _same_layout(graph, inputs[0], "Clip", graph.floats(0.0), graph.floats(float(layer.max_value)))


@register("Softmax")
def _softmax(graph: GraphBuilder, layer: Any, inputs: list[Value], _: Arguments) -> Value:
    return Value(graph, rank=inputs[0].rank, last=graph.op("Softmax", [inputs[0].last], axis=int(layer.axis)))


@register("Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "Identity")
def _identity(graph: GraphBuilder, layer: Any, inputs: list[Value], _: Arguments) -> Value:
    return inputs[0]


@register("MaxPooling1D", "MaxPooling2D", "AveragePooling1D", "AveragePooling2D")
def _pool(graph: GraphBuilder, layer: Any, inputs: list[Value], _: Arguments) -> Value:
    kind = "MaxPool" if type(layer).__name__.startswith("Max") else "AveragePool"
    name = graph.op(kind, [inputs[0].first], kernel_shape=list(layer.pool_size), strides=list(layer.strides), **_padding(layer))
    return Value(graph, rank=inputs[0].rank, first=name)


@register("GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalMaxPooling1D", "GlobalMaxPooling2D")
def _global_pool(graph: GraphBuilder, layer: Any, inputs: list[Value], _: Arguments) -> Value:
    kind = "ReduceMax" if "Max" in type(layer).__name__ else "ReduceMean"
    value = inputs[0]
    axes, source = (range(2, value.rank), value.first) if value.is_first else (range(1, value.rank - 1), value.last)
    name = graph.op(kind, [source], axes=list(axes), keepdims=int(layer.keepdims))
    if not layer.keepdims:
        return Value(graph, rank=2, last=name)
    return Value(graph, rank=value.rank, first=name) if value.is_first else Value(graph, rank=value.rank, last=name)


def _elementwise(kind: str) -> Converter:
    def convert(graph: GraphBuilder, layer: Any, inputs: list[Value], arguments: Arguments) -> Value:
        if len(inputs) == 1:  # an operation with a plain number, `x * 2`
            number = next(float(item) for item in arguments[0] if isinstance(item, int | float))
            left = isinstance(arguments[0][0], int | float)
            names = [graph.floats(number), inputs[0].last] if left else [inputs[0].last, graph.floats(number)]
            return Value(graph, rank=inputs[0].rank, last=graph.op(kind, names))
        rank = max(value.rank for value in inputs)
        first = rank > 2 and any(value.is_first for value in inputs) and all(value.rank == rank for value in inputs)
        name = inputs[0].first if first else inputs[0].last
        for value in inputs[1:]:
            name = graph.op(kind, [name, value.first if first else value.last])
        return Value(graph, rank=rank, first=name) if first else Value(graph, rank=rank, last=name)

    return convert


for _kind, _layers in {
    "Add": ("Add",),
    "Mul": ("Multiply",),
    "Sub": ("Subtract",),
    "Div": ("Divide", "TrueDivide"),
    "Max": ("Maximum",),
    "Min": ("Minimum",),
}.items():
    register(*_layers)(_elementwise(_kind))


@register("Average")
def _average(graph: GraphBuilder, layer: Any, inputs: list[Value], arguments: Arguments) -> Value:
    return _same_layout(graph, _elementwise("Add")(graph, layer, inputs, arguments), "Div", graph.floats(float(len(inputs))))


@register("Concatenate")
def _concatenate(graph: GraphBuilder, layer: Any, inputs: list[Value], _: Arguments) -> Value:
    rank = inputs[0].rank
    axis = layer.axis % rank
    if rank > 2 and all(value.is_first for value in inputs):
        moved = 1 if axis == rank - 1 else axis + 1
        return Value(graph, rank=rank, first=graph.op("Concat", [value.first for value in inputs], axis=moved))
    return Value(graph, rank=rank, last=graph.op("Concat", [value.last for value in inputs], axis=axis))


@register("Log", "Exp", "Sqrt", "Log1p", "Log10")
def _unary(graph: GraphBuilder, layer: Any, inputs: list[Value], _: Arguments) -> Value:
    kind = type(layer).__name__
    if kind == "Log1p":
        return _same_layout(graph, _same_layout(graph, inputs[0], "Add", graph.floats(1.0)), "Log")
    if kind == "Log10":
        return _same_layout(graph, _same_layout(graph, inputs[0], "Log"), "Mul", graph.floats(1.0 / np.log(10.0)))
    return _same_layout(graph, inputs[0], kind)


__all__ = ["activate"]
