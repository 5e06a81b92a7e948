"""What a process that died, or another checkout on the same server, has moved and this project's files do not know yet."""

from __future__ import annotations

import logging

from musicgenre.bundle import load_bundle
from musicgenre.errors import BundleError, RegistryError
from musicgenre.layout import Layout
from musicgenre.registry.book import Book
from musicgenre.registry.entries import entry_of, place_champion, remember
from musicgenre.registry.versions import ANSWERS, DECISION, WITHDRAWN, Version, Versions

logger = logging.getLogger("musicgenre.registry")


def before(book: Book, reigning: Version, versions: Versions, skip: frozenset[str] = frozenset()) -> str:
    """The version that reigned before, from the alias or, where that says nothing, from the log; empty if none."""
    named = versions.aliases().get("previous", "")
    if named and named != reigning.number and not skip:
        return named
    for number in reversed(book.champions()):
        entry = book.entry(number) or {}
        known = versions.get(number)
        if known is None or known.absent or known.withdrawn or entry.get("withdrawn"):
            continue
        if number != reigning.number and number not in skip:
            return number
    return ""


def point_previous(versions: Versions, number: str) -> None:
    """Let `previous` name a version, or nothing."""
    if number:
        versions.point("previous", number)
    else:
        versions.unpoint("previous")


def withdraw(book: Book, answers: str, stamp: str) -> None:
    """Mark every version with these answers; an empty stamp takes the mark away."""
    for entry in book.versions:
        if entry.get("answers") == answers:
            entry["withdrawn"] = stamp


def catch_up(versions: Versions, book: Book, layout: Layout) -> str:
    """Bring `models/champion` and the book in line with the store's champion. The lock is held; the caller writes the book.

    Returns
    -------
    str
        The action that was finished (``promoted``, ``forced``, ``rolled back``); empty when there was none.
    """
    champion = versions.at("champion")
    if champion is None or champion.absent:
        return ""
    if champion.withdrawn:  # a rollback that died before it moved anything, or a force that died after it did
        versions.untag(champion.number, WITHDRAWN)
    try:
        place_champion(versions, champion, layout)
        spec = load_bundle(layout.champion)
    except (RegistryError, BundleError) as error:
        logger.warning("The champion's bundle cannot be had, models/champion stays as it is: %s", error)
        return ""
    if book.champion == champion.number and book.entry(champion.number) is not None:
        return ""
    left = versions.get(book.champion) if book.champion else None
    decision = champion.tags.get(DECISION, "promoted")
    said = champion.tags.get("words", f"Version {champion.number} is the champion of {versions.store.uri}.")
    known = book.entry(champion.number)
    if known is None:
        remember(book, entry_of(champion, spec, family=champion.tags.get("family", ""), figures={}, decision=decision, words=said))
    if left is not None and left.withdrawn:
        action = "rolled back"
        withdraw(book, left.tags.get(ANSWERS, ""), left.withdrawn)
        if versions.aliases().get("previous") in ("", champion.number):
            point_previous(versions, before(book, champion, versions, frozenset({left.number})))
        said = f"Back to version {champion.number} from version {left.number}: {left.withdrawn}."
        noted = book.note(action, champion.number, withdrawn=left.number, words=said, recovered=True)
    else:
        action = decision if decision in ("promoted", "forced") else "promoted"
        withdraw(book, spec.answers, "")
        noted = book.note(action, champion.number, words=said, recovered=True)
    aliases = versions.aliases()
    book.champion, book.previous = champion.number, aliases.get("previous", "")
    book.candidate = aliases.get("candidate", champion.number)
    book.decision = {"version": champion.number, "decision": action, "words": said, "time": noted["time"], "criteria": []}
    return action


__all__ = ["before", "catch_up", "point_previous", "withdraw"]
