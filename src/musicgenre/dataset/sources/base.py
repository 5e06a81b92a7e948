"""What a source of tracks is: where it comes from, under which terms, and which files it has.

A source never touches the network; only `musicgenre fetch` does (see `sources.fetch`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from musicgenre.layout import Layout
    from musicgenre.params import DatasetParams


@dataclass(frozen=True, order=True)
class SourceFile:
    """One audio file of a data set, not yet opened.

    Attributes
    ----------
    path
        Where it is: relative to the project's root when `dataset.path` is, absolute otherwise.
    track_id
        POSIX path under `dataset.path` without suffix; with it where two files would share the id.
    genre
        The label: the name of the genre's folder, or the data set's own annotation.
    group
        Artist, or album, that no split may tear apart; None where nothing is known.
    """

    path: Path
    track_id: str
    genre: str
    group: str | None = None


@dataclass(frozen=True)
class Remote:
    """A file that a publisher offers, and the hash that says it arrived whole.

    `algorithm` and `digest` are what was published (`sha1`, `md5`, `sha256`); `size` in bytes where known.
    """

    name: str
    urls: tuple[str, ...]
    algorithm: str
    digest: str
    size: int | None = None
    optional: bool = False


@dataclass(frozen=True)
class Audit:
    """A folder held against a source's official index: everything that differs, not the first thing."""

    expected: int
    found: int
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()  # files whose content has another checksum than the index says

    @property
    def complete(self) -> bool:
        return not self.missing and not self.extra and not self.altered

    def words(self) -> tuple[str, ...]:
        """A line each for what is missing, extra and altered, where something is."""
        lines = []
        for what, tracks in (("missing", self.missing), ("not in the official index", self.extra), ("altered", self.altered)):
            if tracks:
                lines.append(f"{len(tracks)} {what}: {', '.join(tracks[:8])}{', …' if len(tracks) > 8 else ''}")
        return tuple(lines)


@dataclass(frozen=True)
class Prepared:
    """What the stage `source` did. `rendered` tracks are new, `kept` were already in the work cache."""

    source: str
    path: str
    files: int
    genres: tuple[str, ...]
    rendered: int = 0
    kept: int = 0
    notes: tuple[str, ...] = field(default=())


class Source(ABC):
    """One kind of data set. Subclasses fill the class attributes and `files`."""

    name: ClassVar[str]
    title: ClassVar[str]
    citation: ClassVar[str]
    licence: ClassVar[str]
    remotes: ClassVar[tuple[Remote, ...]] = ()

    @abstractmethod
    def files(self, root: Path) -> tuple[SourceFile, ...]:
        """All files under `root`, paths below `root`, sorted by track id.

        Raises
        ------
        DatasetError
            If the folder cannot be a data set of this kind; the message names the next step.
        """

    def index(self, root: Path) -> tuple[str, ...] | None:
        """Official track ids, sorted; None for a source without a fixed content."""
        return None

    def checksums(self, root: Path) -> dict[str, tuple[str, str]]:
        """Path under the folder of tracks → (algorithm, digest), as far as the publisher's list is at hand."""
        return {}

    def wanted(self, path: PurePosixPath) -> bool:
        """Whether a member of the published archives is needed."""
        return True

    def audit(self, root: Path, *, contents: bool = False) -> Audit | None:
        """What is under `root` held against `index`; None for a source without one.

        With `contents`, the files are also read and compared with `checksums`, which takes a while.
        """
        official = self.index(root)
        if official is None:
            return None
        files = self.files(root)
        found = {file.track_id for file in files}
        missing, extra = sorted(set(official) - found), sorted(found - set(official))
        altered = self._altered(root, files) if contents else ()
        return Audit(len(official), len(found), tuple(missing), tuple(extra), altered)

    def _altered(self, root: Path, files: tuple[SourceFile, ...]) -> tuple[str, ...]:
        import hashlib

        published = self.checksums(root)
        wrong = []
        for file in files:
            name = file.track_id.removesuffix(file.path.suffix) + file.path.suffix
            if name in published:
                algorithm, digest = published[name]
                content = hashlib.new(algorithm, file.path.read_bytes(), usedforsecurity=False)
                if content.hexdigest() != digest:
                    wrong.append(name)
        return tuple(wrong)


def list_files(params: DatasetParams, layout: Layout) -> tuple[SourceFile, ...]:
    """The files of the configured data set, sorted by track id.

    Raises
    ------
    DatasetError
        If `dataset.path` is absent, empty, without genre folders or of one genre only.
    """
    from dataclasses import replace

    from musicgenre.dataset.sources import get

    folder = Path(params.path)
    files = get(params.source).files(layout.root / folder)
    if folder.is_absolute():
        return files
    return tuple(replace(file, path=folder / file.path.relative_to(layout.root / folder)) for file in files)


__all__ = ["Audit", "Prepared", "Remote", "Source", "SourceFile", "list_files"]
