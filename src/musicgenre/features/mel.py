"""Mel spectrograms in decibels and mel-frequency cepstra, as librosa defines them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

AMIN = 1e-10  # power below which a decibel value is floored (librosa.power_to_db)


def to_db(power: NDArray[np.float32], *, reference: float, top_db: float) -> NDArray[np.float32]:
    """``10·log10(power / reference)``, nothing more than `top_db` below the greatest value.

    Parameters
    ----------
    power
        float32, any shape, ≥ 0, not empty.
    reference
        Power of 0 dB.

    Returns
    -------
    float32 of the same shape; finite also for silence.
    """
    level = np.maximum(power, np.float32(AMIN))
    np.log10(level, out=level)
    level *= np.float32(10)
    level -= np.float32(10 * np.log10(max(AMIN, reference)))
    np.maximum(level, level.max() - np.float32(top_db), out=level)
    return level


def mel_db(power: NDArray[np.float32], *, top_db: float) -> NDArray[np.float32]:
    """Decibels relative to the track's peak, −top_db..0: float32 [frames, n_mels].

    Equals ``librosa.power_to_db(melspectrogram(…), ref=np.max, top_db=top_db).T``.
    """
    return to_db(power, reference=float(power.max()), top_db=top_db)


def mfcc(power: NDArray[np.float32], *, count: int, top_db: float) -> NDArray[np.float32]:
    """Orthonormal DCT-II of the mel levels relative to power 1: float32 [frames, count].

    Equals ``librosa.feature.mfcc(…, n_mfcc=count).T``; coefficient 0 keeps the track's loudness.
    """
    level = to_db(power, reference=1.0, top_db=top_db)
    return np.ascontiguousarray(fft.dct(level, type=2, norm="ortho", axis=1, workers=1)[:, :count])


__all__ = ["AMIN", "mel_db", "mfcc", "to_db"]
