"""Keras functional graphs as ONNX, layer by layer.

Keras is channels-last, ONNX channels-first. A value keeps whichever layouts it
has been needed in, so a chain of convolutions is transposed once at its start
and once at its end, not around every layer. Inference semantics: dropout and
noise vanish, batch norm uses its moving statistics.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from musicgenre.errors import ExportError
from musicgenre.models.onnx.graph import GraphBuilder

if TYPE_CHECKING:
    import keras
    import onnx


class Value:
    """One tensor in up to two layouts: `last` (Keras order) and `first` (channels moved to axis 1)."""

    def __init__(self, graph: GraphBuilder, *, rank: int, last: str | None = None, first: str | None = None) -> None:
        self._graph, self.rank, self._last, self._first = graph, rank, last, first

    @property
    def is_first(self) -> bool:
        """Whether the channels-first form exists already (elementwise work is cheaper there)."""
        return self._first is not None

    @property
    def last(self) -> str:
        """Name in Keras' layout."""
        if self._last is None:
            assert self._first is not None
            order = [0, *range(2, self.rank), 1]
            self._last = self._graph.op("Transpose", [self._first], perm=order)
        return self._last

    @property
    def first(self) -> str:
        """Name in channels-first layout; the same as `last` for rank 2 and below."""
        if self.rank <= 2:
            return self.last
        if self._first is None:
            assert self._last is not None
            order = [0, self.rank - 1, *range(1, self.rank - 1)]
            self._first = self._graph.op("Transpose", [self._last], perm=order)
        return self._first


Arguments = tuple[Any, ...]  # positional and keyword arguments of the call that made a node
Converter = Callable[[GraphBuilder, Any, list[Value], Arguments], Value]

CONVERTERS: dict[str, Converter] = {}


def keras_to_onnx(
    model: keras.Model, *, title: str, output: str = "probabilities", names: tuple[str, ...] | None = None
) -> onnx.ModelProto:
    """Convert a functional model with float32 inputs.

    Parameters
    ----------
    model
        Functional, with one output; nested functional models are inlined.
    output
        The ONNX output's name.
    names
        The ONNX inputs' names, in `model.inputs` order; by default the Keras tensors' names.

    Raises
    ------
    ExportError
        If a layer has no converter; the message names it.
    """
    graph = GraphBuilder()
    names = names or tuple(tensor.name for tensor in model.inputs)
    sources = []
    for name, tensor in zip(names, model.inputs, strict=True):
        sources.append(Value(graph, rank=len(tensor.shape), last=graph.input(name, tensor.shape[1:])))
    if len(model.outputs) != 1:
        raise ExportError(f"model {model.name!r} has {len(model.outputs)} outputs; one is expected.")
    (result,) = _inline(graph, model, sources)
    graph.output(output, result.last, model.outputs[0].shape[1:])
    return graph.model(title)


def inline_keras(graph: GraphBuilder, model: Any, source: str) -> str:
    """Add a functional `model` with one input and one output to `graph`; its output's name, in Keras' layout."""
    (result,) = _inline(graph, model, [Value(graph, rank=len(model.inputs[0].shape), last=source)])
    return result.last


def _inline(graph: GraphBuilder, model: Any, sources: list[Value]) -> list[Value]:
    """Add the nodes of a functional `model` fed by `sources`; its outputs."""
    from musicgenre.models.onnx import keras_layers, keras_shapes  # the modules that fill CONVERTERS

    assert keras_layers and keras_shapes
    model = _functional(model)
    if not hasattr(model, "_nodes_by_depth"):
        raise ExportError(f"{type(model).__name__} {model.name!r} is not a functional graph and cannot be exported.")
    known: dict[int, Value] = {id(tensor): value for tensor, value in zip(model.inputs, sources, strict=True)}
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            operation = node.operation
            if all(id(tensor) in known for tensor in node.output_tensors):
                continue  # an input layer
            inputs = [known[id(tensor)] for tensor in node.input_tensors]
            kind = type(operation).__name__
            if hasattr(_functional(operation), "_nodes_by_depth"):
                outputs = _inline(graph, operation, inputs)
            elif kind in CONVERTERS:
                outputs = [CONVERTERS[kind](graph, operation, inputs, (node.arguments.args, node.arguments.kwargs))]
            else:
                raise ExportError(
                    f"layer {operation.name!r} ({kind}) of {model.name!r} has no ONNX converter; known: {', '.join(sorted(CONVERTERS))}."
                )
            known.update({id(tensor): value for tensor, value in zip(node.output_tensors, outputs, strict=True)})
    return [known[id(tensor)] for tensor in model.outputs]


def _functional(model: Any) -> Any:
    """A sequential model's functional core, any other model as it is."""
    return getattr(model, "_functional", None) or model


def register(*kinds: str) -> Callable[[Converter], Converter]:
    """Decorator: the converter of the layer classes named `kinds`."""

    def put(converter: Converter) -> Converter:
        CONVERTERS.update(dict.fromkeys(kinds, converter))
        return converter

    return put


__all__ = ["CONVERTERS", "Arguments", "Converter", "Value", "inline_keras", "keras_to_onnx", "register"]
