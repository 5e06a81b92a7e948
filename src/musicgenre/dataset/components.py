"""What must stay on one side: tracks joined by a group or a recording, and everything those join."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Component:
    """Tracks that no split may part.

    Attributes
    ----------
    tracks
        Positions in the sequences given.
    genres
        How many of them stand under each genre.
    order
        A number in [0, 1) that depends on the seed and the members' groups alone.
    """

    tracks: tuple[int, ...]
    genres: Counter[str]
    order: float

    @property
    def genre(self) -> str:
        """The genre most of it stands under (the first by name among equals)."""
        return min(self.genres, key=lambda genre: (-self.genres[genre], genre))


def place(seed: int, name: str) -> float:
    """A reproducible number in [0, 1) for `name`."""
    return int.from_bytes(hashlib.sha256(f"{seed}\0{name}".encode()).digest()[:8], "big") / 2**64


def components(genres: Sequence[str], groups: Sequence[str], recordings: Sequence[str], *, seed: int) -> list[Component]:
    """Connected components, by `order`.

    Parameters
    ----------
    genres, groups, recordings
        Of each track.
    seed
        Of the order.
    """
    parent = list(range(len(genres)))

    def find(item: int) -> int:
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    first: dict[tuple[str, str], int] = {}
    for position, pair in enumerate(zip(groups, recordings, strict=True)):
        for kind, name in zip(("group", "recording"), pair, strict=True):
            other = find(first.setdefault((kind, name), position))
            parent[find(position)] = other
    members: dict[int, list[int]] = {}
    for position in range(len(genres)):
        members.setdefault(find(position), []).append(position)
    # Named by its smallest group, so that a further track of the same artist leaves its place.
    made = [
        (place(seed, min(groups[track] for track in tracks)), min(groups[track] for track in tracks), tracks) for tracks in members.values()
    ]
    return [Component(tuple(tracks), Counter(genres[track] for track in tracks), order) for order, _, tracks in sorted(made)]


__all__ = ["Component", "components", "place"]
