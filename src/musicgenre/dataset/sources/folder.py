"""Genre folders: `<root>/<genre>/<track>.<suffix>`, anyone's own collection."""

from __future__ import annotations

import logging
import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from musicgenre.dataset.sources import metadata
from musicgenre.dataset.sources.base import Source, SourceFile
from musicgenre.errors import DatasetError

log = logging.getLogger(__name__)

AUDIO = frozenset((".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".au", ".snd", ".aif", ".aiff", ".aifc", ".m4a", ".webm", ".mp4"))
# What lies beside music and was never meant as a track. Anything else is listed, and quarantined if it is no audio.
COMPANIONS = frozenset(
    [
        ".txt",
        ".csv",
        ".tsv",
        ".json",
        ".md",
        ".rst",
        ".html",
        ".xml",
        ".yaml",
        ".yml",
        ".jpg",
        ".jpeg",
        ".png",
        ".gif",
        ".webp",
        ".bmp",
        ".pdf",
        ".nfo",
        ".m3u",
        ".m3u8",
        ".pls",
        ".cue",
        ".log",
        ".ini",
        ".db",
        ".lrc",
        ".mf",
        ".mid",
        ".midi",
        ".lab",
        ".jams",
        ".npy",
        ".npz",
        ".py",
        ".sh",
        ".zip",
        ".tar",
        ".gz",
        ".dvc",
    ]
)
_EXAMPLE = "Put the files at <genre>/<track>.<wav|flac|ogg|mp3|au|aiff>."


def walk(folder: Path) -> Iterator[Path]:
    """Files below `folder` that may be tracks, in name order; links are followed, loops are not."""
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() not in COMPANIONS:
                yield Path(place) / name


def relative(path: Path, root: Path) -> str:
    """POSIX path of `path` under `root`.

    Raises
    ------
    DatasetError
        If the name is not valid UTF-8: no table could hold it.
    """
    text = path.relative_to(root).as_posix()
    try:
        text.encode()
    except UnicodeEncodeError:
        raise DatasetError(f"{str(path)!a}: the file's name is not valid UTF-8. Rename it.") from None
    return text


def track_ids(names: Sequence[str]) -> list[str]:
    """Ids of relative paths: without suffix where that is unique, with it where two files would share the id."""
    bare = [str(Path(name).with_suffix("").as_posix()) for name in names]
    count = Counter(unicodedata.normalize("NFC", name) for name in bare)
    return [name if count[unicodedata.normalize("NFC", short)] > 1 else short for name, short in zip(names, bare, strict=True)]


def require_folder(root: Path, next_step: str) -> None:
    """Raise a `DatasetError` unless `root` is a folder with something in it."""
    if not root.exists():
        raise DatasetError(f"dataset.path is {root}, which is not there. {next_step}")
    if not root.is_dir():
        raise DatasetError(f"dataset.path is {root}, which is a file; a folder is needed. {next_step}")
    if not any(not entry.name.startswith(".") for entry in root.iterdir()):
        raise DatasetError(f"dataset.path is {root}, which is empty. {next_step}")


def genre_files(root: Path, *, next_step: str = _EXAMPLE, genres: Sequence[str] | None = None) -> tuple[SourceFile, ...]:
    """All files in the genre folders of `root` (only `genres`, if given), with groups from `metadata.csv` where it is.

    Raises
    ------
    DatasetError
        No folder, nothing in it, no genre folder with files, or one genre only.
    """
    require_folder(root, next_step)
    folders = sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if genres is not None:
        folders = [folder for folder in folders if folder.name in genres]
    loose = [entry.name for entry in root.iterdir() if entry.is_file() and entry.suffix.lower() in AUDIO]
    found = [(path, folder.name) for folder in folders for path in walk(folder)]
    known = sorted({genre for _, genre in found})
    if not found:
        what = f"{len(loose)} audio files but no genre folders" if loose else f"{len(folders)} folders and no audio file in them"
        raise DatasetError(f"{root}: {what}. {next_step}")
    if len(known) < 2:
        raise DatasetError(f"{root}: one genre only ({known[0]}); telling genres apart takes two or more. {next_step}")
    if loose:
        log.warning("%s: %d audio files outside of any genre folder are not used (%s, …)", root, len(loose), loose[0])
    for folder in folders:
        if folder.name not in known:
            log.warning("%s: no audio files in it; it is no genre here", folder)
    names = [relative(path, root) for path, _ in found]
    groups = _groups(root, names)
    ids = track_ids(names)
    files = (SourceFile(path, id_, genre, groups.get(name)) for (path, genre), name, id_ in zip(found, names, ids, strict=True))
    return tuple(sorted(files, key=lambda file: file.track_id))


def _groups(root: Path, names: Sequence[str]) -> dict[str, str]:
    table = root / metadata.NAME
    return metadata.assign(names, metadata.read_groups(table), source=table) if table.is_file() else {}


class Folder(Source):
    """The user's own collection in genre folders."""

    name: ClassVar[str] = "folder"
    title: ClassVar[str] = "A folder of genre folders"
    citation: ClassVar[str] = "Your own collection: cite what it was made from."
    licence: ClassVar[str] = "Whatever you may do with these recordings; nothing of them leaves this machine."

    def files(self, root: Path) -> tuple[SourceFile, ...]:
        return genre_files(root)


__all__ = ["AUDIO", "COMPANIONS", "Folder", "genre_files", "relative", "require_folder", "track_ids", "walk"]
