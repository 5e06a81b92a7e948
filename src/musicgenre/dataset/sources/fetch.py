"""`musicgenre fetch`: a published data set, from its mirrors or from what is already here, checked against its index."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from musicgenre.atomic import atomic_directory
from musicgenre.dataset.sources import get
from musicgenre.dataset.sources.base import Audit, Remote, Source
from musicgenre.dataset.sources.download import digest, download, matches
from musicgenre.dataset.sources.unpack import is_archive, unpack
from musicgenre.errors import DatasetError, FetchError

if TYPE_CHECKING:
    from musicgenre.layout import Layout

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fetched:
    """Where the data set is now (`dataset.path` should name it), and how it compares with its index."""

    source: str
    path: str
    audit: Audit
    notes: tuple[str, ...] = ()


def fetch(name: str, layout: Layout, *, given: Sequence[Path] = (), to: Path | None = None, quiet: bool = False) -> Fetched:
    """Put a published data set at `data/<name>` (or `to`).

    Parameters
    ----------
    name
        A source with remotes.
    layout
        Where the project is; downloads are kept and resumed in its work cache.
    given
        Archives or folders that are already here; then nothing is downloaded.
    to
        Another place for the result.
    quiet
        No progress.

    Raises
    ------
    FetchError
        If there is nothing to fetch, a hash is wrong, an archive is damaged, or what arrived is not this data set.
        `to` is then as it was before.
    """
    source = get(name)
    if not source.remotes:
        raise FetchError(f"There is nothing to fetch for the source {name!r}.")
    target = to if to is not None else layout.data / name
    for path in given:
        if not path.exists():
            raise FetchError(f"--from {path}: not there.")
        if path.resolve() == target.resolve():
            raise FetchError(f"--from {path} is already the target. Set dataset.path to it, or name another with --to.")
    notes: list[str] = []
    with atomic_directory(target) as folder:
        (folder / ".gitignore").write_text("*\n", encoding="utf-8")
        if given:
            _take(source, given, folder, notes, quiet=quiet)
        else:
            _download(source, layout, folder, notes, quiet=quiet)
        try:
            audit = source.audit(folder, contents=True)
        except DatasetError as error:
            raise FetchError(f"What arrived is not {source.title}: {error}") from error
        assert audit is not None  # every source with remotes has an index
    return Fetched(name, str(target), audit, tuple(notes))


def _download(source: Source, layout: Layout, folder: Path, notes: list[str], *, quiet: bool) -> None:
    for remote in source.remotes:
        try:
            path = download(remote, layout.work / "downloads", quiet=quiet)
        except FetchError as error:
            if not remote.optional:
                raise
            notes.append(f"{remote.name}: not to be had now ({str(error).splitlines()[1].strip()})")
            continue
        _place(source, path, remote, folder, quiet=quiet)


def _take(source: Source, given: Sequence[Path], folder: Path, notes: list[str], *, quiet: bool) -> None:
    """Use archives and folders that are here. A folder with the published archives in it counts as those."""
    official = {remote.name: remote for remote in source.remotes}
    for path in given:
        inside = [path / name for name in official if path.is_dir() and (path / name).is_file()]
        for place in inside or [path]:
            remote = official.get(place.name)
            if place.is_dir():
                _link_tree(place, folder)
            elif remote is not None:
                if not matches(place, remote):
                    raise FetchError(
                        f"{place}: {remote.algorithm} is {digest(place, remote.algorithm)}, published is {remote.digest}. "
                        "The file is damaged or another one; fetch it again."
                    )
                _place(source, place, remote, folder, quiet=quiet)
            elif is_archive(place):
                notes.append(f"{place.name} is no published archive (sha256 {digest(place, 'sha256')[:16]}…); only its names are checked")
                unpack(place, folder, wanted=source.wanted, quiet=quiet)
            else:
                raise FetchError(f"--from {place}: neither a folder nor a zip or tar archive.")


def _place(source: Source, path: Path, remote: Remote, folder: Path, *, quiet: bool) -> None:
    if is_archive(path):
        unpack(path, folder, wanted=source.wanted, quiet=quiet)
    else:
        place = folder / "lists" / remote.name
        place.parent.mkdir(exist_ok=True)
        shutil.copyfile(path, place)


def _link_tree(origin: Path, folder: Path) -> None:
    """The files below `origin`, as hard links where the file system allows, else as copies."""
    for place, folders, names in os.walk(origin):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = PurePosixPath(Path(place).relative_to(origin).as_posix())
        (folder / below).mkdir(parents=True, exist_ok=True)
        for name in sorted(names):
            if name.startswith(".") or not (Path(place) / name).is_file():
                continue
            file = (Path(place) / name).resolve()
            try:
                os.link(file, folder / below / name)
            except OSError:
                shutil.copy2(file, folder / below / name)


__all__ = ["Fetched", "fetch"]
