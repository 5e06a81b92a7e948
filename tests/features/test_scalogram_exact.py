"""The sub-band scalogram is the pooled full-rate transform of PyWavelets, edges included."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from clips import chirp, music
from numpy.typing import NDArray

from musicgenre.features import reference
from musicgenre.features.frontend import FrontEnd
from musicgenre.features.scalogram import scalogram_energy

SPEC = FrontEnd()


def energies(samples: NDArray[np.float32], spec: FrontEnd) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    ours = scalogram_energy(
        samples,
        rate=spec.sample_rate,
        hop=spec.hop_length,
        fmin=spec.scalogram_fmin,
        fmax=spec.scalogram_fmax,
        count=spec.n_scales,
        wavelet=spec.wavelet,
    )
    return ours.astype(np.float64), reference.scalogram_energy(samples, spec)


def assert_like_pywavelets(samples: NDArray[np.float32], spec: FrontEnd, *, scale_error: float) -> None:
    ours, theirs = energies(samples, spec)
    assert ours.shape == theirs.shape
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] >= 0.9999
    assert ours.sum() == pytest.approx(theirs.sum(), rel=0.005)
    np.testing.assert_allclose(ours.sum(axis=0), theirs.sum(axis=0), rtol=scale_error)
    loud = theirs > 1e-3 * theirs.max()
    error = np.abs(ours - theirs)[loud] / theirs[loud]
    assert np.median(error) < 0.005
    assert np.quantile(error, 0.9) < 0.01
    edges = np.r_[0:3, len(theirs) - 3 : len(theirs)]
    assert ours[edges].sum() == pytest.approx(theirs[edges].sum(), rel=0.01)


def test_composed_music() -> None:
    assert_like_pywavelets(music(4.0), SPEC, scale_error=0.01)


@pytest.mark.parametrize("logarithmic", [True, False])
def test_chirps(logarithmic: bool) -> None:
    assert_like_pywavelets(chirp(4.0, 50, 10000, logarithmic=logarithmic), SPEC, scale_error=0.02)


@pytest.mark.parametrize("samples", [music(4.0), chirp(4.0, 50, 10000, logarithmic=True)], ids=["music", "chirp"])
def test_complex_morlet(samples: NDArray[np.float32]) -> None:
    assert_like_pywavelets(samples, dataclasses.replace(SPEC, wavelet="cmor1.5-1.0"), scale_error=0.02)


def test_other_settings() -> None:
    spec = FrontEnd(sample_rate=16000, hop_length=320, n_scales=24, scalogram_fmin=60.0, scalogram_fmax=5000.0)
    assert_like_pywavelets(music(4.0, rate=16000), spec, scale_error=0.01)


def test_real_music(gtzan_mini: Path) -> None:
    import soundfile

    samples, _ = soundfile.read(sorted((gtzan_mini / "metal").glob("*.ogg"))[0], dtype="float32", frames=22050 * 4)
    assert_like_pywavelets(samples, SPEC, scale_error=0.01)


@pytest.mark.parametrize("n", [200, 5000, 22050, 22050 + 255])
def test_short_clips(n: int) -> None:
    ours, theirs = energies(music(1.2)[:n], SPEC)
    assert ours.sum() == pytest.approx(theirs.sum(), rel=0.02)


def test_a_long_track_is_the_sum_of_its_chunks() -> None:
    """Frames away from the end do not know how long the track is: chunks leave no seam."""
    samples = np.tile(music(5.0), 20)[: 22050 * 80]
    long, short = (
        scalogram_energy(part, rate=22050, hop=512, fmin=40.0, fmax=8000.0, count=64) for part in (samples, samples[: 22050 * 45])
    )
    inner = len(short) - 20
    np.testing.assert_allclose(long[:inner], short[:inner], rtol=1e-3, atol=1e-5 * float(short.max()))
