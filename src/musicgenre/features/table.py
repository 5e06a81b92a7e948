"""What every column of the descriptor table is: name, unit, source, meaning."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from musicgenre.features import rhythm, spectral, tonal

if TYPE_CHECKING:
    from musicgenre.features.frontend import FrontEnd

TONNETZ_AXES = ("fifth_x", "fifth_y", "minor_x", "minor_y", "major_x", "major_y")
OURS = "own definition"


@dataclass(frozen=True)
class Quantity:
    """Something measured a frame (then `statistics` of it are columns) or a row (no statistics)."""

    name: str
    unit: str
    source: str
    meaning: str
    statistics: tuple[str, ...] = ("mean", "std")

    def columns(self) -> tuple[str, ...]:
        return tuple(f"{self.name}_{statistic}" for statistic in self.statistics) or (self.name,)


def _waveform() -> list[Quantity]:
    moments = [
        ("amplitude_mean", "full scale", "numpy.mean", "Constant offset of the waveform"),
        ("amplitude_std", "full scale", "numpy.std", "Effective amplitude about the mean"),
        ("amplitude_skewness", "1", "scipy.stats.skew", "Asymmetry of the waveform"),
        ("amplitude_kurtosis", "1", "scipy.stats.kurtosis", "Peakiness of the waveform, 0 for a Gaussian"),
    ]
    framed = [
        ("zero_crossing_rate", "1/sample", "librosa.feature.zero_crossing_rate", "Share of samples at which the sign changes"),
        ("rms", "full scale", "librosa.feature.rms", "Level of a frame"),
    ]
    return [Quantity(*row, statistics=()) for row in moments] + [Quantity(*row) for row in framed]


def rhythm_names() -> tuple[str, ...]:
    """Columns of the rhythm histogram."""
    return tuple(f"rhythm_{low:g}_{high:g}hz" for low, high in itertools.pairwise(rhythm.RHYTHM_EDGES_HZ))


def _rhythm() -> list[Quantity]:
    edges = itertools.pairwise(rhythm.RHYTHM_EDGES_HZ)
    bands = [
        Quantity(name, "1", OURS, f"Share of the onset envelope's modulation from {low:g} to {high:g} Hz", ())
        for name, (low, high) in zip(rhythm_names(), edges, strict=True)
    ]
    return [
        Quantity("tempo", "beats/min", "librosa.feature.tempo", "Tempo of the mean tempogram", ()),
        Quantity("tempo_strength", "1", "librosa.feature.tempogram", "Autocorrelation of the onset envelope at the tempo's period", ()),
        *bands,
    ]


def _spectrum(spec: FrontEnd) -> list[Quantity]:
    contrast = spectral.contrast_edges(spec.sample_rate)
    bands = spectral.band_edges(spec.sample_rate)
    return [
        Quantity("centroid", "Hz", "librosa.feature.spectral_centroid", "Mean frequency of the magnitude spectrum"),
        *(
            Quantity(f"bandwidth_{p}", "Hz", f"librosa.feature.spectral_bandwidth(p={p})", f"Spread about the centroid of order {p}")
            for p in (2, 3, 4)
        ),
        Quantity("rolloff", "Hz", "librosa.feature.spectral_rolloff", "Frequency below which 85 % of the magnitude lies"),
        Quantity("flatness", "1", "librosa.feature.spectral_flatness", "Noise (1) against tone (0)"),
        Quantity("flux", "1", OURS, "Change of the normalised magnitude spectrum from frame to frame"),
        Quantity("onset_strength", "dB", "librosa.onset.onset_strength", "Mean rise of the mel levels from frame to frame"),
        *(
            Quantity(f"contrast_{band}", "dB", "librosa.feature.spectral_contrast", f"Peak over valley in the band from {low:g} Hz")
            for band, low in enumerate(contrast)
        ),
        *(Quantity(f"energy_{low:g}hz", "1", OURS, f"Share of the energy in the band from {low:g} Hz") for low in bands),
    ]


def _pitch() -> list[Quantity]:
    return [
        Quantity("tuning", "semitone", "librosa.estimate_tuning", "Deviation of the whole track from A440", ()),
        *(
            Quantity(f"chroma_{name}", "1", "librosa.feature.chroma_stft", f"Strength of the pitch class {name}")
            for name in tonal.PITCH_CLASSES
        ),
        *(Quantity(f"tonnetz_{axis}", "1", "librosa.feature.tonnetz(chroma=…)", f"Tonal centroid, {axis}") for axis in TONNETZ_AXES),
    ]


def _cepstrum(spec: FrontEnd) -> list[Quantity]:
    numbers = range(spec.n_mfcc)
    source = "librosa.feature.mfcc"
    delta = "librosa.feature.delta(mfcc)"
    second = "librosa.feature.delta(mfcc, order=2)"
    return [
        *(Quantity(f"mfcc_{i}", "dB", source, f"Cepstral coefficient {i}") for i in numbers),
        *(Quantity(f"mfcc_delta_{i}", "dB/frame", delta, f"Slope of coefficient {i} over nine frames", ("std",)) for i in numbers),
        *(Quantity(f"mfcc_delta2_{i}", "dB/frame²", second, f"Curvature of coefficient {i} over nine frames", ("std",)) for i in numbers),
    ]


def _parts() -> list[Quantity]:
    return [
        Quantity("harmonic_share", "1", "librosa.decompose.hpss", "Share of the energy in the harmonic part"),
        Quantity("percussive_share", "1", "librosa.decompose.hpss", "Share of the energy in the percussive part"),
    ]


@lru_cache(maxsize=16)
def quantities(spec: FrontEnd) -> tuple[Quantity, ...]:
    """All that the table holds, in the order of its columns."""
    found = [*_waveform(), *_rhythm(), *_spectrum(spec), *_pitch(), *_cepstrum(spec)]
    return tuple(found + _parts() if spec.hpss else found)


@lru_cache(maxsize=16)
def names(spec: FrontEnd) -> tuple[str, ...]:
    """Column names."""
    return tuple(name for quantity in quantities(spec) for name in quantity.columns())


def markdown(spec: FrontEnd) -> str:
    """The table of all columns, one line a quantity, as docs/features.md shows it."""
    lines = ["| columns | unit | source | meaning |", "|---|---|---|---|"]
    for quantity in quantities(spec):
        columns = ", ".join(f"`{name}`" for name in quantity.columns())
        source = quantity.source if quantity.source == OURS else f"`{quantity.source}`"
        lines.append(f"| {columns} | {quantity.unit} | {source} | {quantity.meaning} |")
    return "\n".join(lines) + "\n"


__all__ = ["OURS", "TONNETZ_AXES", "Quantity", "markdown", "names", "quantities", "rhythm_names"]
