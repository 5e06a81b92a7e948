"""Pitch: equal temperament, scales, chords. Pitches are MIDI numbers (69 = A4 = 440 Hz)."""

from __future__ import annotations

from collections.abc import Sequence

SCALES: dict[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "harmonic_minor": (0, 2, 3, 5, 7, 8, 11),
    "pentatonic": (0, 2, 4, 7, 9),
    "minor_pentatonic": (0, 3, 5, 7, 10),
    "blues": (0, 3, 5, 6, 7, 10),
    "whole_tone": (0, 2, 4, 6, 8, 10),
}

CHORDS: dict[str, tuple[int, ...]] = {
    "maj": (0, 4, 7),
    "min": (0, 3, 7),
    "dim": (0, 3, 6),
    "aug": (0, 4, 8),
    "sus4": (0, 5, 7),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "min7": (0, 3, 7, 10),
    "9": (0, 4, 10, 14),
    "maj9": (0, 4, 11, 14),
    "min9": (0, 3, 10, 14),
    "m7b5": (0, 3, 6, 10),
    "power": (0, 7, 12),
}


def hz(midi: float) -> float:
    """Frequency in Hz: 440 · 2^((midi − 69) / 12)."""
    return float(440.0 * 2.0 ** ((midi - 69.0) / 12.0))


def chord(root: int, quality: str, *, low: int) -> tuple[int, ...]:
    """Notes of a chord, voiced in the octave above `low`, ascending.

    Parameters
    ----------
    root
        Pitch class of the root, 0 to 11 (any octave is folded).
    quality
        A key of `CHORDS`.
    low
        Least MIDI number of the voicing.
    """
    return tuple(sorted(low + (root + step - low) % 12 for step in CHORDS[quality]))


def scale_notes(root: int, scale: str, *, low: int, high: int) -> tuple[int, ...]:
    """All notes of a scale from `low` to `high`, ascending."""
    steps: Sequence[int] = SCALES[scale]
    return tuple(midi for midi in range(low, high + 1) if (midi - root) % 12 in steps)


__all__ = ["CHORDS", "SCALES", "chord", "hz", "scale_notes"]
