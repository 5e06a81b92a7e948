"""Sequential selection: what is updated from step to step is what fitting every subset anew would give."""

from __future__ import annotations

import numpy as np
import pytest

from musicgenre.errors import ModelError
from musicgenre.models import sequential
from musicgenre.models.selection import select
from musicgenre.models.sequential import Direction, grouped_folds, walk

DIRECTIONS: tuple[Direction, ...] = ("forward", "backward")


def _rows(columns: int, *, groups: int = 15, each: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Genres of unlike sizes, columns 0 and 1 informative, 2 nearly column 0 once more, 3 constant."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), each)
    y = np.array([0, 0, 1, 2, 0])[group % 5]
    x = rng.normal(0, 1, (len(y), columns))
    x[:, :2] += 1.5 * np.eye(3)[y][:, :2]
    x[:, 2] = 3 * x[:, 0] + 0.05 * rng.normal(0, 1, len(y))
    x[:, 3] = 0.1  # whose mean is not quite 0.1
    return x, y, group


def _refitted(x: np.ndarray, y: np.ndarray, groups: np.ndarray, columns: list[int]) -> float:
    """The criterion as it is defined: scikit-learn's ridge regression, fitted on every fold's training rows, asked about the others."""
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

    z, genres = StandardScaler().fit_transform(x)[:, columns], StandardScaler().fit_transform(np.eye(y.max() + 1)[y])
    fold, error = grouped_folds(y, groups), 0.0
    for index in np.unique(fold):
        known, asked = fold != index, fold == index
        answer = genres[known].mean(axis=0)
        if columns:
            answer = Ridge(alpha=sequential.RIDGE * known.sum()).fit(z[known], genres[known]).predict(z[asked])
        error += float(((genres[asked] - answer) ** 2).sum())
    return error


def _after(direction: Direction, width: int, taken: list[int]) -> list[int]:
    return taken if direction == "forward" else [column for column in range(width) if column not in taken]


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_each_step_is_the_best_of_all_refitted_ones(direction: Direction) -> None:
    x, y, groups = _rows(8)
    taken, errors = walk(direction, x, y, groups, 8)
    assert sorted(taken) == list(range(8))
    for step, error in enumerate(errors):
        before = [int(column) for column in taken[:step]]
        tried = [_refitted(x, y, groups, _after(direction, 8, [*before, column])) for column in range(8) if column not in before]
        chosen = _refitted(x, y, groups, _after(direction, 8, [*before, int(taken[step])]))
        assert error == pytest.approx(chosen, rel=1e-9) and chosen <= min(tried) * (1 + 1e-9)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_nothing_drifts_on_a_long_walk(direction: Direction) -> None:
    """More columns than rows in a fold, twins among them, and several blocks of steps."""
    width = 2 * sequential.BLOCK + 10
    x, y, groups = _rows(width, groups=15, each=6)
    taken, errors = walk(direction, x, y, groups, width)
    assert len(y) * 2 / 3 < width == len(set(taken.tolist()))
    for step in (0, sequential.BLOCK - 1, sequential.BLOCK, width // 2, width - 1):
        columns = _after(direction, width, [int(column) for column in taken[: step + 1]])
        assert errors[step] == pytest.approx(_refitted(x, y, groups, columns), rel=1e-8)


def test_what_names_an_artist_is_not_mistaken_for_a_genre() -> None:
    """Each of columns 4 … 9 marks one group: together they know the genre of every training row, and of no other."""
    rng = np.random.default_rng(1)
    group = np.repeat(np.arange(6), 20)
    y = group % 2
    x = rng.normal(0, 1, (120, 10))
    x[:, 0] += 0.8 * y
    x[:, 4:] = np.eye(6)[group] + 0.01 * rng.normal(0, 1, (120, 6))
    assert select("forward", x, y, group, keep=1, seed=1).tolist() == [0]
    each_its_own = np.arange(120)
    assert 0 not in select("forward", x, y, each_its_own, keep=1, seed=1), "blind to artists, it is taken in"


def test_folds_keep_groups_whole_and_one_group_is_an_error() -> None:
    x, y, groups = _rows(5)
    fold = grouped_folds(y, groups)
    assert set(fold) == {0, 1, 2} and all(len(set(fold[groups == group])) == 1 for group in groups)
    with pytest.raises(ModelError, match="two groups"):
        select("forward", x, y, np.zeros(len(y)), keep=2, seed=1)
