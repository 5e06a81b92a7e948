"""Short clips for the tests of this room, made from numbers so that no file is needed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE = 22050


def music(seconds: float, *, seed: int = 0, rate: int = RATE) -> NDArray[np.float32]:
    """Chords of decaying harmonics, a noise snare on a 125-BPM beat and a quiet noise floor: float32 [n], peak 0.7."""
    rng = np.random.default_rng(seed)
    n = int(seconds * rate)
    t = np.arange(n) / rate
    signal = 1e-3 * rng.standard_normal(n)
    beat = 60 / 125
    for step in range(int(np.ceil(seconds / beat))):
        since = t - step * beat
        on = since >= 0
        decay = np.where(on, np.exp(-5 * np.maximum(since, 0)), 0)
        root = 110 * 2 ** (rng.integers(0, 12) / 12)
        for ratio in (1, 1.26, 1.5):
            for harmonic in range(1, 7):
                signal += decay / harmonic * np.sin(2 * np.pi * root * ratio * harmonic * since)
        if step % 2:
            signal += np.where(on, np.exp(-30 * np.maximum(since, 0)), 0) * rng.standard_normal(n)
    return (0.7 * signal / np.abs(signal).max()).astype(np.float32)


def chirp(seconds: float, low: float, high: float, *, logarithmic: bool, rate: int = RATE) -> NDArray[np.float32]:
    """A sine that rises from `low` to `high` Hz: float32 [n]."""
    t = np.arange(int(seconds * rate)) / rate
    if logarithmic:
        ratio = np.log(high / low) / seconds
        phase = low * np.expm1(ratio * t) / ratio
    else:
        phase = low * t + (high - low) / (2 * seconds) * t**2
    return (0.5 * np.sin(2 * np.pi * phase)).astype(np.float32)
