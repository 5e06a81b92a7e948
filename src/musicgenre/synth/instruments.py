"""Pitched instruments: wavetables, frequency modulation, plucked strings. A note is float32 with a peak of 1."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from musicgenre.synth.signal import RATE, Random, Signal, adsr, clock, decay, noise, peak_one, samples

_TABLE = 2048  # samples of one period
_HARMONICS = 72


class Instrument(Protocol):
    """Anything that plays one note."""

    def note(self, hz: float, seconds: float, random: Random) -> Signal:
        """`seconds` is how long the key is down; the sound may be longer by its release."""
        ...


@lru_cache(maxsize=512)
def _table(amplitudes: tuple[float, ...]) -> NDArray[np.float32]:
    """One period with these amplitudes of harmonics 1, 2, …; phases spread (after Schroeder 1970) for a low peak."""
    order = np.arange(1, len(amplitudes) + 1)
    spectrum = np.zeros(_TABLE // 2 + 1, dtype=np.complex128)
    spectrum[1 : len(order) + 1] = np.asarray(amplitudes) * np.exp(-1j * np.pi * order * (order - 1) / max(1, len(order)))
    table = np.fft.irfft(spectrum, _TABLE)
    return np.asarray(table / np.sqrt(np.mean(table**2) * 8), dtype=np.float32)


@dataclass(frozen=True)
class Wave:
    """A band-limited wavetable that fades from a bright spectrum to a dark one.

    Attributes
    ----------
    bright, dark
        Slope of the harmonics at onset and later, dB an octave.
    even
        Gain of the even harmonics; 0 sounds hollow.
    formants
        (centre Hz, width Hz, gain): resonances that do not move with pitch.
    fade
        Seconds from bright to dark (60 dB).
    attack, fall, sustain, release
        The envelope, see `signal.adsr`.
    vibrato, vibrato_hz
        Depth in cents and rate.
    voices, detune
        How many copies, spread over ± `detune` cents.
    breath
        Level of noise beside the tone.
    glide
        Semitones from which the pitch arrives at onset (in about 60 ms).
    """

    bright: float = -6.0
    dark: float = -12.0
    even: float = 1.0
    formants: tuple[tuple[float, float, float], ...] = ()
    fade: float = 0.5
    attack: float = 0.005
    fall: float = 0.6
    sustain: float = 0.7
    release: float = 0.12
    vibrato: float = 0.0
    vibrato_hz: float = 5.5
    voices: int = 1
    detune: float = 8.0
    breath: float = 0.0
    glide: float = 0.0

    def _spectrum(self, hz: float, slope: float) -> tuple[float, ...]:
        order = np.arange(1, max(2, min(_HARMONICS, int(0.46 * RATE / hz))) + 1)
        amplitude = order ** (slope / 6.0206)
        amplitude[1::2] *= self.even
        if self.formants:
            frequency = order * hz
            resonance = sum(gain * np.exp(-(((frequency - centre) / width) ** 2)) for centre, width, gain in self.formants)
            amplitude = amplitude * (0.04 + resonance)
        return tuple(np.round(amplitude, 6).tolist())

    def note(self, hz: float, seconds: float, random: Random) -> Signal:
        n = samples(seconds + min(self.release, 1.5))
        time = clock(n)
        dark, bright = _table(self._spectrum(hz, self.dark)), _table(self._spectrum(hz, self.bright))
        change = decay(n, self.fade)
        phase = time
        if self.vibrato:
            depth = self.vibrato * np.log(2) / 1200
            late = np.minimum(1.0, time / 0.25)
            phase = time - depth * late * np.cos(2 * np.pi * self.vibrato_hz * time) / (2 * np.pi * self.vibrato_hz)
        if self.glide:
            phase = phase + (2 ** (self.glide / 12) - 1) * 0.02 * (1 - np.exp(-time / 0.02))
        sound = np.zeros(n, dtype=np.float32)
        for voice in range(self.voices):
            cents = 0.0 if self.voices == 1 else self.detune * (2 * voice / (self.voices - 1) - 1)
            turns = phase * (hz * 2 ** (cents / 1200)) + random.random()
            index = (turns * _TABLE).astype(np.int64) & (_TABLE - 1)
            low = dark[index]
            sound += low + change * (bright[index] - low)
        if self.breath:
            sound += np.float32(self.breath * np.sqrt(self.voices)) * noise(n, random)
        sound *= adsr(n, seconds, attack=self.attack, fall=self.fall, sustain=self.sustain, release=self.release)
        return peak_one(sound)


@dataclass(frozen=True)
class FM:
    """Two operators: sin(2πft + I(t) sin(2πrft)), after Chowning 1973. Electric pianos, bells, metal basses."""

    ratio: float = 1.0
    index: float = 2.0
    index_fall: float = 0.6
    attack: float = 0.003
    fall: float = 1.5
    sustain: float = 0.0
    release: float = 0.15
    tremolo: float = 0.0

    def note(self, hz: float, seconds: float, random: Random) -> Signal:
        n = samples(seconds + min(self.release, 1.5))
        turn = (2 * np.pi * hz * clock(n)).astype(np.float32)
        # Keep the sidebands under the Nyquist frequency (Carson's rule).
        limit = max(0.3, (0.46 * RATE / hz - 1) / max(self.ratio, 0.25) - 1)
        index = np.float32(min(self.index, limit)) * (np.float32(0.25) + np.float32(0.75) * decay(n, self.index_fall))
        sound = np.sin(turn + index * np.sin(turn * np.float32(self.ratio)))
        sound *= adsr(n, seconds, attack=self.attack, fall=self.fall, sustain=self.sustain, release=self.release)
        if self.tremolo:
            sound *= 1 - np.float32(self.tremolo) * (0.5 + 0.5 * np.sin(turn * np.float32(5.2 / hz)))
        return peak_one(sound.astype(np.float32))


@dataclass(frozen=True)
class Pluck:
    """A plucked string after Karplus and Strong 1983, a period at a time.

    `brightness` 0…1 filters the pick's noise, `position` (share of the string) combs it, `ring` is the
    time in seconds to −60 dB of the lowest notes, `mute` shortens everything (palm or thumb).
    """

    brightness: float = 0.6
    position: float = 0.2
    ring: float = 3.0
    mute: float = 0.0
    body: float = 0.0
    release: float = 0.08
    glide: float = 0.0

    def note(self, hz: float, seconds: float, random: Random) -> Signal:
        n = samples(seconds + self.release)
        keep = 0.5 + 0.45 * self.brightness * (1 - self.mute)  # of the newer sample: less damping of highs
        period = max(4, int(RATE / hz - (1 - keep)))
        ratio = (period + 1 - keep) * hz / RATE  # the loop lasts period + 1 − keep samples; read at this speed it is in tune
        needed = int(n * max(1.0, ratio) * 1.02) + 2 * period
        burst = noise(period, random)
        for _ in range(round(4 * (1 - self.brightness))):
            burst = np.float32(0.5) * (burst + np.roll(burst, 1))
        burst -= np.float32(0.9) * np.roll(burst, max(1, int(self.position * period)))
        burst -= burst.mean()
        seconds_to_silence = self.ring * (1 - 0.93 * self.mute) * (110 / max(hz, 110)) ** 0.35
        loss = 10 ** (-3 * period / (RATE * max(0.03, seconds_to_silence)))
        new, old = np.float32(loss * keep), np.float32(loss * (1 - keep))
        loop = np.empty((needed // period + 2, period), dtype=np.float32)
        loop[0] = burst
        for row in range(1, len(loop)):
            before = loop[row - 1]
            loop[row, 1:] = new * before[1:] + old * before[:-1]
            loop[row, 0] = new * before[0] + old * (loop[row - 2, -1] if row > 1 else before[-1])
        string = loop.ravel()
        at = np.arange(n, dtype=np.float64) * ratio
        if self.glide:
            at += (2 ** (self.glide / 12) - 1) * 0.05 * RATE * (1 - np.exp(-np.arange(n) / (0.05 * RATE)))
            at = np.clip(at, 0, len(string) - 2)
        whole = np.minimum(at.astype(np.int64), len(string) - 2)
        part = (at - whole).astype(np.float32)
        sound = string[whole] + part * (string[whole + 1] - string[whole])
        if self.body:
            thump = np.sin(2 * np.pi * 105 * clock(n)).astype(np.float32) * decay(n, 0.12)
            sound = peak_one(sound) + np.float32(self.body) * thump
        off = min(n, samples(seconds))
        sound[off:] *= decay(n - off, self.release)
        tail = min(n, 48)
        sound[-tail:] *= np.linspace(1, 0, tail, dtype=np.float32)
        return peak_one(sound.astype(np.float32))


__all__ = ["FM", "Instrument", "Pluck", "Wave"]
