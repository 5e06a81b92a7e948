"""Descriptors of a frame's spectrum, by librosa's definitions where librosa has them.

All functions take one block of frames, magnitude or power [frames, bins], and
give one value a frame; sums run in float32 over at most a few thousand bins.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from musicgenre.features.mel import AMIN, to_db

Block = NDArray[np.float32]

BAND_EDGES_HZ = (0.0, 60.0, 120.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0)
ROLLOFF = 0.85
_CONTRAST_FMIN = 200.0
_CONTRAST_QUANTILE = 0.02
_TINY = float(np.finfo(np.float32).tiny)


def normalised(magnitude: Block) -> Block:
    """Each frame divided by its sum; a frame of silence stays zero."""
    total = magnitude.sum(axis=1, keepdims=True)
    return np.asarray(magnitude / np.where(total < _TINY, np.float32(1), total), dtype=np.float32)


def moments(shares: Block, frequencies: NDArray[np.float32]) -> Block:
    """Centroid and bandwidths of orders 2, 3 and 4 in Hz: float32 [frames, 4].

    The bandwidth of order p is ``(Σ share · |f − centroid|^p)^(1/p)``.
    """
    centroid = np.einsum("fb,b->f", shares, frequencies)
    distance = np.abs(frequencies[None, :] - centroid[:, None])
    square = distance * distance
    columns = [centroid]
    columns.append(np.sqrt(np.einsum("fb,fb->f", shares, square)))
    distance *= square
    columns.append(np.cbrt(np.einsum("fb,fb->f", shares, distance)))
    square *= square
    columns.append(np.einsum("fb,fb->f", shares, square) ** np.float32(0.25))
    return np.stack(columns, axis=1).astype(np.float32, copy=False)


def rolloff(magnitude: Block, frequencies: NDArray[np.float32]) -> Block:
    """The lowest frequency in Hz below which 85 % of the magnitude lies: float32 [frames]."""
    running = np.cumsum(magnitude, axis=1)
    below = np.count_nonzero(running < np.float32(ROLLOFF) * running[:, -1:], axis=1)
    return np.asarray(frequencies[np.minimum(below, len(frequencies) - 1)])


def flatness(power: Block) -> Block:
    """Geometric over arithmetic mean of the power, 0..1: float32 [frames]."""
    floored = np.maximum(power, np.float32(AMIN))
    arithmetic = floored.mean(axis=1)
    return np.asarray(np.exp(np.log(floored).mean(axis=1)) / arithmetic)


def flux(shares: Block, before: Block) -> Block:
    """Euclidean distance to the frame before, both of sum one: float32 [frames].

    Parameters
    ----------
    before
        The frame ahead of the block, float32 [1, bins].
    """
    step = np.diff(shares, axis=0, prepend=before)
    return np.asarray(np.sqrt(np.einsum("fb,fb->f", step, step)))


def contrast_edges(rate: int) -> tuple[float, ...]:
    """Edges in Hz of the contrast's bands: 0, 200, 400 … 6400 as far as they lie below half the rate, then the rest."""
    edges = [0.0]
    edge = _CONTRAST_FMIN
    while edge < rate / 2 and len(edges) < 7:
        edges.append(edge)
        edge *= 2
    return tuple(edges)


def peaks_and_valleys(magnitude: Block, frequencies: NDArray[np.float32], edges: tuple[float, ...]) -> tuple[Block, Block]:
    """Mean of the loudest and of the quietest 2 % of the bins in each band: two float32 [frames, bands]."""
    peaks = np.empty((len(magnitude), len(edges)), dtype=np.float32)
    valleys = np.empty_like(peaks)
    final = len(edges) - 1
    for band, low in enumerate(edges):
        # The highest octave takes all that is above it; each band but the lowest has one bin more below.
        high = np.inf if band == final else (edges[band + 1])
        inside = np.flatnonzero((frequencies >= low) & (frequencies <= high))
        first, end = int(inside[0]) - (band > 0), int(inside[-1]) + 1
        count = max(1, int(np.rint(_CONTRAST_QUANTILE * (end - first))))
        bins = magnitude[:, first : end if band == final else end - 1]
        if count == 1:
            peaks[:, band], valleys[:, band] = bins.max(axis=1), bins.min(axis=1)
        else:
            ordered = np.sort(bins, axis=1)
            peaks[:, band], valleys[:, band] = ordered[:, -count:].mean(axis=1), ordered[:, :count].mean(axis=1)
    return peaks, valleys


def contrast(peaks: Block, valleys: Block) -> Block:
    """Peak over valley of a whole track in dB: float32 [frames, bands]."""
    return to_db(peaks, reference=1.0, top_db=80.0) - to_db(valleys, reference=1.0, top_db=80.0)


def band_edges(rate: int) -> tuple[float, ...]:
    """Lower edges in Hz of the energy bands that exist at `rate`."""
    return tuple(edge for edge in BAND_EDGES_HZ if edge < rate / 2)


def band_shares(power: Block, frequencies: NDArray[np.float32], edges: tuple[float, ...]) -> Block:
    """Share of a frame's energy in each band, 0..1: float32 [frames, bands]."""
    limits = [*np.searchsorted(frequencies, edges).tolist(), len(frequencies)]
    energy = np.stack([power[:, low:high].sum(axis=1) for low, high in itertools.pairwise(limits)], axis=1)
    return normalised(energy)


__all__ = [
    "BAND_EDGES_HZ",
    "ROLLOFF",
    "band_edges",
    "band_shares",
    "contrast",
    "contrast_edges",
    "flatness",
    "flux",
    "moments",
    "normalised",
    "peaks_and_valleys",
    "rolloff",
]
