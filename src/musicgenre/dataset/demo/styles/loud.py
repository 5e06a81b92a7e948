"""Metal and rock: driven guitars over a backbeat."""

from __future__ import annotations

from musicgenre.dataset.demo.style import Layer, Mix, Style
from musicgenre.dataset.demo.styles.common import BACKBEAT, BUSY, DRIVING, LONG, POP_CHANGES, VERSE

METAL = Style(
    tempo=(96, 184),
    scales=("phrygian", "minor", "harmonic_minor"),
    changes=(
        ((0, "power"), (0, "power"), (1, "power"), (0, "power")),
        ((0, "power"), (8, "power"), (10, "power"), (0, "power")),
        ((0, "power"), (3, "power"), (5, "power"), (6, "power")),
    ),
    beats=(
        {"kick": "xxxxxxxxxxxxxxxx", "snare": "....X.......X...", "crash": "x.......x......."},
        DRIVING,
        {"kick": "x.xxx.xxx.xxx.xx", "snare": "....X.......X...", "ride": "x.x.x.x.x.x.x.x."},
        BACKBEAT,
    ),
    drum_level=(-4, 1),
    kit=((0.85, 1.1), (0.5, 1.0), (0.5, 1), (5000, 7500), (0, 0), (0, 0.2)),
    loose=(0.002, 0.008),
    layers=(
        Layer(
            "comp",
            ("electric",),
            ("x.xxx.xxx.xxx.xx", "xxxxxxxxxxxxxxxx", "x...x.x.x...x.x.", "x.xx.xx.x.xx.x.."),
            38,
            (-1, 3),
            (0.15, 0.6),
            drive=(2.5, 9),
        ),
        Layer(
            "bass",
            ("electric_bass",),
            ("11111111", "1.1.1.1.", "1111111111111111"),
            28,
            (-5, 0),
            (0.8, 1),
            drive=(0.3, 2),
            send=(0, 0.05),
        ),
        Layer(
            "line",
            ("growl", "electric", "singer"),
            (*VERSE, *BUSY),
            55,
            (-6, 0),
            chance=0.7,
            drive=(0.3, 4),
            rest=0.2,
            echo=(0, 0.25),
        ),
    ),
    mix=Mix(
        low=(-3, 4),
        middle=(-4, 2),
        high=(-6, 2),
        room_s=(0.2, 0.9),
        wet=(0.02, 0.15),
        drive=(0, 0.6),
        ratio=(1.5, 4),
        loudness=(-17, -10),
    ),
    near=("rock",),
)

ROCK = Style(
    tempo=(92, 160),
    scales=("minor_pentatonic", "mixolydian", "blues", "major"),
    changes=(
        ((0, "power"), (5, "power"), (7, "power"), (5, "power")),
        ((0, "maj"), (10, "maj"), (5, "maj"), (0, "maj")),
        ((0, "power"), (3, "power"), (5, "power"), (0, "power")),
        POP_CHANGES[1],
    ),
    beats=(
        BACKBEAT,
        {"kick": "x.......x.x.....", "snare": "....X.......X...", "ride": "x.x.x.x.x.x.x.x."},
        DRIVING,
        {"kick": "x..x....x..x....", "snare": "....X.......X...", "open": "x...x...x...x..."},
    ),
    drum_level=(-5, 1),
    kit=((0.85, 1.1), (0.7, 1.2), (0.3, 0.8), (5000, 7500), (0, 0), (0, 0.1)),
    layers=(
        Layer(
            "comp",
            ("electric", "electric", "acoustic", "organ"),
            ("x.x.x.x.", "xxxxxxxx", "x..x..x.", "x.x..xx.", "x...x..."),
            43,
            (-3, 2),
            (0.35, 0.9),
            drive=(0.3, 4),
            strum=0.02,
        ),
        Layer(
            "bass",
            ("electric_bass",),
            ("11111111", "1.1.1.1.", "1..1..5.", "1.1.5.8."),
            28,
            (-5, 0),
            (0.8, 1),
            drive=(0, 1),
            send=(0, 0.1),
        ),
        Layer(
            "line",
            ("singer", "electric", "singer", "growl", "organ"),
            (*VERSE, *LONG),
            57,
            (-5, 1),
            drive=(0, 2.5),
            rest=0.25,
            echo=(0, 0.2),
        ),
        Layer("arpeggio", ("electric", "acoustic", "piano"), ("0.2.1.2.0.2.1.2.", "0.1.2.3.2.1.2.1."), 52, (-10, -4), (0.5, 1), 0.3),
    ),
    mix=Mix(
        low=(-3, 4),
        middle=(-2, 3),
        high=(-7, 2),
        room_s=(0.3, 1.2),
        wet=(0.04, 0.25),
        drive=(0, 0.7),
        ratio=(1.3, 3),
        loudness=(-18, -11),
    ),
    near=("metal", "blues", "country", "pop"),
)

__all__ = ["METAL", "ROCK"]
