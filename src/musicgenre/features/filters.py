"""Fixed linear maps of the front end: windows, mel and chroma filter banks, as sparse matrices.

Each is librosa's definition written out in NumPy (librosa 0.11: `filters.mel`,
`filters.chroma`, `filters.get_window`), so that nothing at run time imports or
compiles it. The banks are sparse and applied by SciPy's single-threaded kernel:
faster than a dense product here, and the same bits whatever BLAS and thread count.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from musicgenre.errors import ParamsError

_COSINES = {
    "hann": (0.5, 0.5),
    "hamming": (0.54, 0.46),
    "blackman": (0.42, 0.5, 0.08),
    "boxcar": (1.0,),
}
WINDOWS = tuple(_COSINES)


@lru_cache(maxsize=16)
def window(name: str, length: int) -> NDArray[np.float32]:
    """A periodic (DFT-even) window, float32 [length].

    Raises
    ------
    ParamsError
        If `name` is none of `WINDOWS`.
    """
    if name not in _COSINES:
        raise ParamsError(f"features.window is {name!r}; allowed: {', '.join(WINDOWS)}.")
    phase = 2 * np.pi * np.arange(length) / length
    total = np.zeros(length)
    for order, weight in enumerate(_COSINES[name]):
        total += (-1) ** order * weight * np.cos(order * phase)
    result = total.astype(np.float32)
    result.setflags(write=False)
    return result


def hz_to_mel(hz: NDArray[np.float64], scale: str) -> NDArray[np.float64]:
    """Frequency in Hz to mel: `slaney` (linear below 1 kHz, logarithmic above) or `htk`."""
    hz = np.asarray(hz, dtype=np.float64)
    if scale == "htk":
        return np.asarray(2595.0 * np.log10(1.0 + hz / 700.0))
    linear = hz / (200.0 / 3)
    return np.where(hz >= 1000.0, 15.0 + np.log(np.maximum(hz, 1000.0) / 1000.0) / (np.log(6.4) / 27.0), linear)


def mel_to_hz(mel: NDArray[np.float64], scale: str) -> NDArray[np.float64]:
    """The inverse of `hz_to_mel`."""
    mel = np.asarray(mel, dtype=np.float64)
    if scale == "htk":
        return np.asarray(700.0 * (10.0 ** (mel / 2595.0) - 1.0))
    return np.where(mel >= 15.0, 1000.0 * np.exp(np.log(6.4) / 27.0 * (np.maximum(mel, 15.0) - 15.0)), mel * (200.0 / 3))


def mel_weights(rate: int, n_fft: int, n_mels: int, fmin: float, fmax: float, scale: str) -> NDArray[np.float32]:
    """Triangular filters of unit area (Slaney's norm): float32 [n_mels, n_fft // 2 + 1]."""
    bins = np.fft.rfftfreq(n_fft, 1.0 / rate)
    ends = hz_to_mel(np.array([fmin, fmax]), scale)
    centres = mel_to_hz(np.linspace(ends[0], ends[1], n_mels + 2), scale)
    width = np.diff(centres)
    ramps = centres[:, None] - bins[None, :]
    lower = -ramps[:-2] / width[:-1, None]
    upper = ramps[2:] / width[1:, None]
    weights = np.maximum(0, np.minimum(lower, upper)).astype(np.float32)
    weights *= (2.0 / (centres[2:] - centres[:-2]))[:, None]
    return weights


@lru_cache(maxsize=16)
def mel_bank(rate: int, n_fft: int, n_mels: int, fmin: float, fmax: float, scale: str) -> csr_array:
    """`mel_weights` as a sparse matrix [n_mels, bins]."""
    return csr_array(mel_weights(rate, n_fft, n_mels, fmin, fmax, scale))


def chroma_weights(rate: int, n_fft: int, tuning: float, *, n_chroma: int = 12) -> NDArray[np.float32]:
    """Gaussian pitch-class filters from C upwards: float32 [n_chroma, n_fft // 2 + 1].

    Parameters
    ----------
    tuning
        Deviation from A440 in fractions of a semitone, −0.5..0.5.
    """
    frequencies = np.linspace(0, rate, n_fft, endpoint=False)[1:]
    reference = 440.0 * 2.0 ** (tuning / n_chroma) / 16
    bins = n_chroma * np.log2(frequencies / reference)
    bins = np.concatenate(([bins[0] - 1.5 * n_chroma], bins))
    widths = np.concatenate((np.maximum(bins[1:] - bins[:-1], 1.0), [1.0]))
    half = np.round(n_chroma / 2)
    distance = np.remainder(bins[None, :] - np.arange(n_chroma)[:, None] + half + 10 * n_chroma, n_chroma) - half
    weights = np.exp(-0.5 * (2 * distance / widths) ** 2)
    weights /= np.sqrt((weights**2).sum(axis=0, keepdims=True))
    weights *= np.exp(-0.5 * ((bins / n_chroma - 5.0) / 2.0) ** 2)
    weights = np.roll(weights, -3 * (n_chroma // 12), axis=0)
    return np.ascontiguousarray(weights[:, : n_fft // 2 + 1], dtype=np.float32)


@lru_cache(maxsize=128)
def chroma_bank(rate: int, n_fft: int, tuning: float) -> csr_array:
    """`chroma_weights` as a sparse matrix [12, bins]; weights below 1e-7 of the greatest are dropped."""
    weights = chroma_weights(rate, n_fft, tuning)
    return csr_array(np.where(weights < 1e-7 * weights.max(), np.float32(0), weights))


__all__ = ["WINDOWS", "chroma_bank", "chroma_weights", "hz_to_mel", "mel_bank", "mel_to_hz", "mel_weights", "window"]
