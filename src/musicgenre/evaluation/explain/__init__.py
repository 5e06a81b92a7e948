"""What goes beyond figures: robustness, suspected labels, the map, importances, occlusion."""

from __future__ import annotations

from musicgenre.evaluation.explain.sections import explain

__all__ = ["explain"]
