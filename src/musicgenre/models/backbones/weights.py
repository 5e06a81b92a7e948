"""Where pretrained weights come from: `$MUSICGENRE_WEIGHTS`, the user's cache, the publisher. Never random numbers."""

from __future__ import annotations

import hashlib
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from musicgenre.atomic import atomic_path
from musicgenre.errors import FetchError, WeightsUnavailable
from musicgenre.lineage import file_sha256
from musicgenre.progress import progress

VARIABLE = "MUSICGENRE_WEIGHTS"
_BLOCK = 1 << 20


@dataclass(frozen=True)
class WeightFile:
    """One file that can serve a backbone.

    Attributes
    ----------
    variant
        What distinguishes it (width, exactness); recorded in the lineage.
    sha256
        Pinned digest; a file that differs is refused. None: the publisher states none; the file's own digest is
        recorded in the lineage, and it is never downloaded unseen.
    url
        Where the publisher has it, or None.
    """

    name: str
    variant: str
    sha256: str | None = None
    url: str | None = None
    licence: str = ""


@dataclass(frozen=True)
class Weights:
    """A file that was found."""

    path: Path
    name: str
    variant: str
    sha256: str
    origin: str

    def lineage(self) -> dict[str, Any]:
        """For the embeddings' spec and the model's lineage (no path: that is this machine's affair)."""
        return {key: value for key, value in asdict(self).items() if key != "path"}


def cache_folder() -> Path:
    """The user's cache: `$XDG_CACHE_HOME/musicgenre/weights`, by default under `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "musicgenre" / "weights"


def find(backbone: str, files: Sequence[WeightFile], *, variant: str | None = None, download: bool = True) -> Weights:
    """The first of `files` that is to be had, in the order environment, cache, publisher.

    Raises
    ------
    WeightsUnavailable
        If none is; the message names every way to get one.
    FetchError
        If a file has another digest than the pinned one.
    """
    wanted = [item for item in files if variant is None or item.variant == variant]
    named = os.environ.get(VARIABLE)
    folders = ([("environment", Path(named))] if named else []) + [("cache", cache_folder())]
    for origin, folder in folders:
        for item in wanted:
            path = folder / item.name
            if path.is_file():
                digest = file_sha256(path)
                if item.sha256 and digest != item.sha256:
                    raise FetchError(f"{path} has SHA-256 {digest}, expected {item.sha256}. Delete it and get it again.")
                return Weights(path=path, name=item.name, variant=item.variant, sha256=digest, origin=origin)
    tried = []
    for item in wanted:
        if download and item.url and item.sha256:
            try:
                path = fetch(item.url, cache_folder() / item.name, sha256=item.sha256)
            except (urllib.error.URLError, TimeoutError, ConnectionError, OSError) as error:
                tried.append(f"{item.url} did not answer ({getattr(error, 'reason', error)})")
                continue
            return Weights(path=path, name=item.name, variant=item.variant, sha256=item.sha256, origin="publisher")
    names = " or ".join(item.name for item in wanted) or f"a file of variant {variant!r}"
    ways = [f"put {names} into a folder and set {VARIABLE} to it" + (f" (now {named!r}, which lacks it)" if named else "")]
    ways.append(f"put it into {cache_folder()}")
    ways += [f"download {item.url}" for item in wanted if item.url]
    reason = f" {'; '.join(tried)}." if tried else ""
    raise WeightsUnavailable(f"No weights for backbone {backbone!r}.{reason} Ways to get them: {'; or '.join(ways)}.")


def fetch(url: str, target: Path, *, sha256: str, timeout: float = 20.0) -> Path:
    """Download `url` with a progress bar; it appears at `target` only when its digest is right.

    Raises
    ------
    FetchError
        If the digest is another one.
    OSError
        If the publisher does not answer (`URLError` is one).
    """
    with urllib.request.urlopen(url, timeout=timeout) as answer:
        size = int(answer.headers.get("Content-Length") or 0)
        total = -(-size // _BLOCK) if size else None
        digest = hashlib.sha256()
        with atomic_path(target) as temporary:
            with temporary.open("wb") as handle:
                for block in progress(_blocks(answer), total=total, description=f"{target.name} (MB)"):
                    digest.update(block)
                    handle.write(block)
            if digest.hexdigest() != sha256:
                raise FetchError(f"{url} has SHA-256 {digest.hexdigest()}, expected {sha256}: nothing was kept.")
    print(f"{target.name}: downloaded and verified", file=sys.stderr)
    return target


def _blocks(answer: Any) -> Iterator[bytes]:
    while block := answer.read(_BLOCK):
        yield block


__all__ = ["VARIABLE", "WeightFile", "Weights", "cache_folder", "fetch", "find"]
