"""Groups are drawn whole, intervals surround their figure, and differences mean something."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from musicgenre.errors import EvaluationError
from musicgenre.evaluation.bootstrap import Interval, headline_intervals, interval, resample
from musicgenre.evaluation.comparison import compare, mcnemar


def _answers(y: np.ndarray, right: np.ndarray, n_classes: int = 3) -> np.ndarray:
    p = np.full((len(y), n_classes), 0.1)
    p[np.arange(len(y)), np.where(right, y, (y + 1) % n_classes)] = 0.8
    return p


def test_tracks_of_a_group_are_drawn_together() -> None:
    y = np.repeat([0, 1], 10)
    groups = np.repeat(["a", "b", "c", "d"], 5)
    drawn = resample(y, groups, resamples=50, seed=0)
    for name in "abcd":
        assert (np.ptp(drawn.weights[:, groups == name], axis=1) == 0).all()
    assert drawn.n_groups == 4
    assert drawn.freedom == 2  # four groups in two genres


def test_every_genre_keeps_its_weight_in_every_resample() -> None:
    y = np.repeat([0, 0, 0, 1, 1], 4)
    drawn = resample(y, np.repeat(np.arange(5), 4), resamples=200, seed=1)
    np.testing.assert_allclose(drawn.weights[:, y == 0].sum(axis=1), 12)
    np.testing.assert_allclose(drawn.weights[:, y == 1].sum(axis=1), 8)


def test_the_variance_of_a_mean_is_unbiased() -> None:
    """With m groups the plain bootstrap gives (m − 1)/m of the variance; the rescaled one all of it."""
    rng = np.random.default_rng(2)
    values = rng.normal(size=6)
    drawn = resample(np.zeros(6, dtype=np.intp), np.arange(6), resamples=200_000, seed=3)
    means = drawn.weights @ values / 6
    assert means.var() == pytest.approx(values.var(ddof=1) / 6, rel=0.02)


def test_genres_of_one_group_are_pooled_and_vary() -> None:
    drawn = resample(np.array([0, 1, 2, 2, 2, 2]), np.array(list("abccdd")), resamples=100, seed=0)
    assert drawn.weights[:, 0].std() > 0


def test_one_group_alone_does_not_vary() -> None:
    drawn = resample(np.zeros(5, dtype=np.intp), ["same"] * 5, resamples=20, seed=0)
    np.testing.assert_array_equal(drawn.weights, 1.0)


def test_the_same_seed_gives_the_same_intervals() -> None:
    rng = np.random.default_rng(4)
    y = rng.integers(0, 3, 60)
    p = _answers(y, rng.random(60) < 0.7)
    first, again, other = (headline_intervals(y, p, np.arange(60) // 3, resamples=300, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    for name, figure in first.items():
        if figure.low is not None and figure.high is not None:
            assert figure.low <= figure.value <= figure.high, name
    assert first["calibration_error"].low is None


def test_few_groups_give_wider_intervals() -> None:
    drawn = np.random.default_rng(0).normal(size=50_000)
    for freedom, reach in ((4, 2.776), (400, 1.966)):  # quantiles of Student's t
        found = interval(0.0, drawn, confidence=0.95, freedom=freedom, n_groups=9, scale="difference")
        assert found.high == pytest.approx(reach, rel=0.02)
        assert found.low == pytest.approx(-reach, rel=0.02)


def test_a_share_stays_between_its_ends() -> None:
    drawn = 0.97 + 0.05 * np.random.default_rng(0).normal(size=1000)
    found = interval(0.97, drawn, confidence=0.95, freedom=5, n_groups=8)
    assert found.low is not None and found.high is not None
    assert 0 < found.low < 0.97 < found.high < 1


def test_a_share_at_its_end_has_the_binomial_bound() -> None:
    found = interval(1.0, np.ones(100), confidence=0.95, freedom=9, n_groups=10)
    assert (found.high, found.low) == (1.0, pytest.approx(binomtest(10, 10).proportion_ci(0.95).low))
    found = interval(0.0, np.zeros(100), confidence=0.95, freedom=9, n_groups=10)
    assert (found.low, found.high) == (0.0, pytest.approx(binomtest(0, 10).proportion_ci(0.95).high))


def test_one_group_says_nothing_about_others() -> None:
    found = headline_intervals(np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]), ["same"] * 3, resamples=100)
    assert found["accuracy"] == Interval(pytest.approx(2 / 3), None, None)  # type: ignore[arg-type]  # approx stands for a float


def test_no_number_has_no_bounds() -> None:
    found = interval(float("nan"), np.full(10, np.nan), confidence=0.95, freedom=3, n_groups=4)
    assert (found.low, found.high) == (None, None)


def test_an_empty_split_is_refused() -> None:
    with pytest.raises(EvaluationError, match="no track"):
        resample(np.array([], dtype=np.intp), [], resamples=10, seed=0)


def test_mcnemar_by_hand() -> None:
    y = np.zeros(20, dtype=np.intp)
    first, second = y.copy(), y.copy()
    first[:2] = 1  # two that only the second gets right
    second[2:11] = 1  # nine that only the first gets right
    found = mcnemar(y, first, second)
    assert (found.only_first, found.only_second) == (9, 2)
    assert found.p_value == pytest.approx(2 * sum(_choose(11, k) for k in range(3)) / 2**11)
    assert found.p_value == pytest.approx(binomtest(2, 11).pvalue)
    assert mcnemar(y, first, first).p_value == 1.0


def _choose(n: int, k: int) -> int:
    from math import comb

    return comb(n, k)


def test_a_clear_difference_is_called_one_and_a_small_one_is_not() -> None:
    rng = np.random.default_rng(5)
    y = rng.integers(0, 3, 290)
    groups = np.arange(290) // 2
    good, bad = _answers(y, rng.random(290) < 0.85), _answers(y, rng.random(290) < 0.55)
    near = _answers(y, np.where(rng.random(290) < 0.02, False, good.argmax(axis=1) == y))
    clear = compare(y, good, bad, groups, names=("good", "bad"), resamples=500)
    assert clear.verdict == "good is better"
    assert compare(y, bad, good, groups, names=("bad", "good"), resamples=500).verdict == "good is better"
    assert clear.share_better == 1.0
    assert clear.mcnemar.p_value < 0.001
    assert compare(y, near, near.copy(), groups, resamples=500).macro_f1 == Interval(0.0, 0.0, 0.0)
    assert compare(y, good, near, groups, resamples=500).macro_f1.high <= 0.1  # type: ignore[operator]  # a bound exists here


def test_a_comparison_needs_the_same_tracks_and_numbers() -> None:
    y = np.array([0, 1, 2])
    p = _answers(y, np.array([True, True, False]))
    with pytest.raises(EvaluationError, match="for 3 tracks"):
        compare(y, p, p[:2], [1, 2, 3])
    broken = p.copy()
    broken[0, 0] = np.nan
    with pytest.raises(EvaluationError, match="not numbers"):
        compare(y, p, broken, [1, 2, 3])
