"""What the training data sounded like, small enough to travel in `bundle.json`.

Two uses: an answer says when a clip is unlike anything trained on, and `musicgenre
monitor` measures how far the clips of a service have drifted.

A track becomes a vector (`track_vector`): for framed kinds the mean and the deviation of
every band over time, for descriptors the whole track's row. Its *distance* is the root
mean square of its standardised coordinates, a Mahalanobis distance with a diagonal
covariance (adjacent bands are so alike that a full one of a few hundred tracks would be
singular); in training it is about 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from musicgenre.models.corpus import Corpus

QUANTILE = 0.99  # of the training tracks' distances; a clip beyond it is called unlike them
_PROBABILITIES = np.linspace(0.0, 1.0, 21)
_PREFERENCE = ("mel", "mfcc", "scalogram")


def track_vector(values: NDArray[Any], kind: str) -> NDArray[np.float64]:
    """One track's summary: float64 [2 · bands] (means, then deviations), or [D] for descriptors."""
    if kind == "descriptors":
        return np.asarray(values[0], dtype=np.float64)
    wide = np.asarray(values, dtype=np.float32)
    return np.concatenate([wide.mean(axis=0, dtype=np.float64), wide.std(axis=0, dtype=np.float64)])


def distance(vector: NDArray[np.float64], reference: Mapping[str, Any]) -> float:
    """Root mean square of the standardised coordinates; about 1 for a training track."""
    mean = np.asarray(reference["mean"], dtype=np.float64)
    deviation = np.asarray(reference["deviation"], dtype=np.float64)
    scaled = np.clip((vector - mean) / deviation, -1e3, 1e3)
    return float(np.sqrt(np.mean(scaled**2)))


def statistics(vector: NDArray[np.float64], kind: str, duration_s: float, reference: Mapping[str, Any]) -> dict[str, float]:
    """A clip's few scalar figures, by name; what the prediction log stores of its features.

    `level` and `dynamics` are the mean of the bands' means and deviations (units of the
    kind, dB for mel), `brightness` the centroid of the bands' means above their least,
    as a share of the band range. Descriptors have only `distance` and `duration_s`.
    """
    found = {"duration_s": float(duration_s), "distance": distance(vector, reference)}
    if kind != "descriptors":
        means, deviations = np.split(vector, 2)
        above = means - means.min()
        total = float(above.sum())
        found["level"] = float(means.mean())
        found["dynamics"] = float(deviations.mean())
        found["brightness"] = float(above @ np.arange(len(means)) / (total * max(len(means) - 1, 1))) if total > 0 else 0.0
    return found


def summarise(kind: str, tracks: Iterable[NDArray[Any]], durations_s: Sequence[float], genres: Sequence[str]) -> dict[str, Any]:
    """The reference of some training tracks, as plain JSON values.

    Parameters
    ----------
    kind
        The stored kind that `tracks` are of.
    tracks
        Arrays [frames, bands] one after another (read once, so a memory map stays cheap).
    durations_s, genres
        Of the same tracks, in the same order.

    Returns
    -------
    dict
        `kind`, `mean`, `deviation` (floored at 1 % of the median deviation, so that a constant
        band cannot dominate), `limit` (the 99 % quantile of distances), `priors` (share of each
        genre), `quantiles` (21 quantiles of every statistic), `min_duration_s`, `tracks`.
    """
    vectors = np.stack([track_vector(values, kind) for values in tracks])
    mean, deviation = vectors.mean(axis=0), vectors.std(axis=0)
    floor = max(0.01 * float(np.median(deviation)), 1e-6)
    reference: dict[str, Any] = {
        "kind": kind,
        "mean": [round(float(value), 5) for value in mean],
        "deviation": [round(float(value), 7) for value in np.maximum(deviation, floor)],
        "min_duration_s": float(min(durations_s)),
        "tracks": len(vectors),
        "priors": {genre: genres.count(genre) / len(genres) for genre in sorted(set(genres))},
    }
    rows = [statistics(vector, kind, seconds, reference) for vector, seconds in zip(vectors, durations_s, strict=True)]
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    reference["limit"] = float(np.quantile(columns["distance"], QUANTILE))
    reference["quantiles"] = {name: [round(float(q), 6) for q in np.quantile(values, _PROBABILITIES)] for name, values in columns.items()}
    return reference


def build_reference(corpus: Corpus, kinds: Iterable[str]) -> dict[str, Any]:
    """The reference of a corpus's training rows, on the cheapest kind that the model computes anyway."""
    available = sorted(kinds)
    kind = next((name for name in _PREFERENCE if name in available), available[0])
    rows = corpus.rows("train")
    store = corpus.store(kind)
    return summarise(
        kind,
        (store.track(name) for name in rows["track_id"]),
        [float(value) for value in rows["duration_s"]],
        [str(value) for value in rows["genre"]],
    )


__all__ = ["QUANTILE", "build_reference", "distance", "statistics", "summarise", "track_vector"]
