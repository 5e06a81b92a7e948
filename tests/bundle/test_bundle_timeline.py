"""Mixing members and putting them on one time grid."""

from __future__ import annotations

import numpy as np
import pytest

from musicgenre.bundle.timeline import mix, on_grid, temper


def test_temperature_one_changes_nothing_and_a_high_one_flattens() -> None:
    given = np.array([[0.7, 0.2, 0.1]])
    np.testing.assert_allclose(temper(given, 1.0), given, atol=1e-12)
    soft = temper(given, 3.0)
    assert soft[0, 0] < 0.7 and soft[0].argmax() == 0
    np.testing.assert_allclose(soft.sum(), 1.0)
    expected = given ** (1 / 3.0)
    np.testing.assert_allclose(soft, expected / expected.sum(), atol=1e-12)


def test_a_certain_zero_does_not_become_nan() -> None:
    assert np.isfinite(temper(np.array([[1.0, 0.0]]), 0.5)).all()


def test_weights_need_not_sum_to_one() -> None:
    parts = [np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])]
    np.testing.assert_allclose(mix(parts, [3.0, 1.0], 1.0), [[0.75, 0.25]], atol=1e-9)


def test_overlap_weighs_the_segments_of_a_cell() -> None:
    # Cells of 2 s at 0, 2; segments of 4 s at 0 and 3: the second cell [2, 4) shares 2 s with the first, 1 s with the second.
    found = on_grid(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0.0, 3.0]), 4.0, np.array([0.0, 2.0]), 2.0)
    np.testing.assert_allclose(found, [[1.0, 0.0], [2 / 3, 1 / 3]])


def test_the_members_own_grid_is_not_smeared() -> None:
    given = np.random.default_rng(0).dirichlet(np.ones(3), size=5)
    times = np.arange(5) * 1.5
    assert on_grid(given, times, 3.0, times, 3.0) is given


def test_a_cell_without_a_segment_takes_the_nearest() -> None:
    found = on_grid(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0.0, 1.0]), 1.0, np.array([0.0, 10.0]), 1.0)
    np.testing.assert_allclose(found, [[1.0, 0.0], [0.0, 1.0]])


@pytest.mark.parametrize("cell", [0.5, 1.0, 7.0])
def test_cells_stay_distributions(cell: float) -> None:
    given = np.random.default_rng(1).dirichlet(np.ones(4), size=6)
    found = on_grid(given, np.arange(6) * 0.7, 2.0, np.arange(9) * 0.5, cell)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
