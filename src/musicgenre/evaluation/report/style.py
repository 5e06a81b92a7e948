"""Colours of families and genres, legible on light and on dark."""

from __future__ import annotations

from collections.abc import Sequence

PALETTE = (
    "#4f83ff",
    "#f08a3c",
    "#22a884",
    "#b06be0",
    "#e8517d",
    "#c9a227",
    "#35b3d6",
    "#8c9a3d",
    "#a5765a",
    "#8a93a6",
)
SYMBOLS = ("circle", "diamond", "square", "cross", "triangle-up")


def colour(names: Sequence[str], name: str) -> str:
    """The colour of `name` among `names`; repeats after ten."""
    return PALETTE[list(names).index(name) % len(PALETTE)]


def symbol(names: Sequence[str], name: str) -> str:
    """The marker of `name`: another one for every ten names, so that colour and marker together are unique up to fifty."""
    return SYMBOLS[(list(names).index(name) // len(PALETTE)) % len(SYMBOLS)]


__all__ = ["PALETTE", "SYMBOLS", "colour", "symbol"]
