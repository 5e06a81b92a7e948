"""Disco and pop: produced, on the grid, bright."""

from __future__ import annotations

from musicgenre.dataset.demo.style import Layer, Mix, Style
from musicgenre.dataset.demo.styles.common import BACKBEAT, FOUR, LONG, MINOR_CHANGES, POP_CHANGES, VERSE

DISCO = Style(
    tempo=(106, 130),
    scales=("minor", "dorian", "major"),
    changes=(*MINOR_CHANGES, ((0, "min7"), (5, "9"), (0, "min7"), (5, "9")), ((2, "min7"), (7, "7"), (0, "maj7"), (9, "min7"))),
    beats=(
        FOUR,
        {**FOUR, "hat": "x.x.x.x.x.x.x.x."},
        {"kick": "X...X...X...X...", "clap": "....X.......X...", "hat": "xoxoxoxoxoxoxoxo"},
    ),
    drum_level=(-4, 1),
    kit=((0.9, 1.15), (0.5, 1.0), (0.4, 0.8), (5500, 8500), (0, 0), (0, 0.6)),
    layers=(
        Layer(
            "bass",
            ("electric_bass", "synth_bass"),
            ("1.8.1.8.1.8.1.8.", "1..81.8.1..81.7.", "1.1.8.1.1.1.8.7."),
            31,
            (-4, 1),
            (0.5, 0.85),
            send=(0, 0.1),
        ),
        Layer(
            "comp",
            ("muted", "clavinet", "electric"),
            ("x.xx.xx.x.xx.xx.", "..x...x...x...x.", "xxx.x.xxxxx.x.xx"),
            57,
            (-9, -3),
            (0.1, 0.3),
            0.85,
        ),
        Layer(
            "comp",
            ("strings", "brass", "pad", "epiano"),
            ("x.......x.......", "x..x..x.........", "x...............", "..x...x........."),
            60,
            (-8, -2),
            (0.4, 2),
            0.85,
        ),
        Layer("line", ("singer", "strings", "lead", "brass", "singer"), (*VERSE, *LONG), 64, (-6, 0), rest=0.25, echo=(0, 0.2)),
    ),
    mix=Mix(low=(-1, 4), high=(-7, 2), wet=(0.06, 0.25), ratio=(1.5, 3), loudness=(-18, -12)),
    near=("pop", "hiphop"),
)

POP = Style(
    tempo=(86, 130),
    scales=("major", "pentatonic", "minor"),
    changes=(*POP_CHANGES, MINOR_CHANGES[2]),
    beats=(
        BACKBEAT,
        {"kick": "X...X...X...X...", "clap": "....X.......X...", "hat": "x.x.x.x.x.x.x.x."},
        {"kick": "x..x..x...x.....", "snare": "....X.......X...", "shaker": "xoxoxoxoxoxoxoxo"},
    ),
    drum_level=(-4, 1),
    kit=((0.85, 1.15), (0.6, 1.2), (0.4, 0.9), (5500, 9000), (0, 0), (0, 1)),
    layers=(
        Layer("line", ("singer", "singer", "lead", "flute"), (*VERSE, *LONG), 60, (-3, 2), rest=0.2, echo=(0, 0.3)),
        Layer(
            "comp",
            ("pad", "piano", "acoustic", "epiano", "strings"),
            ("x...............", "x.......x.......", "x.x.x.x.", "x..x..x."),
            55,
            (-9, -3),
            (0.4, 3),
        ),
        Layer(
            "bass",
            ("synth_bass", "electric_bass", "sub_bass"),
            ("1.1.1.1.", "1.......1...5...", "1..1..1.1..1..1.", "1.8.1.8.1.8.1.8."),
            30,
            (-4, 1),
            (0.6, 1),
            send=(0, 0.05),
        ),
        Layer(
            "arpeggio",
            ("synth_pluck", "bell", "muted", "acoustic"),
            ("0.1.2.1.0.1.2.1.", "0.2.1.3.", "01230123"),
            64,
            (-11, -4),
            (0.2, 0.6),
            0.6,
            echo=(0, 0.35),
        ),
    ),
    mix=Mix(low=(-1, 4), high=(-4, 4), wet=(0.05, 0.3), ratio=(1.5, 3.5), loudness=(-17, -11)),
    near=("disco", "rock", "hiphop"),
)

__all__ = ["DISCO", "POP"]
