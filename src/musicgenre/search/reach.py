"""The part of a default space whose features and embeddings are stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from musicgenre.layout import Layout
from musicgenre.models.base import Choice, Family
from musicgenre.params import FamilySearch


def stored(layout: Layout, need: str) -> bool:
    """Whether the features of the kind `need`, or the embeddings of the backbone `need`, are there."""
    return any((place / "spec.json").is_file() for place in (layout.features(need), layout.embeddings(need)))


def absent(*needs: str) -> str:
    """Why something that reads `needs` is left out."""
    return f"needs {' and '.join(needs)}, not stored: add to features.kinds or embed.backbones (weights permitting)"


def within_reach(family: Family, block: FamilySearch, layout: Layout) -> tuple[FamilySearch, Mapping[str, str]]:
    """`block`, its space narrowed to what can be read here, and what that left out: "dimension option" to the reason.

    Only the family's own default is narrowed. An option that the parameters name stays,
    and its trials say what they lack; so does a dimension none of whose options can be read.
    """
    left_out: dict[str, str] = {}
    narrowed: dict[str, Any] = {}
    for name, dimension in family.space(block).dimensions.items():
        if name in block.space or not isinstance(dimension, Choice) or len(dimension.options) < 2:
            continue
        missing = [_missing(family, block, layout, name, option) for option in dimension.options]
        ours = [lacks - frozenset.intersection(*missing) for lacks in missing]  # what every option lacks is not the option's fault
        if any(ours) and not all(ours):
            narrowed[name] = [option for option, lacks in zip(dimension.options, ours, strict=True) if not lacks]
            left_out |= {f"{name} {option}": absent(*sorted(lacks)) for option, lacks in zip(dimension.options, ours, strict=True) if lacks}
    return block.model_copy(update={"space": {**block.space, **narrowed}}), left_out


def _missing(family: Family, block: FamilySearch, layout: Layout, name: str, option: Any) -> frozenset[str]:
    kinds, backbones = family.needs(block.model_copy(update={"fixed": {**block.fixed, name: option}}))
    return frozenset(need for need in kinds | backbones if not stored(layout, need))


__all__ = ["absent", "stored", "within_reach"]
