"""Writes that either happen wholly or not at all.

A writer gets a temporary sibling; only when it has finished is that sibling
renamed over the target (rename is atomic within one file system, POSIX).
A killed process leaves at most a ``.tmp-*`` sibling, never a half-written target; the sibling's
name says whose it is, so that `sweep` can remove what nobody writes any more.
"""

from __future__ import annotations

import ctypes
import errno
import glob
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from musicgenre.errors import StorageFull


def temporary_sibling(path: Path) -> Path:
    """A fresh hidden name beside `path`, with this process's id in it."""
    return path.with_name(f".tmp-{path.name}-{os.getpid()}-{uuid.uuid4().hex[:8]}")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's
    return True


def sweep(folder: Path, name: str = "") -> None:
    """Remove the temporary siblings in `folder` (of the target `name`, or of all) whose process is no more."""
    for scrap in folder.glob(f".tmp-{glob.escape(name) or '*'}-*-*"):
        writer = scrap.name.rsplit("-", 2)[1]
        if not writer.isdigit() or _alive(int(writer)):
            continue
        if scrap.is_dir():
            shutil.rmtree(scrap, ignore_errors=True)
        else:
            scrap.unlink(missing_ok=True)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` on success, remove it on failure.

    Raises
    ------
    StorageFull
        If the disk is full; `path` is then what it was before.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_sibling(path)
    try:
        yield temporary
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(f"No space left while writing {path}. Free some and run again; nothing was lost.") from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _exchange(first: Path, second: Path) -> bool:
    """Swap two existing paths in one step; False where the system cannot (Linux and macOS can, on most file systems)."""
    for function, arguments in (
        ("renameat2", (-100, os.fsencode(first), -100, os.fsencode(second), 2)),  # AT_FDCWD, RENAME_EXCHANGE
        ("renamex_np", (os.fsencode(first), os.fsencode(second), 2)),  # RENAME_SWAP
    ):
        try:
            call = getattr(ctypes.CDLL(None, use_errno=True), function)
        except (AttributeError, OSError):
            continue
        return int(call(*arguments)) == 0
    return False


@contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """Yield a temporary directory that replaces `path` as a whole on success.

    Where the system can swap two names in one step, `path` exists at every moment; elsewhere
    it is absent for the instant between two renames.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_sibling(path)
    sweep(path.parent, path.name)
    temporary.mkdir()
    try:
        yield temporary
        if path.exists() and _exchange(temporary, path):
            shutil.rmtree(temporary, ignore_errors=True)
        elif path.exists():
            old = temporary_sibling(path)
            path.replace(old)
            temporary.replace(path)
            shutil.rmtree(old, ignore_errors=True)
        else:
            temporary.replace(path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(f"No space left while writing {path}. Free some and run again; nothing was lost.") from error
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON with sorted keys, atomically. NaN is refused (not JSON)."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


__all__ = ["atomic_directory", "atomic_path", "sweep", "temporary_sibling", "write_json", "write_text"]
