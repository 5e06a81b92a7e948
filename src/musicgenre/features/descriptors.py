"""The descriptor table's values: from frames to rows.

Row 0 describes the whole track, rows 1.. its consecutive pieces of
`descriptor_segment_s` (the last takes a remainder shorter than half a piece).
Frame-wise quantities enter as mean and standard deviation over the row's frames.
"""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from musicgenre.features import harmonic, rhythm, spectral, temporal, tonal
from musicgenre.features.filters import chroma_weights
from musicgenre.features.mel import mfcc, to_db
from musicgenre.features.table import TONNETZ_AXES, names, rhythm_names

if TYPE_CHECKING:
    from musicgenre.features.analysis import Analysis

CONSTANTS = {
    "version": 1,
    "rolloff": spectral.ROLLOFF,
    "band_edges_hz": list(spectral.BAND_EDGES_HZ),
    "rhythm_edges_hz": list(rhythm.RHYTHM_EDGES_HZ),
    "tempogram_s": rhythm.WINDOW_S,
    "hpss_kernel": harmonic.KERNEL,
}


def pieces(duration_s: float, piece_s: float) -> int:
    """Pieces of a track: whole ones, and a last one from half a length on; at least one."""
    return max(1, int(duration_s / piece_s + 0.5))


def compute(track: Analysis) -> NDArray[np.float32]:
    """The table of one track: float32 [1 + pieces, columns], finite."""
    spec = track.front_end
    count = pieces(track.duration_s, spec.descriptor_segment_s)
    times = np.arange(count) * spec.descriptor_segment_s * spec.sample_rate
    starts = np.minimum(np.ceil(times / spec.hop_length).astype(np.intp), track.frames - 1)
    samples = np.minimum(np.round(times).astype(np.intp), len(track.signal))
    framed, rows = _framed(track), _whole(track, starts, samples)
    table = _statistics(framed, starts)
    for name, values in rows.items():
        table[name] = values
    return np.stack([table[name] for name in names(spec)], axis=1).astype(np.float32)


def _framed(track: Analysis) -> dict[str, NDArray[np.float32]]:
    """Everything measured a frame: name → float32 [frames]."""
    spec = track.front_end
    sized = {"length": spec.n_fft, "hop": spec.hop_length, "frames": track.frames}
    found = {"zero_crossing_rate": temporal.zero_crossing_rate(track.signal, **sized), "rms": temporal.rms(track.signal, **sized)}
    found |= _spectral(track)
    found["onset_strength"] = _onsets(track)
    classes = _chroma(track)
    found |= _columns("chroma", tonal.PITCH_CLASSES, classes)
    found |= _columns("tonnetz", TONNETZ_AXES, tonal.tonnetz(classes))
    cepstrum = mfcc(track.mel_power, count=spec.n_mfcc, top_db=spec.top_db)
    numbers = tuple(map(str, range(spec.n_mfcc)))
    found |= _columns("mfcc", numbers, cepstrum)
    found |= _columns("mfcc_delta", numbers, delta(cepstrum, _SLOPE)) | _columns("mfcc_delta2", numbers, delta(cepstrum, _CURVE))
    if spec.hpss:
        shares = harmonic.energy_shares(np.sqrt(np.concatenate([block for _, block in track.power()])))
        found |= {"harmonic_share": shares[:, 0], "percussive_share": shares[:, 1]}
    return found


