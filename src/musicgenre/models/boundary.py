"""Partial fine-tuning: a backbone cut in two where its last layers begin to learn.

What lies before the boundary never changes, so it runs once, through ONNX
Runtime, and its activations are kept under `.musicgenre/activations/<id>/`: an
epoch of fine-tuning costs only the layers that learn. Both halves are made of the
backbone's own layers; what the second half learns, the whole graph knows.

Batch norms stay as they are (moving statistics of a few tracks would undo the
pretraining), so both halves together are the whole graph in training as well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from musicgenre.errors import ModelError
from musicgenre.features.segments import InputSpec, Segmenting
from musicgenre.features.store import FeatureStore, StoreWriter
from musicgenre.lineage import canonical_hash
from musicgenre.models.corpus import Corpus
from musicgenre.models.inputs import Segments, load_segments

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Halves:
    """A backbone in two.

    Attributes
    ----------
    before
        float32 [N, frames, bands] → [N, D]: every tensor that crosses the boundary, flattened, one after another.
    after
        float32 [N, D] → the embedding.
    layers
        Names of the layers that learn, in the order of the graph.
    """

    before: keras.Model
    after: keras.Model
    layers: tuple[str, ...]


def divide(backbone: keras.Model, unfreeze: int) -> Halves:
    """Unfreeze the last `unfreeze` layers of `backbone` that hold weights (batch norms not counted), and cut before them.

    Parameters
    ----------
    backbone
        Functional, one input, one output; its layers are used, not copied.
    unfreeze
        ≥ 1.

    Raises
    ------
    ModelError
        If the backbone has fewer such layers.
    """
    import keras

    source = keras.Input(backbone.inputs[0].shape[1:])
    flat = keras.Model(source, _replay(backbone, {id(backbone.inputs[0]): source})[0])
    nodes = _nodes(flat)
    weighted = list(dict.fromkeys(node.operation for node in nodes if _learns(node.operation)))
    if not 1 <= unfreeze <= len(weighted):
        raise ModelError(f"unfreeze is {unfreeze}; {backbone.name} has {len(weighted)} layers that can be unfrozen.")
    chosen = weighted[-unfreeze:]
    for layer in chosen:
        layer.trainable = True
    later: list[Any] = []  # the nodes at or behind a layer that learns
    made: set[int] = set()  # what they make
    crossing: dict[int, Any] = {}
    for node in nodes:
        if node.operation in chosen or any(id(tensor) in made for tensor in node.input_tensors):
            later.append(node)
            made.update(id(tensor) for tensor in node.output_tensors)
            crossing.update({id(tensor): tensor for tensor in node.input_tensors if id(tensor) not in made})
    parts = [keras.layers.Flatten()(tensor) for tensor in crossing.values()]
    before = keras.Model(source, keras.layers.Concatenate()(parts) if len(parts) > 1 else parts[0], name=f"{backbone.name}_before")

    stored = keras.Input((sum(math.prod(tensor.shape[1:]) for tensor in crossing.values()),), name="activations")
    known, start = {}, 0
    for key, tensor in crossing.items():
        end = start + math.prod(tensor.shape[1:])
        known[key] = keras.layers.Reshape(tensor.shape[1:])(stored[:, start:end])
        start = end
    _run(later, known)
    after = keras.Model(stored, known[id(flat.outputs[0])], name=f"{backbone.name}_after")
    return Halves(before, after, tuple(layer.name for layer in chosen))


def _learns(operation: Any) -> bool:
    return bool(getattr(operation, "weights", ())) and type(operation).__name__ not in ("BatchNormalization", "Normalization")


def _nodes(model: Any) -> list[Any]:
    """The calls that make up a functional model, each after those that it needs."""
    return [node for depth in sorted(model._nodes_by_depth, reverse=True) for node in model._nodes_by_depth[depth] if not node.is_input]


def _replay(model: Any, known: dict[int, Any]) -> list[Any]:
    """The outputs of a functional `model` on the tensors `known` by the ids of its inputs; nested models are taken apart."""
    inner = getattr(model, "_functional", None) or model
    known |= {id(own): known[id(tensor)] for own, tensor in zip(inner.inputs, model.inputs, strict=True)}
    _run(_nodes(inner), known)
    return [known[id(tensor)] for tensor in inner.outputs]


def _run(nodes: list[Any], known: dict[int, Any]) -> None:
    """Call every node's operation again; `known` maps the ids of old tensors to new ones, and is filled."""
    for node in nodes:
        operation = node.operation
        if hasattr(getattr(operation, "_functional", None) or operation, "_nodes_by_depth"):
            fed = (known[id(tensor)] for tensor in node.input_tensors)
            outputs = _replay(operation, {id(own): tensor for own, tensor in zip(operation.inputs, fed, strict=True)})
        else:
            args, kwargs = node.arguments.fill_in(known)
            called = operation(*args, **kwargs)
            outputs = list(called) if isinstance(called, list | tuple) else [called]
        known |= {id(old): new for old, new in zip(node.output_tensors, outputs, strict=True)}


def activations(
    corpus: Corpus, split: str, halves: Halves, spec: InputSpec, segmenting: Segmenting, lineage: Mapping[str, Any], *, batch: int = 64
) -> Segments:
    """What `halves.before` says of every segment of `split`: computed once, then read from the memory map.

    Parameters
    ----------
    spec, segmenting
        The backbone's input (see `backbones.stored_input`).
    lineage
        Which backbone with which weights; part of the identity, as are the tracks and the features.
    """
    segments = load_segments(corpus, split, (spec,), segmenting)
    tracks = corpus.rows(split)
    features = corpus.store(spec.kind)
    digests = dict(zip(features.index["track_id"], features.index["sha256"].fillna(""), strict=True))
    content = {
        "lineage": dict(lineage),
        "unfrozen": list(halves.layers),
        "input": spec.to_dict(),
        "segmenting": segmenting.to_dict(),
        "features": features.spec["kind_id"],
        "tracks": [
            [track, str(digests[track]), duration] for track, duration in zip(tracks["track_id"], tracks["duration_s"], strict=True)
        ],
    }
    identity = canonical_hash(content)
    path = corpus.layout.work / "activations" / identity
    if not (path / "spec.json").is_file():
        _compute(path, identity, segments, tracks, halves, spec, batch)
    return Segments((FeatureStore.open(path).values,), segments.track, segments.labels, segments.n_tracks)


def _compute(path: Any, identity: str, segments: Segments, tracks: Any, halves: Halves, spec: InputSpec, batch: int) -> None:
    """Write the store of one split, track by track; whole or not at all."""
    from musicgenre.models.onnx.check import run_batched, session
    from musicgenre.models.onnx.keras_graph import keras_to_onnx

    running = session(keras_to_onnx(halves.before, title="before", names=(spec.name,), output="activations"))
    about = {"kind": "activations", "kind_id": identity, "bands": int(halves.before.output_shape[-1]), "dtype": "float32"}
    ends = np.searchsorted(segments.track, np.arange(segments.n_tracks), side="right")
    path.parent.mkdir(parents=True, exist_ok=True)
    with StoreWriter(path, about) as writer:
        start = 0
        for track, duration, end in zip(tracks["track_id"], tracks["duration_s"], ends, strict=True):
            rows = segments.batch(np.arange(start, end))[0]
            writer.add(track, run_batched(running, {spec.name: rows}, batch=batch), duration_s=float(duration))
            start = end


__all__ = ["Halves", "activations", "divide"]
