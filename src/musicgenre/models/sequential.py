"""Sequential forward and backward selection whose criterion is updated from step to step; nothing is ever refitted.

The criterion of a set of columns is how badly ridge regression from these columns
to the genres (one indicator each) does on rows of groups that it was not fitted on:
the squared error of all folds together. Columns and indicators have unit variance,
so that a rare genre counts as much as a frequent one.

All of it follows from second moments, which are taken once for every fold. Both
directions then walk the same tables. For a fold with training moments A (plus the
ridge) and held-out moments H, both about the training mean:

* forward, T is A after what is chosen has been swept out (the Schur complement),
  and U holds the columns that do so: T = Uᵀ A U;
* backward, T and U are the inverse of A among the columns that are left.

With S = Uᵀ H U, the weight W of the step for every column and genre, and
E = Uᵀ (held-out moments with the genres, less what is explained), taking or dropping
column j changes the held-out error by Σ S_jj W_j² − 2 W_j E_j, and every table by a
matrix of rank one or two (sweep operator: Beaton 1964; its held-out half is ours).
A step costs O(columns²), whatever the number of rows; T and S are brought up to date
only every `BLOCK` steps, as one matrix product, and a column of them when it is asked for.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from musicgenre.errors import ModelError

Matrix = NDArray[np.float64]
Direction = Literal["forward", "backward"]

FOLDS = 3
BLOCK = 32
RIDGE = 0.1  # times the training rows of a fold; a standardised column has a sum of squares of about one a row


class _Tables:
    """What the next step is chosen from: a stack of folds [F, …], D columns of `x`, C genres.

    Parameters
    ----------
    swept, held
        T and S of the module's description, [F, D, D].
    weights, left
        [F, D, C]: forward, the training moments with what is left of the genres; backward, the regression's weights.
        And E of the module's description.
    sign
        1 where a step adds its column, −1 where it drops it.
    """

    def __init__(self, swept: Matrix, held: Matrix, weights: Matrix, left: Matrix, sign: int) -> None:
        self.weights, self.left, self.sign = weights, left, sign
        self.columns = np.arange(swept.shape[1])
        self._begin(swept, held)

    def _begin(self, swept: Matrix, held: Matrix) -> None:
        """Start a block: T is swept − Σ pivot ratioᵀ ratio and S is held − Σ (ratioᵀ lean + leanᵀ ratio), sums over its steps."""
        count, width = swept.shape[:2]
        self._swept, self._held = swept, held
        self._own = np.diagonal(swept, axis1=1, axis2=2).copy()  # always up to date, as `_spread` is
        self._spread = np.diagonal(held, axis1=1, axis2=2).copy()
        self._alive = np.ones(width, dtype=bool)
        self._done = 0
        self._pivot = np.empty((count, BLOCK, 1))
        self._ratio, self._lean = np.empty((count, BLOCK, width)), np.empty((count, BLOCK, width))

    def _end(self) -> None:
        """Bring both tables up to date and forget the columns that are gone."""
        rest = self._alive
        pivot, ratio, lean = self._pivot[:, : self._done], self._ratio[:, : self._done, rest], self._lean[:, : self._done, rest]
        turned = ratio.transpose(0, 2, 1)
        both = turned @ lean
        self.columns, self.weights, self.left = self.columns[rest], self.weights[:, rest], self.left[:, rest]
        swept, held = self._swept[:, rest][:, :, rest], self._held[:, rest][:, :, rest]
        self._begin(swept - turned @ (pivot * ratio), held - both - both.transpose(0, 2, 1))

    def best(self) -> tuple[int, float]:
        """The place of the column whose step leaves the smallest held-out error, and by how much that changes it."""
        step = self.sign * self.weights / self._own[..., None]
        changes = (step * (self._spread[..., None] * step - 2 * self.left)).sum(axis=(0, 2))
        place = int(np.where(self._alive, changes, np.inf).argmin())
        return place, float(changes[place])

    def take(self, place: int) -> int:
        """Sweep the column at `place` through all tables and remove it; its number."""
        before, column = slice(self._done), int(self.columns[place])
        ratio, lean = self._ratio[:, before], self._lean[:, before]
        ours, lent = ratio[:, :, place, None].transpose(0, 2, 1), lean[:, :, place, None].transpose(0, 2, 1)
        swept = self._swept[:, place] - (self._pivot[:, before].transpose(0, 2, 1) * ours @ ratio)[:, 0]
        held = self._held[:, place] - (ours @ lean + lent @ ratio)[:, 0]
        pivot = swept[:, place, None]
        ratio, step = swept / pivot, self.sign * self.weights[:, place, None, :] / pivot[..., None]
        lean = held - ratio * held[:, place, None] / 2
        self.left -= held[..., None] * step
        self.left -= ratio[..., None] * self.left[:, place, None, :]
        self.weights -= ratio[..., None] * self.weights[:, place, None, :]
        self._own -= pivot * ratio**2
        self._spread -= 2 * ratio * lean
        self._own[:, place], self._alive[place] = 1.0, False
        self._pivot[:, self._done], self._ratio[:, self._done], self._lean[:, self._done] = pivot, ratio, lean
        self._done += 1
        if self._done == BLOCK:
            self._end()
        return column


def grouped_folds(y: NDArray[np.int64], groups: NDArray[np.generic]) -> NDArray[np.intp]:
    """The fold of every row, genres spread and groups kept whole.

    Raises
    ------
    ModelError
        If all rows are of one group.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    count = min(FOLDS, len(np.unique(groups)), int(np.bincount(y).max()))
    if count < 2:
        raise ModelError("sequential selection needs training tracks of two groups (artists) or more; there is one. Select by `anova`.")
    fold = np.empty(len(y), dtype=np.intp)
    for index, (_, inside) in enumerate(StratifiedGroupKFold(count).split(np.zeros(len(y)), y, groups)):
        fold[inside] = index
    return fold