def _columns(prefix: str, suffixes: tuple[str, ...], values: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    return {f"{prefix}_{suffix}": values[:, index] for index, suffix in enumerate(suffixes)}


def _onsets(track: Analysis) -> NDArray[np.float32]:
    spec = track.front_end
    level = to_db(track.mel_power, reference=1.0, top_db=spec.top_db)
    return rhythm.onset_strength(level, n_fft=spec.n_fft, hop=spec.hop_length)


def _spectral(track: Analysis) -> dict[str, NDArray[np.float32]]:
    """Descriptors of the spectrum, a block of frames at a time."""
    spec = track.front_end
    frames = track.frames
    hz = np.fft.rfftfreq(spec.n_fft, 1 / spec.sample_rate).astype(np.float32)
    contrast_edges, band_edges = spectral.contrast_edges(spec.sample_rate), spectral.band_edges(spec.sample_rate)
    single = np.empty((frames, 7), dtype=np.float32)
    peaks = np.empty((frames, len(contrast_edges)), dtype=np.float32)
    valleys = np.empty_like(peaks)
    shares_of_energy = np.empty((frames, len(band_edges)), dtype=np.float32)
    before: NDArray[np.float32] | None = None
    for first, block in track.power():
        here = slice(first, first + len(block))
        magnitude = np.sqrt(block)
        shares = spectral.normalised(magnitude)
        single[here, :4] = spectral.moments(shares, hz)
        single[here, 4] = spectral.rolloff(magnitude, hz)
        single[here, 5] = spectral.flatness(block)
        single[here, 6] = spectral.flux(shares, shares[:1] if before is None else before)
        peaks[here], valleys[here] = spectral.peaks_and_valleys(magnitude, hz, contrast_edges)
        shares_of_energy[here] = spectral.band_shares(block, hz, band_edges)
        before = shares[-1:]
    found = _columns("", ("centroid", "bandwidth_2", "bandwidth_3", "bandwidth_4", "rolloff", "flatness", "flux"), single)
    found = {name.lstrip("_"): values for name, values in found.items()}
    contrast = spectral.contrast(peaks, valleys)
    found |= _columns("contrast", tuple(map(str, range(len(contrast_edges)))), contrast)
    return found | _columns("energy", tuple(f"{edge:g}hz" for edge in band_edges), shares_of_energy)


def track_tuning(track: Analysis) -> float:
    """Deviation of the whole track from A440 in semitones."""
    found = [tonal.spectral_peaks(block, track.front_end.sample_rate) for _, block in track.power()]
    return tonal.tuning(np.concatenate([hz for hz, _ in found]), np.concatenate([height for _, height in found]))


def _chroma(track: Analysis) -> NDArray[np.float32]:
    spec = track.front_end
    weights = _chroma_weights(spec.sample_rate, spec.n_fft, track.tuning)
    return np.concatenate([tonal.chroma(block, weights) for _, block in track.power()])


_chroma_weights = lru_cache(maxsize=128)(chroma_weights)

# Savitzky-Golay weights over nine frames (librosa.feature.delta): slope of the line, curvature of the parabola.
_OFFSETS = np.arange(-4.0, 5.0)
_SLOPE: NDArray[np.float64] = _OFFSETS / 60.0
_CURVE: NDArray[np.float64] = 2 * (_OFFSETS**2 - 20 / 3) / 308.0


def delta(values: NDArray[np.float32], weights: NDArray[np.float64]) -> NDArray[np.float32]:
    """A derivative along frames, constant over the first and last half window; zero for fewer than nine frames."""
    half = len(weights) // 2
    if len(values) < len(weights):
        return np.zeros_like(values)
    inner = np.zeros((len(values) - 2 * half, values.shape[1]), dtype=np.float32)
    for offset, weight in enumerate(weights):
        inner += np.float32(weight) * values[offset : offset + len(inner)]
    return np.pad(inner, ((half, half), (0, 0)), mode="edge")


def _statistics(framed: dict[str, NDArray[np.float32]], starts: NDArray[np.intp]) -> dict[str, NDArray[np.float64]]:
    """Mean and deviation of every quantity for the whole and each piece: name → [1 + pieces]."""
    values = np.stack(list(framed.values()), axis=1).astype(np.float64)
    bounds = [*starts.tolist(), len(values)]
    parts = [values] + [values[low : max(high, low + 1)] for low, high in itertools.pairwise(bounds)]
    means = np.stack([part.mean(axis=0) for part in parts])
    deviations = np.stack([part.std(axis=0) for part in parts])
    table = {f"{name}_mean": means[:, index] for index, name in enumerate(framed)}
    return table | {f"{name}_std": deviations[:, index] for index, name in enumerate(framed)}


def _whole(track: Analysis, starts: NDArray[np.intp], samples: NDArray[np.intp]) -> dict[str, NDArray[np.float64]]:
    """What is measured a row: waveform moments, rhythm, tuning."""
    spec = track.front_end
    rate, hop = spec.sample_rate, spec.hop_length
    moments = temporal.amplitude_moments(track.signal, samples)
    names_of_moments = ("amplitude_mean", "amplitude_std", "amplitude_skewness", "amplitude_kurtosis")
    found: dict[str, NDArray[np.float64]] = {name: moments[:, index] for index, name in enumerate(names_of_moments)}
    length = rhythm.window_frames(rate, hop)
    local, size = rhythm.local_spectra(_onsets(track), length)
    bounds = [*starts.tolist(), len(local)]
    sums = [local[low : max(high, low + 1)].mean(axis=0, dtype=np.float64) for low, high in itertools.pairwise(bounds)]
    spectra = [local.mean(axis=0, dtype=np.float64), *sums]
    tempi = np.array([rhythm.tempo(spectrum, size=size, length=length, rate=rate, hop=hop) for spectrum in spectra])
    histograms = np.stack([rhythm.rhythm_histogram(spectrum, size=size, rate=rate, hop=hop) for spectrum in spectra])
    found |= {"tempo": tempi[:, 0], "tempo_strength": tempi[:, 1]}
    found |= {name: histograms[:, index] for index, name in enumerate(rhythm_names())}
    found["tuning"] = np.full(len(spectra), track.tuning)
    return found


__all__ = ["CONSTANTS", "compute", "delta", "pieces", "track_tuning"]
