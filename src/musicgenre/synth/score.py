"""From notes and hits to a track of samples: each distinct note is rendered once and placed often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from musicgenre.synth.instruments import Instrument
from musicgenre.synth.patterns import BEATS, Groove, Note, hits
from musicgenre.synth.signal import Random, Signal, place
from musicgenre.synth.tuning import hz

_GRID_S = 0.04  # lengths are rounded up to this, so that similar notes share one rendering


def play(
    notes: Sequence[Note], instrument: Instrument, groove: Groove, n: int, random: Random, *, loose: float = 0.0, cents: float = 0.0
) -> Signal:
    """Render `notes`.

    Parameters
    ----------
    notes
        In beats.
    instrument
        Who plays.
    groove
        From beats to seconds.
    n
        Length of the track in samples.
    random
        Timing, velocities and the instrument's own chance are drawn from it.
    loose
        Standard deviation of onsets in seconds.
    cents
        Tuning of the whole track.

    Returns
    -------
    float32 [n]
    """
    track = np.zeros(n, dtype=np.float32)
    known: dict[tuple[int, int], Signal] = {}
    jitter = random.normal(0.0, 1.0, (len(notes), 2))
    for note, (late, hard) in zip(notes, jitter, strict=True):
        at = groove.seconds(note.at)
        length = max(_GRID_S, groove.seconds(note.at + note.beats) - at)
        key = (note.midi, int(np.ceil(length / _GRID_S)))
        if key not in known:
            known[key] = instrument.note(hz(note.midi + cents / 100), key[1] * _GRID_S, random)
        place(track, known[key], max(0.0, at + loose * late), note.velocity * max(0.3, 1 + 0.1 * hard))
    return track


def drum(
    pattern: Mapping[str, str],
    kit: Mapping[str, Signal],
    groove: Groove,
    bars: int,
    n: int,
    random: Random,
    *,
    loose: float = 0.0,
    levels: Mapping[str, float] | None = None,
) -> Signal:
    """A bar of drums, repeated: piece → step pattern. Float32 [n]."""
    track = np.zeros(n, dtype=np.float32)
    for piece, steps in sorted(pattern.items()):
        level = (levels or {}).get(piece, 1.0)
        onsets = hits(steps)
        jitter = random.normal(0.0, 1.0, (bars, len(onsets), 2))
        for bar in range(bars):
            for (at, velocity), (late, hard) in zip(onsets, jitter[bar], strict=True):
                when = groove.seconds(bar * BEATS + at) + loose * late
                place(track, kit[piece], max(0.0, when), level * velocity * max(0.3, 1 + 0.12 * hard))
    return track


__all__ = ["drum", "play"]
