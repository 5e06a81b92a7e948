"""Feature selection: each method keeps what its description says, and the same again with the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from musicgenre.errors import ModelError
from musicgenre.models.selection import METHODS, select

SUPERVISED = sorted(set(METHODS) - {"variance"})


def _rows(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, genres, groups. Columns 0, 1, 2 tell three genres apart, 3 is column 0 once more, 4 … 11 are noise; scales differ widely."""
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(3), 40)
    x = rng.normal(0, 1, (120, 12))
    x[:, :3] += 4 * np.eye(3)[y]
    x[:, 3] = x[:, 0] + rng.normal(0, 0.01, 120)
    return x * 10.0 ** rng.integers(-2, 3, 12), y, np.arange(120) // 4


def test_every_method_of_the_literature_is_there() -> None:
    assert set(METHODS) == {"variance", "mutual_information", "anova", "correlation", "forward", "backward", "l1", "importance"}


@pytest.mark.parametrize("method", SUPERVISED)
def test_what_tells_genres_apart_is_kept(method: str) -> None:
    rows = _rows()
    kept = select(method, *rows, keep=4, seed=1)
    assert len(set(kept)) == len(kept) == 4
    assert {1, 2} <= set(kept) and {0, 3} & set(kept)
    assert np.array_equal(kept, select(method, *rows, keep=4, seed=1))


def test_correlation_keeps_one_of_two_twins() -> None:
    rows = _rows()
    assert {0, 3} <= set(select("anova", *rows, keep=4, seed=1))
    assert len({0, 3} & set(select("correlation", *rows, keep=8, seed=1))) == 1


def test_variance_drops_what_hardly_moves() -> None:
    rng = np.random.default_rng(2)
    x = rng.uniform(0, 1, (200, 4))
    x[:, 1] = 7.0
    x[:, 2] = 0.0
    x[0, 2] = 1.0
    assert set(select("variance", x, np.zeros(200, dtype=np.int64), np.arange(200), keep=2, seed=1)) == {0, 3}


@pytest.mark.parametrize("method", ["none", *METHODS])
def test_nothing_to_drop(method: str) -> None:
    rows = _rows()
    assert np.array_equal(select(method, *rows, keep=12, seed=1), np.arange(12))
    assert np.array_equal(select(method, *rows, keep=0, seed=1), np.arange(12))


def test_an_unknown_method_is_named() -> None:
    with pytest.raises(ModelError, match=r"oracle.*mutual_information"):
        select("oracle", *_rows(), keep=3, seed=1)
