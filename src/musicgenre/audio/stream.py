"""Blocks of native samples from any known container, never more than the limits allow.

The header is read first and refused when it claims too much, but it is never
believed: reading goes block by block and stops at the limit whatever was claimed.
"""

from __future__ import annotations

import io
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from musicgenre.audio import ffmpeg
from musicgenre.audio.signal import AudioInfo, Limits, all_finite
from musicgenre.audio.sniff import Container, is_cut_short, sniff
from musicgenre.errors import (
    AudioError,
    EmptyAudio,
    NonFiniteAudio,
    TooLarge,
    TooLong,
    UndecodableAudio,
    UnsupportedFormat,
)
from musicgenre.quiet import quiet_native

BLOCK_FRAMES = 16_384
MAX_CHANNELS = 64
RATES = (1_000, 768_000)  # Hz
_UNKNOWN = 1 << 60  # libsndfile's length of a stream that does not say


@dataclass
class AudioStream:
    """An open input.

    Attributes
    ----------
    info
        From the header until `blocks` has ended, from then on what was really read.
    name
        For messages.
    """

    info: AudioInfo
    name: str
    limits: Limits
    _source: Any = field(repr=False)
    _claimed: int = 0

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """float32 [≤ 16384, channels] until the end, a defect (then `info.truncated`) or a limit.

        Raises
        ------
        TooLong
            At the first block beyond `max_duration_s`.
        NonFiniteAudio
            At the first block with a NaN or an infinity.
        UndecodableAudio
            If the very first block does not decode.
        EmptyAudio
            If there is no sample at all.
        """
        rate = self.info.sample_rate
        most = int(self.limits.max_duration_s * rate) + 1
        frames, broken = 0, ""
        size = max(256, min(BLOCK_FRAMES, (1 << 20) // self.info.channels))
        while True:
            try:
                block = self._source.read(size)
            except (soundfile.SoundFileError, ffmpeg.BrokenStream) as error:
                broken = str(error)
                break
            if len(block) == 0:
                break
            frames += len(block)
            if frames > most:
                raise TooLong(f"{self.name}: more than {self.limits.max_duration_s:g} s of audio. Cut it, or raise the limit.")
            if not all_finite(block):
                raise NonFiniteAudio(f"{self.name}: NaN or infinite samples near {frames / rate:.2f} s. Export the file again.")
            yield block
        if frames == 0 and (broken or self.info.truncated or 0 < self._claimed < _UNKNOWN):
            raise UndecodableAudio(f"{self.name}: a {self.info.format} header, but nothing after it decodes ({broken or 'no samples'}).")
        if frames == 0:
            raise EmptyAudio(f"{self.name}: holds no samples.")
        short = self._claimed < _UNKNOWN and frames < self._claimed
        self.info = AudioInfo(
            format=self.info.format,
            sample_rate=rate,
            channels=self.info.channels,
            duration_s=frames / rate,
            bytes=self.info.bytes,
            truncated=self.info.truncated or bool(broken) or short,
        )


@contextmanager
def _quiet(container: Container) -> Iterator[None]:
    """Keep libmpg123's remarks about the files of others off standard error, where no other thread could be writing."""
    if container.format != "mp3" or threading.active_count() > 1:
        yield
        return
    with quiet_native():
        yield


class _SoundFile:
    """libsndfile behind `read`."""

    def __init__(self, handle: soundfile.SoundFile, container: Container) -> None:
        self.handle = handle
        self.container = container

    def read(self, frames: int) -> NDArray[np.float32]:
        with _quiet(self.container):
            block: NDArray[np.float32] = self.handle.read(frames, dtype="float32", always_2d=True)
        return block


def _check_header(name: str, rate: int, channels: int, frames: int, limits: Limits) -> None:
    if not RATES[0] <= rate <= RATES[1]:
        raise UndecodableAudio(f"{name}: sampling rate {rate} Hz; {RATES[0]} to {RATES[1]} Hz can be read.")
    if not 1 <= channels <= MAX_CHANNELS:
        raise UndecodableAudio(f"{name}: {channels} channels; 1 to {MAX_CHANNELS} can be read.")
    if frames >= _UNKNOWN:
        return
    if frames / rate > limits.max_duration_s + 1:
        raise TooLong(f"{name}: {frames / rate:.0f} s; at most {limits.max_duration_s:g} s are accepted. Cut it, or raise the limit.")


def _open_libsndfile(handle: BinaryIO, name: str, container: Container, size: int, limits: Limits) -> AudioStream:
    cut = is_cut_short(handle, container, size)
    handle.seek(0)
    try:
        with _quiet(container):
            sound = soundfile.SoundFile(handle)
    except (soundfile.SoundFileError, TypeError) as error:
        reason = str(error).rstrip(".").rpartition(": ")[2]
        raise UndecodableAudio(f"{name}: looks like {container.format}, but does not open ({reason}).") from error
    frames = max(0, int(sound.frames))
    _check_header(name, sound.samplerate, sound.channels, frames, limits)
    info = AudioInfo(
        format=container.format,
        sample_rate=int(sound.samplerate),
        channels=int(sound.channels),
        duration_s=frames / sound.samplerate if frames < _UNKNOWN else 0.0,
        bytes=size,
        truncated=cut,
    )
    return AudioStream(info, name, limits, _SoundFile(sound, container), frames)


@contextmanager
def open_stream(source: Path | str | bytes, *, limits: Limits, name: str | None = None) -> Iterator[AudioStream]:
    """Open a path or bytes.

    Raises
    ------
    EmptyAudio, TooLarge
        By size, before anything is read.
    UnsupportedFormat
        The content is no known container, or ffmpeg would be needed and is absent.
    UndecodableAudio, TooLong
        By the header.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        name = name or "the upload"
        size = len(source)
        _check_size(name, size, limits)
        with _opened(io.BytesIO(source), name, size, limits) as stream:
            yield stream
        return
    path = Path(source)
    name = name or str(path)
    try:
        # Not blocking, so that a pipe among the files cannot hang the reader.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise UndecodableAudio(f"{name}: {error.strerror}. Check that the file is there and readable.") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise UnsupportedFormat(f"{name}: not a regular file.")
    with os.fdopen(descriptor, "rb") as handle:
        _check_size(name, status.st_size, limits)
        with _opened(handle, name, status.st_size, limits) as stream:
            yield stream


def _check_size(name: str, size: int, limits: Limits) -> None:
    if size == 0:
        raise EmptyAudio(f"{name}: 0 bytes.")
    if size > limits.max_bytes:
        raise TooLarge(f"{name}: {size:,} bytes; at most {limits.max_bytes:,} are accepted.")


@contextmanager
def _opened(handle: BinaryIO, name: str, size: int, limits: Limits) -> Iterator[AudioStream]:
    try:
        container = sniff(handle)
        if container is None:
            raise UnsupportedFormat(f"{name}: not audio that can be read here (wav, flac, ogg, mp3, au, aiff; m4a and webm with ffmpeg).")
        if container.decoder == "libsndfile":
            stream = _open_libsndfile(handle, name, container, size, limits)
            with stream._source.handle:
                yield stream
            return
        handle.seek(0)
        with ffmpeg.decoding(handle, container.format, name=name, max_s=limits.max_duration_s) as pipe:
            _check_header(name, pipe.rate, pipe.channels, _UNKNOWN, limits)
            info = AudioInfo(container.format, pipe.rate, pipe.channels, 0.0, size)
            yield AudioStream(info, name, limits, pipe, _UNKNOWN)
    except MemoryError as error:
        raise TooLarge(f"{name}: needs more memory than a decoder is given.") from error
    except AudioError:
        raise
    except (OSError, EOFError) as error:
        raise UndecodableAudio(f"{name}: {error}") from error


__all__ = ["BLOCK_FRAMES", "AudioStream", "open_stream"]
