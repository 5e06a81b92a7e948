"""Artists: one choice of instruments, kit, room, desk and habits each, kept for all of their tracks.

This is what makes a split by track leak: a model may learn the artist's sound instead of the style.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from musicgenre.dataset.demo.palette import PALETTE
from musicgenre.dataset.demo.style import Layer, Range, Style
from musicgenre.dataset.demo.styles import STYLES
from musicgenre.synth.drums import Kit, render_kit
from musicgenre.synth.effects import impulse
from musicgenre.synth.instruments import Instrument
from musicgenre.synth.signal import Random, Signal

_BORROWED_LAYER = 0.12  # chance that a layer comes from a neighbouring style
_BORROWED_BEAT = 0.12
_BORROWED_MIX = 0.2


@dataclass(frozen=True)
class Voice:
    """A layer as one artist plays it."""

    layer: Layer
    instrument: Instrument
    patterns: tuple[str, ...]
    level: float
    gate: float
    drive: float
    send: float
    echo: float


@dataclass(frozen=True)
class Artist:
    """All that an artist's tracks share. `tone` is the desk's equaliser, (Hz, dB) points."""

    name: str
    style: Style
    voices: tuple[Voice, ...]
    kit: dict[str, Signal]
    beats: tuple[dict[str, str], ...]
    drum_level: float
    tempo: Range
    swing: float
    loose: float
    keys: tuple[int, ...]
    changes: tuple[tuple[tuple[int, str], ...], ...]
    tone: tuple[tuple[float, float], ...]
    room: Signal
    wet: float
    drive: float
    ratio: float
    noise: float
    clicks: float
    loudness: float


def generator(*key: int) -> Random:
    """The random stream of one purpose: keys never share numbers."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))


def _draw(random: Random, bounds: Range) -> float:
    return float(random.uniform(*bounds))


def _choose(random: Random, options: tuple[str, ...], count: int) -> tuple[str, ...]:
    order = random.permutation(len(options))[:count]
    return tuple(options[int(index)] for index in sorted(order))


def _voice(layer: Layer, random: Random) -> Voice:
    name = layer.instruments[int(random.integers(len(layer.instruments)))]
    return Voice(
        layer=layer,
        instrument=PALETTE[name](random),
        patterns=_choose(random, layer.patterns, 2),
        level=_draw(random, layer.level),
        gate=_draw(random, layer.gate),
        drive=_draw(random, layer.drive),
        send=_draw(random, layer.send),
        echo=_draw(random, layer.echo),
    )


def _layers(style: Style, random: Random) -> tuple[Layer, ...]:
    """The style's layers, some exchanged for a neighbour's of the same figure."""
    layers = []
    for layer in style.layers:
        near = STYLES[style.near[int(random.integers(len(style.near)))]]
        same = [other for other in near.layers if other.figure == layer.figure]
        if same and random.random() < _BORROWED_LAYER:
            layer = replace(same[int(random.integers(len(same)))], chance=layer.chance)
        layers.append(layer)
    return tuple(layers)


def make_artist(seed: int, genre: str, number: int) -> Artist:
    """The artist `number` of a genre; the same for the same arguments."""
    style = STYLES[genre]
    random = generator(seed, list(STYLES).index(genre), number)
    near = STYLES[style.near[int(random.integers(len(style.near)))]]
    voices = tuple(_voice(layer, random) for layer in _layers(style, random))
    drums = near if near.beats and style.beats and random.random() < _BORROWED_BEAT else style
    mix = near.mix if random.random() < _BORROWED_MIX else style.mix
    kit = Kit(*(_draw(random, bounds) for bounds in style.kit))
    middle = _draw(random, style.tempo)
    top = _draw(random, mix.top_hz)
    low, mid, high = (_draw(random, bounds) for bounds in (mix.low, mix.middle, mix.high))
    colour = random.normal(0.0, 1.8, 5)  # this studio's own curve
    tone = (
        (40.0, low + colour[0]),
        (150.0, low / 2 + colour[1]),
        (600.0, mid + colour[2]),
        (2000.0, mid / 2 + colour[3]),
        (4500.0, high + colour[4]),
        (top * 0.85, high),
        (top, high - 10),
        (11025.0, high - 26),
    )
    beats = drums.beats
    if beats:
        order = random.permutation(len(beats))[:2]
        beats = tuple(beats[int(index)] for index in sorted(order))
    changes = random.permutation(len(style.changes))[:3]
    return Artist(
        name=f"{genre}-{number:02d}",
        style=style,
        voices=voices,
        kit=render_kit(kit, random.spawn(1)[0]) if beats else {},
        beats=beats,
        drum_level=_draw(random, style.drum_level),
        tempo=(middle * 0.94, middle * 1.06),
        swing=_draw(random, style.swing),
        loose=_draw(random, style.loose),
        keys=tuple(int(key) for key in random.permutation(12)[:2]),
        changes=tuple(style.changes[int(index)] for index in sorted(changes)),
        tone=tone,
        room=impulse(_draw(random, mix.room_s), float(random.uniform(2200, 7000)), random),
        wet=_draw(random, mix.wet),
        drive=_draw(random, mix.drive),
        ratio=_draw(random, mix.ratio),
        noise=float(np.exp(random.uniform(*np.log(mix.noise)))),
        clicks=_draw(random, mix.clicks),
        loudness=_draw(random, mix.loudness),
    )


__all__ = ["Artist", "Voice", "generator", "make_artist"]
