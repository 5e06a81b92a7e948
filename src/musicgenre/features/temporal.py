"""Descriptors of the waveform: amplitude moments, level, zero crossings."""

from __future__ import annotations

import itertools
from math import gcd

import numpy as np
from numpy.typing import NDArray


def amplitude_moments(samples: NDArray[np.float32], starts: NDArray[np.intp]) -> NDArray[np.float64]:
    """Mean, deviation, skewness and excess kurtosis of the whole and of each piece: [1 + pieces, 4].

    Parameters
    ----------
    samples
        float32 [n].
    starts
        First sample of each piece, ascending from 0.
    """
    bounds = [*starts.tolist(), len(samples)]
    sums = np.zeros((len(starts), 5))
    for piece, (low, high) in enumerate(itertools.pairwise(bounds)):
        part = samples[low:high].astype(np.float64)
        square = part * part
        sums[piece] = len(part), part.sum(), square.sum(), np.einsum("i,i->", square, part), np.einsum("i,i->", square, square)
    sums = np.concatenate([sums.sum(axis=0, keepdims=True), sums])
    count, first, second, third, fourth = sums.T
    count = np.maximum(count, 1)
    mean, second, third, fourth = first / count, second / count, third / count, fourth / count
    variance = np.maximum(second - mean**2, 0)
    cubed = third - 3 * mean * second + 2 * mean**3
    quartic = fourth - 4 * mean * third + 6 * mean**2 * second - 3 * mean**4
    spread = np.where(variance > 1e-24, variance, np.inf)
    return np.stack([mean, np.sqrt(variance), cubed / spread**1.5, np.where(variance > 1e-24, quartic / spread**2 - 3, 0.0)], axis=1)


def _window_sums(values: NDArray[np.float32], length: int, hop: int, frames: int) -> NDArray[np.float64]:
    """Sums over the windows of all frames: first over blocks that windows and hops are whole numbers of, then over blocks."""
    block = gcd(length, hop)
    whole = values[: len(values) // block * block].reshape(-1, block)
    running = np.concatenate(([0.0], np.cumsum(whole.sum(axis=1), dtype=np.float64)))
    first = np.arange(frames) * (hop // block)
    return running[first + length // block] - running[first]


def rms(samples: NDArray[np.float32], *, length: int, hop: int, frames: int) -> NDArray[np.float32]:
    """Root mean square a frame, amplitude 0..1 of full scale (librosa.feature.rms): float32 [frames]."""
    squares = np.square(np.pad(samples, length // 2))
    return np.sqrt(np.maximum(_window_sums(squares, length, hop, frames), 0) / length).astype(np.float32)


def zero_crossing_rate(samples: NDArray[np.float32], *, length: int, hop: int, frames: int) -> NDArray[np.float32]:
    """Share of sample pairs in a frame between which the sign changes (librosa.feature.zero_crossing_rate): float32 [frames]."""
    negative = np.pad(samples, length // 2, mode="edge") < np.float32(-1e-10)
    crossings = np.zeros(len(negative), dtype=np.float32)
    np.not_equal(negative[1:], negative[:-1], out=crossings[1:], casting="unsafe")
    inside = _window_sums(crossings, length, hop, frames) - crossings[np.arange(frames) * hop]
    return (inside / length).astype(np.float32)


__all__ = ["amplitude_moments", "rms", "zero_crossing_rate"]
