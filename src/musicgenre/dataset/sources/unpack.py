"""Unpack zip and tar archives as if they came from an enemy: no path outside, no links, no devices, no bombs."""

from __future__ import annotations

import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from musicgenre.errors import FetchError, StorageFull
from musicgenre.progress import progress

_RATIO = 200  # unpacked against packed bytes: audio never shrinks like this, bombs do


@dataclass(frozen=True)
class _Member:
    name: str
    size: int
    open: Callable[[], IO[bytes]]


def is_archive(path: Path) -> bool:
    """Whether `path` is a file that `unpack` can read."""
    return path.is_file() and (zipfile.is_zipfile(path) or tarfile.is_tarfile(path))


def _safe(name: str, archive: Path) -> PurePosixPath:
    pure = PurePosixPath(name.replace("\\", "/"))
    if pure.is_absolute() or ".." in pure.parts or "\0" in name or (pure.parts and pure.parts[0].endswith(":")):
        raise FetchError(f"{archive}: the member {name!r} would be written outside of the target. Nothing was unpacked.")
    return pure


def _zip_members(file: zipfile.ZipFile, archive: Path) -> Iterator[_Member]:
    for info in file.infolist():
        if info.is_dir():
            continue
        if (info.external_attr >> 16) & 0o170000 == 0o120000:
            raise FetchError(f"{archive}: the member {info.filename!r} is a link. Nothing was unpacked.")
        yield _Member(info.filename, info.file_size, lambda info=info: file.open(info))  # type: ignore[misc]  # a default binds the loop's value


def _tar_open(file: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    handle = file.extractfile(info)
    assert handle is not None  # only regular files get here
    return handle


def _tar_members(file: tarfile.TarFile, archive: Path) -> Iterator[_Member]:
    for info in file:
        if info.isdir():
            continue
        if not info.isreg():
            raise FetchError(f"{archive}: the member {info.name!r} is a link or a device. Nothing was unpacked.")
        yield _Member(info.name, info.size, lambda info=info: _tar_open(file, info))  # type: ignore[misc]  # as above


def unpack(archive: Path, target: Path, *, wanted: Callable[[PurePosixPath], bool] = lambda path: True, quiet: bool = False) -> int:
    """Unpack regular files into the existing folder `target`; the number of files written.

    The caller gives a temporary folder (`atomic_directory`), so that a fault leaves nothing behind.

    Parameters
    ----------
    archive
        zip, tar, tar.gz, tar.bz2 or tar.xz.
    target
        An existing folder.
    wanted
        Which members to write, by path.
    quiet
        No progress.

    Raises
    ------
    FetchError
        If the archive is damaged, or holds a path outside, a link, a device, or absurd sizes.
    StorageFull
        If the disk has no room for what the archive announces.
    """
    budget = max(1 << 30, archive.stat().st_size * _RATIO)
    written = 0
    try:
        with _opened(archive) as members:
            for member in progress(members, total=None, description=f"unpacking {archive.name}", quiet=quiet):
                path = _safe(member.name, archive)
                if not wanted(path):
                    continue
                budget -= member.size
                if budget < 0:
                    raise FetchError(f"{archive} unpacks to more than {_RATIO} times its size. Nothing was unpacked.")
                if shutil.disk_usage(target).free < member.size + (1 << 20):
                    raise StorageFull(f"No space left to unpack {archive} at {target.parent}. Free some and run again.")
                place = target / path
                place.parent.mkdir(parents=True, exist_ok=True)
                with member.open() as source, place.open("wb") as handle:
                    shutil.copyfileobj(source, handle, 1 << 20)
                written += 1
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise FetchError(f"{archive} is damaged ({error}). Fetch it again.") from error
    return written


class _opened(AbstractContextManager[Iterator[_Member]]):
    """Members of a zip or tar file, which stays open inside the block."""

    def __init__(self, archive: Path) -> None:
        if zipfile.is_zipfile(archive):
            self._file: zipfile.ZipFile | tarfile.TarFile = zipfile.ZipFile(archive)
            self._members = _zip_members(self._file, archive)
        elif tarfile.is_tarfile(archive):
            self._file = tarfile.open(archive)  # noqa: SIM115 (closed by __exit__)
            self._members = _tar_members(self._file, archive)
        else:
            raise FetchError(f"{archive} is no zip or tar archive.")

    def __enter__(self) -> Iterator[_Member]:
        return self._members

    def __exit__(self, *_: object) -> None:
        self._file.close()


__all__ = ["is_archive", "unpack"]
