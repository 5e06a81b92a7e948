"""From the members' segment probabilities to a track's, and to one timeline."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def temper(probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """softmax(log p / T) along the last axis (Guo et al. 2017); T = 1 only renormalises."""
    logits = np.log(np.clip(probabilities, 1e-12, None)) / temperature
    logits -= logits.max(axis=-1, keepdims=True)
    raised = np.exp(logits)
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))


def on_grid(
    probabilities: NDArray[np.float64],
    times: NDArray[np.float64],
    length_s: float,
    grid: NDArray[np.float64],
    cell_s: float,
) -> NDArray[np.float64]:
    """A member's segments on another grid: [len(grid), classes].

    A cell is the mean of the segments that overlap it, weighted by seconds of overlap; a
    cell that none overlaps (the end of a track) takes the segment nearest in time.
    """
    if len(times) == len(grid) and length_s == cell_s and np.allclose(times, grid):
        return probabilities
    starts = np.maximum(grid[:, None], times[None, :])
    ends = np.minimum(grid[:, None] + cell_s, times[None, :] + length_s)
    overlap = np.clip(ends - starts, 0.0, None)  # [cells, segments], seconds
    empty = overlap.sum(axis=1) <= 1e-9
    if empty.any():
        centres = np.abs((grid[empty, None] + cell_s / 2) - (times[None, :] + length_s / 2))
        overlap[np.flatnonzero(empty), centres.argmin(axis=1)] = 1.0
    return np.asarray((overlap / overlap.sum(axis=1, keepdims=True)) @ probabilities)


def mix(parts: Sequence[NDArray[np.float64]], weights: Sequence[float], temperature: float) -> NDArray[np.float64]:
    """Weighted arithmetic mean of equal-shaped probabilities, then the temperature."""
    total = float(sum(weights))
    mixed = sum(weight / total * part for weight, part in zip(weights, parts, strict=True))
    return temper(np.asarray(mixed, dtype=np.float64), temperature)


__all__ = ["mix", "on_grid", "temper"]
