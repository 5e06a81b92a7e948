"""Every figure against scikit-learn, or against a case small enough to reckon by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as sk

from musicgenre.evaluation import metrics, statistics

CLASSES = 4


def _case(seed: int, n: int = 80, ties: bool = False) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, CLASSES, n)
    logits = rng.normal(size=(n, CLASSES)) + 1.2 * np.eye(CLASSES)[y]
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    if ties:
        p = np.round(p, 1) + 1e-9
        p /= p.sum(axis=1, keepdims=True)
    return y, p


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("ties", [False, True])
def test_point_figures_are_those_of_scikit_learn(seed: int, ties: bool) -> None:
    y, p = _case(seed, ties=ties)
    predicted, found = p.argmax(axis=1), metrics.headline(y, p)
    assert found["accuracy"] == sk.accuracy_score(y, predicted)
    for average in ("macro", "weighted"):
        assert found[f"{average}_f1"] == pytest.approx(sk.f1_score(y, predicted, average=average))
        assert found[f"{average}_precision"] == pytest.approx(sk.precision_score(y, predicted, average=average, zero_division=0))
        assert found[f"{average}_recall"] == pytest.approx(sk.recall_score(y, predicted, average=average))
    assert found["roc_auc"] == pytest.approx(sk.roc_auc_score(y, p, multi_class="ovr", average="macro"))
    assert found["pr_auc"] == pytest.approx(sk.average_precision_score(np.eye(CLASSES)[y], p, average="macro"))
    assert found["log_loss"] == pytest.approx(sk.log_loss(y, p, labels=range(CLASSES)))
    if not ties:
        assert found["top_3"] == pytest.approx(sk.top_k_accuracy_score(y, p, k=3, labels=range(CLASSES)))
    np.testing.assert_array_equal(metrics.confusion(y, predicted, CLASSES), sk.confusion_matrix(y, predicted, labels=range(CLASSES)))


@pytest.mark.parametrize("ties", [False, True])
def test_a_row_of_ones_gives_the_point_figures(ties: bool) -> None:
    y, p = _case(5, ties=ties)
    found = statistics.headline(y, p, np.ones((1, len(y))))
    for name, value in metrics.headline(y, p).items():
        assert found[name][0] == pytest.approx(value), name


@pytest.mark.parametrize("ties", [False, True])
def test_weights_count_as_repetitions(ties: bool) -> None:
    y, p = _case(6, n=60, ties=ties)
    weights = np.random.default_rng(0).integers(0, 4, size=(8, len(y))).astype(np.float64)
    found = statistics.headline(y, p, weights)
    for row, weight in enumerate(weights.astype(int)):
        again = metrics.headline(np.repeat(y, weight), np.repeat(p, weight, axis=0))
        for name, value in again.items():
            assert found[name][row] == pytest.approx(value), name


def test_blocks_do_not_change_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    y, p = _case(7)
    weights = np.random.default_rng(1).random((17, len(y)))
    whole = statistics.headline(y, p, weights)
    monkeypatch.setattr(statistics, "_BLOCK", 3 * len(y))
    for name, values in statistics.headline(y, p, weights).items():
        np.testing.assert_allclose(values, whole[name], rtol=1e-12)


def test_by_hand() -> None:
    # Three of a, two of b, one of c; one a is called b, one b is called c.
    y = np.array([0, 0, 0, 1, 1, 2])
    predicted = np.array([0, 0, 1, 1, 2, 2])
    p = np.full((6, 3), 0.1)
    p[np.arange(6), predicted] = 0.8
    found = metrics.headline(y, p)
    assert found["accuracy"] == pytest.approx(4 / 6)
    # F1: a 2·2/(3+2) = .8, b 2·1/(2+2) = .5, c 2·1/(1+2) = 2/3
    assert found["macro_f1"] == pytest.approx((0.8 + 0.5 + 2 / 3) / 3)
    assert found["weighted_f1"] == pytest.approx((3 * 0.8 + 2 * 0.5 + 2 / 3) / 6)
    assert found["calibration_error"] == pytest.approx(0.8 - 4 / 6)  # always sure by .8, right in two of three
    assert found["log_loss"] == pytest.approx(-(4 * np.log(0.8) + 2 * np.log(0.1)) / 6)
    lines = metrics.per_genre(y, p)
    assert [line.support for line in lines] == [3, 2, 1]
    assert [line.recall for line in lines] == pytest.approx([2 / 3, 1 / 2, 1])
    assert [line.precision for line in lines] == pytest.approx([1, 1 / 2, 1 / 2])


def test_reliability_bins() -> None:
    p = np.array([[0.95, 0.05], [0.91, 0.09], [0.6, 0.4], [0.55, 0.45]])
    found = metrics.reliability(np.array([0, 1, 0, 1]), p)
    assert found.count.tolist() == [0, 0, 0, 0, 0, 2, 0, 0, 0, 2]  # (0.5, 0.6] holds 0.55 and 0.6
    assert found.confidence[9] == pytest.approx(0.93)
    assert found.accuracy[[5, 9]].tolist() == [0.5, 0.5]
    assert found.error == pytest.approx((2 * abs(0.575 - 0.5) + 2 * abs(0.93 - 0.5)) / 4)


def test_a_tie_is_not_a_hit() -> None:
    uniform = np.full((3, 5), 0.2)
    assert metrics.top_k(np.array([0, 2, 4]), uniform, 3) == 0.0
    assert metrics.top_k(np.array([0, 2, 4]), uniform, 5) == 1.0


def test_a_genre_without_tracks_has_no_figures_and_no_part_in_the_mean() -> None:
    y = np.array([0, 0, 1, 1])
    p = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1]])
    lines = metrics.per_genre(y, p)
    assert np.isnan([lines[2].recall, lines[2].f1, lines[2].roc_auc]).all()
    found = metrics.headline(y, p)
    assert found["macro_recall"] == pytest.approx((0.5 + 1.0) / 2)
    assert found["macro_f1"] == pytest.approx(sk.f1_score(y, p.argmax(axis=1), labels=[0, 1], average="macro"))
    assert np.isfinite(found["roc_auc"])


def test_one_genre_alone_has_no_auc() -> None:
    found = metrics.headline(np.zeros(4, dtype=np.intp), np.tile([0.6, 0.4], (4, 1)))
    assert np.isnan(found["roc_auc"]) and np.isnan(found["pr_auc"])
    assert found["accuracy"] == 1.0
