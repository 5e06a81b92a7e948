"""Onsets, tempo and the spectrum of rhythm (librosa's `onset_strength`, `tempogram`, `tempo`).

The tempogram is the local autocorrelation of the onset envelope in windows of
8 s. Its mean over frames is all that is needed, and a mean commutes with the
inverse transform, so one forward transform a frame gives tempo and rhythm spectrum.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from musicgenre.features.filters import window
from musicgenre.features.spectrum import framed

WINDOW_S = 8.0
START_BPM, MAX_BPM = 120.0, 320.0
RHYTHM_EDGES_HZ = tuple(float(edge) for edge in np.geomspace(0.5, 8.0, 13).round(3))
_BLOCK = 128


def onset_strength(level: NDArray[np.float32], *, n_fft: int, hop: int) -> NDArray[np.float32]:
    """Mean rise over the mel bands from the frame before, in dB: float32 [frames].

    Parameters
    ----------
    level
        Mel levels relative to power 1 in dB, float32 [frames, bands].
    """
    envelope = np.zeros(len(level), dtype=np.float32)
    rise = np.maximum(np.diff(level, axis=0), np.float32(0)).mean(axis=1)
    delay = 1 + n_fft // (2 * hop)
    envelope[delay:] = rise[: max(0, len(level) - delay)]
    return envelope


def window_frames(rate: int, hop: int) -> int:
    """Frames of the tempogram's window."""
    return max(2, int(WINDOW_S * rate) // hop)


def local_spectra(envelope: NDArray[np.float32], length: int) -> tuple[NDArray[np.float32], int]:
    """Power spectra of the windowed envelope around every frame, each of energy one: float32 [frames, size // 2 + 1], and `size`."""
    count = len(envelope)
    padded = np.pad(envelope, length // 2, mode="linear_ramp", end_values=0)
    if len(padded) < length:
        padded = np.pad(padded, (0, length - len(padded)))
    frames = framed(padded, length, 1)[:count]
    taps = window("hann", length)
    size = fft.next_fast_len(2 * length - 1, real=True)
    result = np.zeros((count, size // 2 + 1), dtype=np.float32)
    for first in range(0, count, _BLOCK):
        part = frames[first : first + _BLOCK] * taps
        spectrum = fft.rfft(part, n=size, axis=1, workers=1)
        energy = np.einsum("fl,fl->f", part, part)[:, None]
        block = spectrum.real**2
        block += spectrum.imag**2
        block /= np.where(energy > 0, energy, np.float32(1))
        result[first : first + len(part)] = block
    return result, size


def tempo(spectrum: NDArray[np.float64], *, size: int, length: int, rate: int, hop: int) -> tuple[float, float]:
    """Tempo in beats a minute and the autocorrelation at its period, 0..1.

    Parameters
    ----------
    spectrum
        Mean of `local_spectra` over the frames of interest, [size // 2 + 1].
    """
    periods = fft.irfft(spectrum, n=size, workers=1)[:length]
    lags = np.arange(1, length)
    bpm = 60.0 * rate / (hop * lags)
    score = np.log1p(1e6 * np.maximum(periods[1:], 0)) - 0.5 * (np.log2(bpm) - np.log2(START_BPM)) ** 2
    score[bpm >= MAX_BPM] = -np.inf
    best = int(np.argmax(score))
    return float(bpm[best]), float(np.clip(periods[1 + best], 0.0, 1.0))


def rhythm_histogram(spectrum: NDArray[np.float64], *, size: int, rate: int, hop: int) -> NDArray[np.float64]:
    """Share of the envelope's modulation power in twelve bands from 0.5 to 8 Hz (30 to 480 a minute): [12], sum one or zero."""
    hz = np.arange(len(spectrum)) * rate / hop / size
    limits = np.searchsorted(hz, RHYTHM_EDGES_HZ)
    power = np.array([spectrum[low:high].sum() for low, high in itertools.pairwise(limits)])
    total = power.sum()
    return power / total if total > 0 else power


__all__ = [
    "MAX_BPM",
    "RHYTHM_EDGES_HZ",
    "START_BPM",
    "WINDOW_S",
    "local_spectra",
    "onset_strength",
    "rhythm_histogram",
    "tempo",
    "window_frames",
]
