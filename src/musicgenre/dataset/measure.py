"""Everything the manifest says about one file, found in one pass over its blocks.

Runs inside an isolated worker (see `audio.worker`), so it imports numpy,
soundfile and soxr and nothing heavier.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from musicgenre.audio import PlainLimits, open_stream
from musicgenre.audio.decode import QUALITY
from musicgenre.audio.wire import Blob
from musicgenre.dataset import fingerprint
from musicgenre.errors import AudioError, DecoderCrashed, SilentAudio, TooShort

VERSION = 1  # of the figures; part of every cache key
TASK = "musicgenre.dataset.measure:measure_task"
CLIPPED_AT = 0.999  # of full scale
_WINDOW_S = 0.1  # stretches whose loudest sample decides about silence
_SILENCE_DB = -120.0  # what the level of digital silence is given as


@dataclass(frozen=True)
class Measures:
    """Figures of one decodable file.

    Attributes
    ----------
    format, sample_rate, channels, duration_s, truncated
        As `audio.AudioInfo`.
    pcm_sha256
        Of rate, channels and samples at 16 bit: equal for any two lossless encodings of one thing.
    peak
        Largest absolute sample, 1 is full scale.
    rms_db
        Root mean square of all samples, dB of full scale, at least −120.
    silence_fraction
        Share of tenths of a second without a sample above the silence threshold.
    clipped_fraction
        Share of samples at or beyond 0.999 of full scale.
    dc_offset
        Largest absolute mean of a channel.
    fingerprint
        Digest of the sub-fingerprints.
    error, error_text
        Null, or the code and words of why it cannot be used although it was decoded.
    """

    format: str
    sample_rate: int
    channels: int
    duration_s: float
    truncated: bool
    pcm_sha256: str
    peak: float
    rms_db: float
    silence_fraction: float
    clipped_fraction: float
    dc_offset: float
    fingerprint: str
    error: str | None = None
    error_text: str | None = None


FIELDS = tuple(field.name for field in fields(Measures))


class _Levels:
    """Running sums over blocks of native samples."""

    def __init__(self, rate: int, channels: int, threshold: float) -> None:
        self.hash = hashlib.sha256(f"{rate} {channels} ".encode())
        self.window = max(1, round(rate * _WINDOW_S))
        self.threshold = threshold
        self.count = self.clipped = self.windows = self.silent = 0
        self.peak = self.squares = 0.0
        self.sums = np.zeros(channels)
        self.carry = np.zeros(0, np.float32)

    def add(self, block: NDArray[np.float32]) -> None:
        self.hash.update(np.clip(np.rint(block * np.float32(32768)), -32768, 32767).astype("<i2"))
        size = np.abs(block).max(axis=1)
        self.peak = max(self.peak, float(size.max()))
        self.squares += float(np.square(block, dtype=np.float64).sum())
        self.sums += block.sum(axis=0, dtype=np.float64)
        self.count += block.size
        if self.peak >= CLIPPED_AT:
            self.clipped += int((np.abs(block) >= CLIPPED_AT).sum())
        loud = np.concatenate([self.carry, size])
        whole = len(loud) // self.window
        self._judge(loud[: whole * self.window].reshape(whole, self.window))
        self.carry = loud[whole * self.window :]

    def _judge(self, stretches: NDArray[np.float32]) -> None:
        self.windows += len(stretches)
        self.silent += int((stretches.max(axis=1, initial=0.0) < self.threshold).sum())

    def figures(self) -> dict[str, Any]:
        if len(self.carry):
            self._judge(self.carry[None])
        channels = len(self.sums)
        mean_square = self.squares / self.count
        return {
            "pcm_sha256": self.hash.hexdigest(),
            "peak": round(self.peak, 6),
            "rms_db": round(max(_SILENCE_DB, 10 * math.log10(mean_square)) if mean_square > 0 else _SILENCE_DB, 3),
            "silence_fraction": round(self.silent / self.windows, 6),
            "clipped_fraction": round(self.clipped / self.count, 8),
            "dc_offset": round(float(np.abs(self.sums).max()) * channels / self.count, 6),
        }


def measure(path: str, limits: PlainLimits, name: str | None = None) -> tuple[Measures, NDArray[np.uint32]]:
    """Decode `path` once; its figures and its sub-fingerprints.

    A file that is only too short or silent is measured all the same, with `error` set.

    Raises
    ------
    AudioError
        If it cannot be decoded, or is beyond a limit of memory.
    """
    with open_stream(path, limits=limits, name=name) as stream:
        rate = stream.info.sample_rate
        levels = _Levels(rate, stream.info.channels, 10 ** (limits.silence_dbfs / 20))
        resampler = soxr.ResampleStream(rate, fingerprint.RATE, 1, dtype="float32", quality=QUALITY)
        parts = []
        for block in stream.blocks():
            levels.add(block)
            parts.append(resampler.resample_chunk(block[:, 0] if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float32)))
        parts.append(resampler.resample_chunk(np.zeros(0, np.float32), last=True))
        info = stream.info
    words = fingerprint.words(np.concatenate(parts))
    error: type[AudioError] | None = None
    text = None
    if info.duration_s < limits.min_duration_s:
        error, text = TooShort, f"{info.duration_s:.2f} s; at least {limits.min_duration_s:g} s are needed"
    elif levels.peak < levels.threshold:
        error, text = SilentAudio, f"no sample above {limits.silence_dbfs:g} dB of full scale"
    figures = Measures(
        format=info.format,
        sample_rate=info.sample_rate,
        channels=info.channels,
        duration_s=round(info.duration_s, 6),
        truncated=info.truncated,
        fingerprint=fingerprint.digest(words),
        error=error.code if error else None,
        error_text=text,
        **levels.figures(),
    )
    return figures, words


def measure_task(request: dict[str, Any], blobs: dict[str, bytes]) -> tuple[dict[str, Any], dict[str, Blob]]:
    """`measure` for a worker. An undecodable file is an answer, not an exception."""
    limits = PlainLimits(**request["limits"])
    try:
        figures, words = measure(request["path"], limits, request["name"])
    except DecoderCrashed:
        raise
    except AudioError as error:
        text = str(error).removeprefix(f"{request['name']}: ")
        return {"figures": {"error": error.code, "error_text": text}}, {}
    return {"figures": asdict(figures)}, {"words": words}


__all__ = ["CLIPPED_AT", "FIELDS", "TASK", "VERSION", "Measures", "measure", "measure_task"]
