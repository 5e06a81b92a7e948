"""Drift statistics: pure functions of what a service saw and what a model was trained on.

The training side is what travels in a bundle: 21 quantiles of every scalar statistic and the
share of every genre (see `bundle.reference`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 10


@dataclass(frozen=True)
class Shift:
    """How far one statistic has moved.

    Attributes
    ----------
    psi
        Population stability index over the training deciles: Σ (o − e) ln(o / e). None where the
        training values are all the same.
    psi_noise
        What chance alone exceeds once in two hundred samples of these sizes, by simulation (the
        chi-square form of Yurdakul 2018 is too small for samples of less than a few hundred).
    ks, p_value
        Kolmogorov–Smirnov distance to the training distribution, and how likely so large a one is
        without drift.
    """

    name: str
    psi: float | None
    psi_noise: float
    ks: float
    p_value: float
    median: float
    trained_median: float

    def drifted(self, *, max_psi: float, max_ks: float) -> bool:
        """Large and not chance, by either measure."""
        by_psi = self.psi is not None and self.psi > max(max_psi, self.psi_noise)
        return by_psi or (self.ks > max_ks and self.p_value < 0.01)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def _cumulative(quantiles: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The training distribution function at `values`, linear between its quantiles; at a jump its upper end."""
    levels = np.linspace(0.0, 1.0, len(quantiles))
    unique, last = np.unique(quantiles[::-1], return_index=True)
    return np.interp(values, unique, levels[::-1][last], left=0.0, right=1.0)


def shares(quantiles: Sequence[float], observed: NDArray[np.float64], bins: int = BINS) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(expected, observed) shares over the training deciles; equal edges are joined, the outer bins are open."""
    edges = np.unique(np.quantile(np.asarray(quantiles, dtype=np.float64), np.linspace(0, 1, bins + 1))[1:-1])
    values = np.asarray(quantiles, dtype=np.float64)
    levels = np.concatenate([[0.0], _cumulative(values, edges), [1.0]])
    counts = np.bincount(np.searchsorted(edges, observed, side="left"), minlength=len(edges) + 1)
    return np.diff(levels), counts / max(1, len(observed))


def psi(expected: NDArray[np.float64], observed: NDArray[np.float64], count: int) -> float:
    """Population stability index; empty bins count half an observation, so that it stays finite."""
    floor = 0.5 / max(1, count)
    e, o = np.maximum(expected, floor), np.maximum(observed, floor)
    e, o = e / e.sum(), o / o.sum()
    return float(np.sum((o - e) * np.log(o / e)))


def _psi_noise(expected: NDArray[np.float64], count: int, trained_on: int, *, draws: int = 2000) -> float:
    """The 99.5 % quantile of the index between two samples of one distribution."""
    rng = np.random.default_rng(0)
    floor = 0.5 / max(1, count)
    shares_now = np.maximum(rng.multinomial(count, expected / expected.sum(), size=draws) / count, floor)
    shares_then = np.maximum(rng.multinomial(max(1, trained_on), expected / expected.sum(), size=draws) / max(1, trained_on), floor)
    return float(np.quantile(np.sum((shares_now - shares_then) * np.log(shares_now / shares_then), axis=1), 0.995))


def shift(name: str, quantiles: Sequence[float], observed: NDArray[np.float64], trained_on: int) -> Shift:
    """Compare `observed` [n ≥ 1] with the training quantiles of a statistic.

    Parameters
    ----------
    trained_on
        Number of training tracks behind the quantiles; widens what chance explains.
    """
    from scipy.stats import kstwo

    known = np.asarray(quantiles, dtype=np.float64)
    observed = np.sort(np.asarray(observed, dtype=np.float64))
    count = len(observed)
    effective = 1.0 / (1.0 / count + 1.0 / max(1, trained_on))
    constant = bool(np.ptp(known) <= 1e-9)
    expected, found = shares(quantiles, observed)
    at = _cumulative(known, observed)
    below = np.searchsorted(observed, observed, side="left") / count
    above = np.searchsorted(observed, observed, side="right") / count
    # Where training is constant its distribution function jumps, and only strictly other values are away from it.
    distance = (
        float(np.mean(np.abs(observed - known[0]) > 1e-9))
        if constant
        else float(np.max(np.maximum(np.abs(above - at), np.abs(at - below))))
    )
    return Shift(
        name=name,
        psi=None if constant else psi(expected, found, count),
        psi_noise=_psi_noise(expected, count, trained_on),
        ks=distance,
        p_value=float(kstwo.sf(distance, max(1, round(effective)))),
        median=float(np.median(observed)),
        trained_median=float(np.median(known)),
    )


def estimated_priors(probabilities: NDArray[np.float64], trained: NDArray[np.float64], *, rounds: int = 200) -> NDArray[np.float64]:
    """Shares of the genres among unlabelled clips, by expectation maximisation (Saerens, Latinne & Decaestecker 2002).

    Parameters
    ----------
    probabilities
        [n, C], the model's answers, calibrated to the training shares.
    trained
        [C], the training shares, all positive.
    """
    priors = trained.copy()
    for _ in range(rounds):
        weighted = probabilities * (priors / trained)
        weighted /= np.maximum(weighted.sum(axis=1, keepdims=True), 1e-12)
        found = np.asarray(weighted.mean(axis=0))
        if np.abs(found - priors).max() < 1e-6:
            return found
        priors = found
    return priors


def total_variation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Half the sum of absolute differences of two distributions, 0 to 1."""
    return float(np.abs(first - second).sum() / 2)


__all__ = ["BINS", "Shift", "estimated_priors", "psi", "shares", "shift", "total_variation"]
