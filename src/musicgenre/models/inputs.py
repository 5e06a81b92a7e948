"""Segments of a corpus as arrays, cut by the same `cut` that the service uses.

Stored float16 stays float16 until a batch is made (the values are the same, the
memory is half). Above `DENSE_BYTES` nothing is copied: a batch is then cut from
the memory-mapped store when it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from musicgenre.errors import ModelError
from musicgenre.features.segments import InputSpec, Segmenting, cut, first_frames, segment_times
from musicgenre.features.store import FeatureStore
from musicgenre.models.corpus import Corpus

DENSE_BYTES = 2 << 30
KEPT = 4  # splits cut and kept with a corpus


class Rows(Protocol):
    """Segments of one input: an array, or a cutter of the store."""

    def __getitem__(self, indices: NDArray[np.intp]) -> NDArray[np.generic]: ...


_SIGN_AND_NUMBER = np.int32(np.uint32(0x8FFFE000).astype(np.int32))  # of a float16 shifted to where a float32 has them
_EXPONENTS = np.float32(2.0**112)  # between the exponents of float16 and float32


def widened(values: NDArray[np.generic]) -> NDArray[np.float32]:
    """`values` as float32; finite float16 by integer arithmetic, several times faster than NumPy's cast and the same to the bit."""
    if values.dtype != np.float16:
        return np.asarray(values, dtype=np.float32)
    bits = np.ascontiguousarray(values).view(np.int16).astype(np.int32)
    np.left_shift(bits, 13, out=bits)
    np.bitwise_and(bits, _SIGN_AND_NUMBER, out=bits)
    wide = bits.view(np.float32)
    return np.multiply(wide, _EXPONENTS, out=wide)


@dataclass(frozen=True)
class Cutter:
    """Segments cut from the store when asked for. `tracks`, `times`: of every segment, seconds."""

    store: FeatureStore
    spec: InputSpec
    segmenting: Segmenting
    tracks: NDArray[np.object_]
    times: NDArray[np.float64]

    @cached_property
    def _places(self) -> tuple[NDArray[np.generic], NDArray[np.int64]]:
        """Every stretch of the store that is as long as a segment, flat, as a view; and which of them each segment is (−1: none)."""
        values, frames = self.store.values, self.spec.shape[0]
        first = np.full(len(self.tracks), -1, dtype=np.int64)
        if self.spec.kind == "descriptors" or len(values) < frames:
            return values, first
        starts = np.flatnonzero(np.r_[True, self.tracks[1:] != self.tracks[:-1]])
        for start, end in zip(starts, [*starts[1:], len(self.tracks)], strict=True):
            where = self.store.rows(self.tracks[start])
            if where.stop - where.start >= frames:
                first[start:end] = where.start + first_frames(where.stop - where.start, self.spec, self.times[start:end])
        shape, strides = (len(values) - frames + 1, frames * values.shape[1]), (values.strides[0], values.itemsize)
        return np.lib.stride_tricks.as_strided(values, shape, strides, writeable=False), first

    def __getitem__(self, indices: NDArray[np.intp]) -> NDArray[np.generic]:
        stretches, first = self._places
        chosen = first[indices]
        if (chosen >= 0).all():
            return stretches[chosen].reshape(len(indices), *self.spec.shape)
        # Tracks shorter than a segment, and rows looked up by time: one by one.
        rows = np.empty((len(indices), *self.spec.shape), dtype=self.store.values.dtype)
        for row, i in zip(rows, indices, strict=True):
            row[...] = cut(self.store.track(self.tracks[i]), self.spec, self.times[i : i + 1], self.segmenting)[0]
        return rows


@dataclass(frozen=True)
class Segments:
    """All segments of a split.

    Attributes
    ----------
    rows
        One a model input, [segments, *shape] when indexed.
    track
        int64 [segments], ascending: the position of a segment's track in `Corpus.rows(split)`.
    labels
        int64 [segments].
    """

    rows: tuple[Rows, ...]
    track: NDArray[np.int64]
    labels: NDArray[np.int64]
    n_tracks: int

    def __len__(self) -> int:
        return len(self.track)

    def batch(self, indices: NDArray[np.intp]) -> tuple[NDArray[np.float32], ...]:
        """The inputs of the segments at `indices`, float32."""
        return tuple(widened(rows[indices]) for rows in self.rows)

    @property
    def track_labels(self) -> NDArray[np.int64]:
        """int64 [tracks]."""
        labels: NDArray[np.int64] = self.labels[np.searchsorted(self.track, np.arange(self.n_tracks))]
        return labels

    def track_mean(self, probabilities: NDArray[np.floating]) -> NDArray[np.float32]:
        """Track probabilities float32 [tracks, C] from segments' [segments, C]; rows sum to one."""
        starts = np.searchsorted(self.track, np.arange(self.n_tracks))
        sums = np.add.reduceat(probabilities.astype(np.float64), starts, axis=0)
        means: NDArray[np.float32] = (sums / sums.sum(axis=1, keepdims=True)).astype(np.float32)
        return means

    def sample(self, count: int) -> tuple[NDArray[np.float32], ...]:
        """`count` segments spread evenly (all if there are fewer), for checks on real data."""
        return self.batch(np.unique(np.linspace(0, len(self) - 1, min(count, len(self))).astype(np.intp)))


