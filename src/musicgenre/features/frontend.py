"""The one definition of "features": every number that turns samples into arrays.

A `FrontEnd` is stored with every array and every model. Its hash is the feature
id: change a number and the id changes; the same numbers give the same id on any
machine. Training, evaluation and service call the same `compute`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musicgenre.errors import FeatureError, ParamsError
from musicgenre.features.filters import WINDOWS
from musicgenre.features.wavelet import WAVELETS
from musicgenre.lineage import canonical_hash

if TYPE_CHECKING:
    from musicgenre.features.kinds import Kind
    from musicgenre.params import FeaturesParams


@dataclass(frozen=True)
class FrontEnd:
    """Every number of the front end.

    Attributes
    ----------
    sample_rate
        Hz; samples are mono float32 at this rate.
    n_fft, hop_length
        Samples a frame and between frames; frame t is centred on sample ``t * hop_length``.
    window
        Name of the periodic window.
    n_mels, fmin, fmax, mel_scale
        Mel bands, their range in Hz (`fmax` defaults to half the rate) and scale.
    top_db
        Range of decibel kinds below the track's peak.
    pre_emphasis
        Coefficient of ``y[n] = x[n] − c·x[n−1]``; 0 is off. Holds for all kinds but those of pretrained networks.
    n_mfcc
        Cepstral coefficients.
    wavelet, n_scales, scalogram_fmin, scalogram_fmax
        Wavelet (named as in PyWavelets), number of scales and their range in Hz.
    descriptor_segment_s
        Seconds a piece of the descriptor table.
    hpss
        Add descriptors of the harmonic and the percussive part (slow).
    """

    sample_rate: int = 22050
    n_fft: int = 2048
    hop_length: int = 512
    window: str = "hann"
    n_mels: int = 96
    fmin: float = 0.0
    fmax: float | None = None
    mel_scale: str = "slaney"
    top_db: float = 80.0
    pre_emphasis: float = 0.0
    n_mfcc: int = 20
    wavelet: str = "morl"
    n_scales: int = 64
    scalogram_fmin: float = 40.0
    scalogram_fmax: float = 8000.0
    descriptor_segment_s: float = 3.0
    hpss: bool = False

    def __post_init__(self) -> None:
        half = self.sample_rate / 2
        if self.fmax is None:
            object.__setattr__(self, "fmax", half)
        for field in fields(self):
            # 40 and 40.0 are the same number and must be the same canonical JSON.
            if str(field.type).startswith("float"):
                object.__setattr__(self, field.name, float(getattr(self, field.name)))
        checks = {
            "n_fft": (self.n_fft % 2 == 0 and self.n_fft >= 32, "an even number ≥ 32"),
            "hop_length": (2 <= self.hop_length <= self.n_fft and self.hop_length % 2 == 0, "even, from 2 to n_fft"),
            "window": (self.window in WINDOWS, f"one of {', '.join(WINDOWS)}"),
            "fmax": (self.fmin < self.top_frequency <= half, f"above fmin ({self.fmin}) and at most half the sample rate ({half})"),
            "mel_scale": (self.mel_scale in ("slaney", "htk"), "slaney or htk"),
            "n_mfcc": (1 <= self.n_mfcc <= self.n_mels, f"1 to n_mels ({self.n_mels})"),
            "wavelet": (self.wavelet in WAVELETS, f"one of {', '.join(WAVELETS)}"),
            "scalogram_fmax": (
                self.scalogram_fmin < self.scalogram_fmax <= half,
                f"above scalogram_fmin ({self.scalogram_fmin}) and at most half the sample rate ({half})",
            ),
            "pre_emphasis": (0.0 <= self.pre_emphasis <= 1.0, "0 to 1"),
            "top_db": (self.top_db > 0, "above 0"),
            "descriptor_segment_s": (self.descriptor_segment_s > 0, "above 0"),
        }
        for name, (holds, allowed) in checks.items():
            if not holds:
                raise ParamsError(f"features.{name} is {getattr(self, name)!r}; allowed: {allowed}.")

    @property
    def top_frequency(self) -> float:
        """`fmax` in Hz."""
        assert self.fmax is not None  # set in __post_init__
        return self.fmax

    # --- making one ---
    @classmethod
    def from_params(cls, params: FeaturesParams) -> FrontEnd:
        """The front end that `params.yaml` describes."""
        return cls(**{field.name: getattr(params, field.name) for field in fields(cls)})

    def to_dict(self) -> dict[str, Any]:
        """All fields, and under `constants` what is fixed in code for each kind (its version included)."""
        from musicgenre.features.kinds import constants

        return {**asdict(self), "constants": constants()}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> FrontEnd:
        """The inverse of `to_dict`.

        Raises
        ------
        FeatureError
            If a field is unknown or absent, or the features were made by code that defines a kind differently:
            this code would compute other values than those the model was trained on.
        """
        from musicgenre.features.kinds import constants

        given = dict(value)
        fixed = given.pop("constants", None)
        names = {field.name for field in fields(cls)}
        if set(given) != names:
            odd = sorted(set(given) ^ names)
            raise FeatureError(f"front end: fields {', '.join(odd)} are unknown or absent. Compute the features again with this version.")
        if fixed != constants():
            changed = sorted(k for k in {*(fixed or {}), *constants()} if (fixed or {}).get(k) != constants().get(k))
            raise FeatureError(
                f"front end: this version defines {', '.join(changed)} differently from the one that made these features. "
                "Use that version, or compute the features and train again."
            )
        return cls(**given)

    # --- identity ---
    @property
    def feature_id(self) -> str:
        """Hash of the whole spec."""
        return canonical_hash(self.to_dict())

    def kind_id(self, kind: str) -> str:
        """Hash of only what `kind` depends on: another kind's parameters leave it as it is."""
        entry = self._kind(kind)
        spec = {name: getattr(self, name) for name in sorted(entry.fields)}
        return f"{kind}-{canonical_hash({'kind': kind, 'fields': spec, 'constants': entry.definition})}"

    # --- shape of the kinds ---
    def _kind(self, kind: str) -> Kind:
        from musicgenre.features.kinds import get

        return get(kind)

    def rate(self, kind: str) -> float:
        """Frames a second; 0 for `descriptors`."""
        return self._kind(kind).rate(self)

    def bands(self, kind: str) -> int:
        """Length of a row."""
        return len(self.names(kind))

    def dtype(self, kind: str) -> np.dtype[Any]:
        """As stored."""
        return np.dtype(self._kind(kind).dtype)

    def names(self, kind: str) -> tuple[str, ...]:
        """What each column is."""
        return self._kind(kind).names(self)

    # --- computing ---
    def compute(self, samples: NDArray[np.float32], kinds: Iterable[str]) -> dict[str, NDArray[Any]]:
        """Feature arrays in the dtype in which they are stored.

        Parameters
        ----------
        samples
            Mono, float32 [n ≥ 1], finite, at `sample_rate`.
        kinds
            Names of kinds; what they share is computed once.

        Returns
        -------
        dict of kind to array [frames, bands]; always finite. The same samples give the
        same bits whatever the number of threads.

        Raises
        ------
        FeatureError
            If `samples` is not a finite, non-empty vector, or a kind is unknown.
        """
        exact = self.compute_exact(samples, kinds)
        return {kind: values.astype(self.dtype(kind), copy=False) for kind, values in exact.items()}

    def compute_exact(self, samples: NDArray[np.float32], kinds: Iterable[str]) -> dict[str, NDArray[np.float32]]:
        """`compute` before rounding to the stored dtype: float32 [frames, bands]."""
        from musicgenre.features.analysis import Analysis

        analysis = Analysis(self, samples)
        wanted = [self._kind(kind) for kind in dict.fromkeys(kinds)]
        analysis.prepare(kind.name for kind in wanted)
        return {kind.name: kind.compute(analysis) for kind in wanted}


__all__ = ["WAVELETS", "FrontEnd"]
