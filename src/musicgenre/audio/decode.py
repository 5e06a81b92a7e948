"""Whole inputs: mono mix and one resampler over a stream of blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from musicgenre.audio.signal import AudioInfo, Limits, Signal, all_finite
from musicgenre.audio.stream import open_stream
from musicgenre.errors import NonFiniteAudio, SilentAudio, TooShort

QUALITY = "HQ"  # soxr's 20-bit recipe
_FIRST, _NEXT = 1 << 20, 1 << 22  # samples a block: a usual clip fits the first, which the heap has at hand


class _Collected:
    """Samples as they come, in large blocks, each given back as soon as it is joined: never twice the whole in memory."""

    def __init__(self) -> None:
        self._blocks: list[NDArray[np.float32]] = [np.empty(_FIRST, np.float32)]
        self._filled = 0  # of the last block

    def add(self, samples: NDArray[np.float32]) -> None:
        while len(samples):
            if self._filled == len(self._blocks[-1]):
                self._blocks.append(np.empty(_NEXT, np.float32))
                self._filled = 0
            block = self._blocks[-1]
            count = min(len(samples), len(block) - self._filled)
            block[self._filled : self._filled + count] = samples[:count]
            self._filled += count
            samples = samples[count:]

    def joined(self) -> NDArray[np.float32]:
        """All of them, once; float32 [n], in an array of their own: a view would hold on to the room that is left in a block."""
        self._blocks[-1] = self._blocks[-1][: self._filled]
        whole = np.empty(sum(map(len, self._blocks)), np.float32)
        start = 0
        while self._blocks:
            block = self._blocks.pop(0)
            whole[start : start + len(block)] = block
            start += len(block)
        return whole


def resample(samples: NDArray[np.float32], rate: int, target: int) -> NDArray[np.float32]:
    """float32 [n] at `rate` Hz → float32 [≈ n·target/rate] at `target` Hz; the same bits as `decode_file` gives."""
    if rate == target:
        return samples
    out: NDArray[np.float32] = soxr.resample(samples, rate, target, quality=QUALITY)
    return out


def decode_file(path: Path | str, *, rate: int, limits: Limits) -> Signal:
    """Decode a file.

    Parameters
    ----------
    path
        Its suffix does not matter, its content does.
    rate
        Hz of the samples wanted.
    limits
        On bytes, duration and silence.

    Raises
    ------
    AudioError
        One subclass a cause: `EmptyAudio`, `TooLarge`, `UnsupportedFormat`, `UndecodableAudio`,
        `TooShort`, `TooLong`, `NonFiniteAudio`, `SilentAudio`.
    """
    return _decode(path, rate=rate, limits=limits, name=str(path))


def decode_bytes(data: bytes, *, rate: int, limits: Limits, name: str = "the upload") -> Signal:
    """Decode an upload; as `decode_file`, `name` is what messages call it."""
    return _decode(data, rate=rate, limits=limits, name=name)


def probe(source: Path | str | bytes, *, limits: Limits) -> AudioInfo:
    """What the header claims; raises as `decode_file` for what can be told without decoding."""
    with open_stream(source, limits=limits) as stream:
        return stream.info


def _decode(source: Path | str | bytes, *, rate: int, limits: Limits, name: str) -> Signal:
    with open_stream(source, limits=limits, name=name) as stream:
        native = stream.info.sample_rate
        resampler = None if native == rate else soxr.ResampleStream(native, rate, 1, dtype="float32", quality=QUALITY)
        collected = _Collected()
        peak = 0.0
        for block in stream.blocks():
            peak = max(peak, float(block.max()), -float(block.min()))
            mono = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float32)
            collected.add(mono if resampler is None else resampler.resample_chunk(mono))
        if resampler is not None:
            collected.add(resampler.resample_chunk(np.zeros(0, np.float32), last=True))
        samples = collected.joined()
        info = stream.info
    if not all_finite(samples):  # finite but huge samples can overflow in the mix or the filter
        raise NonFiniteAudio(f"{name}: samples up to {peak:.3g} overflow. Export the file again.")
    if info.duration_s < limits.min_duration_s:
        raise TooShort(f"{name}: {info.duration_s:.2f} s; at least {limits.min_duration_s:g} s are needed.")
    if peak < 10 ** (limits.silence_dbfs / 20):
        raise SilentAudio(f"{name}: silent (no sample above {limits.silence_dbfs:g} dB of full scale).")
    return Signal(samples, rate, info)


__all__ = ["decode_bytes", "decode_file", "probe", "resample"]
