"""What the features are defined to be: librosa and PyWavelets, called one by one.

Tests hold the fast path to these functions, benchmarks measure it against them,
and the golden arrays are written by them. Nothing at run time imports this module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musicgenre.features.tonal import PITCH_CLASSES

if TYPE_CHECKING:
    from musicgenre.features.frontend import FrontEnd

Frames = dict[str, NDArray[Any]]


def _mel_options(spec: FrontEnd) -> dict[str, Any]:
    return {
        "sr": spec.sample_rate, "n_fft": spec.n_fft, "hop_length": spec.hop_length, "window": spec.window,
        "n_mels": spec.n_mels, "fmin": spec.fmin, "fmax": spec.fmax, "htk": spec.mel_scale == "htk",
    }  # fmt: skip


def emphasised(samples: NDArray[np.float32], spec: FrontEnd) -> NDArray[np.float32]:
    """`samples` after pre-emphasis."""
    import librosa

    return samples if spec.pre_emphasis == 0 else np.asarray(librosa.effects.preemphasis(samples, coef=spec.pre_emphasis))


def mel(samples: NDArray[np.float32], spec: FrontEnd) -> NDArray[Any]:
    """dB relative to the peak, [frames, n_mels]."""
    import librosa

    power = librosa.feature.melspectrogram(y=emphasised(samples, spec), **_mel_options(spec))
    return np.asarray(librosa.power_to_db(power, ref=np.max, top_db=spec.top_db)).T


def mfcc(samples: NDArray[np.float32], spec: FrontEnd) -> NDArray[Any]:
    """Cepstral coefficients of the levels relative to power 1, [frames, n_mfcc]."""
    import librosa

    return np.asarray(librosa.feature.mfcc(S=_levels(emphasised(samples, spec), spec), n_mfcc=spec.n_mfcc)).T


def scalogram_energy(samples: NDArray[np.float32], spec: FrontEnd) -> NDArray[np.float64]:
    """Mean square of `pywt.cwt` at the full rate over each frame, [frames, n_scales]."""
    import pywt

    n, hop = len(samples), spec.hop_length
    frequencies = np.geomspace(spec.scalogram_fmin, spec.scalogram_fmax, spec.n_scales)
    scales = pywt.central_frequency(spec.wavelet) * spec.sample_rate / frequencies
    frames = 1 + n // hop
    edges = np.clip(np.arange(frames + 1) * hop - hop // 2, 0, n)
    energy = np.zeros((frames, spec.n_scales))
    coefficients, _ = pywt.cwt(emphasised(samples, spec), scales, spec.wavelet)
    for band, row in enumerate(coefficients):
        running = np.concatenate(([0.0], np.cumsum(np.abs(row).astype(np.float64) ** 2)))
        energy[:, band] = np.diff(running[edges]) / np.maximum(np.diff(edges), 1)
    return energy


def waveform(samples: NDArray[np.float32], spec: FrontEnd) -> dict[str, float]:
    """Moments of the samples."""
    from scipy import stats

    signal = samples.astype(np.float64)
    return {
        "amplitude_mean": float(signal.mean()), "amplitude_std": float(signal.std()),
        "amplitude_skewness": float(stats.skew(signal)), "amplitude_kurtosis": float(stats.kurtosis(signal)),
    }  # fmt: skip


def framed(samples: NDArray[np.float32], spec: FrontEnd) -> Frames:
    """Everything that librosa measures a frame, each from the (pre-emphasised) samples: name → [frames]."""
    import librosa

    f = librosa.feature
    stft: dict[str, Any] = {"n_fft": spec.n_fft, "hop_length": spec.hop_length}
    rated = {"sr": spec.sample_rate, "window": spec.window, **stft}
    size: dict[str, Any] = {"frame_length": spec.n_fft, "hop_length": spec.hop_length}
    found: Frames = {
        "zero_crossing_rate": f.zero_crossing_rate(samples, **size)[0],
        "rms": f.rms(y=samples, **size)[0],
        "centroid": f.spectral_centroid(y=samples, **rated)[0],
        "rolloff": f.spectral_rolloff(y=samples, **rated)[0],
        "flatness": f.spectral_flatness(y=samples, window=spec.window, **stft)[0],
        "onset_strength": librosa.onset.onset_strength(S=_levels(samples, spec), sr=spec.sample_rate, **stft),
    }
    found |= {f"bandwidth_{p}": f.spectral_bandwidth(y=samples, p=p, **rated)[0] for p in (2, 3, 4)}
    found |= {f"contrast_{band}": row for band, row in enumerate(f.spectral_contrast(y=samples, **rated))}
    chroma = f.chroma_stft(y=samples, **rated)
    found |= {f"chroma_{name}": row for name, row in zip(PITCH_CLASSES, chroma, strict=True)}
    axes = ("fifth_x", "fifth_y", "minor_x", "minor_y", "major_x", "major_y")
    found |= {f"tonnetz_{axis}": row for axis, row in zip(axes, f.tonnetz(chroma=chroma, sr=spec.sample_rate), strict=True)}
    cepstrum = np.asarray(f.mfcc(S=_levels(samples, spec), n_mfcc=spec.n_mfcc))
    for prefix, rows in (("mfcc", cepstrum), ("mfcc_delta", f.delta(cepstrum)), ("mfcc_delta2", f.delta(cepstrum, order=2))):
        found |= {f"{prefix}_{index}": row for index, row in enumerate(rows)}
    return found


def _levels(samples: NDArray[np.float32], spec: FrontEnd) -> NDArray[Any]:
    import librosa

    return np.asarray(librosa.power_to_db(librosa.feature.melspectrogram(y=samples, **_mel_options(spec)), top_db=spec.top_db))


def parts(samples: NDArray[np.float32], spec: FrontEnd) -> Frames:
    """Shares of the harmonic and the percussive part: name → [frames]."""
    import librosa

    magnitude = np.abs(librosa.stft(samples, n_fft=spec.n_fft, hop_length=spec.hop_length, window=spec.window))
    total = np.square(magnitude).sum(axis=0)
    both = librosa.decompose.hpss(magnitude)
    harmonic, percussive = (np.square(part).sum(axis=0) / np.where(total > 0, total, 1) for part in both)
    return {"harmonic_share": harmonic, "percussive_share": percussive}


def rhythm_and_tuning(samples: NDArray[np.float32], spec: FrontEnd) -> dict[str, float]:
    """Tempo, its strength and the tuning of the whole."""
    import librosa

    envelope = librosa.onset.onset_strength(S=_levels(samples, spec), sr=spec.sample_rate, n_fft=spec.n_fft, hop_length=spec.hop_length)
    rated: dict[str, Any] = {"sr": spec.sample_rate, "hop_length": spec.hop_length}
    tempo = float(librosa.feature.tempo(onset_envelope=envelope, **rated)[0])
    length = int(librosa.time_to_frames(8.0, **rated))
    tempogram = librosa.feature.tempogram(onset_envelope=envelope, win_length=length, **rated).mean(axis=1)
    lag = round(60.0 * spec.sample_rate / (spec.hop_length * tempo))
    power = np.abs(librosa.stft(samples, n_fft=spec.n_fft, hop_length=spec.hop_length, window=spec.window)) ** 2
    tuning = float(librosa.estimate_tuning(S=power, sr=spec.sample_rate))
    return {"tempo": tempo, "tempo_strength": float(tempogram[lag]), "tuning": tuning}


def descriptors(samples: NDArray[np.float32], spec: FrontEnd) -> dict[str, float]:
    """The whole track's row as far as librosa and SciPy define it: column → value."""
    signal = emphasised(samples, spec)
    measured = framed(signal, spec)
    if spec.hpss:
        measured |= parts(signal, spec)
    row = waveform(signal, spec) | rhythm_and_tuning(signal, spec)
    for name, values in measured.items():
        row |= {f"{name}_mean": float(np.mean(values, dtype=np.float64)), f"{name}_std": float(np.std(values, dtype=np.float64))}
    return row


__all__ = ["descriptors", "emphasised", "framed", "mel", "mfcc", "parts", "rhythm_and_tuning", "scalogram_energy", "waveform"]
