"""How often the intervals hold the truth, by simulation: 95 % ± 2."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from musicgenre.evaluation import statistics
from musicgenre.evaluation.bootstrap import resample

RUNS = 600
RESAMPLES = 500


def _population(classes: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """What a model answers, a row a genre: accuracies from .4 to .9, mistakes unevenly spread."""
    rows = []
    for label in range(classes):
        right = rng.uniform(0.4, 0.9)
        rows.append(np.insert(rng.dirichlet(np.full(classes - 1, 0.5)) * (1 - right), label, right))
    return np.stack(rows)


def _coverage(*, classes: int, groups: int, tracks: int, concentration: float | None, seed: int, runs: int) -> dict[str, float]:
    """Tracks of an artist are answered alike: each artist has its own row, drawn around the population's (None: that itself)."""
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(classes), groups * tracks)
    artist = np.repeat(np.arange(classes * groups), tracks)
    sets = [resample(y, artist, resamples=RESAMPLES, seed=seed + number) for number in range(8)]
    one = np.ones((1, len(y)))
    held = {"accuracy": 0, "macro_f1": 0}
    for run in range(runs):
        if run % 25 == 0:
            answers = _population(classes, rng)
            hits = np.diag(answers)
            truth = {"accuracy": hits.mean(), "macro_f1": (2 * hits / (1 + answers.sum(axis=0))).mean()}
        drawn = sets[run % len(sets)]
        rows = answers[np.repeat(np.arange(classes), groups)]
        if concentration is not None:
            rows = np.stack([rng.dirichlet(row * concentration + 1e-6) for row in rows])
        edges = np.cumsum(rows[artist], axis=1)
        predicted = np.minimum((rng.random((len(y), 1)) > edges).sum(axis=1), classes - 1)
        values = statistics.classification(y, predicted, classes, one)
        twins = statistics.classification(y, predicted, classes, drawn.weights)
        for name in held:
            found = drawn.interval(float(values[name][0]), twins[name], confidence=0.95)
            assert found.low is not None and found.high is not None
            held[name] += found.low <= truth[name] <= found.high
    return {name: count / runs for name, count in held.items()}


def test_coverage_of_single_tracks() -> None:
    found = _coverage(classes=5, groups=40, tracks=1, concentration=None, seed=1, runs=RUNS)
    for name, share in found.items():
        assert 0.93 <= share <= 0.97, (name, share)


def test_coverage_of_a_paired_difference() -> None:
    """Two models that agree on four tracks of five; the truth is the difference of their accuracies."""
    rng = np.random.default_rng(9)
    y = np.repeat(np.arange(5), 20)
    artist = np.repeat(np.arange(50), 2)
    drawn, held, truth = resample(y, artist, resamples=RESAMPLES, seed=1), 0, 0.2 * _mean_drop()
    for _ in range(RUNS):
        hard = np.repeat(rng.beta(4, 2, size=50), 2)
        first = rng.random(100) < hard
        second = np.where(rng.random(100) < 0.8, first, rng.random(100) < hard - 0.1)
        shares = drawn.weights @ (first.astype(float) - second) / drawn.weights.sum(axis=1)
        found = drawn.interval(float(first.mean() - second.mean()), shares, confidence=0.95, scale="difference")
        assert found.low is not None and found.high is not None
        held += found.low <= truth <= found.high
    assert 0.93 <= held / RUNS <= 0.97


def _mean_drop() -> float:
    """E[h − max(h − .1, 0)] for h of Beta(4, 2), by quadrature."""
    from scipy.integrate import quad
    from scipy.stats import beta

    return float(quad(lambda h: (h - max(h - 0.1, 0.0)) * beta.pdf(h, 4, 2), 0, 1, points=[0.1])[0])


@pytest.mark.slow
@pytest.mark.parametrize(("groups", "tracks"), [(29, 1), (15, 2), (2, 3), (3, 1)])
def test_coverage_with_artists(groups: int, tracks: int) -> None:
    """From the demo's two artists a genre to a test set of 290."""
    found = _coverage(classes=10, groups=groups, tracks=tracks, concentration=4, seed=2, runs=2000)
    for name, share in found.items():
        assert 0.93 <= share <= 0.97, (name, share)
