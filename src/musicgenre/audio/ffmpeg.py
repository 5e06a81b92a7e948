"""The containers that libsndfile does not know, through the `ffmpeg` program where there is one.

The demuxer is forced to the one that the content was recognised as and only
local protocols are allowed, so that a playlist in disguise cannot make ffmpeg
read other files or open connections.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, BinaryIO

import numpy as np
from numpy.typing import NDArray

from musicgenre.errors import UndecodableAudio, UnsupportedFormat

_DEMUXER = {"m4a": "mov", "webm": "matroska", "aac": "aac"}


class BrokenStream(Exception):
    """ffmpeg stopped with an error after some samples."""


class FfmpegPipe:
    """ffmpeg's output behind `read`.

    Attributes
    ----------
    rate, channels
        Of the decoded stream, from the .au header that ffmpeg writes first.
    """

    def __init__(self, process: subprocess.Popen[bytes], errors: IO[bytes], name: str) -> None:
        assert process.stdout is not None
        self._process = process
        self._errors = errors
        self._out = process.stdout
        head = self._out.read(24)
        if len(head) < 24 or head[:4] != b".snd":
            process.wait()
            raise UndecodableAudio(f"{name}: ffmpeg cannot decode it ({self._reason()}).")
        offset, _, _, self.rate, self.channels = struct.unpack(">5I", head[4:])
        self._out.read(offset - 24)

    def _reason(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read(4000).decode(errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else "no message"

    def read(self, frames: int) -> NDArray[np.float32]:
        """float32 [≤ frames, channels], empty at the end."""
        data = self._out.read(frames * self.channels * 4)
        if not data and self._process.wait() != 0:
            raise BrokenStream(self._reason())
        whole = len(data) // (4 * self.channels)
        return np.frombuffer(data, dtype=">f4", count=whole * self.channels).astype(np.float32).reshape(whole, self.channels)


@contextmanager
def decoding(handle: BinaryIO, kind: str, *, name: str, max_s: float) -> Iterator[FfmpegPipe]:
    """Decode `handle` (from its start) as container `kind`, at most `max_s` seconds and a little.

    Raises
    ------
    UnsupportedFormat
        If there is no ffmpeg on this machine.
    UndecodableAudio
        If ffmpeg finds no audio in it.
    """
    program = shutil.which("ffmpeg")
    if program is None:
        raise UnsupportedFormat(
            f"{name}: {kind} needs the program ffmpeg, which is not installed here. Install it, or convert the file to flac."
        )
    # A file, not a pipe: the index of an m4a may stand at its end.
    with tempfile.NamedTemporaryFile(prefix="musicgenre-") as spill, tempfile.TemporaryFile() as errors:
        shutil.copyfileobj(handle, spill, 1 << 20)
        spill.flush()
        command = [program, "-nostdin", "-v", "error", "-xerror", "-threads", "1", "-protocol_whitelist", "file,pipe", "-f", _DEMUXER[kind]]
        command += ["-i", spill.name, "-map", "0:a:0", "-vn", "-sn", "-dn", "-t", f"{max_s + 2:.3f}"]
        command += ["-f", "au", "-c:a", "pcm_f32be", "pipe:1"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)
        try:
            yield FfmpegPipe(process, errors, name)
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


__all__ = ["BrokenStream", "FfmpegPipe", "decoding"]
