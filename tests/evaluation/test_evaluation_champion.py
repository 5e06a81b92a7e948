"""The promoted model, where there is one: what must not change its mind does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from musicgenre.evaluation.inputs import read_split
from musicgenre.evaluation.robustness import Robustness, choose_tracks, measure_robustness
from musicgenre.evaluation.sounds import Sounds
from musicgenre.layout import Layout
from musicgenre.params import load_params

# The most accuracy that each perturbation may cost. Loudness is no property of a genre; bit rate and tempo change the sound
# a little, noise, a missing top, another key or a short excerpt change what there is to hear.
LIMITS = {
    "gain_plus_12": 0.15,
    "gain_minus_12": 0.15,
    "mp3_64": 0.3,
    "noise_20": 0.6,
    "low_pass_4k": 0.6,
    "pitch_up": 0.45,
    "pitch_down": 0.45,
    "faster": 0.3,
    "slower": 0.3,
    "first_10": 0.3,
    "last_10": 0.3,
}
FLIPPED = 0.15  # the most answers that a perturbation may change to which a genre must be indifferent


@pytest.fixture(scope="module")
def champion(repository: Path) -> Robustness:
    layout = Layout(repository)
    bundle = layout.root / "models" / "champion"
    if not (bundle / "bundle.json").is_file() or not layout.splits.is_file():
        pytest.skip("no model has been promoted in this checkout; `make repro` does it")
    from musicgenre.bundle.predictor import Predictor

    params = load_params(repository / "params.yaml")
    tracks = choose_tracks(read_split(layout).query("split == 'test'"), 20, seed=3)
    sounds = Sounds(layout, params.dataset, Predictor.load(bundle).sample_rate)
    (found,) = measure_robustness({"champion": bundle}, tracks, sounds, resamples=200, confidence=0.95, seed=3, workers=1)
    return found


@pytest.mark.slow
def test_the_champion_keeps_its_accuracy(champion: Robustness) -> None:
    assert {row.name for row in champion.rows} == set(LIMITS)
    for row in champion.rows:
        assert row.lost <= LIMITS[row.name], f"{row.label} costs {row.lost:.2f} of accuracy"


@pytest.mark.slow
def test_the_champion_does_not_hear_loudness(champion: Robustness) -> None:
    for row in champion.rows:
        assert not row.invariant or row.flipped <= FLIPPED, f"{row.label} changes {row.flipped:.0%} of the answers"


@pytest.mark.slow
def test_the_champion_is_better_than_chance(champion: Robustness) -> None:
    assert champion.accuracy > 0.2
