"""What the book and MLflow's tags say about a version, and the champion's copy below `models/`."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from musicgenre.atomic import atomic_directory
from musicgenre.bundle import BundleSpec, load_bundle
from musicgenre.errors import BundleError
from musicgenre.layout import Layout
from musicgenre.registry.book import Book, now
from musicgenre.registry.versions import Version, Versions

_LINEAGE = ("data_id", "split_id", "feature_id", "split_policy", "git_commit", "git_dirty", "dvc_lock", "mlflow_run", "data_source")


def lineage_tags(spec: BundleSpec) -> dict[str, str]:
    """The bundle's lineage as version tags; empty values are left out."""
    return {name: str(spec.lineage[name]) for name in _LINEAGE if spec.lineage.get(name) not in (None, "")}


def entry_of(version: Version, spec: BundleSpec, *, family: str, figures: Mapping[str, Any], decision: str, words: str) -> dict[str, Any]:
    """A version's line in the book; its card is what the store has."""
    return {
        "version": version.number,
        "digest": spec.digest,
        "answers": spec.answers,
        "family": family,
        "classes": list(spec.classes),
        "run_id": version.run_id,
        "trained": spec.created,
        "registered": now(),
        "lineage": dict(spec.lineage),
        "figures": dict(figures),
        "decision": decision,
        "words": words,
        "withdrawn": "",
        "card": version.description,
    }


def remember(book: Book, entry: dict[str, Any]) -> None:
    """Add or replace a version's line; when it was registered and withdrawn is kept."""
    for index, known in enumerate(book.versions):
        if known["version"] == entry["version"]:
            book.versions[index] = {**entry, "registered": known["registered"], "withdrawn": known.get("withdrawn", "")}
            return
    book.versions.append(entry)
    book.versions.sort(key=lambda item: int(item["version"]))


def digest_of(directory: Path) -> str:
    """Digest of the bundle in `directory`; empty if there is none that loads."""
    try:
        return load_bundle(directory).digest
    except BundleError:
        return ""


def place_champion(versions: Versions, version: Version, layout: Layout, source: Path | None = None) -> None:
    """Make `models/champion` the bundle of `version`, checked after copying; nothing is touched if it is so already.

    Parameters
    ----------
    source
        A folder that may hold this very bundle, to spare a download.
    """
    if digest_of(layout.champion) == version.digest:
        return
    if source is not None and digest_of(source) == version.digest:
        _copy(source, layout.champion)
        return
    with versions.bundle(version) as folder:
        _copy(folder, layout.champion)


def _copy(source: Path, target: Path) -> None:
    with atomic_directory(target) as temporary:
        shutil.copytree(source, temporary, dirs_exist_ok=True)
        load_bundle(temporary)


__all__ = ["digest_of", "entry_of", "lineage_tags", "place_champion", "remember"]
