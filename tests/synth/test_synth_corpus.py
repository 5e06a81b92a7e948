"""Pretraining clips: pure in their seed, balanced in their labels, and the labels can be heard."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy.stats import spearmanr

from musicgenre.synth.corpus import LABELS, QUALITIES, SECONDS, clip
from musicgenre.synth.signal import RATE, Signal

Clips = list[tuple[Signal, dict[str, int]]]


@pytest.fixture(scope="module")
def clips() -> Clips:
    return [clip(seed) for seed in range(120)]


def test_a_clip_is_a_pure_function_of_its_seed(clips: Clips) -> None:
    sound, labels = clip(3)
    assert np.array_equal(sound, clips[3][0])
    assert labels == clips[3][1]
    assert not np.array_equal(sound, clips[4][0])


def test_clips_are_sound(clips: Clips) -> None:
    for number, (sound, _) in enumerate(clips):
        assert sound.dtype == np.float32
        assert sound.shape == (round(SECONDS * RATE),)
        assert np.isfinite(sound).all()
        assert np.abs(sound).max() <= 0.98 + 1e-6, number
        assert np.sqrt(np.mean(sound**2)) > 0.005, number
    assert clip(1, 2.0)[0].shape == (2 * RATE,)


def test_labels_are_classes_and_all_of_them_occur(clips: Clips) -> None:
    for name, classes in LABELS.items():
        count = Counter(labels[name] for _, labels in clips)
        assert set(count) <= set(range(classes)), name
        if classes <= 5:
            assert set(count) == set(range(classes)), name
            assert max(count.values()) < 0.85 * len(clips), name
    assert all(set(labels) == set(LABELS) for _, labels in clips)


def test_labels_do_not_tell_each_other(clips: Clips) -> None:
    for first, second in (("tempo", "drums"), ("lead", "room"), ("quality", "lead"), ("brightness", "drums"), ("bass", "drive")):
        found = spearmanr([labels[first] for _, labels in clips], [labels[second] for _, labels in clips])
        assert abs(found.statistic) < 0.3, (first, second)


def test_brightness_and_noise_can_be_heard(clips: Clips) -> None:
    def power(sound: Signal) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.abs(np.fft.rfft(sound)) ** 2

    frequency = np.fft.rfftfreq(len(clips[0][0]), 1 / RATE)
    centroid = [float((power(sound) * frequency).sum() / power(sound).sum()) for sound, _ in clips]
    assert spearmanr(centroid, [labels["brightness"] for _, labels in clips]).statistic > 0.4

    def hiss(sound: Signal) -> float:
        top = np.abs(np.fft.rfft(sound[: len(sound) // 512 * 512].reshape(-1, 512) * np.hanning(512), axis=1))[:, 240:252]
        return float(np.median(top))

    assert spearmanr([hiss(sound) for sound, _ in clips], [labels["noise"] for _, labels in clips]).statistic > 0.5


def test_the_root_can_be_heard(clips: Clips) -> None:
    """Energy at the chord's pitch classes, against the same chord on other roots."""
    ranks = []
    intervals = {
        "maj": (0, 4, 7),
        "min": (0, 3, 7),
        "7": (0, 4, 7),
        "maj7": (0, 4, 7),
        "min7": (0, 3, 7),
        "sus4": (0, 5, 7),
        "dim": (0, 3, 6),
    }
    for sound, labels in clips[:80]:
        spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 1 << 17)) ** 0.5
        chroma = np.zeros(12)
        for midi in range(40, 84):
            at = 440 * 2 ** ((midi - 69) / 12) * (1 << 17) / RATE
            chroma[midi % 12] += spectrum[int(at * 0.995) : int(at * 1.005) + 1].max()
        chord = intervals.get(QUALITIES[labels["quality"]], (0, 7))
        scores = [sum(chroma[(root + step) % 12] for step in chord) for root in range(12)]
        ranks.append(int(np.argsort(np.argsort(scores))[labels["root"]]))
    assert np.mean(ranks) > 9, "of 11; chance is 5.5"
