"""The list of published systems: every family's, and mixtures of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from musicgenre.errors import ModelError
from musicgenre.models import families
from musicgenre.models.base import PublishedSystem
from musicgenre.models.families.published import ENSEMBLE
from musicgenre.models.protocols import OTHERWISE, PROTOCOLS, Protocol
from musicgenre.params import FAMILIES


@dataclass(frozen=True)
class Listed:
    """A published system and its family's name; `stand_in`: the backbone in place of the one that was published."""

    family: str
    system: PublishedSystem
    stand_in: str = ""

    @property
    def protocol(self) -> Protocol:
        return PROTOCOLS.get(self.system.name, OTHERWISE)

    @property
    def name(self) -> str:
        return f"{self.system.name}-{self.stand_in}" if self.stand_in else self.system.name

    @property
    def config(self) -> Mapping[str, Any]:
        return {**self.system.config, "backbone": self.stand_in} if self.stand_in else self.system.config

    @property
    def members(self) -> tuple[Listed, ...]:
        """The systems whose probabilities are averaged; empty for a system of one model."""
        return tuple(find(name, stand_in=self.stand_in) for name in self.system.members)

    @property
    def needs(self) -> tuple[str, ...]:
        """Stored kinds and backbones without which the system cannot run."""
        published = self.system.config.get("backbone")
        own = tuple(self.stand_in if self.stand_in and need == published else need for need in self.system.needs)
        return tuple(dict.fromkeys((*own, *(need for member in self.members for need in member.needs))))


def systems() -> tuple[Listed, ...]:
    """Every published system of every family (our own starting points are none), then mixtures of them."""
    found = [Listed(name, system) for name in FAMILIES for system in families.get(name).published()]
    return (*(item for item in found if item.system.source != "this project"), *(Listed("ensemble", system) for system in ENSEMBLE))


def find(name: str, *, stand_in: str = "") -> Listed:
    """The system `name`; with `stand_in`, on that backbone where it is a system on a backbone.

    Raises
    ------
    ModelError
        If there is none; the message lists all.
    """
    for item in systems():
        if item.system.name == name:
            # A mixture hands it on to its members; a system without a backbone stays what it is.
            swapped = stand_in and (item.system.members or item.system.config.get("backbone", stand_in) != stand_in)
            return replace(item, stand_in=stand_in) if swapped else item
    raise ModelError(f"no published system {name!r}; there are {', '.join(item.system.name for item in systems())}.")


__all__ = ["Listed", "find", "systems"]
