"""Samples to bytes of a file, the same bytes every time."""

from __future__ import annotations

import io
import struct
from functools import lru_cache

import numpy as np

from musicgenre.synth.signal import RATE, Signal

_SUBTYPE = {"wav": "PCM_16", "flac": "PCM_16", "ogg": "VORBIS", "mp3": "MPEG_LAYER_III"}


@lru_cache(maxsize=1)
def _crc_table() -> tuple[int, ...]:
    """Ogg's checksum (RFC 3533): polynomial 0x04c11db7, not reflected, no final inversion."""
    table = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = ((value << 1) ^ 0x04C11DB7 if value & 0x80000000 else value << 1) & 0xFFFFFFFF
        table.append(value)
    return tuple(table)


def with_serial(data: bytes, serial: int) -> bytes:
    """An Ogg file with its stream's number replaced, and each page's checksum renewed.

    Encoders draw the number at random, which would make every rendering a different file.
    """
    table = _crc_table()
    out = bytearray(data)
    at = 0
    while at < len(out):
        if out[at : at + 4] != b"OggS":
            raise ValueError(f"no Ogg page at byte {at}")
        segments = out[at + 26]
        size = 27 + segments + sum(out[at + 27 : at + 27 + segments])
        struct.pack_into("<I", out, at + 14, serial)
        struct.pack_into("<I", out, at + 22, 0)
        crc = 0
        for byte in out[at : at + size]:
            crc = ((crc << 8) & 0xFFFFFFFF) ^ table[(crc >> 24) ^ byte]
        struct.pack_into("<I", out, at + 22, crc)
        at += size
    return bytes(out)


def encode(sound: Signal, suffix: str) -> bytes:
    """`sound` (float32 [n] in −1…1 at `RATE`) as `wav`, `flac`, `ogg` or `mp3`; 16 bits where lossless."""
    import soundfile

    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", RATE, 1, _SUBTYPE[suffix], format=suffix.upper()) as file:
        # In pieces: libsndfile's Vorbis encoder overflows its stack when given a long signal at once.
        for start in range(0, len(sound), RATE):
            file.write(np.clip(sound[start : start + RATE], -1, 1))
    data = buffer.getvalue()
    return with_serial(data, 1) if suffix == "ogg" else data


__all__ = ["encode", "with_serial"]
