"""Progressions, beats and rhythms that several styles use: the reason why neighbours get confused."""

from __future__ import annotations

MAJOR_CHANGES = (((0, "maj"), (5, "maj"), (7, "maj"), (0, "maj")), ((0, "maj"), (0, "maj"), (5, "maj"), (7, "maj")))
POP_CHANGES = (
    ((0, "maj"), (7, "maj"), (9, "min"), (5, "maj")),
    ((9, "min"), (5, "maj"), (0, "maj"), (7, "maj")),
    ((0, "maj"), (9, "min"), (5, "maj"), (7, "sus4")),
)
MINOR_CHANGES = (
    ((0, "min"), (10, "maj"), (8, "maj"), (7, "maj")),
    ((0, "min"), (0, "min"), (5, "min"), (7, "min")),
    ((0, "min"), (8, "maj"), (3, "maj"), (10, "maj")),
)
BACKBEAT = {"kick": "x.....x.x.......", "snare": "....X.......X...", "hat": "x.x.x.x.x.x.x.x."}
DRIVING = {"kick": "x..x..x.x..x..x.", "snare": "....X.......X...", "hat": "x.x.x.x.x.x.x.x.", "crash": "x..............."}
FOUR = {"kick": "X...X...X...X...", "snare": "....x.......x...", "open": "..x...x...x...x."}
BOOM_BAP = {"kick": "X..x......x.....", "snare": "....X.......X...", "hat": "x.x.x.x.x.x.x.xo"}
SHUFFLE = {"kick": "x...x...", "snare": "..X...X.", "ride": "xoxoxoxo"}
VERSE = ("x.x.x.x.x...x...", "x..x..x.x.x.....", "x...x.x.x.x.x...", "..x.x.x.x...x.x.")
LONG = ("x.......x...x...", "x.....x.........", "x...x...x.......", "x...........x...")
BUSY = ("x.xx..x.x.xxx.x.", "xxx.x.x.x.x.xx..", "x.x.x.xxx.x.x...")

__all__ = ["BACKBEAT", "BOOM_BAP", "BUSY", "DRIVING", "FOUR", "LONG", "MAJOR_CHANGES", "MINOR_CHANGES", "POP_CHANGES", "SHUFFLE", "VERSE"]
