"""Where Optuna keeps a study: a journal in the work cache, or a database; and what is said when that fails."""

from __future__ import annotations

import errno
import hashlib
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from musicgenre.errors import MusicGenreError, SearchError, StorageFull

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from sqlalchemy import Connection

JOURNAL = "journal.log"
_POSTGRES = ("postgresql://", "postgres://")
_DRIVER = "postgresql+psycopg://"
_CONNECT_S = 10  # a database that takes longer to answer counts as away
_HAND_OVER_S = 5.0  # a server may notice the end of a killed client a moment late


def mend(journal: Path) -> None:
    """Cut a line that a kill or a full disk left unfinished, and remove the lock of a writer that is no more (the study is ours)."""
    for stale in journal.parent.glob(f"{journal.name}.lock*"):
        with suppress(FileNotFoundError):
            stale.unlink()
    if not journal.is_file():
        return
    data = journal.read_bytes()
    end = data.rfind(b"\n") + 1
    if end != len(data):
        with journal.open("r+b") as handle:
            handle.truncate(end)


def open_storage(url: str | None, place: Path) -> BaseStorage:
    """Optuna's storage at `url`, or the journal in the folder `place`. Raises whatever it raises; see `explained`."""
    if url is None:
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        mend(place / JOURNAL)
        return JournalStorage(JournalFileBackend(str(place / JOURNAL)))
    from optuna.storages import RDBStorage

    for prefix in _POSTGRES:
        url = _DRIVER + url.removeprefix(prefix) if url.startswith(prefix) else url
    if not url.startswith("postgresql"):
        return RDBStorage(url)
    # A trial may take hours, and servers end idle connections: each one is tried before it is used.
    return RDBStorage(url, engine_kwargs={"pool_pre_ping": True, "connect_args": {"connect_timeout": _CONNECT_S}})


def hold(storage: BaseStorage, study: str) -> Connection | None:
    """Hold the study in a PostgreSQL database against processes of other machines, until the connection is closed or its process ends.

    Returns None for other storages, which a lock in the work cache protects.

    Raises
    ------
    SearchError
        If another process holds it.
    """
    from optuna.storages import RDBStorage

    if not isinstance(storage, RDBStorage) or storage.engine.dialect.name != "postgresql":
        return None
    from sqlalchemy import text

    key = int.from_bytes(hashlib.sha256(study.encode()).digest()[:8], "big", signed=True)
    connection = storage.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    end = time.monotonic() + _HAND_OVER_S
    while not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}).scalar():
        if time.monotonic() > end:
            connection.close()
            raise SearchError(f"another process is working on {study} in {shown(str(storage.url))}. Wait for it, or stop it.")
        time.sleep(0.2)
    return connection


def release(storage: BaseStorage, held: Connection | None) -> None:
    """Give up what `hold` returned, and the storage's connections."""
    from optuna.storages import RDBStorage

    if held is not None:
        held.invalidate()  # a pooled connection would keep the lock
        held.close()
    if isinstance(storage, RDBStorage):
        storage.engine.dispose()


def explained(error: Exception, *, url: str | None, place: Path, opening: bool) -> MusicGenreError:
    """What a storage raised, as one line with the next step. `opening`: before any trial; otherwise what is done is kept."""
    if isinstance(error, MusicGenreError):
        return error
    causes = _causes(error)
    where = shown(url) if url else str(place / JOURNAL)
    if any(isinstance(item, OSError) and item.errno in (errno.ENOSPC, errno.EDQUOT) for item in causes):
        return StorageFull(f"No space left for {where}. What was finished is kept: free space, then run the same command to go on.")
    if missing := next((item for item in causes if isinstance(item, ModuleNotFoundError)), None):
        remedy = "Run `uv sync --extra train --extra postgres`." if url and url.startswith("postgres") else "Install it."
        return SearchError(f"search.common.storage {where} needs the package {missing.name!r}, which is not installed. {remedy}")
    text = str(causes[-1])
    line = next((part.strip() for part in text.splitlines() if part.strip()), type(causes[-1]).__name__).rstrip(".") + "."
    if "compatible with the table schema" in text:
        line = line.replace("$STORAGE_URL", "URL")  # it names the command itself
        return SearchError(f"the study's storage {where} has tables of another Optuna version: {line}")
    if not opening:
        return SearchError(f"the study's storage {where} failed: {line} What was finished is kept; run the same command to go on.")
    remedy = "Start the server, or see search.common.storage in params.yaml." if url else f"Remove {place} to begin the study anew."
    return SearchError(f"the study's storage {where} cannot be used: {line} {remedy}")


def _causes(error: BaseException) -> list[BaseException]:
    """The error, what it was raised from, and so on to the root."""
    found = [error]
    while found[-1].__cause__ is not None and found[-1].__cause__ not in found:
        found.append(found[-1].__cause__)
    return found


def shown(where: str) -> str:
    """`where` without a password."""
    parts = urlsplit(where)
    if not parts.password:
        return where
    user, _, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user.split(':')[0]}:…@{host}").geturl()


__all__ = ["JOURNAL", "explained", "hold", "mend", "open_storage", "release", "shown"]
