"""The constant-Q kind: librosa's, for comparison with the scalogram in experiments. It is never served."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from musicgenre.errors import FeatureError
from musicgenre.features.mel import to_db

if TYPE_CHECKING:
    from musicgenre.features.analysis import Analysis

CQT_BANDS = 84  # seven octaves from C1


def cqt(track: Analysis) -> NDArray[np.float32]:
    """Constant-Q levels in dB relative to the track's peak: float32 [frames, 84].

    Raises
    ------
    FeatureError
        If librosa is not installed, or the rate or hop does not allow seven octaves.
    """
    try:
        import librosa
    except ImportError:
        raise FeatureError("The kind 'cqt' needs librosa: install the extra `train`. It cannot be served.") from None
    spec = track.front_end
    try:
        values = librosa.cqt(track.signal, sr=spec.sample_rate, hop_length=spec.hop_length, n_bins=CQT_BANDS)
    except librosa.util.exceptions.ParameterError as error:
        raise FeatureError(f"The kind 'cqt' cannot be computed at {spec.sample_rate} Hz with hop {spec.hop_length}: {error}") from error
    power = np.square(np.abs(values)).T.astype(np.float32)[: track.frames]
    return to_db(np.ascontiguousarray(power), reference=float(power.max()), top_db=spec.top_db)


__all__ = ["CQT_BANDS", "cqt"]
