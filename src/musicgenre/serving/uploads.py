"""Request bodies: counted while they stream, bounded each and all together, never written to disk.

A body is either the file itself (``audio/*`` or ``application/octet-stream``) or
``multipart/form-data`` with one or more files.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from musicgenre.serving import problems

MEGABYTE = 1_000_000
# What multipart may add to the files: boundaries, part headers, small fields.
MULTIPART_OVERHEAD = 64 * 1024
MAX_FIELD_BYTES = 1024
_BINARY = (b"application/octet-stream", b"application/ogg")

Receive = Callable[[], Awaitable[Any]]


class Disconnected(Exception):
    """The client went away before its body was complete; nobody is left to answer."""


class ByteBudget:
    """Bytes of all uploads in memory; used from one event loop only.

    Parameters
    ----------
    limit
        Bytes, all requests together.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def take(self, count: int) -> bool:
        """Reserve `count` bytes; False (and nothing reserved) where they would pass the limit."""
        if self.used + count > self.limit:
            return False
        self.used += count
        return True

    def give_back(self, count: int) -> None:
        self.used -= count


@dataclass
class Upload:
    """One file of a request."""

    data: bytes


class _Content:
    """Bytes that come in pieces. Large ones are kept as they are and joined once; a growing buffer would be copied again and again."""

    _LARGE = 4096  # bytes; smaller pieces are gathered, or a body of single bytes would be millions of objects

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._small = bytearray()
        self.size = 0

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        if len(piece) < self._LARGE:
            self._small += piece
            return
        self._gather()
        self._pieces.append(piece)

    def _gather(self) -> None:
        if self._small:
            self._pieces.append(bytes(self._small))
            self._small.clear()

    def joined(self) -> bytes:
        self._gather()
        return b"".join(self._pieces)


@dataclass
class _Part:
    name: str = ""
    is_file: bool = False
    content: _Content = field(default_factory=_Content)

    def finish(self) -> Upload:
        return Upload(self.content.joined())


class _Files:
    """Callbacks of the multipart parser: files are kept, other fields are read and dropped."""

    def __init__(self, max_files: int) -> None:
        self.max_files = max_files
        self.uploads: list[Upload] = []
        self.complete = False
        self._part = _Part()
        self._header = b""
        self._value = b""
        self._headers: dict[bytes, bytes] = {}

    def callbacks(self) -> dict[str, Callable[..., None]]:
        names = ("part_begin", "part_data", "part_end", "header_field", "header_value", "header_end", "headers_finished", "end")
        return {f"on_{name}": getattr(self, name) for name in names}

    def part_begin(self) -> None:
        self._part = _Part()
        self._headers = {}

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header_end(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header = self._value = b""

    def headers_finished(self) -> None:
        kind, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        if kind != b"form-data" or b"name" not in options:
            raise problems.bad_request("A part of the form has no name.", "Send the file as a form field named `file`.")
        self._part.name = options[b"name"].decode("utf-8", "replace")
        self._part.is_file = b"filename" in options or b"filename*" in options
        if self._part.is_file and len(self.uploads) >= self.max_files:
            raise problems.bad_request(f"More than {self.max_files} file(s) in one request.", "Send fewer files at once.")

    def part_data(self, data: bytes, start: int, end: int) -> None:
        if not self._part.is_file and self._part.content.size + end - start > MAX_FIELD_BYTES:
            raise problems.bad_request(f"The form field {self._part.name[:40]!r} is longer than {MAX_FIELD_BYTES} bytes and is not a file.")
        self._part.content.add(data[start:end])

    def part_end(self) -> None:
        if self._part.is_file:
            self.uploads.append(self._part.finish())
            self._part = _Part()

    def end(self) -> None:
        self.complete = True


async def _chunks(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


class Lease:
    """The bytes that one request holds of the budget; a context manager that returns them."""

    def __init__(self, budget: ByteBudget, retry_after_s: int) -> None:
        self._budget = budget
        self._retry_after_s = retry_after_s
        self.held = 0

    def take(self, count: int) -> None:
        if not self._budget.take(count):
            raise problems.out_of_memory_budget(self._retry_after_s)
        self.held += count

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *_: object) -> None:
        self._budget.give_back(self.held)
        self.held = 0


async def read_uploads(
    receive: Receive, *, content_type: str, content_length: int | None, max_bytes: int, max_files: int, lease: Lease
) -> list[Upload]:
    """Read a whole body inside its limits.

    Parameters
    ----------
    receive
        The ASGI channel.
    content_length
        As declared; None where the body comes in chunks. A declaration beyond the limit is refused unread.
    max_bytes
        Of all files of this request together.

    Raises
    ------
    Problem
        413 above `max_bytes`, 415 for another content type, 400 for a malformed form, 429 where the budget is full.
    Disconnected
        If the client leaves first.
    """
    limit_mb = max_bytes / MEGABYTE
    kind, options = parse_options_header(content_type)
    multipart = kind == b"multipart/form-data"
    if (
        not multipart
        and kind
        and not kind.startswith((b"audio/", b"video/"))
        and kind not in (b"application/octet-stream", b"application/ogg")
    ):
        raise problems.Problem(
            415, "unsupported_content_type", f"The content type {kind.decode('ascii', 'replace')[:60]!r} carries no audio here.",
            "Send multipart/form-data with a file, or the file itself as application/octet-stream.",
        )  # fmt: skip
    allowed = max_bytes + (MULTIPART_OVERHEAD if multipart else 0)
    if content_length is not None and content_length > allowed:
        raise problems.too_large(limit_mb)
    files = _Files(max_files)
    whole = _Part(is_file=True)
    parser: MultipartParser | None = None
    if multipart:
        if not options.get(b"boundary"):
            raise problems.bad_request("multipart/form-data without a boundary.", "Let the HTTP library set the content type.")
        try:
            parser = MultipartParser(options[b"boundary"], files.callbacks())  # type: ignore[arg-type]  # a typed dict of the same keys
        except FormParserError as error:
            raise problems.bad_request(f"The form cannot be read: {error}.") from None
    received = 0
    async for chunk in _chunks(receive):
        received += len(chunk)
        if received > allowed:
            raise problems.too_large(limit_mb)
        lease.take(len(chunk))
        if parser is None:
            whole.content.add(chunk)
            continue
        try:
            parser.write(chunk)
        except FormParserError as error:
            raise problems.bad_request(f"The form cannot be read: {error}.", "Let the HTTP library build the form.") from None
    if parser is None:
        return [whole.finish()]
    if not files.complete:
        raise problems.bad_request("The form ends before its last boundary.", "Send the whole body.")
    if not files.uploads:
        raise problems.bad_request("The form holds no file.", "Send the audio as a file field, for example `-F file=@clip.wav`.")
    return files.uploads


__all__ = ["MEGABYTE", "ByteBudget", "Disconnected", "Lease", "Upload", "read_uploads"]