def _standardised(values: Matrix) -> Matrix:
    """Zero mean and unit variance a column; zero where a column is constant."""
    spread = values.std(axis=0)
    varies = spread > 1e-12 * np.abs(values).max(axis=0)  # less is rounding
    result: Matrix = (values - values.mean(axis=0)) / np.where(varies, spread, np.inf)
    return result


def _tables(x: Matrix, y: NDArray[np.int64], fold: NDArray[np.intp], direction: Direction) -> tuple[_Tables, float]:
    """The tables before the first step, and the held-out error at that point."""
    width = x.shape[1]
    rows = np.hstack([np.ones((len(x), 1)), _standardised(x), _standardised(np.eye(int(y.max()) + 1)[y])])
    folds = [rows[fold == index] for index in np.unique(fold)]
    parts = np.stack([part.T @ part for part in folds])
    training = parts.sum(axis=0) - parts
    count, mean = training[:, :1, :1], training[:, :, :1] / training[:, :1, :1]
    cross = parts[:, :, :1] * mean.transpose(0, 2, 1)
    tested = parts - cross - cross.transpose(0, 2, 1) + parts[:, :1, :1] * mean * mean.transpose(0, 2, 1)  # about the training mean
    training = training - count * mean * mean.transpose(0, 2, 1)
    inside, genres = slice(1, 1 + width), slice(1 + width, None)
    ridged = training[:, inside, inside] + RIDGE * count * np.eye(width)
    held, left = tested[:, inside, inside], tested[:, inside, genres]
    weights = training[:, inside, genres]
    error = float(np.trace(tested[:, genres, genres], axis1=1, axis2=2).sum())
    if direction == "forward":
        return _Tables(ridged, held, weights.copy(), left.copy(), 1), error
    inverse = np.linalg.inv(ridged)
    inverse = (inverse + inverse.transpose(0, 2, 1)) / 2
    weights = inverse @ weights
    error += float((weights * (held @ weights - 2 * left)).sum())
    return _Tables(inverse, inverse @ held @ inverse, weights, inverse @ (left - held @ weights), -1), error


def walk(
    direction: Direction, x: Matrix, y: NDArray[np.int64], groups: NDArray[np.generic], steps: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The columns of `x` [rows, D] that are added one by one to none, or dropped one by one from all, and the held-out error after each.

    Parameters
    ----------
    y
        Genre of each row, 0 … C − 1.
    groups
        Of each row; rows of one group are in one fold.
    steps
        At most D.
    """
    tables, error = _tables(x, y, grouped_folds(y, groups), direction)
    taken, errors = [], []
    for _ in range(steps):
        place, change = tables.best()
        error += change
        taken.append(tables.take(place))
        errors.append(error)
    return np.array(taken, dtype=np.intp), np.array(errors)


__all__ = ["BLOCK", "FOLDS", "RIDGE", "Direction", "grouped_folds", "walk"]
