"""The demo set: music in ten styles that the project composes and renders itself. Synthetic, deterministic, CC0."""

from __future__ import annotations

from musicgenre.dataset.demo.render import render

__all__ = ["render"]
