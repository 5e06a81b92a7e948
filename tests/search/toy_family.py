"""A family for tests: softmax regression on mean MFCCs in NumPy, and a four-node ONNX graph. Fits in milliseconds.

`block.fixed["behave"]` names a folder; `behave.json` there maps the ordinal of a fit (over all
processes) to what it should do wrong: raise, nan, kill, bloat, sleep. Each fit appends a line to `calls.jsonl`.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from musicgenre.bundle.spec import MemberSpec
from musicgenre.errors import ModelError
from musicgenre.features.segments import InputSpec, Segmenting, cut, segment_times
from musicgenre.models.base import Choice, Float, Int, PublishedSystem, Space


class ToyFitted:
    def __init__(self, weights: np.ndarray, spec: InputSpec, segmenting: Segmenting, history: pd.DataFrame) -> None:
        self.weights, self.spec, self.segmenting, self.history = weights, spec, segmenting, history
        self.n_parameters = int(weights.size)

    def predict(self, corpus: Any, split: str) -> np.ndarray:
        return probabilities(features(corpus, split, self.spec, self.segmenting), self.weights)

    def save(self, directory: Path) -> None:
        (directory / "model.skops").write_bytes(self.weights.tobytes())
        self.history.to_parquet(directory / "history.parquet")

    def export(self, directory: Path) -> MemberSpec:
        import onnx
        from onnx import TensorProto, helper, numpy_helper

        frames, bands = self.spec.shape
        nodes = [
            helper.make_node("ReduceMean", [self.spec.name, "axes"], ["mean"], keepdims=0),
            helper.make_node("MatMul", ["mean", "w"], ["product"]),
            helper.make_node("Add", ["product", "b"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1),
        ]
        constants = [
            numpy_helper.from_array(np.array([1], dtype=np.int64), "axes"),
            numpy_helper.from_array(self.weights[:-1].astype(np.float32), "w"),
            numpy_helper.from_array(self.weights[-1].astype(np.float32), "b"),
        ]
        graph = helper.make_graph(
            nodes,
            "toy",
            [helper.make_tensor_value_info(self.spec.name, TensorProto.FLOAT, ["n", frames, bands])],
            [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", self.weights.shape[1]])],
            constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
        onnx.checker.check_model(model)
        (directory / "toy.onnx").write_bytes(model.SerializeToString())
        return MemberSpec(name="toy", family="toy", file="toy.onnx", inputs=(self.spec,), segmenting=self.segmenting)


def features(corpus: Any, split: str, spec: InputSpec, segmenting: Segmenting) -> np.ndarray:
    """Mean over segments and frames: float64 [tracks, bands + 1]."""
    rows = []
    for row in corpus.rows(split).itertuples():
        values = cut(corpus.store("mfcc").track(row.track_id), spec, segment_times(row.duration_s, segmenting), segmenting)
        rows.append(np.append(values.mean(axis=(0, 1)), 1.0))
    return np.array(rows)


def probabilities(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    z = x @ weights
    z = np.exp(z - z.max(axis=1, keepdims=True))
    return (z / z.sum(axis=1, keepdims=True)).astype(np.float32)


def _behave(block: Any) -> Mapping[str, Any]:
    place = block.fixed.get("behave")
    if not place:
        return {}
    calls = Path(place) / "calls.jsonl"
    with calls.open("a") as handle:
        handle.write(json.dumps({"pid": os.getpid(), "at": time.time()}) + "\n")
    ordinal = len(calls.read_text().splitlines()) - 1
    plan = json.loads((Path(place) / "behave.json").read_text())
    return {**plan.get("always", {}), **plan.get(str(ordinal), {})}


class Toy:
    name = "classical"  # stands in for a built-in family

    def space(self, block: Any) -> Space:
        dimensions = {
            "rate": Float(0.01, 1.0, log=True),
            "bands": Int(2, 16),
            "momentum": Choice((False, True)),
            "beta": Float(0.5, 0.95),
        }
        dimensions |= {name: Choice((value,)) for name, value in block.fixed.items() if name in dimensions}
        return Space(dimensions, {"beta": {"momentum": (True,)}})

    def published(self) -> tuple[PublishedSystem, ...]:
        return (
            PublishedSystem("plain", "Plain regression", {"rate": 0.3, "bands": 13, "momentum": False}, "a paper", {"accuracy": 0.5}),
            PublishedSystem("grand", "On embeddings", {"rate": 0.1}, "another paper", {"accuracy": 0.9}, needs=("vgg16",)),
        )

    def needs(self, block: Any) -> tuple[frozenset[str], frozenset[str]]:
        return frozenset({"mfcc"}), frozenset()

    def fit(self, config: Mapping[str, Any], corpus: Any, *, block: Any, seed: int, report: Any) -> ToyFitted:
        how = _behave(block)
        if how.get("raise"):
            raise ModelError(how["raise"])
        if how.get("kill"):
            os.kill(os.getpid(), signal.SIGKILL)
        if how.get("bug"):
            raise ValueError("first line\nsecond line")
        if how.get("memory"):
            raise MemoryError
        self.ballast = np.ones(int(how.get("bloat_mb", 0) * 1e6 / 8))
        store = corpus.store("mfcc")
        segmenting = Segmenting(block.segment_s, block.hop_s)
        spec = InputSpec("mfcc", "mfcc", store.spec["rate"], (round(block.segment_s * store.spec["rate"]), store.spec["bands"]))
        x, y = features(corpus, "train", spec, segmenting), corpus.rows("train")["label"].to_numpy()
        held, truth = features(corpus, "validation", spec, segmenting), corpus.rows("validation")["label"].to_numpy()
        used = np.arange(x.shape[1]) < config.get("bands", 16)
        used[-1] = True
        rng = np.random.default_rng(seed)
        weights = rng.normal(0, 0.01, (x.shape[1], len(corpus.classes))) * used[:, None]
        velocity, rows = np.zeros_like(weights), []
        for epoch in range(1, block.epochs + 1):
            time.sleep(how.get("sleep_s", 0.0))
            p = probabilities(x, weights)
            gradient = x.T @ (p - np.eye(len(corpus.classes))[y]) / len(y) * used[:, None]
            velocity = config.get("beta", 0.0) * velocity - config["rate"] * gradient
            weights = weights + velocity
            q = probabilities(held, weights)
            f1 = float("nan") if how.get("nan") else float(np.mean(q.argmax(axis=1) == truth))
            metrics = {
                "train_loss": float(-np.log(np.clip(p[np.arange(len(y)), y], 1e-9, 1)).mean()),
                "validation_loss": float(-np.log(np.clip(q[np.arange(len(truth)), truth], 1e-9, 1)).mean()),
                "validation_macro_f1": f1,
            }
            rows.append({"epoch": epoch, **metrics})
            report(epoch, metrics)
        return ToyFitted(weights, spec, segmenting, pd.DataFrame(rows))
