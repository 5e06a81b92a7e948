"""What a recording sounds like in 32 bits every 21 ms, whatever its encoding, level or start.

The bits are the signs of energy differences between neighbouring bands and
successive frames (Haitsma and Kalker, "A highly robust audio fingerprinting
system", ISMIR 2002): a gain cancels, lossy coding flips few of them, and two
copies that start at different moments give the same words, shifted.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

VERSION = 1  # of the words; part of every cache key
RATE = 6_000  # Hz of the input
FRAME = 2_048  # samples, 0.34 s
HOP = 128  # samples, 21.3 ms
WORDS_PER_S = RATE / HOP
LAG = 4  # frames between the two energies that a bit compares
_BANDS = 33
_RANGE = (300.0, 2_700.0)  # Hz; present in anything sampled at 8 kHz or more
_FLOOR = 1e-7  # mean energy a sample below which a frame says nothing (−70 dB)
_CHUNK = 512


def _band_edges() -> NDArray[np.intp]:
    """First FFT bin of each band and the end of the last, [34], logarithmic in frequency."""
    edges = np.geomspace(*_RANGE, _BANDS + 1) * FRAME / RATE
    return np.round(edges).astype(np.intp)


def band_energies(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32 [n] at 6 kHz → energies float32 [frames, 33]; no frame if shorter than 0.34 s."""
    count = 1 + (len(samples) - FRAME) // HOP if len(samples) >= FRAME else 0
    out = np.empty((count, _BANDS), np.float32)
    window = np.hanning(FRAME).astype(np.float32)
    edges = _band_edges()
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::HOP] if count else np.empty((0, FRAME), np.float32)
    for start in range(0, count, _CHUNK):
        spectrum = np.fft.rfft(frames[start : start + _CHUNK] * window, axis=1)[:, edges[0] : edges[-1]]
        power = spectrum.real**2 + spectrum.imag**2
        out[start : start + _CHUNK] = np.add.reduceat(power, edges[:-1] - edges[0], axis=1)
    return out


def words(samples: NDArray[np.float32]) -> NDArray[np.uint32]:
    """The sub-fingerprints of a mono signal.

    Parameters
    ----------
    samples
        float32 [n] at 6 kHz.

    Returns
    -------
    np.ndarray [shape=(frames,), uint32]
        One word each 21.3 ms, 0 where the sound is too faint to tell anything.
    """
    energy = band_energies(samples)
    if len(energy) <= LAG:
        return np.zeros(0, np.uint32)
    slope = energy[:, :-1] - energy[:, 1:]
    bits = (slope[LAG:] - slope[:-LAG]) > 0
    packed = np.packbits(bits, axis=1, bitorder="little").view("<u4").reshape(-1).astype(np.uint32)
    faint = energy.sum(axis=1) < _FLOOR * FRAME * FRAME / 4
    packed[faint[LAG:] | faint[:-LAG]] = 0
    return packed


def digest(fingerprint: NDArray[np.uint32]) -> str:
    """Sixteen hex digits that name a fingerprint; empty when there is none."""
    if len(fingerprint) == 0:
        return ""
    return hashlib.sha256(fingerprint.astype("<u4").tobytes()).hexdigest()[:16]


__all__ = ["FRAME", "HOP", "LAG", "RATE", "VERSION", "WORDS_PER_S", "band_energies", "digest", "words"]
