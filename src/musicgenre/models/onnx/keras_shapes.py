"""Keras layers that change shape: reshape, permute, flatten, padding, cropping, resizing."""

from __future__ import annotations

from typing import Any

import numpy as np

from musicgenre.errors import ExportError
from musicgenre.models.onnx.graph import GraphBuilder
from musicgenre.models.onnx.keras_graph import Arguments, Value, register


@register("Reshape")
def _reshape(graph: GraphBuilder, layer: Any, inputs: list[Value], _: Arguments) -> Value:
    target = [-1 if size is None else int(size) for size in layer.target_shape]
    shape = [0, *target]  # 0 keeps the batch
    return Value(graph, rank=len(shape), last=graph.op("Reshape", [inputs[0].last, graph.ints(shape)]))


@register("Flatten")
def _flatten(graph: GraphBuilder, layer: Any, inputs: list[Value], _: Arguments) -> Value:
    return Value(graph, rank=2, last=graph.op("Flatten", [inputs[0].last], axis=1))


@register("Permute")
def _permute(graph: GraphBuilder, layer: Any, inputs: list[Value], _: Arguments) -> Value:
    return Value(graph, rank=inputs[0].rank, last=graph.op("Transpose", [inputs[0].last], perm=[0, *layer.dims]))


@register("ZeroPadding1D", "ZeroPadding2D")
def _zero_padding(graph: GraphBuilder, layer: Any, inputs: list[Value], _: Arguments) -> Value:
    padding = [layer.padding] if inputs[0].rank == 3 else list(layer.padding)
    before, after = zip(*padding, strict=True)
    pads = graph.ints([0, 0, *before, 0, 0, *after])
    return Value(graph, rank=inputs[0].rank, first=graph.op("Pad", [inputs[0].first, pads]))


@register("Cropping1D", "Cropping2D")
def _cropping(graph: GraphBuilder, layer: Any, inputs: list[Value], _: Arguments) -> Value:
    cropping = [layer.cropping] if inputs[0].rank == 3 else list(layer.cropping)
    starts = [before for before, _after in cropping]
    ends = [-after if after else np.iinfo(np.int64).max for _before, after in cropping]
    axes = list(range(2, inputs[0].rank))
    name = graph.op("Slice", [inputs[0].first, graph.ints(starts), graph.ints(ends), graph.ints(axes)])
    return Value(graph, rank=inputs[0].rank, first=name)


@register("Resizing")
def _resizing(graph: GraphBuilder, layer: Any, inputs: list[Value], _: Arguments) -> Value:
    if layer.interpolation != "bilinear" or layer.crop_to_aspect_ratio or layer.pad_to_aspect_ratio:
        raise ExportError(f"layer {layer.name!r}: only plain bilinear resizing has a converter.")
    source = inputs[0].first
    kept = graph.op("Slice", [graph.op("Shape", [source]), graph.ints([0]), graph.ints([2])])  # batch and channels
    sizes = graph.op("Concat", [kept, graph.ints([layer.height, layer.width])], axis=0)
    name = graph.op("Resize", [source, "", "", sizes], mode="linear", coordinate_transformation_mode="half_pixel")
    return Value(graph, rank=4, first=name)


__all__: list[str] = []
