"""Hip hop and reggae: slow, swung sixteenths, all about the bass."""

from __future__ import annotations

from musicgenre.dataset.demo.style import Layer, Mix, Style
from musicgenre.dataset.demo.styles.common import BOOM_BAP, LONG, MINOR_CHANGES, VERSE

HIPHOP = Style(
    tempo=(78, 104),
    swing=(0.5, 0.6),
    sixteenths=True,
    scales=("minor_pentatonic", "minor", "dorian"),
    changes=(((0, "min7"), (0, "min7")), ((0, "min7"), (8, "maj7")), ((0, "min9"), (5, "min9")), (*MINOR_CHANGES[1],)),
    beats=(
        BOOM_BAP,
        {"kick": "X.....x..xx.....", "clap": "....X.......X...", "hat": "xxxxxxxxxxxxxxxx"},
        {"kick": "x.x....x..x.....", "snare": "....X.......X..o", "hat": "x.x.x.x.x.x.x.x."},
    ),
    drum_level=(-2, 3),
    kit=((0.7, 1.05), (0.6, 1.4), (0.3, 0.9), (5000, 8500), (0, 0), (0, 1)),
    layers=(
        Layer(
            "bass",
            ("sub_bass", "synth_bass", "electric_bass"),
            ("1.....1...5.....", "1..1......1.7...", "1.......8......."),
            28,
            (-2, 4),
            (0.7, 1),
            send=(0, 0.05),
        ),
        Layer(
            "line",
            ("rapper", "rapper", "singer"),
            ("x.xxx.x.xx.xx.x.", "xxx.xx.xx.xxx...", "x.x.xxx.x.xx.xx."),
            48,
            (-5, 1),
            chance=0.85,
            span=8,
            leap=1,
            rest=0.15,
        ),
        Layer(
            "comp",
            ("epiano", "piano", "strings", "organ", "pad"),
            ("x...............", "x..x............", "x.....x.........", "..x...x...x...x."),
            55,
            (-9, -3),
            (0.5, 3),
        ),
        Layer(
            "arpeggio",
            ("bell", "piano", "synth_pluck", "acoustic"),
            ("0...2..1....3...", "0.2.....1.......", "3...2...1...0..."),
            62,
            (-11, -4),
            (0.3, 1),
            0.5,
        ),
    ),
    mix=Mix(
        low=(1, 7),
        high=(-9, 0),
        top_hz=(5000, 10500),
        room_s=(0.15, 0.7),
        wet=(0, 0.15),
        drive=(0, 0.8),
        ratio=(1.5, 3.5),
        noise=(0.0003, 0.006),
        clicks=(0, 8),
        loudness=(-17, -11),
    ),
    near=("reggae", "disco", "pop"),
)

REGGAE = Style(
    tempo=(66, 98),
    swing=(0.5, 0.6),
    sixteenths=True,
    scales=("minor_pentatonic", "major", "minor"),
    changes=(
        ((0, "min"), (10, "maj")),
        ((0, "maj"), (5, "maj")),
        ((0, "min"), (5, "min")),
        ((0, "maj"), (7, "maj"), (9, "min"), (5, "maj")),
    ),
    beats=(
        {"kick": "........X.......", "rim": "........x.......", "hat": "x.x.x.x.x.x.x.x."},
        {"kick": "x...x...x...x...", "rim": "........x.......", "hat": "x.xox.xox.xox.xo"},
        {"kick": "x.......x.......", "snare": "........X.......", "hat": "..x...x...x...x."},
        BOOM_BAP,
    ),
    drum_level=(-6, 0),
    kit=((0.8, 1.15), (0.6, 1.2), (0.2, 0.7), (5000, 8000), (0, 0.1), (0, 0.5)),
    layers=(
        Layer(
            "comp",
            ("electric", "piano", "muted", "organ"),
            ("..x...x...x...x.", "..xx..x...xx..x.", "....x.......x..."),
            57,
            (-5, 1),
            (0.12, 0.35),
            echo=(0, 0.4),
        ),
        Layer(
            "comp",
            ("organ", "clavinet", "epiano"),
            ("..x.x.x...x.x.x.", ".xx..xx..xx..xx.", "x..............."),
            60,
            (-12, -5),
            (0.15, 0.5),
            0.6,
        ),
        Layer(
            "bass",
            ("sub_bass", "electric_bass", "synth_bass"),
            ("1..1..5.8.......", "1.1.3.5.........", "....1.1.5.3.1...", "1.....1...5....."),
            28,
            (-1, 4),
            (0.8, 1),
            send=(0, 0.1),
        ),
        Layer(
            "line",
            ("singer", "brass", "sax", "harmonica", "rapper"),
            (*LONG, *VERSE),
            58,
            (-6, 0),
            chance=0.85,
            rest=0.35,
            echo=(0, 0.45),
        ),
    ),
    mix=Mix(low=(0, 6), high=(-9, 0), top_hz=(5000, 10500), wet=(0.05, 0.35), noise=(0.0003, 0.004), clicks=(0, 3)),
    near=("hiphop", "rock", "disco"),
)

__all__ = ["HIPHOP", "REGGAE"]
