"""A small real project for the evaluation's tests: rendered tones, the real front end, real bundles.

The models are logistic regressions on pooled features, made into ONNX graphs by hand, so
that no training framework is needed. Tracks of one artist share a detuning and a timbre.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile as sf
from numpy.typing import NDArray

from musicgenre.bundle import MemberSpec, write_bundle
from musicgenre.features.frontend import FrontEnd
from musicgenre.features.segments import InputSpec, Segmenting, cut, segment_times
from musicgenre.features.store import FeatureStore, StoreWriter
from musicgenre.layout import Layout
from musicgenre.params import Params, parse_params

RATE = 22050
KINDS = ("mel", "scalogram", "descriptors")
NAMES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")


@dataclass(frozen=True)
class Size:
    genres: int = 3
    artists: int = 6
    tracks: int = 2
    seconds: float = 4.0
    noise: float = 0.35


def _sound(genre: int, artist: int, track: int, size: Size) -> NDArray[np.float32]:
    rng = np.random.default_rng([genre, artist, track])
    timbre = np.random.default_rng([7, genre, artist])
    time_s = np.arange(round(size.seconds * RATE)) / RATE
    base = 110 * 2 ** (genre * 4 / 12) * 2 ** (timbre.normal() * 1.5 / 12)
    beat = 1.2 + 0.35 * genre + timbre.normal() * 0.15
    envelope = 0.25 + np.exp(-((time_s * beat) % 1.0) * (2 + genre))
    chord = sum(np.sin(2 * np.pi * base * step * time_s + rng.uniform(0, 6)) * timbre.uniform(0.2, 1) for step in (1, 1.26, 1.5, 2, 3, 4))
    mixed = envelope * chord / 6 + rng.normal(scale=size.noise * timbre.uniform(0.3, 1.5), size=len(time_s)) * (0.2 + envelope / 4)
    return np.asarray(0.6 * mixed / np.abs(mixed).max(), dtype=np.float32)


def _graph(path: Path, inputs: Sequence[tuple[InputSpec, NDArray[np.float32]]], bias: NDArray[np.float32]) -> None:
    """softmax(Σ mean over frames of each input @ its weights + bias)."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes, tensors, declared, terms = [], [numpy_helper.from_array(bias, "bias")], [], []
    for spec, weights in inputs:
        name = spec.name
        tensors.append(numpy_helper.from_array(weights.astype(np.float32), f"w_{name}"))
        declared.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["segments", *spec.shape]))
        pooled = name
        if len(spec.shape) == 2:
            tensors.append(numpy_helper.from_array(np.array([1], dtype=np.int64), f"axes_{name}"))
            nodes.append(helper.make_node("ReduceMean", [name, f"axes_{name}"], [f"mean_{name}"], keepdims=0))
            pooled = f"mean_{name}"
        nodes.append(helper.make_node("MatMul", [pooled, f"w_{name}"], [f"term_{name}"]))
        terms.append(f"term_{name}")
    nodes.append(helper.make_node("Sum", [*terms, "bias"], ["logits"]))
    nodes.append(helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1))
    output = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["segments", len(bias)])
    graph = helper.make_graph(nodes, "pooled", declared, [output], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)


def _inputs(front_end: FrontEnd, kinds: Sequence[str], length_s: float) -> tuple[InputSpec, ...]:
    found = []
    for kind in kinds:
        rate = front_end.rate(kind)
        shape = (front_end.bands(kind),) if kind == "descriptors" else (round(length_s * rate), front_end.bands(kind))
        piece = front_end.descriptor_segment_s if kind == "descriptors" else 0.0
        found.append(
            InputSpec(name=kind, kind=kind, rate=rate, shape=shape, row="track" if kind == "descriptors" else "segment", piece_s=piece)
        )
    return tuple(found)


