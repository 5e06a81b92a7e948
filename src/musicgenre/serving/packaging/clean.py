"""A clean environment from the service's locked requirements, and its size on disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from musicgenre.errors import PackagingError

MEGABYTE = 1_000_000
LIMIT_MB = 400.0


def find_uv(root: Path) -> str:
    """The `uv` program on the path or beside the project.

    Raises
    ------
    PackagingError
        If there is none.
    """
    for candidate in (shutil.which("uv"), root / ".musicgenre/tools/bin/uv", root / ".musicgenre/tools/uv/bin/uv"):
        if candidate and os.access(candidate, os.X_OK):
            return str(candidate)
    raise PackagingError("uv is needed for --clean-env and is not on the PATH. `sh scripts/ensure-uv.sh` installs it beside the project.")


def size_mb(folder: Path) -> float:
    """Bytes of all files below `folder` (hard links once), in MB."""
    seen: dict[tuple[int, int], int] = {}
    for path in folder.rglob("*"):
        if not path.is_symlink() and path.is_file():
            status = path.stat()
            seen[status.st_dev, status.st_ino] = status.st_size
    return sum(seen.values()) / MEGABYTE


def make(folder: Path, requirements: Path, *, root: Path) -> Path:
    """Create a virtual environment at `folder` with exactly `requirements`; returns its interpreter.

    Every file must have the hash that the lock names.

    Raises
    ------
    PackagingError
        If it cannot be installed, or holds more than 400 MB.
    """
    uv = find_uv(root)
    shutil.rmtree(folder, ignore_errors=True)
    python = folder / "bin" / "python"
    for command in (
        [uv, "venv", "--quiet", "--python", sys.executable, str(folder)],
        [
            uv,
            "pip",
            "install",
            "--quiet",
            "--python",
            str(python),
            "--require-hashes",
            "--no-deps",
            "--compile-bytecode",
            "-r",
            str(requirements),
        ],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise PackagingError(f"{' '.join(command[:3])} failed: {done.stderr.strip()[-1500:]}")
    found = size_mb(folder)
    if found > LIMIT_MB:
        raise PackagingError(f"The service's environment has {found:.0f} MB, allowed are {LIMIT_MB:.0f}. See the base dependencies.")
    return python


__all__ = ["LIMIT_MB", "find_uv", "make", "size_mb"]
