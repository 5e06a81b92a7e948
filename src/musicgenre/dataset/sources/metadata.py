"""`metadata.csv`: who made which track, so that an artist never stands on two sides of a split."""

from __future__ import annotations

import csv
import logging
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from musicgenre.errors import DatasetError

log = logging.getLogger(__name__)

NAME = "metadata.csv"
KEYS = ("path", "file", "filename", "track_id", "track")
GROUPS = ("artist", "album")  # the first that is filled in counts


def _normal(text: str) -> str:
    return unicodedata.normalize("NFC", text.strip()).replace("\\", "/").removeprefix("./")


def read_groups(path: Path) -> dict[str, str]:
    """Key of a track → its group, from a comma, semicolon or tab separated file in UTF-8.

    Raises
    ------
    DatasetError
        If the columns needed are not there, or one key has two different groups.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8 (byte {error.start}). Save it as UTF-8 CSV.") from error
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.DictReader(text.splitlines(), delimiter=delimiter)
    columns = {(name or "").strip().lower(): name for name in reader.fieldnames or ()}
    key = next((columns[name] for name in KEYS if name in columns), None)
    groups = [columns[name] for name in GROUPS if name in columns]
    if key is None or not groups:
        raise DatasetError(
            f"{path}: found the columns {', '.join(map(repr, columns)) or 'none'}; "
            f"one of {', '.join(KEYS)} and one of {', '.join(GROUPS)} are needed."
        )
    found: dict[str, str] = {}
    for number, row in enumerate(reader, start=2):
        name = _normal(row[key] or "")
        group = next((unicodedata.normalize("NFC", value) for column in groups if (value := (row[column] or "").strip())), None)
        if not name or group is None:
            continue
        if found.setdefault(name, group) != group:
            raise DatasetError(f"{path}, line {number}: {name!r} has two groups, {found[name]!r} and {group!r}. Keep one.")
    return found


def assign(paths: Iterable[str], groups: dict[str, str], *, source: Path) -> dict[str, str]:
    """Group of each path (POSIX, under the data set's folder) that `groups` knows.

    A key may be the path or the file name alone, with or without suffix. Rows without a file
    and files without a row are logged: a typo must not silently dissolve a group.

    Raises
    ------
    DatasetError
        If a bare file name fits several files.
    """
    paths = list(paths)
    wanted: defaultdict[str, list[str]] = defaultdict(list)
    for path in paths:
        pure = PurePosixPath(_normal(path))
        exact = str(pure)
        for key in dict.fromkeys((exact, str(pure.with_suffix("")), pure.name, pure.stem)):
            wanted[key].append(path)
    result: dict[str, str] = {}
    used: set[str] = set()
    for path in paths:
        pure = PurePosixPath(_normal(path))
        for key in (str(pure), str(pure.with_suffix("")), pure.name, pure.stem):
            if key not in groups:
                continue
            rivals = [other for other in wanted[key] if PurePosixPath(other).parent != PurePosixPath(path).parent]
            if rivals and "/" not in key:
                raise DatasetError(f"{source}: {key!r} fits {path} and {rivals[0]}. Use paths instead of bare file names.")
            result[path] = groups[key]
            used.add(key)
            break
    unknown = sorted(set(groups) - used)
    if unknown:
        log.warning("%s names %d tracks that are not there: %s", source, len(unknown), _some(unknown))
    bare = sorted(set(paths) - set(result))
    if bare:
        log.warning("%s says nothing about %d of %d files; each is its own group: %s", source, len(bare), len(paths), _some(bare))
    return result


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")


__all__ = ["GROUPS", "KEYS", "NAME", "assign", "read_groups"]
