"""Small real bundles for the service's tests: a graph of four nodes over mel, a front end as the parameters make it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

CLASSES = ("blues", "classical", "disco", "rock")


def make_bundle(directory: Path, *, classes: tuple[str, ...] = CLASSES, segment_s: float = 3.0) -> Path:
    """Write a bundle whose model averages a segment's mel bands and applies one dense layer and a softmax."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    from musicgenre.bundle.files import write_bundle
    from musicgenre.bundle.spec import MemberSpec
    from musicgenre.features.frontend import FrontEnd
    from musicgenre.features.segments import InputSpec, Segmenting
    from musicgenre.params import FeaturesParams

    front_end = FrontEnd.from_params(FeaturesParams())
    frames = round(segment_s * front_end.rate("mel"))
    bands = front_end.bands("mel")
    generator = np.random.default_rng(3)
    weights = (0.02 * generator.standard_normal((bands, len(classes)))).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["mel", "axes"], ["mean"], keepdims=0),
            helper.make_node("MatMul", ["mean", "weights"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1),
        ],
        "tiny",
        [helper.make_tensor_value_info("mel", TensorProto.FLOAT, ["n", frames, bands])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", len(classes)])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(np.array([1], np.int64), "axes")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    source = directory.with_name(directory.name + "-source")
    source.mkdir(parents=True, exist_ok=True)
    onnx.save(model, source / "tiny.onnx")
    member = MemberSpec(
        name="tiny",
        family="cnn",
        file="tiny.onnx",
        inputs=(InputSpec("mel", "mel", front_end.rate("mel"), (frames, bands)),),
        segmenting=Segmenting(segment_s, segment_s / 2),
    )
    write_bundle(directory, classes=classes, front_end=front_end, members=[(member, source)], lineage={"data_id": "test"})
    return directory


if __name__ == "__main__":
    import sys

    print(make_bundle(Path(sys.argv[1])))
