"""Re-checking what is registered: every byte, every answer, every link between the three memories (store, book, files)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from musicgenre.bundle import load_bundle
from musicgenre.bundle.golden import check
from musicgenre.bundle.predictor import Predictor
from musicgenre.errors import BundleError, RegistryError
from musicgenre.layout import Layout
from musicgenre.params import Params
from musicgenre.registry.audit import unknown_to
from musicgenre.registry.book import Book
from musicgenre.registry.versions import Version, Versions


@dataclass(frozen=True)
class Finding:
    """`version` is empty for what concerns the book or the files; `state` is ok, absent or bad."""

    version: str
    what: str
    state: str
    words: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def _of_version(versions: Versions, version: Version) -> Finding:
    if version.absent:
        return Finding(version.number, "bundle", "absent", f"Not in this store: {version.absent}.")
    try:
        with versions.bundle(version) as folder:
            spec = load_bundle(folder)
            if spec.digest != version.digest:
                words = f"The bundle is {spec.digest[:12]}…, registered was {version.digest[:12]}…: it was replaced by another one."
                return Finding(version.number, "bundle", "bad", words)
            check(Predictor.load(folder))
    except (BundleError, RegistryError) as error:
        return Finding(version.number, "bundle", "bad", str(error))
    return Finding(version.number, "bundle", "ok", f"{len(spec.digests) + 1} files as sealed; the golden answer is as recorded.")


def _of_files(versions: list[Version], aliases: dict[str, str], book: Book, layout: Layout) -> list[Finding]:
    found = []
    broken = book.broken_at()
    if broken is not None:
        found.append(
            Finding("", str(layout.registry), "bad", f"Log entry {broken} does not follow from the one before: the log was changed.")
        )
    else:
        found.append(Finding("", str(layout.registry), "ok", f"{len(book.log)} log entries, unbroken."))
    by_number = {item.number: item for item in versions}
    for entry in book.versions:
        known = by_number.get(entry["version"])
        if known is None:
            words = "models/registry.json lists it, the store does not have it; `musicgenre promote` registers it again."
            found.append(Finding(entry["version"], "version", "bad", words))
        elif known.digest != entry["digest"]:
            words = f"models/registry.json says {entry['digest'][:12]}…, the store {known.digest[:12]}…."
            found.append(Finding(entry["version"], "version", "bad", words))
    for known in versions:
        for text in unknown_to(book, known):
            words = f"The store's log says “{text}”, {layout.registry} does not: it was cut, or another checkout wrote it (`git pull`)."
            found.append(Finding(known.number, "log", "bad", words))
    champion = aliases.get("champion", "")
    if champion != book.champion:
        said = f"models/registry.json says {book.champion or '–'}"
        words = f"The store's champion is version {champion or '–'}, {said}; run `musicgenre promote`."
        found.append(Finding(champion, "champion", "bad", words))
    if champion:
        found.append(_of_copy(by_number.get(champion), champion, layout))
    return found


def _of_copy(champion: Version | None, number: str, layout: Layout) -> Finding:
    try:
        digest = load_bundle(layout.champion).digest
    except BundleError as error:
        return Finding(number, str(layout.champion), "bad", str(error))
    if champion is None or digest != champion.digest:
        return Finding(
            number, str(layout.champion), "bad", f"It holds {digest[:12]}…, not the champion. Run `dvc checkout` or `musicgenre promote`."
        )
    return Finding(number, str(layout.champion), "ok", "The champion's bundle.")


def verify(params: Params, layout: Layout) -> list[Finding]:
    """Check everything; all findings are returned, the good ones too."""
    versions = Versions(params, layout)
    known = versions.all()
    book = Book.read(layout.registry, params.promote.name)
    found = [_of_version(versions, item) for item in known]
    return found + _of_files(known, versions.aliases(), book, layout)


__all__ = ["Finding", "verify"]
