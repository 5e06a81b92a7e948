"""What a model loses when one group of descriptors is shuffled among the tracks (permutation importance, Breiman 2001).

Descriptors that measure the same thing (the mean and the deviation of one quantity, the
coefficients of one cepstrum) are shuffled together: one alone can be replaced by its kin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musicgenre.evaluation.metrics import Labels

if TYPE_CHECKING:
    from musicgenre.bundle.predictor import Predictor

_STATISTICS = frozenset({"mean", "std", "median", "min", "max", "var", "skew", "skewness", "kurtosis", "iqr", "range", "delta"})


@dataclass(frozen=True)
class Importance:
    """`loss`: mean increase of the log loss when the group is shuffled, and its deviation over repeats; `size`: columns."""

    group: str
    loss: float
    deviation: float
    size: int


def group_of(name: str) -> str:
    """The quantity that a descriptor measures: its name up to the first statistic, number or note.

    >>> group_of("spectral_centroid_mean"), group_of("mfcc_03_std"), group_of("chroma_Fs_mean"), group_of("energy_1000hz")
    ('spectral_centroid', 'mfcc', 'chroma', 'energy')
    """
    parts = name.split("_")
    for index, part in enumerate(parts[1:], start=1):
        if part in _STATISTICS or any(letter.isdigit() for letter in part) or len(part.removesuffix("s")) <= 1:
            return "_".join(parts[:index])
    return name.rstrip("0123456789")


def groups_of(names: Sequence[str]) -> dict[str, NDArray[np.intp]]:
    """Group → columns, in the order of first appearance."""
    found: dict[str, list[int]] = {}
    for column, name in enumerate(names):
        found.setdefault(group_of(name), []).append(column)
    return {group: np.array(columns, dtype=np.intp) for group, columns in found.items()}


def _log_loss(predictor: Predictor, tracks: Sequence[Mapping[str, NDArray[Any]]], durations: Sequence[float], y: Labels) -> float:
    p = [predictor.classify_features(features, duration).probabilities for features, duration in zip(tracks, durations, strict=True)]
    return float(-np.log(np.clip(np.stack(p)[np.arange(len(y)), y].astype(np.float64), 1e-9, None)).mean())


def permutation_importance(
    predictor: Predictor,
    tracks: Sequence[Mapping[str, NDArray[Any]]],
    durations: Sequence[float],
    y: Labels,
    names: Sequence[str],
    *,
    repeats: int = 2,
    seed: int = 0,
) -> list[Importance]:
    """The most important group first.

    Parameters
    ----------
    tracks
        Stored arrays by kind, a mapping a track; `descriptors` among them, [1 + pieces, D].
    names
        Of the D descriptors.
    """
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(tracks)) for _ in range(repeats)]
    base = _log_loss(predictor, tracks, durations, y)
    whole = np.stack([np.asarray(item["descriptors"][0]) for item in tracks])
    found = []
    for group, columns in groups_of(names).items():
        losses = []
        for order in orders:
            shuffled = []
            for features, donor in zip(tracks, order, strict=True):
                values = np.array(features["descriptors"])
                values[:, columns] = whole[donor, columns]
                shuffled.append({**features, "descriptors": values})
            losses.append(_log_loss(predictor, shuffled, durations, y) - base)
        found.append(Importance(group, float(np.mean(losses)), float(np.std(losses)), len(columns)))
    return sorted(found, key=lambda item: -item.loss)


__all__ = ["Importance", "group_of", "groups_of", "permutation_importance"]
