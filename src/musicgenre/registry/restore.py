"""Filling an MLflow store that lacks what the book says was promoted.

After a clone, `models/registry.json` (git) and `models/champion` (DVC) are there and the
MLflow store is empty. Versions are registered again under their old numbers, those whose
bundle is not on this disk as *absent* ones that keep number, lineage and history.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from musicgenre.bundle import load_bundle
from musicgenre.layout import Layout
from musicgenre.registry.book import Book
from musicgenre.registry.entries import digest_of, lineage_tags
from musicgenre.registry.pages import card_page
from musicgenre.registry.versions import ABSENT, ANSWERS, DECISION, DIGEST, FAMILY, Versions


def local_bundles(layout: Layout) -> dict[str, Path]:
    """Every bundle below `models/` that loads, by digest."""
    models = layout.root / "models"
    folders = [layout.champion, *sorted(models.glob("*/bundle"))]
    found: dict[str, Path] = {}
    for folder in folders:
        if (folder / "bundle.json").is_file() and (digest := digest_of(folder)):
            found.setdefault(digest, folder)
    return found


def _register(versions: Versions, entry: dict[str, Any], folder: Path | None) -> str:
    tags = {
        DIGEST: entry["digest"],
        ANSWERS: entry["answers"],
        FAMILY: entry["family"],
        DECISION: entry["decision"],
        "restored_from": entry["version"],
    }
    if folder is None:
        commit = str(entry["lineage"].get("git_commit", ""))[:12]
        why = f"registered elsewhere; trained at git commit {commit}" if commit else "registered elsewhere"
        lineage = {key: str(value) for key, value in entry["lineage"].items() if value not in (None, "")}
        return versions.register_absent(entry, {**lineage, **tags, ABSENT: why}, card=entry.get("card", "")).number
    spec = load_bundle(folder)
    card = entry.get("card") or f"Restored from models/registry.json.\n\n{entry['words']}"
    tags["words"] = entry["words"][:4000]
    evidence = {"figures": entry["figures"], "restored": entry}
    pages = {"card.html": card_page(f"Model {spec.model_id}", card)}
    labels = {**lineage_tags(spec), **tags}
    return versions.register(folder, spec, family=entry["family"], card=card, tags=labels, evidence=evidence, pages=pages).number


def restore(versions: Versions, book: Book, layout: Layout) -> list[str]:
    """Bring back what the store lacks; returns the numbers registered.

    Where the store's champion resolves, the store is right and nothing is done. A store that
    has versions of another history cannot keep the numbers: then only the champion is
    registered, and the book learns its new number.
    """
    if not book.champion or versions.aliases().get("champion"):
        return []
    bundles = local_bundles(layout)
    wanted = book.entry(book.champion)
    if wanted is None or wanted["digest"] not in bundles:
        return []
    there = versions.all()
    done: list[str] = []
    if all((book.entry(item.number) or {}).get("digest") == item.digest for item in there):
        known = {item.number for item in there}
        last = max((int(item.number) for item in there), default=0)
        for entry in book.versions:
            if entry["version"] in known:
                continue
            if int(entry["version"]) <= last:
                continue  # the store has deleted it; its number does not come back
            for gap in range(last + 1, int(entry["version"])):
                lost = {"version": str(gap), "digest": "", "answers": "", "family": "", "decision": "unknown", "lineage": {}}
                done.append(_register(versions, lost, None))
            done.append(_register(versions, entry, bundles.get(entry["digest"])))
            last = int(entry["version"])
    held = versions.of_digest(wanted["digest"])
    number = held.number if held else _register(versions, wanted, bundles[wanted["digest"]])
    if not held:
        done.append(number)
    if number != book.champion:
        book.versions.append({**wanted, "version": number})
        book.versions.sort(key=lambda item: int(item["version"]))
        book.note("restored", number, was=book.champion, words="The store had other versions; the champion got a new number.")
        book.champion, book.previous, book.candidate = number, "", number
    for alias, target in (("previous", book.previous), ("candidate", book.candidate)):
        if target and versions.get(target) is not None:
            versions.point(alias, target)
    versions.point("champion", number)
    return done


__all__ = ["local_bundles", "restore"]
