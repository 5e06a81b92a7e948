"""Blues, country and jazz: mostly played by hand, swung, recorded in a room."""

from __future__ import annotations

from musicgenre.dataset.demo.style import Layer, Mix, Style
from musicgenre.dataset.demo.styles.common import BACKBEAT, BUSY, LONG, MAJOR_CHANGES, POP_CHANGES, SHUFFLE, VERSE

BLUES = Style(
    tempo=(72, 124),
    swing=(0.6, 0.67),
    scales=("blues", "blues", "mixolydian"),
    changes=(
        ((0, "7"), (5, "7"), (0, "7"), (0, "7")),
        ((5, "7"), (5, "7"), (0, "7"), (0, "7")),
        ((7, "7"), (5, "7"), (0, "7"), (7, "7")),
        ((0, "min7"), (5, "min7"), (0, "min7"), (7, "7")),
    ),
    beats=(
        SHUFFLE,
        {"kick": "x.......x.......", "snare": "....x.......x...", "hat": "x.x.x.x.x.x.x.x."},
        {"kick": "x...x...", "rim": "..x...x.", "hat": "xoxoxoxo"},
    ),
    drum_level=(-9, -2),
    kit=((0.85, 1.1), (0.7, 1.2), (0.2, 0.6), (5000, 7500), (0, 0.5), (0, 0)),
    loose=(0.006, 0.018),
    layers=(
        Layer("line", ("electric", "electric", "harmonica", "sax", "singer"), (*VERSE, *LONG), 57, drive=(0, 1.6), leap=2, rest=0.3),
        Layer(
            "comp",
            ("piano", "organ", "electric", "acoustic"),
            ("x.x.x.x.", "..x...x.", "x...x...", "x..x..x."),
            52,
            (-9, -2),
            strum=0.03,
            drive=(0, 0.8),
        ),
        Layer(
            "bass",
            ("electric_bass", "upright"),
            ("1.1.5.5.", "1.3.5.7.", "1...5...", "1.3.5.a."),
            31,
            (-5, 1),
            (0.7, 0.95),
            send=(0, 0.1),
        ),
    ),
    mix=Mix(low=(-3, 3), middle=(-1, 3), high=(-9, -1), top_hz=(4500, 9500), wet=(0.05, 0.25), noise=(0.0005, 0.006), clicks=(0, 5)),
    near=("rock", "jazz", "country"),
)

COUNTRY = Style(
    tempo=(84, 136),
    swing=(0.5, 0.58),
    scales=("major", "pentatonic", "mixolydian"),
    changes=(*MAJOR_CHANGES, POP_CHANGES[0], ((0, "maj"), (5, "maj"), (0, "maj"), (7, "7"))),
    beats=(
        {"kick": "x.......x.......", "snare": "o.xoo.xoo.xoo.xo"},
        {"kick": "x...x...", "snare": "..x...x.", "hat": "x.x.x.x."},
        BACKBEAT,
    ),
    drum_level=(-11, -3),
    kit=((0.95, 1.2), (0.6, 1.0), (0.3, 0.7), (5500, 8500), (0, 0.6), (0, 0)),
    layers=(
        Layer(
            "comp",
            ("acoustic", "acoustic", "electric"),
            ("..x...x.", "x.xxx.xx", "..xx..xx", "x.x.x.x."),
            52,
            (-6, 0),
            (0.3, 0.7),
            strum=0.05,
        ),
        Layer("bass", ("electric_bass", "upright"), ("1...5...", "1...5..a", "1.1.5.5."), 31, (-5, 0), (0.6, 0.9), send=(0, 0.1)),
        Layer("line", ("fiddle", "steel", "electric", "singer", "singer", "harmonica"), (*VERSE, *LONG), 60, (-5, 1), rest=0.25),
        Layer(
            "arpeggio",
            ("banjo", "acoustic", "piano"),
            ("0213021302130213", "0.2.1.2.0.2.1.2.", "02120213"),
            55,
            (-9, -2),
            (0.4, 0.8),
            0.55,
        ),
    ),
    mix=Mix(low=(-3, 2), high=(-6, 2), wet=(0.03, 0.2), noise=(0.0002, 0.003)),
    near=("rock", "blues", "pop"),
)

JAZZ = Style(
    tempo=(92, 200),
    swing=(0.56, 0.67),
    scales=("dorian", "mixolydian", "major", "blues"),
    changes=(
        ((2, "min7"), (7, "9"), (0, "maj7"), (9, "7")),
        ((0, "maj9"), (9, "min7"), (2, "min9"), (7, "7")),
        ((0, "min7"), (5, "9"), (2, "m7b5"), (7, "7")),
        ((0, "7"), (5, "9"), (0, "7"), (9, "7")),
    ),
    beats=(
        {"ride": "x...x.xox...x.xo", "hat": "....x.......x...", "kick": "o.......o......."},
        {"ride": "x.xox.xo", "snare": "....o..o", "kick": "o......."},
        {"snare": "x.o.x.o.x.o.x.o.", "hat": "....x.......x..."},
    ),
    drum_level=(-12, -4),
    kit=((0.95, 1.25), (0.7, 1.3), (0.1, 0.5), (4500, 7500), (0.2, 1), (0, 0)),
    loose=(0.006, 0.02),
    layers=(
        Layer(
            "line",
            ("sax", "trumpet", "piano", "clarinet", "electric", "flute"),
            (*BUSY, *VERSE),
            58,
            (-3, 2),
            leap=3,
            rest=0.25,
            span=22,
        ),
        Layer(
            "comp",
            ("piano", "epiano", "electric", "organ"),
            ("x..x....", "...x..x.", "x.....x...x.....", "..x....x"),
            52,
            (-9, -3),
            (0.3, 1),
            0.9,
        ),
        Layer(
            "bass",
            ("upright", "upright", "electric_bass"),
            ("1.3.5.a.", "1.5.3.a.", "1.7.5.a.", "1.5.8.a."),
            33,
            (-5, 0),
            (0.8, 1),
            send=(0, 0.15),
        ),
    ),
    mix=Mix(
        low=(-3, 3),
        high=(-9, 0),
        top_hz=(5000, 10500),
        room_s=(0.3, 1.5),
        wet=(0.05, 0.3),
        drive=(0, 0.3),
        ratio=(1, 1.8),
        noise=(0.0003, 0.005),
        clicks=(0, 4),
        loudness=(-25, -15),
    ),
    near=("blues", "classical"),
)

__all__ = ["BLUES", "COUNTRY", "JAZZ"]
