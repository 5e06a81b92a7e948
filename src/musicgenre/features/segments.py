"""From a track's features to a model's input, the one implementation for training, evaluation and service.

A *segment* is a stretch of `length_s` seconds, a new one every `hop_s`. Framed
kinds (mel, scalogram, mfcc, …) are float arrays [frames, bands] and are cut by
time; `descriptors` is [1 + n, D] (row 0 the whole track, row 1 + i its i-th
piece) and is looked up by time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from musicgenre.errors import FeatureError


@dataclass(frozen=True)
class Segmenting:
    """Length and hop of segments, in seconds."""

    length_s: float
    hop_s: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class InputSpec:
    """One model input.

    Attributes
    ----------
    name
        The ONNX input's name.
    kind
        The stored feature kind it is cut from.
    rate
        Frames of the kind per second; 0 for `descriptors`.
    shape
        Of one segment: (frames, bands) for framed kinds, (D,) for descriptors.
    row
        Only for descriptors: the piece nearest in time, or the whole track's row.
    piece_s
        Only for descriptors: seconds a piece.
    """

    name: str
    kind: str
    rate: float
    shape: tuple[int, ...]
    row: Literal["segment", "track"] = "segment"
    piece_s: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> InputSpec:
        return cls(**{**value, "shape": tuple(value["shape"])})


def segment_times(duration_s: float, segmenting: Segmenting) -> NDArray[np.float64]:
    """Start times in seconds, shape [n], n ≥ 1: as many whole segments as fit, and one (padded) if none does."""
    count = 1 + max(0, math.floor((duration_s - segmenting.length_s) / segmenting.hop_s + 1e-6))
    return np.arange(count, dtype=np.float64) * segmenting.hop_s


def cut(values: NDArray[Any], spec: InputSpec, times: NDArray[np.float64], segmenting: Segmenting) -> NDArray[np.float32]:
    """Segments of one kind: float32 [len(times), *spec.shape].

    A track shorter than a segment is repeated until it fills one (wrapping keeps
    the statistics of the sound, zero padding would invent silence).

    Raises
    ------
    FeatureError
        If `values` has another number of bands than `spec`, or no frame at all.
    """
    if values.ndim != 2 or values.shape[1] != spec.shape[-1] or values.shape[0] == 0:
        raise FeatureError(f"kind {spec.kind!r}: expected [≥1, {spec.shape[-1]}], found {list(values.shape)}.")
    if spec.kind == "descriptors":
        if spec.row == "track" or values.shape[0] == 1:
            rows = np.zeros(len(times), dtype=np.intp)
        else:
            centre = times + segmenting.length_s / 2
            rows = 1 + np.clip(np.floor(centre / spec.piece_s).astype(np.intp), 0, values.shape[0] - 2)
        return np.ascontiguousarray(values[rows], dtype=np.float32)
    frames = spec.shape[0]
    if values.shape[0] < frames:
        wrapped = values[np.resize(np.arange(values.shape[0]), frames)]
        return np.ascontiguousarray(wrapped[None].repeat(len(times), axis=0), dtype=np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(values, frames, axis=0)  # [starts, bands, frames], a view
    return np.ascontiguousarray(windows[first_frames(values.shape[0], spec, times)].transpose(0, 2, 1), dtype=np.float32)


def first_frames(stored: int, spec: InputSpec, times: NDArray[np.float64]) -> NDArray[np.intp]:
    """The frame at which each segment of a framed kind begins, in a track of `stored` ≥ ``spec.shape[0]`` frames."""
    return np.minimum(np.round(times * spec.rate).astype(np.intp), stored - spec.shape[0])


__all__ = ["InputSpec", "Segmenting", "cut", "first_frames", "segment_times"]
