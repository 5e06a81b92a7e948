"""Which systems of the literature a study starts from, and which it cannot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from musicgenre.errors import ParamsError
from musicgenre.layout import Layout
from musicgenre.models.base import Family, PublishedSystem
from musicgenre.params import FamilySearch
from musicgenre.search.reach import absent, stored


@dataclass(frozen=True)
class Selection:
    """`systems` are tried first, in this order; `skipped` maps the others' names to the reason."""

    systems: tuple[PublishedSystem, ...]
    skipped: Mapping[str, str]


def select(family: Family, block: FamilySearch, layout: Layout) -> Selection:
    """The published systems that `block.published` names and whose inputs are there, cheapest first.

    Raises
    ------
    ParamsError
        If `block.published` names a system that the family does not have.
    """
    known = {system.name: system for system in family.published()}
    wanted = tuple(known) if block.published == "all" else block.published
    if unknown := [name for name in wanted if name not in known]:
        raise ParamsError(
            f"search.{family.name}.published names {unknown[0]!r}; the family has {', '.join(known) or 'no published system'}."
        )
    systems: list[PublishedSystem] = []
    skipped: dict[str, str] = {}
    for name in (name for name in known if name in wanted):
        missing = [need for need in known[name].needs if not stored(layout, need)]
        if missing:
            skipped[name] = absent(*missing)
        elif len(systems) >= block.trials:
            skipped[name] = f"search.{family.name}.trials is {block.trials}; the budget ends before it"
        else:
            systems.append(known[name])
    return Selection(tuple(systems), skipped)


__all__ = ["Selection", "select"]
