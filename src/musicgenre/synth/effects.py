"""What is done to a track or a mix: tone, drive, space, dynamics. All take and give float32 [n]."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy import signal as dsp

from musicgenre.synth.signal import RATE, Random, Signal, decay, noise, samples


def lowpass(sound: Signal, corner: float, order: int = 2) -> Signal:
    """Butterworth low pass at `corner` Hz."""
    return np.asarray(dsp.sosfilt(dsp.butter(order, min(corner, 0.45 * RATE), "low", fs=RATE, output="sos"), sound), dtype=np.float32)


def highpass(sound: Signal, corner: float, order: int = 2) -> Signal:
    """Butterworth high pass at `corner` Hz."""
    return np.asarray(dsp.sosfilt(dsp.butter(order, corner, "high", fs=RATE, output="sos"), sound), dtype=np.float32)


def drive(sound: Signal, amount: float, *, bias: float = 0.0) -> Signal:
    """Soft clipping, tanh(amount · x); `bias` adds even harmonics. `amount` ≤ 0 leaves the sound alone."""
    if amount <= 0:
        return sound
    level = float(np.sqrt(np.mean(sound**2))) or 1.0
    hot = np.tanh(np.float32(amount / (3 * level)) * sound + np.float32(bias)) - np.float32(np.tanh(bias))
    return np.asarray(hot, dtype=np.float32)


def delay(sound: Signal, seconds: float, feedback: float, wet: float, *, echoes: int = 5) -> Signal:
    """Repeats every `seconds`, each `feedback` times as loud."""
    out = sound.copy()
    shift, gain = samples(seconds), wet
    for number in range(1, echoes + 1):
        at = number * shift
        if at >= len(sound) or gain < 0.01:
            break
        out[at:] += np.float32(gain) * sound[:-at]
        gain *= feedback
    return out


def chorus(sound: Signal, depth_ms: float, rate_hz: float, wet: float) -> Signal:
    """A copy read at a slowly moving delay."""
    n = len(sound)
    at = np.arange(n) - RATE * (0.008 + depth_ms / 1000 * (0.5 + 0.5 * np.sin(2 * np.pi * rate_hz * np.arange(n) / RATE)))
    moved = np.interp(at, np.arange(n), sound).astype(np.float32)
    return sound + np.float32(wet) * moved


def wow(sound: Signal, cents: float, rate_hz: float) -> Signal:
    """The pitch of a worn tape or record wandering by ± `cents`."""
    n = len(sound)
    swing = cents * np.log(2) / 1200 * RATE / (2 * np.pi * rate_hz)
    at = np.arange(n) + swing * np.sin(2 * np.pi * rate_hz * np.arange(n) / RATE)
    return np.asarray(np.interp(at, np.arange(n), sound), dtype=np.float32)


def compress(sound: Signal, ratio: float, *, release: float = 0.12) -> Signal:
    """Bring levels towards the median level by `ratio` (1 leaves them alone); gain moves every 3 ms."""
    if ratio <= 1:
        return sound
    hop = 64
    blocks = len(sound) // hop + 1
    padded = np.zeros(blocks * hop, dtype=np.float32)
    padded[: len(sound)] = sound
    power = np.mean(padded.reshape(blocks, hop) ** 2, axis=1) + 1e-9
    keep = float(np.exp(-hop / (release * RATE)))
    smooth = dsp.lfilter([1 - keep], [1, -keep], power, zi=[keep * power[0]])[0]
    level = np.sqrt(np.maximum(smooth, 1e-9))
    gain = (level / np.median(level)) ** (1 / ratio - 1)
    gain = np.minimum(gain, 8.0)
    return np.asarray(sound * np.interp(np.arange(len(sound)), np.arange(blocks) * hop, gain), dtype=np.float32)


def impulse(seconds: float, damping_hz: float, random: Random, *, early: float = 0.012) -> Signal:
    """A room: noise decaying by 60 dB in `seconds`, duller above `damping_hz`, after `early` seconds; energy 1."""
    n = samples(seconds)
    tail = noise(n, random) * decay(n, seconds)
    tail = lowpass(tail, damping_hz, order=1)
    room = np.concatenate([np.zeros(samples(early), dtype=np.float32), tail])
    return np.asarray(room / np.sqrt(np.sum(room**2)), dtype=np.float32)


def tone_curve(frequencies: NDArray[np.floating[Any]], points: tuple[tuple[float, float], ...]) -> NDArray[np.float32]:
    """Gain at `frequencies`: dB interpolated over log frequency through `points` (Hz, dB)."""
    known = np.log([hz for hz, _ in points])
    gains = np.interp(np.log(np.maximum(frequencies, 10.0)), known, [db for _, db in points])
    return np.asarray(10 ** (gains / 20), dtype=np.float32)


def room_and_tone(dry: Signal, send: Signal, room: Signal, wet: float, points: tuple[tuple[float, float], ...]) -> Signal:
    """`dry` plus `wet` times `send` in a `room`, through an equaliser: two transforms there, one back.

    Parameters
    ----------
    dry, send
        float32 [n], the mix and what of it enters the room.
    room
        An `impulse`.
    wet
        Level of the room's answer.
    points
        The equaliser's curve, see `tone_curve`.
    """
    size = fft.next_fast_len(len(dry) + len(room), real=True)
    spectrum = fft.rfft(dry, size)
    if wet > 0:
        spectrum += np.float32(wet) * fft.rfft(send, size) * fft.rfft(room, size)
    spectrum *= tone_curve(np.fft.rfftfreq(size, 1 / RATE), points)
    return np.asarray(fft.irfft(spectrum, size)[: len(dry)], dtype=np.float32)


def crackle(n: int, random: Random, *, hiss: float, clicks_per_s: float) -> Signal:
    """What an old record adds: hiss at level `hiss` and sparse clicks."""
    bed = np.float32(hiss) * noise(n, random)
    count = int(random.poisson(clicks_per_s * n / RATE))
    at = random.integers(0, n, count)
    np.add.at(bed, at, (np.float32(hiss * 14) * (random.random(count, dtype=np.float32) - np.float32(0.5))))
    return bed


__all__ = [
    "chorus",
    "compress",
    "crackle",
    "delay",
    "drive",
    "highpass",
    "impulse",
    "lowpass",
    "room_and_tone",
    "tone_curve",
    "wow",
]
