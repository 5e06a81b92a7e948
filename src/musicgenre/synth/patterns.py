"""Who plays what when: bars of harmony, step patterns, and the figures that turn them into notes.

A bar has 16 steps. Times are in beats (quarter notes) until `Groove` makes seconds of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from musicgenre.synth.signal import Random
from musicgenre.synth.tuning import CHORDS, chord, scale_notes

STEPS = 16
BEATS = 4.0
_LEVEL = {"X": 1.0, "x": 0.8, "o": 0.5, "-": 0.3}


@dataclass(frozen=True)
class Note:
    """One note: onset and length in beats, MIDI pitch, velocity 0…1."""

    at: float
    midi: int
    beats: float
    velocity: float


@dataclass(frozen=True)
class Bar:
    """The chord of one bar: root as pitch class, a key of `CHORDS`, and the key's tonic and scale."""

    root: int
    quality: str
    tonic: int
    scale: str


@dataclass(frozen=True)
class Groove:
    """From beats to seconds. `swing` is where the second of two eighths falls (0.5 straight, 0.67 triplets)."""

    bpm: float
    swing: float = 0.5
    sixteenths: bool = False  # swing sixteenths instead of eighths

    def seconds(self, beat: float) -> float:
        unit = 0.5 if self.sixteenths else 1.0
        whole, part = divmod(beat / unit, 1.0)
        part = part * 2 * self.swing if part < 0.5 else self.swing + (part - 0.5) * 2 * (1 - self.swing)
        return (whole + part) * unit * 60.0 / self.bpm


def hits(pattern: str) -> list[tuple[float, float]]:
    """(beat in the bar, velocity) of each hit; a pattern is stretched to a bar of `STEPS`.

    >>> hits("x...X...")
    [(0.0, 0.8), (2.0, 1.0)]
    """
    step = BEATS / len(pattern)
    return [(index * step, _LEVEL[sign]) for index, sign in enumerate(pattern) if sign in _LEVEL]


def comp(harmony: Sequence[Bar], pattern: str, *, low: int, gate: float, strum: float = 0.0) -> list[Note]:
    """The bar's whole chord at every hit; `strum` spreads its notes, in beats."""
    notes = []
    for number, bar in enumerate(harmony):
        voicing = chord(bar.root, bar.quality, low=low)
        for index, (at, velocity) in enumerate(hits(pattern)):
            order = voicing if index % 2 == 0 else voicing[::-1]
            notes += [Note(number * BEATS + at + strum * place, midi, gate, velocity) for place, midi in enumerate(order)]
    return notes


def bass(harmony: Sequence[Bar], pattern: str, *, low: int, gate: float) -> list[Note]:
    """A bass line by degrees: 1 3 5 7 8 of the chord, `a` the step below the next root, `.` rest."""
    notes = []
    step = BEATS / len(pattern)
    for number, bar in enumerate(harmony):
        following = harmony[(number + 1) % len(harmony)]
        tones = CHORDS[bar.quality]
        root = low + (bar.root - low) % 12
        seventh = tones[3] if len(tones) > 3 else 9
        degrees = {"1": root, "3": root + tones[1], "5": root + 7, "7": root + seventh, "8": root + 12}
        degrees["a"] = low + (following.root - low) % 12 - 1
        for index, sign in enumerate(pattern):
            if sign in degrees:
                notes.append(Note(number * BEATS + index * step, degrees[sign], gate * step, 1.0 if index == 0 else 0.85))
    return notes


def arpeggio(harmony: Sequence[Bar], pattern: str, *, low: int, gate: float) -> list[Note]:
    """Chord tones one at a time; digits count them upwards from 0, beyond the chord in the next octave."""
    notes = []
    step = BEATS / len(pattern)
    for number, bar in enumerate(harmony):
        voicing = chord(bar.root, bar.quality, low=low)
        for index, sign in enumerate(pattern):
            if sign.isdigit():
                octave, tone = divmod(int(sign), len(voicing))
                notes.append(Note(number * BEATS + index * step, voicing[tone] + 12 * octave, gate, 0.9 if index % 4 == 0 else 0.7))
    return notes


def line(
    harmony: Sequence[Bar],
    random: Random,
    *,
    rhythms: Sequence[str],
    low: int,
    high: int,
    leap: int = 2,
    rest: float = 0.15,
    gate: float = 0.9,
) -> list[Note]:
    """A melody: a walk on the scale that leans on chord tones on strong beats; every second phrase answers the first.

    `leap` is the greatest step of the walk in scale degrees, `rest` the chance that a hit is left out.
    """
    scale = scale_notes(harmony[0].tonic, harmony[0].scale, low=low, high=high)
    phrases: list[tuple[str, list[int]]] = []
    notes: list[Note] = []
    place = len(scale) // 2
    for number, bar in enumerate(harmony):
        if number % 4 < 2:
            rhythm = rhythms[int(random.integers(len(rhythms)))]
            moves = [int(random.integers(-leap, leap + 1)) if random.random() > rest else 99 for _ in hits(rhythm)]
            phrases.append((rhythm, moves))
        else:
            rhythm, moves = phrases[-2]
        onsets = hits(rhythm)
        voiced = {midi % 12 for midi in chord(bar.root, bar.quality, low=low)}
        for index, ((at, velocity), move) in enumerate(zip(onsets, moves, strict=True)):
            if move == 99:
                continue
            place = min(max(place + move, 0), len(scale) - 1)
            if at % 2 == 0:
                place = min(range(len(scale)), key=lambda other: (scale[other] % 12 not in voiced, abs(other - place), other))
            until = onsets[index + 1][0] if index + 1 < len(onsets) else BEATS
            notes.append(Note(number * BEATS + at, scale[place], (until - at) * gate, velocity))
    return notes


def euclid(pulses: int, steps: int, shift: int = 0) -> str:
    """`pulses` hits spread as evenly as can be over `steps` (Toussaint 2005), turned by `shift`."""
    row = ["x" if (index * pulses) % steps < pulses else "." for index in range(steps)]
    return "".join(row[-shift % steps :] + row[: -shift % steps])


__all__ = ["BEATS", "STEPS", "Bar", "Groove", "Note", "arpeggio", "bass", "comp", "euclid", "hits", "line"]
