"""Intervals by resampling whole groups, genre by genre.

Tracks of one artist resemble each other, so the artist (the *group*) is what is drawn,
and splits are stratified by genre, so drawing is, too. A genre has few groups in a test
set, in which the plain percentile bootstrap is too narrow; hence:

* in a genre with m groups, m − 1 are drawn and weigh m / (m − 1) each, which makes the
  variance unbiased (Rao & Wu 1988, *JASA* 83);
* the interval is Student's, with groups − strata degrees of freedom and the resamples'
  standard deviation, on the log-odds of a share, the logarithm of a loss, or a
  difference as it is: a share's interval stays within 0 and 1.

`tests/evaluation/test_evaluation_coverage.py` measures what comes out: 95 % ± 2, from two
artists a genre to hundreds. Of the forms tried there this one held best.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from musicgenre.errors import EvaluationError
from musicgenre.evaluation import metrics, statistics
from musicgenre.evaluation.metrics import Labels, Probabilities

Scale = Literal["share", "positive", "difference"]


@dataclass(frozen=True)
class Interval:
    """A figure and the bounds of its interval. `low` and `high` are None where resampling says nothing."""

    value: float
    low: float | None
    high: float | None

    def to_dict(self) -> dict[str, float | None]:
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class Resamples:
    """`weights` float [B, n]: how often each track counts; `freedom`: groups − strata, at least 1."""

    weights: NDArray[np.float64]
    freedom: int
    n_groups: int

    def interval(self, value: float, drawn: NDArray[np.float64], *, confidence: float, scale: Scale = "share") -> Interval:
        """`interval` of a figure computed on these resamples."""
        return interval(value, drawn, confidence=confidence, freedom=self.freedom, n_groups=self.n_groups, scale=scale)


def group_codes(groups: Any) -> Labels:
    """Groups (strings or numbers, [n]) as numbers 0…G−1, in sorted order."""
    return np.unique(np.asarray(groups), return_inverse=True)[1].astype(np.intp)


def _strata(y: Labels, codes: Labels) -> list[Labels]:
    """Groups by their commonest genre; genres with one group are pooled, so that they vary as well."""
    n_groups = int(codes.max()) + 1
    counts = np.zeros((n_groups, int(y.max()) + 1), dtype=np.int64)
    np.add.at(counts, (codes, y), 1)
    genre = counts.argmax(axis=1)
    strata = [np.flatnonzero(genre == label).astype(np.intp) for label in np.unique(genre)]
    alone = [stratum for stratum in strata if len(stratum) == 1]
    rest = sorted((stratum for stratum in strata if len(stratum) > 1), key=len)
    if len(alone) == 1 and rest:
        alone.append(rest.pop())
    return [*rest, np.sort(np.concatenate(alone))] if alone else rest


def resample(y: Labels, groups: Any, *, resamples: int, seed: int) -> Resamples:
    """Draw `resamples` sets of groups.

    Parameters
    ----------
    y
        Labels, int [n]: the strata.
    groups
        What is drawn as a whole, [n] strings or numbers.

    Raises
    ------
    EvaluationError
        If there is no track.
    """
    y = np.asarray(y, dtype=np.intp)
    if len(y) == 0:
        raise EvaluationError("There is no track to resample: the split is empty. Look at data/splits.parquet.")
    codes = group_codes(groups)
    n_groups = int(codes.max()) + 1
    rng = np.random.default_rng(seed)
    weights = np.ones((resamples, n_groups))
    strata = _strata(y, codes)
    for stratum in strata:
        m = len(stratum)
        if m > 1:
            weights[:, stratum] = rng.multinomial(m - 1, np.full(m, 1.0 / m), size=resamples) * (m / (m - 1))
    return Resamples(weights=weights[:, codes], freedom=max(1, n_groups - len(strata)), n_groups=n_groups)


def interval(
    value: float, drawn: NDArray[np.float64], *, confidence: float, freedom: int, n_groups: int, scale: Scale = "share"
) -> Interval:
    """The interval of `value` from its resampled twins `drawn` [B].

    Where every group is right (or wrong) no resample differs; the bound is then the
    binomial's, with groups in place of tracks (Clopper & Pearson 1934). One group alone
    says nothing about others: there is no bound.

    Parameters
    ----------
    scale
        What `value` is: a share in 0…1, a positive number, or a difference.
    """
    from scipy.stats import t

    finite = drawn[np.isfinite(drawn)]
    if not np.isfinite(value) or len(finite) < 2 or n_groups < 2:
        return Interval(value=float(value), low=None, high=None)
    tail = (1 - confidence) / 2
    reach = float(t.ppf(1 - tail, freedom)) * float(finite.std(ddof=1))
    if scale == "difference":
        return Interval(float(value), float(value - reach), float(value + reach))
    if scale == "positive":
        factor = float(np.exp(reach / value)) if value > 0 else 1.0
        return Interval(float(value), float(value / factor), float(value * factor))
    if value <= 0.0 or value >= 1.0:
        edge = tail ** (1 / n_groups)
        return Interval(float(value), 0.0 if value <= 0 else edge, 1.0 - edge if value <= 0 else 1.0)
    centre, spread = float(np.log(value / (1 - value))), reach / (value * (1 - value))
    low, high = (1 / (1 + np.exp(-(centre + sign * min(spread, 500.0)))) for sign in (-1, 1))
    return Interval(float(value), float(low), float(high))


def headline_intervals(
    y: Labels, p: Probabilities, groups: Any, *, resamples: int = 1000, confidence: float = 0.95, seed: int = 0
) -> dict[str, Interval]:
    """Every figure of `metrics.HEADLINES` with its interval over groups.

    The calibration error has none: it is biased upwards in every resample.
    """
    drawn = resample(y, groups, resamples=resamples, seed=seed)
    twins: Mapping[str, NDArray[np.float64]] = statistics.headline(y, p, drawn.weights)
    found = {}
    for name, value in metrics.headline(y, p).items():
        if name == "calibration_error":
            found[name] = Interval(value, None, None)
        else:
            scale: Scale = "positive" if name in metrics.LOWER_IS_BETTER else "share"
            found[name] = drawn.interval(value, twins[name], confidence=confidence, scale=scale)
    return found


__all__ = ["Interval", "Resamples", "Scale", "group_codes", "headline_intervals", "interval", "resample"]
