"""What a style is made of. The ten styles themselves are data, in `styles`."""

from __future__ import annotations

from dataclasses import dataclass

Range = tuple[float, float]


@dataclass(frozen=True)
class Layer:
    """One voice of the arrangement.

    Attributes
    ----------
    figure
        comp, bass, arpeggio or line (see `synth.patterns`).
    instruments
        Names in the palette; an artist has one of them.
    patterns
        What the figure plays; an artist has favourites.
    low
        Least MIDI number (of the voicing or the scale).
    level
        dB beside the other layers.
    gate
        Length of notes in beats (comp, arpeggio) or as a share of the gap (bass, line).
    chance
        That a track has this layer at all.
    drive
        Overdrive, see `effects.drive`.
    send
        Share that enters the room.
    echo
        Wet level of a tempo delay.
    strum
        Beats between the notes of a chord.
    span, leap, rest
        Of lines: range above `low` in semitones, greatest step of the walk in scale degrees, chance of a rest.
    """

    figure: str
    instruments: tuple[str, ...]
    patterns: tuple[str, ...]
    low: int
    level: Range = (-6, 0)
    gate: Range = (0.4, 0.6)
    chance: float = 1.0
    drive: Range = (0, 0)
    send: Range = (0.2, 0.6)
    echo: Range = (0, 0)
    strum: float = 0.0
    span: int = 17
    leap: int = 2
    rest: float = 0.2


@dataclass(frozen=True)
class Mix:
    """Ranges of the finished sound: tone in dB at three corners, room, drive, dynamics, medium."""

    low: Range = (-2, 3)
    middle: Range = (-2, 2)
    high: Range = (-4, 2)
    top_hz: Range = (8000, 10800)
    room_s: Range = (0.3, 1.0)
    wet: Range = (0.05, 0.2)
    drive: Range = (0, 0.4)
    ratio: Range = (1.2, 2.5)
    noise: Range = (0.0002, 0.002)
    clicks: Range = (0, 0)
    loudness: Range = (-20, -13)


@dataclass(frozen=True)
class Style:
    """A genre as the demo plays it.

    Attributes
    ----------
    tempo
        Beats a minute.
    swing
        See `Groove`; `sixteenths` swings the smaller unit.
    scales
        Of melodies; one a track.
    changes
        Progressions: chords as (semitones above the tonic, quality), one a bar, repeated.
    beats
        Drum patterns: piece → steps. Empty for no drums.
    drum_level
        dB of the drums.
    kit
        Ranges of `Kit`: pitch, damping, snap, brightness, brush, machine.
    loose
        Timing in seconds (standard deviation).
    layers
        The voices.
    mix
        The production.
    near
        Styles whose habits some artists borrow.
    """

    tempo: Range
    scales: tuple[str, ...]
    changes: tuple[tuple[tuple[int, str], ...], ...]
    layers: tuple[Layer, ...]
    near: tuple[str, ...]
    beats: tuple[dict[str, str], ...] = ()
    swing: Range = (0.5, 0.5)
    sixteenths: bool = False
    drum_level: Range = (-5, 0)
    kit: tuple[Range, Range, Range, Range, Range, Range] = ((0.9, 1.1), (0.7, 1.2), (0.3, 0.7), (5500, 8000), (0, 0), (0, 0))
    loose: Range = (0.003, 0.012)
    mix: Mix = Mix()


__all__ = ["Layer", "Mix", "Range", "Style"]
