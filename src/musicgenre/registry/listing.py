"""What is registered, for people and programs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from musicgenre.layout import Layout
from musicgenre.params import Params
from musicgenre.registry.book import Book
from musicgenre.registry.cards import data_card
from musicgenre.registry.versions import Versions, find_version


@dataclass(frozen=True)
class Row:
    """One version's line; `macro_f1` is that of the test set it was judged on."""

    version: str
    aliases: tuple[str, ...]
    family: str
    macro_f1: float | None
    decision: str
    registered: str
    digest: str
    words: str
    withdrawn: str
    absent: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def listing(params: Params, layout: Layout) -> list[Row]:
    """Every version of the store, oldest first, with what the book knows of it."""
    versions = Versions(params, layout)
    book = Book.read(layout.registry, params.promote.name)
    rows = []
    for item in versions.all():
        entry = book.entry(item.number) or {}
        score = (entry.get("figures") or {}).get("macro_f1")
        rows.append(
            Row(
                version=item.number,
                aliases=item.aliases,
                family=item.tags.get("family", ""),
                macro_f1=None if score is None else float(score),
                decision=item.tags.get("decision", ""),
                registered=str(entry.get("registered", "")),
                digest=item.digest,
                words=item.tags.get("words", str(entry.get("words", ""))),
                withdrawn=str(entry.get("withdrawn", "")),
                absent=item.absent,
            )
        )
    return rows


def show(params: Params, layout: Layout, wanted: str) -> dict[str, Any]:
    """One version with its card, its line in the book and its history; and the card of today's data."""
    versions = Versions(params, layout)
    version = find_version(versions, wanted)
    book = Book.read(layout.registry, params.promote.name)
    return {
        "version": version.number,
        "aliases": list(version.aliases),
        "tags": dict(version.tags),
        "run_id": version.run_id,
        "entry": {key: value for key, value in (book.entry(version.number) or {}).items() if key != "card"},
        "log": [item for item in book.log if version.number in (item["version"], item.get("withdrawn"))],
        "card": version.description,
        "data_card": data_card(layout, params.dataset.source),
    }


__all__ = ["Row", "listing", "show"]
