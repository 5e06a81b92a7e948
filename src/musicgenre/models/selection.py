"""Choosing among descriptors: each method returns the columns to keep, best first where it ranks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from musicgenre.errors import ModelError
from musicgenre.models.sequential import walk

Matrix = NDArray[np.float64]
Columns = NDArray[np.intp]


def _top(scores: Matrix, keep: int) -> Columns:
    ranked = np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")
    return ranked[:keep].astype(np.intp)


def _variance(x: Matrix, y: NDArray[np.int64], keep: int, seed: int) -> Columns:
    """Largest variance relative to the squared range (scale-free)."""
    spread = np.ptp(x, axis=0)
    return _top(x.var(axis=0) / np.where(spread > 0, spread, 1.0) ** 2, keep)


def _mutual_information(x: Matrix, y: NDArray[np.int64], keep: int, seed: int) -> Columns:
    from sklearn.feature_selection import mutual_info_classif

    return _top(mutual_info_classif(x, y, random_state=seed), keep)


def _anova(x: Matrix, y: NDArray[np.int64], keep: int, seed: int) -> Columns:
    """Fisher's ratio of variance between genres to variance within."""
    from sklearn.feature_selection import f_classif

    with np.errstate(all="ignore"):
        return _top(f_classif(x, y)[0], keep)


def _correlation(x: Matrix, y: NDArray[np.int64], keep: int, seed: int) -> Columns:
    """Fisher's ranking, skipping a column that correlates above 0.9 with one already kept."""
    with np.errstate(all="ignore"):
        related = np.abs(np.nan_to_num(np.corrcoef(x, rowvar=False)))
    kept: list[int] = []
    for column in _anova(x, y, x.shape[1], seed):
        if len(kept) == keep:
            break
        if not kept or related[column, kept].max() < 0.9:
            kept.append(int(column))
    return np.array(kept, dtype=np.intp)


def _l1(x: Matrix, y: NDArray[np.int64], keep: int, seed: int) -> Columns:
    """Largest summed weight in an L1-penalised linear classifier."""
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    model = LinearSVC(penalty="l1", dual=False, C=0.1, max_iter=2000, random_state=seed).fit(StandardScaler().fit_transform(x), y)
    return _top(np.abs(model.coef_).sum(axis=0), keep)


def _importance(x: Matrix, y: NDArray[np.int64], keep: int, seed: int) -> Columns:
    """Mean impurity decrease in extremely randomised trees."""
    from sklearn.ensemble import ExtraTreesClassifier

    return _top(ExtraTreesClassifier(200, random_state=seed, n_jobs=1).fit(x, y).feature_importances_, keep)


RANKINGS: dict[str, Callable[[Matrix, NDArray[np.int64], int, int], Columns]] = {
    "variance": _variance,
    "mutual_information": _mutual_information,
    "anova": _anova,
    "correlation": _correlation,
    "l1": _l1,
    "importance": _importance,
}
METHODS = (*RANKINGS, "forward", "backward")


def select(method: str, x: Matrix, y: NDArray[np.int64], groups: NDArray[np.generic], *, keep: int, seed: int) -> Columns:
    """Columns of `x` [rows, D] to keep by `method`; all of them for `none` or when `keep` is not below D.

    Parameters
    ----------
    y, groups
        Genre (0 … C − 1) and group of every row. The sequential methods judge columns on groups that they were not fitted on.

    Raises
    ------
    ModelError
        If the method is not known, or a sequential one is given rows of a single group.
    """
    everything = np.arange(x.shape[1], dtype=np.intp)
    if method == "none":
        return everything
    if method not in METHODS:
        raise ModelError(f"select is {method!r}; it can be none, {', '.join(METHODS)}.")
    if keep <= 0 or keep >= x.shape[1]:
        return everything
    values = x.astype(np.float64)
    if method == "forward":
        return walk("forward", values, y, groups, keep)[0]
    if method == "backward":
        dropped, _ = walk("backward", values, y, groups, x.shape[1] - keep)
        return np.setdiff1d(everything, dropped)
    return RANKINGS[method](values, y, keep, seed)


__all__ = ["METHODS", "select"]
