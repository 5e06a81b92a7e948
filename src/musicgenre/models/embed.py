"""Stage `embed`: every frozen backbone runs once over every track, through ONNX Runtime.

Segments of many tracks share a batch. Finished tracks are kept one by one under
`.musicgenre/embeddings/<id>/`, where the id hashes the weights, the segments and
the features: a killed or repeated run computes only what is missing.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicgenre.atomic import atomic_path
from musicgenre.errors import MissingInput
from musicgenre.features.frontend import FrontEnd
from musicgenre.features.segments import InputSpec, Segmenting, cut, segment_times
from musicgenre.features.store import FeatureStore, StoreWriter
from musicgenre.layout import Layout
from musicgenre.lineage import canonical_hash
from musicgenre.models import backbones
from musicgenre.models.backbones.base import Backbone
from musicgenre.models.backbones.weights import Weights
from musicgenre.params import ComputeParams, EmbedParams
from musicgenre.progress import progress
from musicgenre.quiet import quiet_native


@dataclass(frozen=True)
class EmbedSummary:
    """Of one backbone: tracks and segments in the store, how many tracks were computed now, and with which weights."""

    backbone: str
    tracks: int
    segments: int
    computed: int
    dimensions: int
    weights: dict[str, Any]


def threads(compute: ComputeParams) -> int:
    """Threads for one ONNX Runtime session: `compute.workers`, or all cores this process may use."""
    return compute.workers or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else compute.workers or os.cpu_count() or 1


def embed(params: EmbedParams, layout: Layout, compute: ComputeParams) -> tuple[EmbedSummary, ...]:
    """Write `data/embeddings/<backbone>/` for every backbone of `params`; remove those no longer asked for.

    Raises
    ------
    MissingInput
        If the features that a backbone reads are not there.
    WeightsUnavailable
        If a backbone's weights are not to be had; the message names the ways to get them.
    ModelError
        If the features are not those that a backbone was trained on.
    """
    jobs = [_Job.open(name, params, layout) for name in params.backbones]  # all faults show before the first hour of work
    summaries = tuple(_run(job, params.batch, threads(compute), layout) for job in jobs)
    root = layout.data / "embeddings"
    root.mkdir(parents=True, exist_ok=True)
    for stale in sorted(path for path in root.iterdir() if path.is_dir() and path.name not in params.backbones):
        shutil.rmtree(stale)
    return summaries


@dataclass(frozen=True)
class _Job:
    backbone: Backbone
    weights: Weights
    store: FeatureStore
    spec: InputSpec
    segmenting: Segmenting

    @classmethod
    def open(cls, name: str, params: EmbedParams, layout: Layout) -> _Job:
        backbone = backbones.get(name)
        path = layout.features(backbone.kind)
        if not (path / "spec.json").is_file():
            raise MissingInput(f"{path} is not there: backbone {name} reads it. Add {backbone.kind!r} to `features.kinds`, run `features`.")
        store = FeatureStore.open(path)
        backbone.check(FrontEnd.from_dict(store.spec["front_end"]))
        segmenting = Segmenting(length_s=params.segment_s, hop_s=params.hop_s)
        shape = (max(1, round(params.segment_s * float(store.spec["rate"]))), int(store.spec["bands"]))
        spec = InputSpec(name=backbone.kind, kind=backbone.kind, rate=float(store.spec["rate"]), shape=shape)
        return cls(backbone, backbone.find(), store, spec, segmenting)

    @property
    def work_id(self) -> str:
        content = [
            self.backbone.name,
            self.weights.variant,
            self.weights.sha256,
            self.store.spec["kind_id"],
            self.spec.to_dict(),
            self.segmenting.to_dict(),
        ]
        return f"{self.backbone.name}-{canonical_hash(content)}"

    def segments(self, track: str, duration: float) -> NDArray[np.float32]:
        return cut(self.store.track(track), self.spec, segment_times(duration, self.segmenting), self.segmenting)


def _run(job: _Job, batch: int, workers: int, layout: Layout) -> EmbedSummary:
    folder = layout.work / "embeddings" / job.work_id
    folder.mkdir(parents=True, exist_ok=True)
    index = job.store.index
    # A track is known by its audio's digest as well: a replaced file is computed again.
    rows = list(zip(index["track_id"], index["duration_s"].astype(float), index["sha256"].fillna(""), strict=True))
    places = {
        track: folder / f"{hashlib.sha256(f'{track}|{digest}|{duration}'.encode()).hexdigest()[:24]}.npy"
        for track, duration, digest in rows
    }
    missing = [(track, duration) for track, duration, _ in rows if not places[track].is_file()]
    if missing:
        work = _batches(job, missing, batch, workers)
        for track, vectors in progress(work, total=len(missing), description=f"embed {job.backbone.name}"):
            with atomic_path(places[track]) as temporary, temporary.open("wb") as handle:
                np.save(handle, vectors, allow_pickle=False)
    return _assemble(job, rows, places, len(missing), layout)


def _batches(job: _Job, tracks: list[tuple[str, float]], batch: int, workers: int) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Tracks with their vectors [segments, D]; a batch is filled across tracks."""
    with quiet_native():
        import keras  # noqa: F401 - loads TensorFlow, which is then silent wherever it is imported next
    from musicgenre.models.onnx.check import session
    from musicgenre.models.onnx.keras_graph import keras_to_onnx

    model = job.backbone.build((job.spec.shape[0], job.spec.shape[1]), job.weights)
    running = session(keras_to_onnx(model, title=job.backbone.name, names=(job.spec.name,), output="embedding"), threads=workers)
    waiting: list[NDArray[np.float32]] = []
    done: list[NDArray[np.float32]] = []
    order: list[tuple[str, int]] = []

    def flush(everything: bool) -> None:
        rows = np.concatenate(waiting) if waiting else np.empty((0, *job.spec.shape), np.float32)
        end = len(rows) if everything else len(rows) - len(rows) % batch
        done.extend(running.run(None, {job.spec.name: rows[start : min(start + batch, end)]})[0] for start in range(0, end, batch))
        waiting[:] = [rows[end:]] if end < len(rows) else []

    def finished() -> Iterator[tuple[str, NDArray[np.float32]]]:
        vectors = np.concatenate(done) if done else np.empty((0, int(model.output_shape[-1])), np.float32)
        while order and order[0][1] <= len(vectors):
            track, count = order.pop(0)
            yield track, vectors[:count]
            vectors = vectors[count:]
        done[:] = [vectors] if len(vectors) else []

    for track, duration in tracks:
        part = job.segments(track, duration)
        waiting.append(part)
        order.append((track, len(part)))
        if sum(map(len, waiting)) >= batch:
            flush(everything=False)
            yield from finished()
    flush(everything=True)
    yield from finished()


def _assemble(job: _Job, rows: list[tuple[str, float, str]], places: dict[str, Path], computed: int, layout: Layout) -> EmbedSummary:
    first = np.load(places[rows[0][0]], allow_pickle=False)
    spec = {
        "kind": job.backbone.name,
        "backbone": job.backbone.name,
        "weights": job.weights.lineage(),
        "weights_sha256": job.weights.sha256,
        "segmenting": job.segmenting.to_dict(),
        "input": job.spec.to_dict(),
        "feature_id": job.store.spec["feature_id"],
        "kind_id": job.work_id,
        "rate": 0.0,
        "bands": int(first.shape[1]),
        "dtype": "float32",
        "front_end": job.store.spec["front_end"],
    }
    segments = 0
    with StoreWriter(layout.embeddings(job.backbone.name), spec) as writer:
        for track, duration, digest in rows:
            vectors = np.load(places[track], allow_pickle=False)
            writer.add(track, vectors, duration_s=duration, sha256=digest)
            segments += len(vectors)
    return EmbedSummary(job.backbone.name, len(rows), segments, computed, int(first.shape[1]), job.weights.lineage())


__all__ = ["EmbedSummary", "embed", "threads"]
