"""What was already measured, by content, so that an unchanged file is not read again.

Two tables of one SQLite file in the work cache: which content stood at a path
when it had this size and time, and what a content measured. A kill loses at
most the last moment's work; the file is disposable.
"""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicgenre.errors import DatasetError, MusicGenreError, StorageFull

_SCHEMA = """
create table if not exists seen (path text primary key, size integer, mtime_ns integer, sha256 text) without rowid;
create table if not exists measured (sha256 text, settings text, figures text, words blob, primary key (sha256, settings)) without rowid;
"""
_EVERY_S = 1.0  # at most so much work is lost to a kill


class MeasureCache:
    """A context manager over the file; all calls from one thread.

    Parameters
    ----------
    path
        Of the SQLite file; made when absent, and afresh when damaged.
    settings
        A hash of everything besides the content that figures depend on.
    """

    def __init__(self, path: Path, settings: str) -> None:
        self.path = Path(path)
        self.settings = settings
        self._committed = time.monotonic()

    def __enter__(self) -> MeasureCache:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._connect()
        except sqlite3.DatabaseError:
            self.path.unlink(missing_ok=True)
            self._connect()
        return self

    def _connect(self) -> None:
        self._db = sqlite3.connect(self.path, timeout=60, isolation_level="DEFERRED")
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = normal")
        self._db.executescript(_SCHEMA)

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self.commit()
        finally:
            self._db.close()

    def commit(self) -> None:
        """Make everything so far survive a kill."""
        try:
            self._db.commit()
        except sqlite3.OperationalError as error:
            raise self._refused(error) from error
        self._committed = time.monotonic()

    def _refused(self, error: sqlite3.OperationalError) -> MusicGenreError:
        if "full" in str(error):
            return StorageFull(f"{self.path}: {error}. Free some space and run again; what was measured is kept.")
        return DatasetError(f"{self.path}: {error}. Is another `musicgenre manifest` running here? Wait for it, or delete the file.")

    def sha256(self, path: str, size: int, mtime_ns: int) -> str | None:
        """The content's hash, if `path` had this size and time when it was read."""
        row = self._db.execute("select sha256 from seen where path = ? and size = ? and mtime_ns = ?", (path, size, mtime_ns)).fetchone()
        return None if row is None else str(row[0])

    def figures(self, sha256: str) -> dict[str, Any] | None:
        """What this content measured under the present settings."""
        row = self._db.execute("select figures from measured where sha256 = ? and settings = ?", (sha256, self.settings)).fetchone()
        if row is None:
            return None
        figures: dict[str, Any] = json.loads(row[0])
        return figures

    def words(self, sha256: str) -> NDArray[np.uint32]:
        """Its sub-fingerprints, empty if it has none."""
        row = self._db.execute("select words from measured where sha256 = ? and settings = ?", (sha256, self.settings)).fetchone()
        return np.zeros(0, np.uint32) if row is None or row[0] is None else np.frombuffer(row[0], "<u4").astype(np.uint32, copy=False)

    def remember_place(self, path: str, size: int, mtime_ns: int, sha256: str) -> None:
        """Note which content stands at `path`."""
        self._write("insert or replace into seen values (?, ?, ?, ?)", (path, size, mtime_ns, sha256))

    def remember_figures(self, sha256: str, figures: dict[str, Any], words: NDArray[np.uint32] | None) -> None:
        """Note what a content measured."""
        blob = None if words is None else words.astype("<u4").tobytes()
        self._write("insert or replace into measured values (?, ?, ?, ?)", (sha256, self.settings, json.dumps(figures), blob))

    def _write(self, statement: str, values: tuple[Any, ...]) -> None:
        try:
            self._db.execute(statement, values)
        except sqlite3.OperationalError as error:
            raise self._refused(error) from error
        if time.monotonic() - self._committed > _EVERY_S:
            self.commit()


__all__ = ["MeasureCache"]
