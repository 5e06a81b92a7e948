"""A small real graph made by hand, for tests of everything that holds a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from musicgenre.bundle import BundleSpec, MemberSpec, write_bundle
from musicgenre.features.segments import InputSpec, Segmenting
from musicgenre.params import FeaturesParams

CLASSES = ("blues", "metal", "pop")
BANDS = 96
RATE = 22050 / 512


def write_graph(
    path: Path, *, frames: int, classes: int = len(CLASSES), seed: int = 0, scale: float = 0.004, weights: np.ndarray | None = None
) -> None:
    """softmax(mean over frames @ W): float32 [segments, frames, bands] → [segments, classes]."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    if weights is None:
        weights = (np.random.default_rng(seed).normal(size=(BANDS, classes)) * scale).astype(np.float32)
    weights = np.asarray(weights, dtype=np.float32)
    nodes = [
        helper.make_node("ReduceMean", ["mel", "axes"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1),
    ]
    graph = helper.make_graph(
        nodes,
        "handmade",
        [helper.make_tensor_value_info("mel", TensorProto.FLOAT, ["segments", frames, BANDS])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["segments", classes])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(np.array([1], dtype=np.int64), "axes")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, path)


def member(
    folder: Path, name: str, *, length_s: float = 3.0, hop_s: float = 1.5, weight: float = 1.0, seed: int = 0
) -> tuple[MemberSpec, Path]:
    """A member and the folder its graph was written to."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = round(length_s * RATE)
    write_graph(folder / f"{name}.onnx", frames=frames, seed=seed)
    spec = MemberSpec(
        name=name,
        family="cnn",
        file=f"{name}.onnx",
        inputs=(InputSpec(name="mel", kind="mel", rate=RATE, shape=(frames, BANDS)),),
        segmenting=Segmenting(length_s=length_s, hop_s=hop_s),
        weight=weight,
    )
    return spec, folder


def front_end() -> dict[str, Any]:
    """The default front end's spec."""
    from musicgenre.features.frontend import FrontEnd

    spec: dict[str, Any] = FrontEnd.from_params(FeaturesParams()).to_dict()
    return spec


def write(directory: Path, members: Sequence[tuple[MemberSpec, Path]], **changes: Any) -> BundleSpec:
    """A bundle on the default front end; `changes` go to `write_bundle`."""
    given = changes.pop("front_end", None) or front_end()
    return write_bundle(directory, **{"classes": CLASSES, "front_end": given, "members": members, **changes})


__all__ = ["BANDS", "CLASSES", "RATE", "front_end", "member", "write", "write_graph"]
