"""Harmonic and percussive parts of a spectrogram (Fitzgerald 2010; librosa.decompose.hpss), opt-in because slow."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

KERNEL = 31  # frames, and bins, of the median


def running_median(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Median of `KERNEL` neighbours along the last axis, mirrored at the ends.

    All rows are laid end to end with mirrored margins, so that SciPy's fast one-dimensional filter does them at once.
    """
    from scipy import ndimage  # slow to import, and few ask for these parts

    half = KERNEL // 2
    padded = np.pad(values, ((0, 0), (half, half)), mode="symmetric")
    flat = ndimage.median_filter(padded.ravel(), size=KERNEL, mode="nearest")
    return np.ascontiguousarray(flat.reshape(padded.shape)[:, half:-half])


def energy_shares(magnitude: NDArray[np.float32]) -> NDArray[np.float32]:
    """Share of a frame's energy in the harmonic and in the percussive part (soft masks, power 2): float32 [frames, 2].

    Parameters
    ----------
    magnitude
        float32 [frames, bins].
    """
    harmonic = running_median(np.ascontiguousarray(magnitude.T)).T
    percussive = running_median(magnitude)
    scale = np.maximum(harmonic, percussive)
    silent = scale < np.finfo(np.float32).tiny
    scale[silent] = 1
    harmonic = np.square(harmonic / scale)
    percussive = np.square(percussive / scale)
    mask = np.where(silent, np.float32(0.5), harmonic / np.where(silent, np.float32(1), harmonic + percussive))
    parts = [np.square(magnitude * part).sum(axis=1) for part in (mask, 1 - mask)]
    total = np.square(magnitude).sum(axis=1)
    return np.stack([part / np.where(total > 0, total, np.float32(1)) for part in parts], axis=1)


__all__ = ["KERNEL", "energy_shares", "running_median"]