def add_family(
    layout: Layout, name: str, kinds: Sequence[str], *, strength: float = 1.0, noise: float = 0.0, members: Sequence[str] = ()
) -> None:
    """Fit a logistic regression on the training rows and write `models/<name>/`."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    splits = pd.read_parquet(layout.splits)
    classes = tuple(sorted(splits["genre"].unique()))
    stores = {kind: FeatureStore.open(layout.features(kind)) for kind in KINDS}
    front_end = FrontEnd.from_dict(dict(stores["mel"].spec["front_end"]))
    folder = layout.model(name)
    folder.mkdir(parents=True, exist_ok=True)
    if members:
        pairs = []
        for other in members:
            content = json.loads((layout.bundle(other) / "bundle.json").read_text())
            spec = MemberSpec.from_dict(content["members"][0])
            pairs.append((MemberSpec(**{**spec.__dict__, "name": other, "weight": 1 / len(members)}), layout.bundle(other)))
    else:
        segmenting = Segmenting(length_s=2.0, hop_s=1.0)
        inputs = _inputs(front_end, kinds, 2.0)
        train = splits[splits["split"] == "train"]
        index = stores["mel"].index.set_index("track_id")
        rows, labels = [], []
        for track_id, genre in zip(train["track_id"], train["genre"], strict=True):
            times = segment_times(float(index.loc[track_id, "duration_s"]), segmenting)
            parts = []
            for item in inputs:
                values = cut(stores[item.kind].track(track_id), item, times, segmenting)
                parts.append(values.mean(axis=1) if values.ndim == 3 else values)
            rows.append(np.concatenate(parts, axis=1))
            labels += [classes.index(genre)] * len(times)
        x = np.concatenate(rows)
        scaler = StandardScaler().fit(x)
        model = LogisticRegression(C=strength, max_iter=300).fit(scaler.transform(x), labels)
        weights = (model.coef_ / scaler.scale_).T
        bias = model.intercept_ - (scaler.mean_ / scaler.scale_) @ model.coef_.T
        if noise:
            weights = weights + np.random.default_rng(1).normal(size=weights.shape) * noise * weights.std()
            bias = bias - x.mean(axis=0) @ (weights - (model.coef_ / scaler.scale_).T)
        if len(classes) == 2:
            weights, bias = np.column_stack([-weights[:, 0], weights[:, 0]]) / 2, np.array([-bias[0], bias[0]]) / 2
        edges = np.cumsum([0, *(item.shape[-1] for item in inputs)])
        parts_w = [(item, weights[edges[i] : edges[i + 1]].astype(np.float32)) for i, item in enumerate(inputs)]
        _graph(folder / f"{name}.onnx", parts_w, bias.astype(np.float32))
        pairs = [(MemberSpec(name=name, family=name, file=f"{name}.onnx", inputs=inputs, segmenting=segmenting), folder)]
    write_bundle(layout.bundle(name), classes=classes, front_end=front_end, members=pairs, lineage={"split_id": "s"})
    epochs = np.arange(1, 13)
    if name not in ("classical", "ensemble"):
        rng = np.random.default_rng(len(name))
        loss = 2.2 * np.exp(-epochs / (3 + len(name) / 4)) + 0.5
        history = {
            "epoch": epochs,
            "train_loss": loss + rng.normal(scale=0.02, size=12),
            "validation_loss": loss * 1.1 + 0.1 + rng.normal(scale=0.05, size=12),
            "train_accuracy": 1 - loss / 3,
            "validation_macro_f1": 0.85 - loss / 4 + rng.normal(scale=0.02, size=12),
        }
        pd.DataFrame(history).to_parquet(folder / "history.parquet")
    summary = {"family": name, "fit_s": 3.5 * len(name), "n_parameters": 1234, "best_trial": 2, "trials": {"total": 4, "complete": 4}}
    (folder / "summary.json").write_text(json.dumps(summary))


def build(root: Path, size: Size = Size(), families: Sequence[str] = ("cnn", "multimodal", "classical", "ensemble")) -> Layout:
    """Audio, manifest, split, features and families below `root`."""
    layout = Layout(root)
    names = NAMES[: size.genres]
    front_end = FrontEnd(descriptor_segment_s=2.0)
    rows: list[dict[str, Any]] = []
    sounds: dict[str, NDArray[np.float32]] = {}
    for genre, name in enumerate(names):
        (root / "data" / "demo" / name).mkdir(parents=True)
        for artist in range(size.artists):
            split = "test" if artist % 5 == 0 else "validation" if artist % 5 == 1 else "train"
            for track in range(size.tracks):
                track_id = f"{name}/{artist:02d}_{track}"
                samples = _sound(genre, artist, track, size)
                path = root / "data" / "demo" / f"{track_id}.wav"
                sf.write(path, samples, RATE, subtype="PCM_16")
                sounds[track_id] = sf.read(path, dtype="float32")[0]
                group = f"{name}-{artist}"
                rows.append(
                    {
                        "track_id": track_id,
                        "path": f"data/demo/{track_id}.wav",
                        "genre": name,
                        "group": group,
                        "recording": track_id,
                        "split": split,
                    }
                )
    table = pd.DataFrame(rows).sort_values("track_id").reset_index(drop=True)
    table[["track_id", "genre", "group", "recording", "split"]].to_parquet(layout.splits, index=False)
    table.drop(columns="split").assign(duration_s=size.seconds, sha256="x", sample_rate=RATE).to_parquet(layout.valid, index=False)
    computed = {track_id: front_end.compute(samples, KINDS) for track_id, samples in sorted(sounds.items())}
    for kind in KINDS:
        spec = {
            "kind": kind,
            "feature_id": front_end.feature_id,
            "kind_id": front_end.kind_id(kind),
            "rate": front_end.rate(kind),
            "bands": front_end.bands(kind),
            "dtype": str(front_end.dtype(kind)),
            "names": list(front_end.names(kind)),
            "front_end": front_end.to_dict(),
        }
        with StoreWriter(layout.features(kind), spec) as writer:
            for track_id, arrays in computed.items():
                writer.add(track_id, arrays[kind], duration_s=len(sounds[track_id]) / RATE)
    kinds = {"cnn": ("mel",), "transfer": ("mel",), "multimodal": ("mel", "scalogram"), "classical": ("descriptors",)}
    for family in families:
        if family == "ensemble":
            add_family(layout, "ensemble", (), members=[item for item in families if item != "ensemble"])
        else:
            add_family(layout, family, kinds[family], strength=0.05, noise=0.5 if family == "transfer" else 0.0)
    return layout


def small_params(**evaluate: Any) -> Params:
    """Parameters for a small project: few resamples, one worker; `evaluate` is laid over its block."""
    block = {"bootstrap": 200, "robustness_tracks": 3, **evaluate}
    return parse_params({"evaluate": block, "compute": {"workers": 1}, "dataset": {"path": "data/demo"}}, source="params.yaml")


__all__ = ["KINDS", "NAMES", "Size", "add_family", "build", "small_params"]
