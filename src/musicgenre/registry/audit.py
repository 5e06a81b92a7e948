"""The audit log in the registry itself: every entry of the book is a tag and an artifact of the versions it is about.

Both are named by the entry's time and content, so that nothing is ever written over. The
book is written first; what a killed process left out here is added by `complete`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from musicgenre.errors import RegistryError
from musicgenre.lineage import canonical_hash

if TYPE_CHECKING:
    from musicgenre.registry.book import Book
    from musicgenre.registry.versions import Version, Versions

PREFIX = "audit."
_LONGEST = 4000  # characters of a tag


def tag_of(entry: Mapping[str, Any]) -> str:
    """The tag of a log entry, for example ``audit.2026-05-01T101500Z-1f0c9a2b``."""
    return f"{PREFIX}{str(entry['time']).replace(':', '')}-{canonical_hash(dict(entry), length=8)}"


def about(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """Numbers of the versions that an entry is about."""
    return tuple(str(entry[name]) for name in ("version", "withdrawn") if entry.get(name))


def append(versions: Versions, entry: Mapping[str, Any]) -> None:
    """Add one entry to each version that it is about.

    Raises
    ------
    RegistryError
        If the store has no such version.
    """
    for number in about(entry):
        version = versions.get(number)
        if version is None:
            raise RegistryError(f"There is no version {number} of {versions.name}.")
        _append(versions, version, entry)


def _append(versions: Versions, version: Version, entry: Mapping[str, Any]) -> None:
    tag = tag_of(entry)
    if version.run_id:
        versions.client.log_text(version.run_id, json.dumps(dict(entry), indent=2), f"audit/{tag.removeprefix(PREFIX)}.json")
    # Last, because its presence says that the artifact is there too.
    versions.tag(version.number, {tag: f"{entry['action']} by {entry['who']}: {entry.get('words', '')}"[:_LONGEST]})


def complete(versions: Versions, book: Book) -> list[dict[str, Any]]:
    """Add the entries that the store lacks: those of a killed process, and all after the store was filled again.

    Returns
    -------
    list
        The entries that were lacking, oldest first.
    """
    late: list[dict[str, Any]] = []
    known = {item.number: item for item in versions.all()}
    for entry in book.log:
        for number in about(entry):
            if number in known and tag_of(entry) not in known[number].tags:
                _append(versions, known[number], entry)
                late += [entry] if entry not in late else []
    return late


def unknown_to(book: Book, version: Version) -> list[str]:
    """What the store's log says of a version and the book does not; empty when they agree."""
    written = {tag_of(entry) for entry in book.log}
    return [text for tag, text in sorted(version.tags.items()) if tag.startswith(PREFIX) and tag not in written]


__all__ = ["PREFIX", "about", "append", "complete", "tag_of", "unknown_to"]
