"""From stored features to a table of scores and what each leak is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musicgenre.dataset.components import components
from musicgenre.errors import MissingInput
from musicgenre.leakage.schemes import SCHEMES, Pieces, folds
from musicgenre.leakage.scoring import ModelName, accuracy, confusions, macro_f1, out_of_fold, weights

if TYPE_CHECKING:
    from musicgenre.layout import Layout


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval (bootstrap over groups)."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class Leakage:
    """What one configuration scores under each scheme, and what each leak is worth.

    Attributes
    ----------
    segment_accuracy, track_accuracy, track_f1
        By scheme name.
    worth
        By leak (segments, duplicates, artists, all): how much track accuracy it adds.
    segment_worth
        The same of segment accuracy.
    shares
        By leak, its part of the whole difference in track accuracy; empty if there is no difference to speak of.
    """

    configuration: Mapping[str, Any]
    tracks: int
    segments: int
    duplicates: int
    artists_known: bool
    segment_accuracy: Mapping[str, Estimate]
    track_accuracy: Mapping[str, Estimate]
    track_f1: Mapping[str, Estimate]
    worth: Mapping[str, Estimate]
    segment_worth: Mapping[str, Estimate]
    shares: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def cut_pieces(layout: Layout, *, kind: str, segment_s: float) -> Pieces:
    """Statistics of successive segments of every valid track, from the feature store of a framed kind.

    For each band the mean, the deviation, and both for the change from frame to frame: float32 [segments, 4·bands].

    Raises
    ------
    MissingInput
        If there are no valid rows.
    FeatureError
        If the store is absent or lacks a track.
    """
    import pandas as pd

    from musicgenre.features.store import FeatureStore

    if not layout.valid.is_file():
        raise MissingInput(f"{layout.valid} is not there. Run `musicgenre validate` first.")
    store = FeatureStore.open(layout.features(kind))
    tracks = pd.read_parquet(layout.valid, columns=["track_id", "genre", "group", "recording"])
    frames = max(2, round(segment_s * float(store.spec["rate"])))
    rows, owner = [], []
    for number, track in enumerate(tracks["track_id"]):
        values = np.asarray(store.track(track), dtype=np.float32)
        whole = max(1, len(values) // frames)
        for piece in np.array_split(values[: whole * frames], whole):
            change = np.diff(piece, axis=0) if len(piece) > 1 else np.zeros_like(piece)
            rows.append(np.concatenate([piece.mean(axis=0), piece.std(axis=0), change.mean(axis=0), change.std(axis=0)]))
            owner.append(number)
    names = (tuple(tracks[column].astype(str)) for column in ("genre", "group", "recording"))
    return Pieces(np.array(rows, np.float32), np.array(owner, np.intp), *names)


def measure(
    pieces: Pieces,
    *,
    model: ModelName = "svm",
    count: int = 5,
    repeats: int = 2,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 3,
    configuration: Mapping[str, Any] | None = None,
) -> Leakage:
    """Cross-validate one configuration under every scheme.

    Every segment is predicted once a repeat by a model that did not see its fold, so that all schemes are
    scored on the same segments and their differences can be resampled in pairs.

    Parameters
    ----------
    count, repeats
        Folds, and how often they are drawn anew.
    resamples, confidence
        Of the bootstrap over components (artists with all their copies), the same draws for every scheme.

    Raises
    ------
    SplitError
        If a genre has fewer components than folds.
    """
    units = np.zeros(len(pieces.genres), np.intp)
    parts = components(pieces.genres, pieces.groups, pieces.recordings, seed=seed)
    for number, part in enumerate(parts):
        units[list(part.tracks)] = number
    drawn = weights(len(parts), resamples=resamples, seed=seed)
    # All folds first, so that what is impossible is said before anything is trained.
    drawn_folds = {scheme.name: [folds(scheme, pieces, count=count, seed=seed + n) for n in range(repeats)] for scheme in SCHEMES}
    figures: dict[str, dict[str, NDArray[np.float64]]] = {}
    for scheme in SCHEMES:
        found = [confusions(pieces, out_of_fold(pieces, fold, model, seed), units) for fold in drawn_folds[scheme.name]]
        segment = np.sum([c.segments for c in found], axis=0)
        track = np.sum([c.tracks for c in found], axis=0)
        figures[scheme.name] = {
            "segment_accuracy": _all(segment, drawn, accuracy),
            "track_accuracy": _all(track, drawn, accuracy),
            "track_f1": _all(track, drawn, macro_f1),
        }
    names = [scheme.name for scheme in SCHEMES]
    by_name = {figure: {name: _estimate(figures[name][figure], confidence) for name in names} for figure in figures[names[0]]}
    gaps = _gaps({name: figures[name]["track_accuracy"] for name in names})
    segment_gaps = _gaps({name: figures[name]["segment_accuracy"] for name in names})
    whole = float(gaps["all"][0])
    return Leakage(
        configuration=dict(configuration or {}) | {"model": model, "folds": count, "repeats": repeats, "seed": seed},
        tracks=len(pieces.genres),
        segments=len(pieces.owner),
        duplicates=len(pieces.recordings) - len(set(pieces.recordings)),
        artists_known=pieces.artists_known,
        segment_accuracy=by_name["segment_accuracy"],
        track_accuracy=by_name["track_accuracy"],
        track_f1=by_name["track_f1"],
        worth={leak: _estimate(gap, confidence) for leak, gap in gaps.items()},
        segment_worth={leak: _estimate(gap, confidence) for leak, gap in segment_gaps.items()},
        shares={leak: float(gap[0]) / whole for leak, gap in gaps.items() if leak != "all"} if whole > 0.005 else {},
    )


def _all(matrices: NDArray[np.float64], drawn: NDArray[np.float64], figure: Any) -> NDArray[np.float64]:
    """The figure of everything, then of each resample: [1 + resamples]."""
    classes = matrices.shape[-1]
    resampled = (drawn @ matrices.reshape(len(matrices), -1)).reshape(-1, classes, classes)
    result: NDArray[np.float64] = np.concatenate([figure(matrices.sum(axis=0)[None]), figure(resampled)])
    return result


def _gaps(score: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """From each scheme to the next, and from the first to the last, resample by resample."""
    names = [scheme.name for scheme in SCHEMES]
    gaps = {scheme.removes: score[names[i]] - score[scheme.name] for i, scheme in enumerate(SCHEMES[1:])}
    return gaps | {"all": score[names[0]] - score[names[-1]]}


def _estimate(values: NDArray[np.float64], confidence: float) -> Estimate:
    tail = (1 - confidence) / 2
    low, high = np.quantile(values[1:], [tail, 1 - tail])
    return Estimate(float(values[0]), float(low), float(high))


def run(
    layout: Layout,
    *,
    kind: str = "mfcc",
    segment_s: float = 3.0,
    model: ModelName = "svm",
    count: int = 5,
    repeats: int = 2,
    seed: int = 3,
) -> Leakage:
    """Measure the leakage of a project's data set from its stored features."""
    pieces = cut_pieces(layout, kind=kind, segment_s=segment_s)
    return measure(pieces, model=model, count=count, repeats=repeats, seed=seed, configuration={"kind": kind, "segment_s": segment_s})


__all__ = ["Estimate", "Leakage", "cut_pieces", "measure", "run"]
