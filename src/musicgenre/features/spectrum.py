"""The one short-time Fourier transform, shared by mel, MFCC and the spectral descriptors.

librosa's conventions: frame t is centred on sample ``t * hop``, the signal is
padded with zeros by ``n_fft // 2`` on both sides, the window is periodic.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from musicgenre.features.filters import window as make_window

_BLOCK = 64  # frames transformed at once: one block's arrays stay in the second-level cache


def frame_count(samples: int, hop: int) -> int:
    """Frames of a centred transform of `samples` samples."""
    return 1 + samples // hop


def pre_emphasise(samples: NDArray[np.float32], coefficient: float) -> NDArray[np.float32]:
    """``y[n] = x[n] − c·x[n−1]``, started by linear extrapolation (librosa.effects.preemphasis)."""
    if coefficient == 0.0:
        return samples
    result = samples.copy()
    result[1:] -= np.float32(coefficient) * samples[:-1]
    if len(samples) > 1:
        result[0] = samples[0] + (2 * samples[0] - samples[1])
    return result


def framed(samples: NDArray[np.float32], length: int, hop: int) -> NDArray[np.float32]:
    """Overlapping frames as a read-only view: float32 [frames, length]."""
    return np.lib.stride_tricks.sliding_window_view(samples, length)[::hop]


def power_blocks(
    samples: NDArray[np.float32], *, n_fft: int, hop: int, window: str, length: int | None = None, centre: bool = True
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Power spectrum a block at a time: ``(first frame, float32 [frames ≤ 64, n_fft // 2 + 1])``.

    Parameters
    ----------
    samples
        float32 [n], at least one sample.
    length
        Window length in samples, at most `n_fft` (the rest is zeros at the end); `n_fft` if None.
    centre
        Pad by ``n_fft // 2`` zeros on both sides; otherwise frame t starts at sample ``t * hop``.
    """
    taps = make_window(window, length or n_fft)
    if centre:
        samples = np.pad(samples, n_fft // 2)
    elif len(samples) < len(taps):
        samples = np.pad(samples, (0, len(taps) - len(samples)))
    frames = framed(samples, len(taps), hop)
    for first in range(0, len(frames), _BLOCK):
        spectrum = fft.rfft(frames[first : first + _BLOCK] * taps, n=n_fft, axis=1, workers=1)
        power = spectrum.real**2
        power += spectrum.imag**2
        yield first, power


__all__ = ["frame_count", "framed", "power_blocks", "pre_emphasise"]
