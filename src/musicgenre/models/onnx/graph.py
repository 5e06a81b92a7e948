"""A growing ONNX graph: nodes, constants, names.

Opset 17 with `ai.onnx.ml` 3, so that every ONNX Runtime from 1.20 reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from musicgenre.atomic import atomic_path
from musicgenre.errors import ExportError

OPSET = 17
ML_OPSET = 3
ML = "ai.onnx.ml"


class GraphBuilder:
    """Collects nodes in order of use; every `op` returns the name of its first output."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._count = 0

    def name(self, stem: str) -> str:
        """A name not used before."""
        self._count += 1
        return f"{stem}_{self._count}"

    def constant(self, value: NDArray[Any], stem: str = "c") -> str:
        """Store `value` in the file with its dtype."""
        name = self.name(stem)
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def floats(self, value: Any, stem: str = "c") -> str:
        """A float32 constant."""
        return self.constant(np.asarray(value, dtype=np.float32), stem)

    def ints(self, value: Any, stem: str = "i") -> str:
        """An int64 constant."""
        return self.constant(np.asarray(value, dtype=np.int64), stem)

    def op(self, kind: str, inputs: Sequence[str], *, domain: str = "", output: str | None = None, **attributes: Any) -> str:
        """Append a node; an attribute that is None is left out."""
        name = output or self.name(kind)
        given = {key: value for key, value in attributes.items() if value is not None}
        self._nodes.append(helper.make_node(kind, list(inputs), [name], domain=domain or None, **given))
        return name

    def input(self, name: str, shape: Sequence[int | None]) -> str:
        """Declare a float32 input [N, *shape]; None is a free dimension."""
        dims: list[int | str] = ["N", *(f"{name}_{i}" if size is None else int(size) for i, size in enumerate(shape))]
        self._inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, dims))
        return name

    def output(self, name: str, source: str, shape: Sequence[int | None]) -> None:
        """Make `source` the graph's float32 output `name` [N, *shape]."""
        self.op("Identity", [source], output=name)
        dims: list[int | str] = ["N", *(f"{name}_{i}" if size is None else int(size) for i, size in enumerate(shape))]
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, dims))

    def model(self, title: str) -> onnx.ModelProto:
        """The finished model, checked by ONNX's own checker.

        Raises
        ------
        ExportError
            If the graph is not valid.
        """
        graph = helper.make_graph(self._nodes, title, self._inputs, self._outputs, initializer=self._constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML, ML_OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, producer_name="musicgenre", ir_version=8)
        try:
            onnx.checker.check_model(model)
        except onnx.checker.ValidationError as error:
            raise ExportError(f"the graph of {title!r} is not valid ONNX: {error}") from error
        return model


def save_model(model: onnx.ModelProto, path: Path) -> None:
    """Write `model` atomically."""
    with atomic_path(Path(path)) as temporary:
        temporary.write_bytes(model.SerializeToString())


__all__ = ["ML", "ML_OPSET", "OPSET", "GraphBuilder", "save_model"]
