"""One track under analysis: what several kinds share is computed once.

Everything is computed when first asked for, block by block; the power spectrum is
kept only when the descriptors need it and the track is short.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musicgenre.audio import all_finite, resample
from musicgenre.errors import FeatureError
from musicgenre.features.filters import mel_bank
from musicgenre.features.spectrum import frame_count, power_blocks, pre_emphasise

if TYPE_CHECKING:
    from musicgenre.features.frontend import FrontEnd


_KEPT_FRAMES = 8192  # 34 MB of spectra, three minutes by default
LOUDEST = 1e9  # its square and the sums of it stay inside float32


def check_samples(samples: NDArray[Any]) -> NDArray[np.float32]:
    """`samples` as contiguous float32 [n].

    Raises
    ------
    FeatureError
        If it is not a vector, is empty, or has values that are not finite or absurdly large.
    """
    if samples.ndim != 1 or samples.size == 0:
        raise FeatureError(f"samples: expected a vector of at least one sample, found shape {list(samples.shape)}.")
    if samples.dtype != np.float32:
        raise FeatureError(f"samples: expected float32, found {samples.dtype}.")
    if not all_finite(samples):
        raise FeatureError(f"samples: {int((~np.isfinite(samples)).sum())} of {samples.size} values are not finite.")
    if max(float(samples.max()), -float(samples.min())) > LOUDEST:
        raise FeatureError(f"samples: amplitudes beyond {LOUDEST:g} (full scale is 1) would overflow. Export the file again.")
    return np.ascontiguousarray(samples)


class Analysis:
    """The shared intermediate results of one track under one front end."""

    def __init__(self, front_end: FrontEnd, samples: NDArray[np.float32]) -> None:
        self.front_end = front_end
        self.raw = check_samples(samples)
        self._keep_power = False

    def prepare(self, kinds: Iterable[str]) -> None:
        """Say which kinds will be asked for, so that the spectrum is kept or streamed accordingly."""
        self._keep_power = "descriptors" in set(kinds) and self.frames <= _KEPT_FRAMES

    @property
    def duration_s(self) -> float:
        return len(self.raw) / self.front_end.sample_rate

    @property
    def frames(self) -> int:
        """Frames at the front end's hop."""
        return frame_count(len(self.raw), self.front_end.hop_length)

    @cached_property
    def signal(self) -> NDArray[np.float32]:
        """Samples after pre-emphasis, float32 [n]."""
        return pre_emphasise(self.raw, self.front_end.pre_emphasis)

    @cached_property
    def at_16k(self) -> NDArray[np.float32]:
        """Samples for networks trained on 16 kHz audio, float32 [m], without pre-emphasis."""
        return resample(self.raw, self.front_end.sample_rate, 16000)

    def _transform(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        spec = self.front_end
        return power_blocks(self.signal, n_fft=spec.n_fft, hop=spec.hop_length, window=spec.window)

    @cached_property
    def _spectra(self) -> tuple[NDArray[np.float32], list[tuple[int, NDArray[np.float32]]]]:
        spec = self.front_end
        bank = mel_bank(spec.sample_rate, spec.n_fft, spec.n_mels, spec.fmin, spec.top_frequency, spec.mel_scale)
        mel = np.empty((self.frames, spec.n_mels), dtype=np.float32)
        kept: list[tuple[int, NDArray[np.float32]]] = []
        for first, power in self._transform():
            mel[first : first + len(power)] = (bank @ np.ascontiguousarray(power.T)).T
            if self._keep_power:
                kept.append((first, power))
        return mel, kept

    @property
    def mel_power(self) -> NDArray[np.float32]:
        """Mel power, float32 [frames, n_mels]."""
        return self._spectra[0]

    def power(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Power spectrum a block at a time: (first frame, float32 [frames, n_fft // 2 + 1]).

        Kept from the first pass where the track is short enough, computed again otherwise: the same bits.
        """
        return iter(self._spectra[1] or self._transform())

    @cached_property
    def tuning(self) -> float:
        """Deviation from A440 in semitones."""
        from musicgenre.features.descriptors import track_tuning

        return track_tuning(self)


__all__ = ["Analysis", "check_samples"]
