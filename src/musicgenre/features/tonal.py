"""Tuning, pitch classes and the tonal centroid (librosa's `estimate_tuning`, `chroma_stft`, `tonnetz`)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LOW_HZ, _HIGH_HZ = 150.0, 4000.0  # where pitches are looked for (librosa.piptrack)
_THRESHOLD = 0.1  # of the frame's maximum
_TINY = float(np.finfo(np.float32).tiny)
PITCH_CLASSES = ("C", "Cs", "D", "Ds", "E", "F", "Fs", "G", "Gs", "A", "As", "B")


def spectral_peaks(power: NDArray[np.float32], rate: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Frequencies in Hz and heights of the parabolic peaks of some frames: two float32 [peaks].

    Parameters
    ----------
    power
        float32 [frames, bins].
    """
    width = rate / (2 * (power.shape[1] - 1))
    first = max(1, int(np.ceil(_LOW_HZ / width)))
    end = min(power.shape[1] - 1, int(np.ceil(min(_HIGH_HZ, rate / 2) / width)))
    if end <= first:
        return np.empty(0, np.float32), np.empty(0, np.float32)
    near = power[:, first - 1 : end + 1]
    loud = np.where(near > np.float32(_THRESHOLD) * power.max(axis=1, keepdims=True), near, np.float32(0))
    frame, column = np.nonzero((loud[:, 1:-1] > loud[:, :-2]) & (loud[:, 1:-1] >= loud[:, 2:]))
    here, before, after = near[frame, column + 1], near[frame, column], near[frame, column + 2]
    curvature = after + before - 2 * here
    slope = (after - before) / 2
    steep = np.abs(slope) >= np.abs(curvature)
    shift = np.where(steep, np.float32(0), -slope / np.where(steep, np.float32(1), curvature))
    hz = ((column + first) + shift) * np.float64(width)
    return hz.astype(np.float32), (here + np.float32(0.5) * slope * shift).astype(np.float32)


def tuning(hz: NDArray[np.float32], height: NDArray[np.float32]) -> float:
    """Deviation from A440 in semitones, −0.5..0.49 in steps of 0.01: the commonest among the louder half of the peaks."""
    good = hz > 0
    if not good.any():
        return 0.0
    hz, height = hz[good], height[good]
    octaves = np.log2(hz[height >= np.median(height)] / np.float32(440.0 / 16))
    residual = np.mod(12 * octaves, 1.0)
    residual[residual >= 0.5] -= 1.0
    counts, edges = np.histogram(residual, np.linspace(-0.5, 0.5, 101))
    return float(edges[np.argmax(counts)])


def chroma(power: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Strength of the pitch classes from C, each frame's greatest is 1: float32 [frames, 12].

    Parameters
    ----------
    power
        float32 [frames, bins].
    weights
        `filters.chroma_weights`, float32 [12, bins].
    """
    raw = np.einsum("fb,cb->fc", power, weights)
    peak = raw.max(axis=1, keepdims=True)
    return np.asarray(raw / np.where(peak < _TINY, np.float32(1), peak))


def tonnetz(classes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Tonal centroid (Harte et al. 2006): fifths, minor and major thirds as pairs of coordinates, float32 [frames, 6].

    Parameters
    ----------
    classes
        Chroma, float32 [frames, 12].
    """
    angles = np.multiply.outer([7 / 6, 7 / 6, 3 / 2, 3 / 2, 2 / 3, 2 / 3], np.arange(12.0))
    angles[::2] -= 0.5
    basis = np.array([1, 1, 1, 1, 0.5, 0.5])[:, None] * np.cos(np.pi * angles)
    total = classes.sum(axis=1, keepdims=True)
    shares = classes / np.where(total < _TINY, np.float32(1), total)
    return np.asarray(np.einsum("fc,pc->fp", shares, basis.astype(np.float32)))


__all__ = ["PITCH_CLASSES", "chroma", "spectral_peaks", "tonnetz", "tuning"]
