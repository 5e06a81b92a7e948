"""Classical: no drums, a hall, wide dynamics."""

from __future__ import annotations

from musicgenre.dataset.demo.style import Layer, Mix, Style
from musicgenre.dataset.demo.styles.common import BUSY, LONG, VERSE

CLASSICAL = Style(
    tempo=(58, 132),
    scales=("major", "minor", "harmonic_minor"),
    changes=(
        ((0, "maj"), (5, "maj"), (7, "7"), (0, "maj")),
        ((0, "min"), (5, "min"), (7, "7"), (0, "min")),
        ((0, "maj"), (9, "min"), (2, "min"), (7, "7")),
        ((0, "min"), (8, "maj"), (5, "min"), (7, "maj")),
    ),
    loose=(0.006, 0.03),
    layers=(
        Layer(
            "line",
            ("strings", "fiddle", "flute", "clarinet", "piano", "trumpet"),
            (*VERSE, *LONG, *BUSY),
            62,
            (-3, 1),
            rest=0.12,
            span=22,
        ),
        Layer(
            "arpeggio",
            ("piano", "piano", "strings", "acoustic", "flute"),
            ("0.2.1.2.0.2.1.2.", "0.1.2.3.4.3.2.1.", "01234321"),
            50,
            (-7, -1),
            (0.5, 1.4),
            0.75,
        ),
        Layer(
            "comp",
            ("strings", "strings", "organ", "brass", "piano"),
            ("x...............", "x.......x.......", "x...x...x...x..."),
            45,
            (-9, -3),
            (2, 3.8),
            0.7,
        ),
        Layer(
            "bass",
            ("strings", "piano", "upright"),
            ("1.......5.......", "1...............", "1...5...1...5..."),
            33,
            (-8, -2),
            (0.9, 1),
            0.8,
            send=(0.2, 0.5),
        ),
    ),
    mix=Mix(
        low=(-5, 2),
        high=(-9, -1),
        top_hz=(5500, 10500),
        room_s=(0.8, 2.8),
        wet=(0.15, 0.6),
        drive=(0, 0),
        ratio=(1, 1.3),
        noise=(0.0002, 0.004),
        clicks=(0, 2),
        loudness=(-30, -17),
    ),
    near=("jazz",),
)

__all__ = ["CLASSICAL"]
