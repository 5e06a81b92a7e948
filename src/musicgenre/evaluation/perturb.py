"""What happens to music on its way to a listener: pure functions on mono samples.

Each takes float32 [n] in [−1, 1] at `rate` Hz and gives float32 [m], deterministically.
A gain may leave [−1, 1]: it is a change of level, clipping would be another fault.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Perturbation:
    """`name` as in files, `label` as in tables, `apply(samples, rate)`.

    Attributes
    ----------
    invariant
        The genre must not depend on it at all.
    whole
        Takes the whole track; the others take an excerpt of a long one.
    """

    name: str
    label: str
    apply: Callable[[Samples, int], Samples]
    invariant: bool = False
    whole: bool = False


def gain(db: float) -> Callable[[Samples, int], Samples]:
    """Louder or softer by `db` decibels."""
    return lambda samples, rate: np.asarray(samples * 10 ** (db / 20), dtype=np.float32)


def white_noise(snr_db: float, seed: int = 0) -> Callable[[Samples, int], Samples]:
    """White noise whose power is `snr_db` below the clip's."""

    def apply(samples: Samples, rate: int) -> Samples:
        noise = np.random.default_rng(seed).standard_normal(len(samples))
        power = float(np.mean(np.square(samples, dtype=np.float64)))
        return np.asarray(samples + noise * np.sqrt(power / 10 ** (snr_db / 10)), dtype=np.float32)

    return apply


def low_pass(hertz: float, order: int = 8) -> Callable[[Samples, int], Samples]:
    """Butterworth, −3 dB at `hertz`, forwards only. Above half the rate it changes nothing."""

    def apply(samples: Samples, rate: int) -> Samples:
        from scipy.signal import butter, sosfilt

        if hertz >= rate / 2:
            return samples
        return np.asarray(sosfilt(butter(order, hertz, fs=rate, output="sos"), samples), dtype=np.float32)

    return apply


def mp3_level(rate: int, kbps: float) -> float:
    """libsndfile's `compression_level` for a constant bit rate: it spans the rates that MPEG allows at `rate`, high to low."""
    low, high = (32.0, 320.0) if rate >= 32000 else (8.0, 160.0) if rate >= 16000 else (8.0, 64.0)
    return float(np.clip((high - kbps) / (high - low), 0.0, 0.99))


def encode_mp3(samples: Samples, rate: int, kbps: float) -> bytes:
    """Mono MP3 at about `kbps` kilobits a second (LAME inside libsndfile)."""
    import soundfile as sf

    buffer = io.BytesIO()
    clipped = np.clip(samples, -1.0, 1.0)
    level = mp3_level(rate, kbps)
    sf.write(buffer, clipped, rate, format="MP3", subtype="MPEG_LAYER_III", bitrate_mode="CONSTANT", compression_level=level)
    return buffer.getvalue()


def mp3(kbps: float) -> Callable[[Samples, int], Samples]:
    """There and back through MP3."""

    def apply(samples: Samples, rate: int) -> Samples:
        import soundfile as sf

        decoded = sf.read(io.BytesIO(encode_mp3(samples, rate, kbps)), dtype="float32", always_2d=True)[0][:, 0]
        return np.ascontiguousarray(decoded[: len(samples)], dtype=np.float32)

    return apply


def tempo(factor: float) -> Callable[[Samples, int], Samples]:
    """Faster by `factor` at the same pitch (librosa's phase vocoder)."""

    def apply(samples: Samples, rate: int) -> Samples:
        import librosa

        return np.asarray(librosa.effects.time_stretch(samples, rate=factor), dtype=np.float32)

    return apply


def pitch(semitones: float) -> Callable[[Samples, int], Samples]:
    """Higher by `semitones` at the same tempo: stretched, then resampled back to its length."""

    def apply(samples: Samples, rate: int) -> Samples:
        import soxr

        factor = 2 ** (semitones / 12)
        stretched = tempo(1 / factor)(samples, rate)
        return np.asarray(soxr.resample(stretched, rate * factor, rate), dtype=np.float32)

    return apply


def first(seconds: float) -> Callable[[Samples, int], Samples]:
    """Only the first seconds."""
    return lambda samples, rate: samples[: round(seconds * rate)]


def last(seconds: float) -> Callable[[Samples, int], Samples]:
    """Only the last seconds."""
    return lambda samples, rate: samples[max(0, len(samples) - round(seconds * rate)) :]


PERTURBATIONS: tuple[Perturbation, ...] = (
    Perturbation("gain_plus_12", "gain +12 dB", gain(12.0), invariant=True),
    Perturbation("gain_minus_12", "gain −12 dB", gain(-12.0), invariant=True),
    Perturbation("mp3_64", "MP3 64 kb/s", mp3(64.0)),
    Perturbation("noise_20", "white noise, 20 dB SNR", white_noise(20.0)),
    Perturbation("low_pass_4k", "low-pass 4 kHz", low_pass(4000.0)),
    Perturbation("pitch_up", "pitch +1 semitone", pitch(1.0)),
    Perturbation("pitch_down", "pitch −1 semitone", pitch(-1.0)),
    Perturbation("faster", "tempo +10 %", tempo(1.1)),
    Perturbation("slower", "tempo −10 %", tempo(0.9)),
    Perturbation("first_10", "first ten seconds", first(10.0), whole=True),
    Perturbation("last_10", "last ten seconds", last(10.0), whole=True),
)

__all__ = [
    "PERTURBATIONS",
    "Perturbation",
    "Samples",
    "encode_mp3",
    "first",
    "gain",
    "last",
    "low_pass",
    "mp3",
    "mp3_level",
    "pitch",
    "tempo",
    "white_noise",
]