def median_duration(corpus: Corpus) -> float:
    """Seconds; what "one segment a track" means for a corpus."""
    return float(corpus.rows("train")["duration_s"].median())


def input_spec(corpus: Corpus, kind: str, segmenting: Segmenting, *, row: str = "segment") -> InputSpec:
    """The `InputSpec` of one stored kind under `segmenting`; the input is named after the kind."""
    spec = corpus.store(kind).spec
    bands = int(spec["bands"])
    if kind == "descriptors":
        piece = float(spec["front_end"]["descriptor_segment_s"])
        if row not in ("segment", "track"):
            raise ModelError(f"descriptor rows are 'segment' or 'track', not {row!r}.")
        return InputSpec(name=kind, kind=kind, rate=0.0, shape=(bands,), row="track" if row == "track" else "segment", piece_s=piece)
    rate = float(spec["rate"])
    frames = max(1, round(segmenting.length_s * rate))
    return InputSpec(name=kind, kind=kind, rate=rate, shape=(frames, bands))


def load_segments(corpus: Corpus, split: str, specs: Sequence[InputSpec], segmenting: Segmenting, *, limit: int = DENSE_BYTES) -> Segments:
    """Cut every track of `split`; dense in memory up to `limit` bytes, else cut batch by batch.

    The last few results stay with the corpus, so that the trials of a study cut once.
    """
    key = (split, tuple(specs), segmenting, limit)
    if key not in corpus.cache:
        while len(corpus.cache) >= KEPT:
            corpus.cache.pop(next(iter(corpus.cache)))
        corpus.cache[key] = _cut_all(corpus, split, specs, segmenting, limit)
    segments: Segments = corpus.cache[key]
    return segments


def _cut_all(corpus: Corpus, split: str, specs: Sequence[InputSpec], segmenting: Segmenting, limit: int) -> Segments:
    tracks = corpus.rows(split)
    times = [segment_times(duration, segmenting) for duration in tracks["duration_s"]]
    counts = np.array([len(item) for item in times])
    track = np.repeat(np.arange(len(tracks)), counts)
    labels = tracks["label"].to_numpy()[track]
    rows: list[Rows] = []
    for spec in specs:
        store = corpus.store(spec.kind)
        dtype = np.dtype(store.values.dtype)
        if int(counts.sum()) * int(np.prod(spec.shape)) * dtype.itemsize > limit:
            ids = tracks["track_id"].to_numpy(dtype=object)[track]
            rows.append(Cutter(store, spec, segmenting, ids, np.concatenate(times)))
            continue
        dense = np.empty((int(counts.sum()), *spec.shape), dtype=dtype)
        start = 0
        for track_id, moments in zip(tracks["track_id"], times, strict=True):
            dense[start : start + len(moments)] = cut(store.track(track_id), spec, moments, segmenting)
            start += len(moments)
        rows.append(dense)
    return Segments(tuple(rows), track, labels, len(tracks))


def load_embeddings(corpus: Corpus, split: str, backbone: str) -> Segments:
    """The stored embeddings of `split`, a row a segment."""
    tracks = corpus.rows(split)
    store = corpus.embeddings(backbone)
    parts = [np.asarray(store.track(track_id)) for track_id in tracks["track_id"]]
    track = np.repeat(np.arange(len(tracks)), [len(part) for part in parts])
    return Segments((np.concatenate(parts),), track, tracks["label"].to_numpy()[track], len(tracks))


def channel_statistics(segments: Segments, which: int = 0, *, most: int = 2000) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation of each band over (up to `most` evenly spread) segments: float32 [bands] each."""
    chosen = np.unique(np.linspace(0, len(segments) - 1, min(most, len(segments))).astype(np.intp))
    values = segments.batch(chosen)[which].astype(np.float64)
    flat = values.reshape(-1, values.shape[-1])
    return flat.mean(axis=0).astype(np.float32), np.maximum(flat.std(axis=0), 1e-4).astype(np.float32)


def named(specs: Sequence[InputSpec], arrays: Sequence[NDArray[np.float32]]) -> Mapping[str, NDArray[np.float32]]:
    """Arrays by input name."""
    return {spec.name: array for spec, array in zip(specs, arrays, strict=True)}


__all__ = [
    "DENSE_BYTES",
    "Segments",
    "channel_statistics",
    "input_spec",
    "load_embeddings",
    "load_segments",
    "median_duration",
    "named",
    "widened",
]
