"""The kinds of features there are: what each depends on, how it is stored, who computes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musicgenre.errors import FeatureError
from musicgenre.features import descriptors, pretrained, table
from musicgenre.features.comparison import CQT_BANDS, cqt
from musicgenre.features.mel import AMIN, mel_db, mfcc, to_db
from musicgenre.features.scalogram import scalogram_energy
from musicgenre.features.wavelet import scale_frequencies

if TYPE_CHECKING:
    from musicgenre.features.analysis import Analysis
    from musicgenre.features.frontend import FrontEnd

_STFT = frozenset({"sample_rate", "n_fft", "hop_length", "window", "pre_emphasis"})
_MEL = _STFT | {"n_mels", "fmin", "fmax", "mel_scale", "top_db"}


@dataclass(frozen=True)
class Kind:
    """A kind of features.

    Attributes
    ----------
    dtype
        As stored: float16 where half precision is finer than anything a model can use (see docs/features.md).
    fields
        The fields of `FrontEnd` that its values depend on.
    constants
        What is fixed in code; `version` is raised whenever the code starts to give other values.
    rate, names
        Frames a second (0: not framed) and what each column is.
    compute
        float32 [frames, bands].
    serving
        False: for comparison only, refused in a bundle.
    """

    name: str
    dtype: str
    fields: frozenset[str]
    constants: Mapping[str, Any]
    rate: Callable[[FrontEnd], float]
    names: Callable[[FrontEnd], tuple[str, ...]]
    compute: Callable[[Analysis], NDArray[np.float32]]
    serving: bool = True

    @property
    def definition(self) -> dict[str, Any]:
        """All that is fixed in code, the stored dtype included; part of every id."""
        return {**self.constants, "dtype": self.dtype}


def _hop_rate(spec: FrontEnd) -> float:
    return spec.sample_rate / spec.hop_length


def _mel(track: Analysis) -> NDArray[np.float32]:
    return mel_db(track.mel_power, top_db=track.front_end.top_db)


def _mfcc(track: Analysis) -> NDArray[np.float32]:
    return mfcc(track.mel_power, count=track.front_end.n_mfcc, top_db=track.front_end.top_db)


def _scalogram(track: Analysis) -> NDArray[np.float32]:
    spec = track.front_end
    energy = scalogram_energy(
        track.signal,
        rate=spec.sample_rate,
        hop=spec.hop_length,
        fmin=spec.scalogram_fmin,
        fmax=spec.scalogram_fmax,
        count=spec.n_scales,
        wavelet=spec.wavelet,
    )
    return to_db(energy, reference=float(energy.max()), top_db=spec.top_db)


def _scale_names(spec: FrontEnd) -> tuple[str, ...]:
    return tuple(f"{hz:.4g} Hz" for hz in scale_frequencies(spec.scalogram_fmin, spec.scalogram_fmax, spec.n_scales))


def _numbered(prefix: str, count: int) -> tuple[str, ...]:
    return tuple(f"{prefix}_{index}" for index in range(count))


_DECIBEL = {"reference": "track peak", "amin": AMIN}

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            name="mel",
            dtype="float16",
            fields=_MEL,
            constants={"version": 1, "norm": "slaney", "power": 2, "padding": "zeros", "decibel": _DECIBEL},
            rate=_hop_rate,
            names=lambda spec: _numbered("mel", spec.n_mels),
            compute=_mel,
        ),
        Kind(
            name="mfcc",
            dtype="float32",
            fields=_MEL | {"n_mfcc"},
            constants={"version": 1, "dct": "II, orthonormal", "decibel": {"reference": 1.0, "amin": AMIN}},
            rate=_hop_rate,
            names=lambda spec: _numbered("mfcc", spec.n_mfcc),
            compute=_mfcc,
        ),
        Kind(
            name="scalogram",
            dtype="float16",
            fields=frozenset(
                {"sample_rate", "hop_length", "pre_emphasis", "wavelet", "n_scales", "scalogram_fmin", "scalogram_fmax", "top_db"}
            ),
            constants={"version": 1, "pooling": "mean square over the hop", "padding": "zeros", "decibel": _DECIBEL},
            rate=_hop_rate,
            names=_scale_names,
            compute=_scalogram,
        ),
        Kind(
            name="descriptors",
            dtype="float32",
            fields=_MEL | {"n_mfcc", "descriptor_segment_s", "hpss"},
            constants=descriptors.CONSTANTS,
            rate=lambda spec: 0.0,
            names=table.names,
            compute=descriptors.compute,
        ),
        Kind(
            name="musicnn_mel",
            dtype="float16",
            fields=frozenset({"sample_rate"}),
            constants={"version": 1, **pretrained.MUSICNN},
            rate=lambda spec: 62.5,
            names=lambda spec: _numbered("mel", 96),
            compute=lambda track: pretrained.musicnn_mel(track.at_16k),
        ),
        Kind(
            name="yamnet_mel",
            dtype="float16",
            fields=frozenset({"sample_rate"}),
            constants={"version": 1, **pretrained.YAMNET},
            rate=lambda spec: 100.0,
            names=lambda spec: _numbered("mel", 64),
            compute=lambda track: pretrained.yamnet_mel(track.at_16k),
        ),
        Kind(
            name="cqt",
            dtype="float16",
            fields=frozenset({"sample_rate", "hop_length", "pre_emphasis", "top_db"}),
            constants={"version": 1, "library": "librosa", "bands": CQT_BANDS, "bands_per_octave": 12, "decibel": _DECIBEL},
            rate=_hop_rate,
            names=lambda spec: _numbered("cqt", CQT_BANDS),
            compute=cqt,
            serving=False,
        ),
    )
}


def get(name: str) -> Kind:
    """A kind by name.

    Raises
    ------
    FeatureError
        If there is none of that name.
    """
    if name not in KINDS:
        raise FeatureError(f"No feature kind {name!r}; there are {', '.join(KINDS)}.")
    return KINDS[name]


def check_servable(names: Iterable[str]) -> None:
    """Refuse kinds that need libraries a service does not have.

    Raises
    ------
    FeatureError
        Naming them.
    """
    refused = [name for name in names if not get(name).serving]
    if refused:
        allowed = ", ".join(name for name, kind in KINDS.items() if kind.serving)
        raise FeatureError(f"{', '.join(refused)}: for comparison only, cannot be served. Train on {allowed}.")


def constants() -> dict[str, dict[str, Any]]:
    """What is fixed in code, of every kind."""
    return {name: kind.definition for name, kind in KINDS.items()}


__all__ = ["KINDS", "Kind", "check_servable", "constants", "get"]
