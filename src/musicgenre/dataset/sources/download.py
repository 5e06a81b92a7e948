"""Get one published file: resumed where it was cut off, from the next mirror when one fails, and only with the right hash.

The only module of the project's data side that speaks to the network; `musicgenre fetch` alone calls it.
"""

from __future__ import annotations

import hashlib
import http.client
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from musicgenre.dataset.sources.base import Remote
from musicgenre.errors import FetchError
from musicgenre.progress import progress

log = logging.getLogger(__name__)

_CHUNK = 1 << 18
_ATTEMPTS = 4
_TIMEOUT_S = 30.0
_PAUSE_S = 1.0


def digest(path: Path, algorithm: str) -> str:
    """Hex digest of a file, read in pieces."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()


def matches(path: Path, remote: Remote) -> bool:
    """Whether `path` has the published hash."""
    return digest(path, remote.algorithm) == remote.digest


def _total(response: http.client.HTTPResponse, have: int) -> int | None:
    length = response.headers.get("Content-Length")
    return have + int(length) if length and length.isdigit() else None


def _body(response: http.client.HTTPResponse) -> Iterator[bytes]:
    while chunk := response.read(_CHUNK):
        yield chunk


def _transfer(url: str, part: Path, *, name: str, quiet: bool) -> None:
    """Append to `part` what it lacks of `url`.

    Raises
    ------
    OSError, http.client.HTTPException
        When the connection fails or ends early; `part` keeps what came.
    """
    have = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "musicgenre", **({"Range": f"bytes={have}-"} if have else {})})
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing after what we have: whole, or longer than the file
            return
        raise
    with closing(response):
        if have and response.status != 206:
            log.info("%s: the server does not resume; starting again", name)
            have = 0
        total = _total(response, have)
        wanted = total - have if total is not None else None
        steps = None if wanted is None else -(-wanted // _CHUNK)
        with part.open("ab" if have else "wb") as handle:
            for chunk in progress(_body(response), total=steps, description=f"{name} ({_size(total)})", quiet=quiet):
                handle.write(chunk)
        got = part.stat().st_size
        if total is not None and got < total:
            raise http.client.IncompleteRead(b"", total - got)


def _size(count: int | None) -> str:
    if count is None:
        return "size unknown"
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def download(remote: Remote, folder: Path, *, quiet: bool = False) -> Path:
    """The file of `remote` in `folder`, downloaded unless it is there already.

    What was cut off is kept as `<name>.part` and continued by the next call. Every mirror is tried in
    order, a few times each.

    Raises
    ------
    FetchError
        If no mirror answers, or what came does not have the published hash (it is then removed).
    """
    folder.mkdir(parents=True, exist_ok=True)
    target, part = folder / remote.name, folder / f"{remote.name}.part"
    if target.is_file():
        if matches(target, remote):
            return target
        target.unlink()
    faults: list[str] = []
    for url in remote.urls:
        for attempt in range(_ATTEMPTS):
            resumed = part.is_file() and part.stat().st_size > 0
            try:
                _transfer(url, part, name=remote.name, quiet=quiet)
            except urllib.error.HTTPError as error:
                faults.append(f"{url}: {error.code} {error.reason}")
                if error.code < 500 and error.code != 429:
                    break
            except (OSError, http.client.HTTPException) as error:
                # A full disk is no fault of the mirror.
                if isinstance(error, OSError) and error.errno in (28, 122):
                    raise
                faults.append(f"{url}: {error or type(error).__name__}")
            else:
                if matches(part, remote):
                    part.replace(target)
                    return target
                found = digest(part, remote.algorithm)
                part.unlink()
                faults.append(f"{url}: {remote.algorithm} is {found}, published is {remote.digest}")
                if not resumed:
                    break  # a fresh, whole download of the wrong content: this mirror has another file
                continue
            time.sleep(_PAUSE_S * 2**attempt)
    raise FetchError(
        f"{remote.name} could not be fetched:\n  "
        + "\n  ".join(dict.fromkeys(faults))
        + f"\nRun the command again to go on from where it stopped, or download it by hand to {target}, or use --from."
    )


__all__ = ["digest", "download", "matches"]
