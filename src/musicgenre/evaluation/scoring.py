"""Probabilities of one bundle for every track of one split, from the stored features.

The same `Predictor` as in the service, so that what is measured is what is served.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from musicgenre.errors import BundleError, EvaluationError
from musicgenre.evaluation.inputs import read_split
from musicgenre.features.store import FeatureStore
from musicgenre.layout import Layout

if TYPE_CHECKING:
    import pandas as pd

    from musicgenre.bundle.predictor import Predictor


Level = Literal["track", "segment"]


@dataclass(frozen=True)
class Answers:
    """What is judged: labels `y` int [n], probabilities `p` float64 [n, C] and the group of each row."""

    y: NDArray[np.intp]
    p: NDArray[np.float64]
    groups: NDArray[Any]


@dataclass(frozen=True)
class Scores:
    """What a family says about a split.

    Attributes
    ----------
    tracks
        track_id, genre, group, split, duration_s; sorted by track_id.
    p
        Track probabilities, float64 [n, C]; NaN in the rows that failed.
    segments
        One array a track: float32 [S, C], the timeline of `Prediction`.
    times_s
        One array a track: float64 [S], the start of each segment in seconds.
    faults
        Why a track has no probabilities, by track_id.
    """

    family: str
    classes: tuple[str, ...]
    tracks: pd.DataFrame
    p: NDArray[np.float64]
    segments: tuple[NDArray[np.float32], ...] = ()
    times_s: tuple[NDArray[np.float64], ...] = ()
    segment_s: float = 0.0
    faults: Mapping[str, str] = field(default_factory=dict)

    @property
    def y(self) -> NDArray[np.intp]:
        """Labels, int [n]."""
        index = {name: label for label, name in enumerate(self.classes)}
        return np.array([index[genre] for genre in self.tracks["genre"]], dtype=np.intp)

    @property
    def groups(self) -> NDArray[Any]:
        """Group of each track, [n]."""
        return self.tracks["group"].to_numpy(dtype=str)

    def answers(self, level: Level = "track") -> Answers:
        """Rows to judge: a track each, or a segment each with its track's genre and group."""
        if level == "track":
            return Answers(self.y, self.p, self.groups)
        lengths = [len(part) for part in self.segments]
        p = np.concatenate(self.segments).astype(np.float64) if sum(lengths) else np.empty((0, len(self.classes)))
        return Answers(np.repeat(self.y, lengths), p, np.repeat(self.groups, lengths))

    def frame(self) -> pd.DataFrame:
        """track_id, genre, group, split and a column `p_<class>` for each class, float32."""
        import pandas as pd

        table = self.tracks[["track_id", "genre", "group", "split"]].reset_index(drop=True)
        columns = {f"p_{name}": self.p[:, label].astype(np.float32) for label, name in enumerate(self.classes)}
        return pd.concat([table, pd.DataFrame(columns)], axis=1)


class Features:
    """The stored features, opened once and shared by all bundles."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._stores: dict[str, FeatureStore] = {}

    def store(self, kind: str) -> FeatureStore:
        """The store of `kind` (raises `FeatureError` when it is absent or damaged)."""
        if kind not in self._stores:
            self._stores[kind] = FeatureStore.open(self._layout.features(kind))
        return self._stores[kind]

    def track(self, kinds: tuple[str, ...], track_id: str) -> dict[str, NDArray[Any]]:
        """Arrays [frames, bands] of one track, by kind."""
        return {kind: self.store(kind).track(track_id) for kind in kinds}

    def duration(self, kind: str, track_id: str) -> float:
        """Seconds of one track."""
        index = self.store(kind).index
        return float(index.loc[index["track_id"] == track_id, "duration_s"].iloc[0])


def check_front_end(predictor: Predictor, features: Features) -> None:
    """Stored features must be those that the bundle was trained on.

    Raises
    ------
    EvaluationError
        If a kind that the bundle reads was computed with other numbers.
    """
    from musicgenre.features.frontend import FrontEnd

    for kind in predictor.spec.kinds:
        stored = FrontEnd.from_dict(features.store(kind).spec["front_end"]).kind_id(kind)
        wanted = predictor.front_end.kind_id(kind)
        if stored != wanted:
            raise EvaluationError(
                f"features of kind {kind!r} are {stored}, the bundle reads {wanted}. Run `dvc repro`: train and features differ."
            )


def score(directory: Path, layout: Layout, split: str, *, predictor: Predictor | None = None, features: Features | None = None) -> Scores:
    """Classify every track of `split` with the bundle in `directory`.

    A track that the model answers with something that is not a probability gets a row of
    NaN and a line in `faults`; the caller decides what that means.

    Raises
    ------
    BundleError
        If the bundle does not load.
    EvaluationError
        If the split has a genre that the bundle does not know, no track, or other features.
    """
    from musicgenre.bundle.predictor import Predictor

    predictor = predictor or Predictor.load(directory)
    features = features or Features(layout)
    table = read_split(layout)
    tracks = table[table["split"] == split].sort_values("track_id", kind="stable").reset_index(drop=True)
    if tracks.empty:
        raise EvaluationError(f"{layout.splits} has no track in split {split!r}. Change the `split` block or add tracks.")
    if strange := sorted(set(tracks["genre"]) - set(predictor.spec.classes)):
        raise EvaluationError(f"{directory} does not know {', '.join(strange)}; its classes are {', '.join(predictor.spec.classes)}.")
    check_front_end(predictor, features)
    kinds = predictor.spec.kinds
    index = features.store(kinds[0]).index
    durations = dict(zip(index["track_id"], index["duration_s"].astype(float), strict=True))
    p = np.full((len(tracks), len(predictor.spec.classes)), np.nan)
    segments, times, faults, cell = [], [], {}, 0.0
    for row, track_id in enumerate(tracks["track_id"]):
        try:
            found = predictor.classify_features(features.track(kinds, track_id), durations.get(track_id, 0.0))
        except BundleError as error:
            faults[track_id] = str(error)
            segments.append(np.empty((0, p.shape[1]), dtype=np.float32))
            times.append(np.empty(0))
            continue
        p[row], cell = found.probabilities, found.segment_s
        segments.append(found.segment_probabilities)
        times.append(found.times_s)
    tracks["duration_s"] = tracks["track_id"].map(durations)
    family = directory.parent.name if directory.name == "bundle" else directory.name
    return Scores(family, predictor.spec.classes, tracks, p, tuple(segments), tuple(times), cell, faults)


def score_bundle(directory: Path, layout: Layout, split: str) -> pd.DataFrame:
    """`score` as a table: track_id, genre, group, split, p_<class>… (see `score` for what it raises)."""
    return score(Path(directory), layout, split).frame()


__all__ = ["Answers", "Features", "Level", "Scores", "check_front_end", "score", "score_bundle"]
