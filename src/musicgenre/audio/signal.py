"""What decoding gives, and what limits it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Limits(Protocol):
    """What is accepted. `params.AudioLimits` is one; `PlainLimits` is one without pydantic, for workers."""

    @property
    def min_duration_s(self) -> float: ...
    @property
    def max_duration_s(self) -> float: ...
    @property
    def max_bytes(self) -> int: ...
    @property
    def decode_timeout_s(self) -> float: ...
    @property
    def silence_dbfs(self) -> float: ...


@dataclass(frozen=True)
class PlainLimits:
    """Limits as plain numbers.

    Attributes
    ----------
    min_duration_s, max_duration_s
        Seconds that a model can judge, and that memory is given to.
    max_bytes
        Of the encoded input, and of the decoded samples as mono float32.
    decode_timeout_s
        Wall-clock seconds an isolated worker may take for one input.
    silence_dbfs
        An input whose loudest sample is below this level is silent (dB, 0 is full scale).
    """

    min_duration_s: float = 1.0
    max_duration_s: float = 900.0
    max_bytes: int = 200_000_000
    decode_timeout_s: float = 60.0
    silence_dbfs: float = -70.0

    @classmethod
    def of(cls, limits: Limits) -> PlainLimits:
        """A copy of any `Limits`."""
        return cls(
            min_duration_s=float(limits.min_duration_s),
            max_duration_s=float(limits.max_duration_s),
            max_bytes=int(limits.max_bytes),
            decode_timeout_s=float(limits.decode_timeout_s),
            silence_dbfs=float(limits.silence_dbfs),
        )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class AudioInfo:
    """What an input is.

    Attributes
    ----------
    format
        Container in lower case: wav, flac, ogg, mp3, au, aiff, m4a, webm, …
    sample_rate
        Hz, as recorded.
    channels
        As recorded, before the mix to mono.
    duration_s
        Seconds: what was decoded, or (from `probe`) what the header claims, 0 when it claims nothing.
    bytes
        Encoded size.
    truncated
        The container promised more than there was.
    """

    format: str
    sample_rate: int
    channels: int
    duration_s: float
    bytes: int
    truncated: bool = False

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> AudioInfo:
        return cls(**value)


@dataclass(frozen=True)
class Signal:
    """Mono sound.

    Attributes
    ----------
    samples
        float32 [n], finite, mean of the channels, full scale is ±1 (float files may exceed it).
    rate
        Hz of `samples`.
    info
        Of the input it came from.
    """

    samples: NDArray[np.float32]
    rate: int
    info: AudioInfo

    @property
    def duration_s(self) -> float:
        return len(self.samples) / self.rate


def all_finite(values: NDArray[Any]) -> bool:
    """Whether every number of a float array is finite.

    A NaN or an infinity makes a sum NaN or infinite, so a finite sum settles it without an array of
    booleans, several times faster; only a sum that overflows is looked at number by number.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(values.sum()):
            return True
    return bool(np.isfinite(values).all())


__all__ = ["AudioInfo", "Limits", "PlainLimits", "Signal", "all_finite"]
