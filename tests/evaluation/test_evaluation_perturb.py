"""Perturbations do what their names say, and what they cost is reckoned rightly."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.signal import welch

from musicgenre.evaluation.perturb import PERTURBATIONS, encode_mp3, gain, low_pass, mp3, pitch, tempo, white_noise
from musicgenre.evaluation.robustness import choose_tracks, disturbed, excerpt, summarise

RATE = 22050


def _tone(hertz: float = 440.0, seconds: float = 2.0) -> NDArray[np.float32]:
    return np.asarray(0.4 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE), dtype=np.float32)


def _peak(samples: NDArray[np.float32]) -> float:
    frequency, power = welch(samples, RATE, nperseg=16384)
    return float(frequency[power.argmax()])


@pytest.mark.parametrize("item", PERTURBATIONS, ids=lambda item: item.name)
def test_every_one_gives_finite_sound_and_the_same_twice(item: object) -> None:
    samples = (_tone() + 0.05 * np.random.default_rng(0).normal(size=2 * RATE)).astype(np.float32)
    found = item.apply(samples, RATE)  # type: ignore[attr-defined]  # a Perturbation
    assert found.dtype == np.float32 and found.ndim == 1 and len(found) > RATE
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found, item.apply(samples, RATE))  # type: ignore[attr-defined]  # a Perturbation


def test_gain_is_in_decibels() -> None:
    samples = _tone()
    louder, softer = gain(12.0)(samples, RATE), gain(-12.0)(samples, RATE)
    assert 20 * np.log10(np.abs(louder).max() / np.abs(samples).max()) == pytest.approx(12, abs=1e-3)
    np.testing.assert_allclose(gain(12.0)(softer, RATE), samples, rtol=1e-5)


def test_noise_has_the_ratio_asked_for() -> None:
    samples = _tone(seconds=5)
    noise = white_noise(20.0)(samples, RATE) - samples
    assert 10 * np.log10(np.mean(samples**2) / np.mean(noise**2)) == pytest.approx(20, abs=0.1)


def test_the_filter_stops_what_is_above() -> None:
    for hertz, kept in ((1000.0, True), (8000.0, False)):
        samples = _tone(hertz)
        share = np.std(low_pass(4000.0)(samples, RATE)[RATE:]) / np.std(samples[RATE:])
        assert share > 0.99 if kept else share < 0.01
    at = np.std(low_pass(4000.0)(_tone(4000.0), RATE)[RATE:]) / np.std(_tone(4000.0)[RATE:])
    assert 20 * np.log10(at) == pytest.approx(-3.01, abs=0.1)
    np.testing.assert_array_equal(low_pass(20000.0)(_tone(), RATE), _tone())


@pytest.mark.parametrize("semitones", [1.0, -1.0])
def test_pitch_moves_by_a_semitone_and_keeps_the_length(semitones: float) -> None:
    found = pitch(semitones)(_tone(440.0), RATE)
    assert _peak(found) == pytest.approx(440 * 2 ** (semitones / 12), rel=0.005)
    assert len(found) == pytest.approx(2 * RATE, rel=0.01)


@pytest.mark.parametrize("factor", [1.1, 0.9])
def test_tempo_changes_the_length_and_keeps_the_pitch(factor: float) -> None:
    found = tempo(factor)(_tone(440.0), RATE)
    assert len(found) == pytest.approx(2 * RATE / factor, rel=0.01)
    assert _peak(found) == pytest.approx(440, rel=0.005)


@pytest.mark.parametrize(("rate", "kbps"), [(22050, 64), (22050, 32), (44100, 64), (44100, 128), (16000, 64)])
def test_mp3_has_the_bit_rate_asked_for(rate: int, kbps: float) -> None:
    samples = (0.1 * np.random.default_rng(0).normal(size=rate * 10)).astype(np.float32)
    assert len(encode_mp3(samples, rate, kbps)) * 8 / 10 / 1000 == pytest.approx(kbps, rel=0.08)


def test_mp3_sounds_alike_and_is_not_the_same() -> None:
    samples = _tone()
    found = mp3(64.0)(samples, RATE)
    assert len(found) <= len(samples)
    assert _peak(found) == pytest.approx(440, rel=0.01)
    assert np.std(found[RATE // 2 :]) == pytest.approx(np.std(samples), rel=0.06)  # after the silence that an encoder begins with
    assert not np.array_equal(found, samples[: len(found)])


def test_an_excerpt_is_the_middle() -> None:
    np.testing.assert_array_equal(excerpt(np.arange(10, dtype=np.float32), 1, 4.0), [3, 4, 5, 6])
    np.testing.assert_array_equal(excerpt(np.arange(3, dtype=np.float32), 1, 4.0), [0, 1, 2])


def test_tracks_are_chosen_evenly_and_always_the_same() -> None:
    table = pd.DataFrame({"track_id": [f"{g}{i}" for g in "abc" for i in range(10)], "genre": list("a" * 10 + "b" * 10 + "c" * 10)})
    found = choose_tracks(table, 7, seed=1)
    assert sorted(found["genre"].value_counts()) == [2, 2, 3]
    pd.testing.assert_frame_equal(found, choose_tracks(table.sample(frac=1, random_state=5), 7, seed=1), check_like=True)
    assert len(choose_tracks(table, 99, seed=1)) == 30


def test_the_ends_are_those_of_the_whole_track() -> None:
    """Of a long track the middle is disturbed, but its first ten seconds are its first ten seconds."""
    samples = np.arange(60 * 100, dtype=np.float32)
    ends = [item for item in PERTURBATIONS if item.name in ("gain_minus_12", "first_10", "last_10")]
    plain, softer, first, last = disturbed(samples, 100, ends)
    np.testing.assert_array_equal(plain, samples[1500:4500])
    np.testing.assert_allclose(softer, plain * 10 ** (-12 / 20), rtol=1e-6)
    np.testing.assert_array_equal(first, samples[:1000])
    np.testing.assert_array_equal(last, samples[-1000:])


def test_first_against_last_by_hand() -> None:
    sure = np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.1, 0.9]])
    turned = sure.copy()
    turned[3] = turned[3, ::-1]
    ends = [item for item in PERTURBATIONS if item.name in ("first_10", "last_10")]
    y, groups = np.array([0, 0, 1, 1]), np.arange(4)
    found = summarise(y, np.stack([sure, sure, turned], axis=1), groups, "cnn", ends, resamples=50, confidence=0.95, seed=0)
    assert found.ends_agree == 0.75
    alone = summarise(y, np.stack([sure, turned], axis=1), groups, "cnn", ends[:1], resamples=50, confidence=0.95, seed=0)
    assert alone.ends_agree is None


def test_what_it_costs_by_hand() -> None:
    y = np.array([0, 0, 1, 1])
    sure = np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.1, 0.9]])
    half = sure.copy()
    half[[1, 3]] = half[[1, 3]][:, ::-1]  # two of four turn over
    p = np.stack([sure, sure, half], axis=1)
    found = summarise(y, p, np.arange(4), "cnn", PERTURBATIONS[:2], resamples=200, confidence=0.95, seed=0)
    assert (found.accuracy, found.macro_f1) == (1.0, 1.0)
    same, turned = found.rows
    assert (same.lost, same.flipped, same.shift) == (0.0, 0.0, 0.0)
    assert (turned.accuracy.value, turned.lost, turned.flipped) == (0.5, 0.5, 0.5)
    assert turned.shift == pytest.approx(0.4)
    assert turned.lost_interval.low is not None and turned.lost_interval.low < 0.5
