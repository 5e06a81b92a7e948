"""Types and building blocks: envelopes, noise, mixing. Signals are mono float32 at `RATE`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE = 22050  # samples a second, of everything here

Signal = NDArray[np.float32]
Random = np.random.Generator


def samples(seconds: float) -> int:
    """Seconds as a number of samples, at least one."""
    return max(1, round(seconds * RATE))


def clock(n: int) -> NDArray[np.float64]:
    """Time of each sample in seconds: float64 [n]."""
    return np.arange(n, dtype=np.float64) / RATE


def noise(n: int, random: Random) -> Signal:
    """White noise, uniform in −1…1: float32 [n]."""
    return random.random(n, dtype=np.float32) * np.float32(2) - np.float32(1)


def decay(n: int, seconds: float) -> Signal:
    """Exponential decay by 60 dB in `seconds`: float32 [n], from 1."""
    fall: Signal = np.exp(np.arange(n, dtype=np.float32) * np.float32(-6.9078 / (seconds * RATE)))
    return fall


def adsr(n: int, hold: float, *, attack: float, fall: float, sustain: float, release: float) -> Signal:
    """Attack (linear), fall to the sustain level (exponential), release (exponential) after `hold` seconds.

    Parameters
    ----------
    n
        Length in samples.
    hold
        How long the key is down, seconds.
    attack, fall, release
        Seconds; `fall` and `release` until 60 dB of their way are done.
    sustain
        Level between 0 and 1.

    Returns
    -------
    float32 [n] in 0…1
    """
    envelope = np.full(n, sustain, dtype=np.float32)
    envelope += np.float32(1 - sustain) * decay(n, fall)
    rise = min(n, samples(attack))
    envelope[:rise] *= np.linspace(0, 1, rise, endpoint=False, dtype=np.float32)
    off = min(n, samples(hold))
    envelope[off:] *= decay(n - off, release)
    tail = min(n, 64)
    envelope[-tail:] *= np.linspace(1, 0, tail, dtype=np.float32)
    return envelope


def place(track: Signal, sound: Signal, at: float, gain: float) -> None:
    """Add `sound` to `track` at `at` seconds; what reaches beyond the ends is cut off."""
    start = round(at * RATE)
    first = max(0, -start)
    length = min(len(sound), len(track) - start) - first
    if length > 0:
        track[start + first : start + first + length] += np.float32(gain) * sound[first : first + length]


def peak_one(sound: Signal) -> Signal:
    """Scaled to a peak of 1; silence stays silence."""
    peak = float(np.max(np.abs(sound), initial=0.0))
    return (sound / np.float32(peak)).astype(np.float32) if peak > 0 else sound


def decibel(value: float) -> float:
    """dB as a factor of amplitude."""
    return float(10.0 ** (value / 20.0))


__all__ = ["RATE", "Random", "Signal", "adsr", "clock", "decay", "decibel", "noise", "peak_one", "place", "samples"]
