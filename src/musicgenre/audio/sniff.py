"""What bytes are, by their content: a name or a declared type is never believed.

Sources: RIFF/WAVE (Microsoft 1991; EBU 3306 for RF64), AIFF 1.3 (Apple 1989),
Sun/NeXT .au, RFC 3533 (Ogg), RFC 9639 (FLAC), ISO/IEC 11172-3 (MPEG audio
frames), ISO/IEC 14496-12 (`ftyp`), RFC 8794 (EBML).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO, Literal

_HEAD = 64
_OGG_TAIL = 65_536  # an Ogg page is at most 65,307 bytes
_STREAMING = {0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000}  # sizes that writers to a pipe leave


@dataclass(frozen=True)
class Container:
    """`decoder` says which library reads `format`."""

    format: str
    decoder: Literal["libsndfile", "ffmpeg"]


def _after_id3(handle: BinaryIO, head: bytes) -> bytes:
    """The first bytes after an ID3v2 tag (28-bit "synchsafe" size)."""
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    handle.seek(10 + size + (10 if head[5] & 0x10 else 0))
    return handle.read(_HEAD)


def _mpeg_layer(head: bytes) -> int:
    """Layer 1, 2 or 3 of an MPEG audio frame header, 0 for ADTS AAC, −1 if it is no frame."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return -1
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    if layer == 0:
        return 0 if head[1] & 0xF6 == 0xF0 else -1
    bitrate, rate = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or bitrate == 15 or rate == 3:
        return -1
    return 4 - layer


def sniff(handle: BinaryIO) -> Container | None:
    """Recognise a container from its first bytes; `handle` is left anywhere. None: no audio that is known."""
    handle.seek(0)
    head = handle.read(_HEAD)
    if head[:3] == b"ID3" and len(head) >= 10:
        head = _after_id3(handle, head)
        if not head.strip(b"\0"):
            return Container("mp3", "libsndfile")  # padding before the first frame
    kind, form = head[:4], head[8:12]
    if kind in (b"RIFF", b"RIFX", b"RF64") and form == b"WAVE":
        return Container("wav", "libsndfile")
    if kind == b"riff":
        return Container("w64", "libsndfile")
    if kind == b"FORM" and form in (b"AIFF", b"AIFC"):
        return Container("aiff", "libsndfile")
    if kind in (b".snd", b"dns."):
        return Container("au", "libsndfile")
    if kind == b"fLaC":
        return Container("flac", "libsndfile")
    if kind == b"OggS":
        return Container("ogg", "libsndfile")
    if kind == b"caff":
        return Container("caf", "libsndfile")
    if head[4:8] == b"ftyp":
        return Container("m4a", "ffmpeg")
    if kind == b"\x1a\x45\xdf\xa3":
        return Container("webm", "ffmpeg")
    layer = _mpeg_layer(head)
    if layer == 0:
        return Container("aac", "ffmpeg")
    return Container("mp3", "libsndfile") if layer > 0 else None


def is_cut_short(handle: BinaryIO, container: Container, size: int) -> bool:
    """Whether the container promises more bytes than the `size` there are.

    Only what can be told from sizes: FLAC and MP3 show it when they are decoded.
    """
    if container.format == "wav":
        return _riff_promise(handle, size, little=True) > size
    if container.format == "aiff":
        return _riff_promise(handle, size, little=False) > size
    if container.format == "au":
        handle.seek(0)
        head = handle.read(12)
        if len(head) < 12:
            return True
        order = ">" if head[:4] == b".snd" else "<"
        offset, data = struct.unpack(f"{order}II", head[4:12])
        return data not in _STREAMING and offset + data > size
    if container.format == "ogg":
        return not _ogg_is_finished(handle, size)
    return False


def _riff_promise(handle: BinaryIO, size: int, *, little: bool) -> int:
    """End of the sample chunk in bytes from the start, 0 if unknown. Walks at most 100 chunks."""
    handle.seek(0)
    magic = handle.read(4)
    order = "<" if little and magic != b"RIFX" else ">"
    wanted = b"data" if little else b"SSND"
    position = 12
    for _ in range(100):
        handle.seek(position)
        chunk = handle.read(8)
        if len(chunk) < 8:
            return 0
        length = int(struct.unpack(f"{order}I", chunk[4:])[0])
        if chunk[:4] == wanted:
            return 0 if length in _STREAMING or magic == b"RF64" else position + 8 + length
        position += 8 + length + (length & 1)
        if position > size:
            return position
    return 0


def _ogg_is_finished(handle: BinaryIO, size: int) -> bool:
    """Whether the last page carries the end-of-stream flag and is whole."""
    start = max(0, size - _OGG_TAIL)
    handle.seek(start)
    tail = handle.read(_OGG_TAIL)
    at = tail.rfind(b"OggS")
    if at < 0 or len(tail) < at + 27:
        return False
    flags, segments = tail[at + 5], tail[at + 26]
    table = tail[at + 27 : at + 27 + segments]
    whole = len(table) == segments and len(tail) >= at + 27 + segments + sum(table)
    return bool(flags & 4) and whole


__all__ = ["Container", "is_cut_short", "sniff"]
