"""Running an ONNX graph, and the proof that it says what the trained model says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musicgenre.errors import ExportError

if TYPE_CHECKING:
    import onnx
    import onnxruntime

TOLERANCE = 1e-5


def session(model: onnx.ModelProto | Path, *, threads: int = 1) -> onnxruntime.InferenceSession:
    """A CPU session with `threads` threads, all graph optimisations on."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    source: Any = str(model) if isinstance(model, Path) else model.SerializeToString()
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def run_batched(
    running: onnxruntime.InferenceSession, inputs: Mapping[str, NDArray[np.float32]], *, batch: int = 64
) -> NDArray[np.float32]:
    """The first output for all rows of `inputs`, `batch` at a time."""
    count = len(next(iter(inputs.values())))
    parts = []
    for start in range(0, count, batch):
        feed = {name: np.ascontiguousarray(values[start : start + batch], dtype=np.float32) for name, values in inputs.items()}
        parts.append(running.run(None, feed)[0])
    return np.concatenate(parts).astype(np.float32, copy=False)


def require_equal(
    model: onnx.ModelProto, inputs: Sequence[tuple[str, NDArray[np.float32]]], expected: NDArray[Any], *, title: str
) -> float:
    """The largest absolute difference between ONNX Runtime on `inputs` and `expected`.

    Raises
    ------
    ExportError
        If it is above 1e-5, or not a number.
    """
    got = run_batched(session(model), dict(inputs))
    difference = float(np.max(np.abs(got.astype(np.float64) - np.asarray(expected, np.float64))))
    if not difference <= TOLERANCE:
        raise ExportError(f"{title}: ONNX Runtime and the trained model differ by {difference:.2e}; at most {TOLERANCE:.0e} is allowed.")
    return difference


__all__ = ["TOLERANCE", "require_equal", "run_batched", "session"]
