"""Hearing a clip: from bytes to features in a process that may die, for a model that runs in the caller's.

Bytes of unknown origin are decoded in a child process (see `audio.isolate`). The front end runs there as well:
what comes back is the features, a fifth of the samples' bytes, and the caller's interpreter, which serves many
clips at once, has only the model left to run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musicgenre.audio.isolate import MEMORY_BYTES, IsolatedWorkers
from musicgenre.audio.signal import AudioInfo, Limits, PlainLimits, all_finite
from musicgenre.bundle import allocator
from musicgenre.bundle.caution import Level
from musicgenre.errors import NonFiniteAudio, TooShort

if TYPE_CHECKING:
    from musicgenre.audio.wire import Blob
    from musicgenre.features.frontend import FrontEnd

_TASK = "musicgenre.bundle.listen_worker:listen_task"


@dataclass(frozen=True)
class Heard:
    """What a bundle needs to know of a clip.

    Attributes
    ----------
    features
        Arrays [frames, bands] by kind, as `FrontEnd.compute` returns and the store keeps them.
    duration_s
        Seconds of decoded sound.
    level
        How loud the samples were.
    """

    features: Mapping[str, NDArray[Any]]
    duration_s: float
    level: Level


@dataclass(frozen=True)
class Listened:
    """What `Listener` returns: the clip, what its container said, and the seconds that each part took."""

    heard: Heard
    info: AudioInfo
    seconds: Mapping[str, float] = field(default_factory=dict)


def listen(samples: NDArray[np.float32], front_end: FrontEnd, kinds: Iterable[str]) -> Heard:
    """Features and level of mono samples, float32 [n] in [−1, 1] at the front end's rate.

    Raises
    ------
    TooShort
        If there is no sample.
    NonFiniteAudio
        If a sample is NaN or infinite.
    """
    samples = np.ascontiguousarray(samples, dtype=np.float32)
    if samples.ndim != 1 or len(samples) == 0:
        raise TooShort(f"Expected samples [n ≥ 1], mono; found shape {list(samples.shape)}.")
    if not all_finite(samples):
        raise NonFiniteAudio(f"{int((~np.isfinite(samples)).sum())} of {len(samples)} samples are NaN or infinite.")
    return Heard(front_end.compute(samples, kinds), len(samples) / front_end.sample_rate, Level.of(samples))


class Listener(IsolatedWorkers):
    """Child processes that turn files and uploads into what a bundle needs; safe to call from many threads.

    Parameters
    ----------
    front_end, kinds
        As `Predictor.spec.front_end` and `Predictor.kinds`.
    limits
        As for `decode_file`; `decode_timeout_s` is the deadline of one input, features included.
    """

    def __init__(
        self, front_end: Mapping[str, Any], kinds: Iterable[str], *, limits: Limits, workers: int = 1, memory_bytes: int = MEMORY_BYTES
    ) -> None:
        super().__init__(
            _TASK, workers=workers, deadline_s=limits.decode_timeout_s, memory_bytes=memory_bytes, environment=allocator.ENVIRONMENT
        )
        self._request = {"front_end": json.dumps(dict(front_end)), "kinds": list(kinds), "limits": PlainLimits.of(limits).to_dict()}

    def __enter__(self) -> Listener:
        return self

    def file(self, path: Path | str) -> Listened:
        """Raises as `decode_file`, and `DecoderCrashed`."""
        return self._listened({"path": str(path), "name": str(path)}, {})

    def bytes(self, data: bytes, *, name: str = "the upload") -> Listened:
        """Raises as `decode_bytes`, and `DecoderCrashed`; `name` is what messages call the input."""
        return self._listened({"name": name}, {"data": data})

    def samples(self, samples: NDArray[np.float32]) -> Heard:
        """`listen` in a child process; raises as that does, and `DecoderCrashed`."""
        reply, arrays = self.call({**self._request, "name": "the samples"}, {"samples": samples})
        return Heard(arrays, reply["duration_s"], Level(**reply["level"]))

    def _listened(self, request: Mapping[str, str], blobs: Mapping[str, Blob]) -> Listened:
        reply, arrays = self.call({**request, **self._request}, blobs)
        heard = Heard(arrays, reply["duration_s"], Level(**reply["level"]))
        return Listened(heard, AudioInfo.from_dict(reply["info"]), reply["seconds"])


__all__ = ["Heard", "Listened", "Listener", "listen"]
