"""Labelled clips for pretraining `melnet`: random music whose tempo, chord, instruments and production are known.

Nothing here knows a genre: instruments, patterns and mixes are drawn independently of each other, so that the
only way to tell a label is to hear it. `clip(seed)` is a pure function of its seed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from musicgenre.synth import effects
from musicgenre.synth.drums import Kit, render_kit
from musicgenre.synth.instruments import FM, Instrument, Pluck, Wave
from musicgenre.synth.patterns import BEATS, Bar, Groove, Note, arpeggio, bass, comp, euclid, line
from musicgenre.synth.score import drum, play
from musicgenre.synth.signal import RATE, Random, Signal, decibel, samples

SECONDS = 3.5
QUALITIES = ("maj", "min", "7", "maj7", "min7", "sus4", "dim", "power")
LEADS = ("string", "keys", "electric_keys", "bell", "organ", "bowed", "reed", "horn", "flute", "voice", "saw", "square")
BASSES = ("none", "string", "synth", "sub")
TEMPO_BPM = (60.0, 180.0)
# Each label and its number of classes; `clip` gives one class of each.
LABELS: dict[str, int] = {
    "tempo": 8,  # equal steps of log tempo over TEMPO_BPM
    "root": 12,
    "quality": len(QUALITIES),
    "lead": len(LEADS),
    "accompaniment": len(LEADS) + 1,  # the last class: none
    "bass": len(BASSES),
    "drums": 4,  # none, two pieces, four, all
    "kit": 4,  # none, struck, brushed, machine
    "kicks": 7,  # a bar: 0 to 5, 6 for more
    "swing": 2,
    "density": 4,  # notes of the lead in a bar: quartiles of what is drawn
    "register": 3,
    "drive": 3,
    "room": 3,
    "brightness": 5,
    "noise": 3,
    "dynamics": 3,
}


def _range(random: Random, low: float, high: float) -> float:
    return float(random.uniform(low, high))


def _voice(random: Random) -> Instrument:
    size, vowel = _range(random, 0.8, 1.3), int(random.integers(4))
    first, second = ((750, 1150), (420, 1950), (330, 850), (560, 1500))[vowel]
    formants = ((first * size, 140.0, 1.0), (second * size, 200.0, 0.6), (2700 * size, 300.0, 0.3))
    return Wave(-3, -4, formants=formants, attack=0.04, sustain=0.9, vibrato=_range(random, 0, 45), breath=_range(random, 0.01, 0.1))


def _bowed(random: Random) -> Instrument:
    slope, voices = _range(random, -9, -4), 1 + 2 * int(random.integers(2))
    return Wave(slope, slope - 2, attack=_range(random, 0.04, 0.2), sustain=0.9, release=0.2, vibrato=_range(random, 5, 30), voices=voices)


def _reed(random: Random) -> Instrument:
    return Wave(_range(random, -8, -3), -9, even=_range(random, 0.05, 0.6), attack=0.03, sustain=0.9, breath=_range(random, 0.02, 0.12))


def _horn(random: Random) -> Instrument:
    return Wave(
        _range(random, -4, -1), _range(random, -9, -6), fade=_range(random, 0.15, 0.5), attack=0.03, sustain=0.8, voices=2, detune=5
    )


_MAKERS: dict[str, Callable[[Random], Instrument]] = {
    "string": lambda r: Pluck(_range(r, 0.2, 1), _range(r, 0.05, 0.4), _range(r, 0.6, 5), _range(r, 0, 0.7), _range(r, 0, 0.3)),
    "keys": lambda r: Wave(_range(r, -9, -4), _range(r, -18, -12), fade=_range(r, 0.2, 0.8), fall=_range(r, 0.8, 3), sustain=0),
    "electric_keys": lambda r: FM(1.0, _range(r, 0.6, 2.5), _range(r, 0.2, 0.8), fall=_range(r, 1, 3), tremolo=_range(r, 0, 0.6)),
    "bell": lambda r: FM(_range(r, 2.2, 4.6), _range(r, 1, 4), _range(r, 0.3, 1), fall=_range(r, 0.5, 2.5), release=0.4),
    "organ": lambda r: Wave(_range(r, -12, -5), -9, even=_range(r, 0.5, 1.5), attack=0.01, sustain=1, vibrato=_range(r, 0, 15)),
    "bowed": _bowed,
    "reed": _reed,
    "horn": _horn,
    "flute": lambda r: Wave(_range(r, -18, -11), -18, attack=0.05, sustain=0.9, vibrato=_range(r, 5, 25), breath=_range(r, 0.05, 0.2)),
    "voice": _voice,
    "saw": lambda r: Wave(
        _range(r, -6, -3), _range(r, -14, -6), fade=_range(r, 0.1, 0.8), sustain=_range(r, 0.2, 0.9), voices=3, detune=14
    ),
    "square": lambda r: Wave(_range(r, -6, -3), _range(r, -14, -7), even=0.0, fade=_range(r, 0.1, 0.8), sustain=_range(r, 0.2, 0.9)),
}
_BASS_MAKERS: dict[str, Callable[[Random], Instrument]] = {
    "string": lambda r: Pluck(_range(r, 0.1, 0.7), _range(r, 0.1, 0.4), _range(r, 0.8, 4), _range(r, 0, 0.4)),
    "synth": lambda r: Wave(_range(r, -6, -3), -16, fade=_range(r, 0.1, 0.5), sustain=0.5, release=0.06),
    "sub": lambda r: Wave(_range(r, -24, -15), -28, sustain=_range(r, 0.4, 0.9), release=0.08),
}
_SCALE_OF = {
    "maj": "major",
    "maj7": "major",
    "min": "dorian",
    "min7": "dorian",
    "7": "mixolydian",
    "sus4": "mixolydian",
    "dim": "minor",
    "power": "minor",
}


def _pulse(random: Random, low: int, high: int) -> str:
    return euclid(int(random.integers(low, high + 1)), 16, int(random.integers(4)))


def _drums(random: Random, amount: int, kind: int) -> tuple[dict[str, str], dict[str, Signal], int]:
    """Patterns, kit and kicks a bar. `amount` 1 to 3 pieces groups, `kind` 1 to 3: struck, brushed, machine."""
    kit = Kit(
        pitch=_range(random, 0.7, 1.3),
        damping=_range(random, 0.5, 1.3),
        snap=_range(random, 0.1, 1),
        bright=_range(random, 4500, 9000),
        brush=_range(random, 0.5, 1) if kind == 2 else 0.0,
        machine=_range(random, 0.6, 1) if kind == 3 else 0.0,
    )
    kicks = int(random.integers(1, 9))
    options = [("kick", euclid(kicks, 16)), (("snare", "clap", "rim")[int(random.integers(3))], _pulse(random, 1, 3))]
    options += [(("hat", "ride", "shaker")[int(random.integers(3))], _pulse(random, 4, 16)), ("tom", _pulse(random, 1, 2))]
    options += [("open", _pulse(random, 1, 4)), ("crash", "x...............")]
    pattern = dict(options[: (0, 2, 4, 6)[amount]])
    return pattern, render_kit(kit, random.spawn(1)[0], tuple(sorted(pattern))), min(kicks, 6)


def _lead(random: Random, harmony: list[Bar], low: int) -> tuple[list[Note], int]:
    """A melody or a broken chord, and its notes in a bar."""
    if random.random() < 0.3:
        digits = "".join(str(int(random.integers(4))) if sign == "x" else "." for sign in _pulse(random, 3, 14))
        notes = arpeggio(harmony, digits, low=low, gate=_range(random, 0.2, 0.8))
    else:
        rhythms = (_pulse(random, 2, 12), _pulse(random, 2, 12))
        notes = line(harmony, random, rhythms=rhythms, low=low, high=low + 16, leap=int(random.integers(1, 4)), rest=0.1)
    return notes, round(len(notes) / len(harmony))


def _level(sound: Signal, db: float) -> Signal:
    rms = float(np.sqrt(np.mean(sound**2)))
    return np.asarray(sound * np.float32(0.1 * decibel(db) / rms), dtype=np.float32) if rms > 1e-6 else sound


def clip(seed: int, seconds: float = SECONDS) -> tuple[Signal, dict[str, int]]:
    """One clip and its labels.

    Parameters
    ----------
    seed
        Names the clip; equal seeds give equal samples.
    seconds
        Length.

    Returns
    -------
    samples
        float32 [seconds · RATE], mono at 22,050 Hz, peak below 1.
    labels
        A class (from 0) for every key of `LABELS`.
    """
    random = np.random.default_rng([seed, 0x6D656C])
    n = samples(seconds)
    turn = float(random.random())
    bpm = TEMPO_BPM[0] * (TEMPO_BPM[1] / TEMPO_BPM[0]) ** turn
    swing = int(random.random() < 0.3)
    groove = Groove(bpm, 0.66 if swing else 0.5, bool(random.integers(2)))
    root, quality = int(random.integers(12)), int(random.integers(len(QUALITIES)))
    bars = int(np.ceil(seconds / (BEATS * 60 / bpm)))
    harmony = [Bar(root, QUALITIES[quality], root, _SCALE_OF[QUALITIES[quality]])] * bars
    lead, other = int(random.integers(len(LEADS))), int(random.integers(len(LEADS) + 1))
    low_end, amount = int(random.integers(len(BASSES))), int(random.integers(4))
    register, drive, room = int(random.integers(3)), int(random.choice(3, p=(0.6, 0.2, 0.2))), int(random.integers(3))
    bright, dirt, dynamics = int(random.integers(5)), int(random.integers(3)), int(random.integers(3))
    kind = int(random.integers(1, 4)) if amount else 0

    notes, density = _lead(random, harmony, (45, 57, 69)[register])
    mix = _level(play(notes, _MAKERS[LEADS[lead]](random), groove, n, random, loose=0.005), _range(random, -2, 3))
    if other < len(LEADS):
        low = int(random.integers(45, 60))
        notes = comp(harmony, _pulse(random, 1, 8), low=low, gate=_range(random, 0.2, 2), strum=_range(random, 0, 0.06))
        mix += _level(play(notes, _MAKERS[LEADS[other]](random), groove, n, random, loose=0.005), _range(random, -8, -1))
    if drive:
        mix = _level(effects.lowpass(effects.drive(mix, (1.2, 4.0)[drive - 1] * _range(random, 0.8, 1.3), bias=0.1), 6000), 0)
    if low_end:
        steps = "".join(("1", "5", "3", "8")[int(random.integers(4))] if sign == "x" else "." for sign in _pulse(random, 2, 8))
        notes = bass(harmony, "1" + steps[1:], low=int(random.integers(26, 34)), gate=_range(random, 0.5, 1.5))
        mix += _level(play(notes, _BASS_MAKERS[BASSES[low_end]](random), groove, n, random), _range(random, -6, 2))
    kicks = 0
    if amount:
        pattern, kit, kicks = _drums(random, amount, kind)
        levels = {"hat": 0.4, "open": 0.4, "ride": 0.35, "crash": 0.4, "shaker": 0.4}
        mix += _level(drum(pattern, kit, groove, bars, n, random, loose=0.004, levels=levels), _range(random, -6, 3))

    tilt = (-9.0, -4.5, 0.0, 4.5, 9.0)[bright] + _range(random, -1.5, 1.5)
    bumps = random.normal(0, 1.5, 4)
    tone = ((60.0, -tilt / 2 + bumps[0]), (400.0, bumps[1]), (2500.0, tilt / 2 + bumps[2]), (9000.0, tilt + bumps[3]))
    wet = (0.0, 0.15, 0.5)[room]
    space = effects.impulse((0.1, _range(random, 0.3, 0.8), _range(random, 1, 2.2))[room], _range(random, 2500, 7000), random)
    mix = effects.room_and_tone(mix, mix, space, wet, tone)
    mix = effects.compress(mix, (1.0, 2.0, 4.0)[dynamics])
    mix = _level(mix, _range(random, -4, 8))
    hiss = (0.0, 0.002, 0.015)[dirt] * _range(random, 0.7, 1.4)
    if hiss:
        mix += effects.crackle(n, random, hiss=hiss, clicks_per_s=_range(random, 0, 6))
    peak = float(np.max(np.abs(mix)))
    if peak > 0.98:
        mix *= np.float32(0.98 / peak)
    labels = {
        "tempo": min(7, int(8 * turn)),
        "root": root,
        "quality": quality,
        "lead": lead,
        "accompaniment": other,
        "bass": low_end,
        "drums": amount,
        "kit": kind,
        "kicks": kicks,
        "swing": swing,
        "density": int(np.searchsorted((4, 6, 9), density, side="right")),
        "register": register,
        "drive": drive,
        "room": room,
        "brightness": bright,
        "noise": dirt,
        "dynamics": dynamics,
    }
    return mix, labels


__all__ = ["BASSES", "LABELS", "LEADS", "QUALITIES", "RATE", "SECONDS", "TEMPO_BPM", "clip"]
