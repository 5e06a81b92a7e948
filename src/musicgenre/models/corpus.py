"""The tracks that a model may see, with their features: the one door to the data for every family.

Test tracks are behind a name of their own: only evaluation asks for
``splits=("test",)``; a search never opens them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from musicgenre.errors import DatasetError, FeatureError, MissingInput, ModelError
from musicgenre.features.store import FeatureStore
from musicgenre.layout import Layout

if TYPE_CHECKING:
    import pandas as pd

    from musicgenre.features.frontend import FrontEnd

SPLITS = ("train", "validation", "test")


@dataclass
class Corpus:
    """Tracks of some splits, and their stored features.

    Attributes
    ----------
    tracks
        track_id, genre, label (index in `classes`), group, recording, split, duration_s; sorted by track_id.
    classes
        Every genre of the whole split file, sorted: the same for every subset of tracks.
    """

    layout: Layout
    tracks: pd.DataFrame
    classes: tuple[str, ...]
    cache: dict[Any, Any] = field(default_factory=dict, repr=False)  # segments already cut (see `inputs.load_segments`)
    _stores: dict[tuple[str, str], FeatureStore] = field(default_factory=dict, repr=False)

    @classmethod
    def open(
        cls,
        layout: Layout,
        splits: Sequence[str] = ("train", "validation"),
        classes: Sequence[str] | None = None,
        *,
        assignment: pd.DataFrame | None = None,
    ) -> Corpus:
        """Read `data/splits.parquet`; feature stores are opened (memory-mapped) when first asked for.

        Parameters
        ----------
        splits
            Of train, validation, test. No other track can be reached through this object.
        classes
            The order of labels; by default all genres of the split file, sorted.
        assignment
            A table like `splits.parquet` to use instead of it (another protocol's split).

        Raises
        ------
        MissingInput
            If the split file is not there.
        DatasetError
            If a split asked for has no track, or a genre is not among `classes`.
        """
        import pandas as pd

        if unknown := set(splits) - set(SPLITS):
            raise ModelError(f"no split {', '.join(sorted(unknown))!r}; there are {', '.join(SPLITS)}.")
        if assignment is None:
            if not layout.splits.is_file():
                raise MissingInput(f"{layout.splits} is not there. Run `musicgenre split` first.")
            assignment = pd.read_parquet(layout.splits)
        names = tuple(classes) if classes is not None else tuple(sorted(assignment["genre"].unique()))
        tracks = assignment[assignment["split"].isin(splits)].sort_values("track_id", kind="stable").reset_index(drop=True)
        for split in splits:
            if not (tracks["split"] == split).any():
                raise DatasetError(f"{layout.splits}: no track in split {split!r}. Change the `split` block or add tracks.")
        if strange := set(tracks["genre"]) - set(names):
            raise DatasetError(f"genres {', '.join(sorted(strange))} are not among the model's classes ({', '.join(names)}).")
        tracks["label"] = tracks["genre"].map({name: label for label, name in enumerate(names)}).astype("int64")
        corpus = cls(layout=layout, tracks=tracks, classes=names)
        tracks["duration_s"] = tracks["track_id"].map(corpus._durations)
        if tracks["duration_s"].isna().any():
            missing = tracks.loc[tracks["duration_s"].isna(), "track_id"]
            raise FeatureError(f"{len(missing)} tracks have no features (first: {missing.iloc[0]}). Run `musicgenre features`.")
        return corpus

    @cached_property
    def _durations(self) -> dict[str, float]:
        """Seconds by track, as the extraction measured them (of any kind: they agree)."""
        folder = self.layout.data / "features"
        kinds = sorted(path.parent.name for path in folder.glob("*/spec.json"))
        if not kinds:
            raise MissingInput(f"{folder} holds no features. Run `musicgenre features` first.")
        index = self.store(kinds[0]).index
        return dict(zip(index["track_id"], index["duration_s"].astype(float), strict=True))

    def rows(self, split: str) -> pd.DataFrame:
        """The tracks of `split`, in corpus order.

        Raises
        ------
        ModelError
            If this corpus was not opened with `split`.
        """
        chosen = self.tracks[self.tracks["split"] == split].reset_index(drop=True)
        if chosen.empty:
            raise ModelError(f"this corpus holds {', '.join(self.tracks['split'].unique())}, not {split!r}.")
        return chosen

    @property
    def kinds(self) -> tuple[str, ...]:
        """Feature kinds that are stored."""
        return tuple(sorted(path.parent.name for path in (self.layout.data / "features").glob("*/spec.json")))

    def store(self, kind: str) -> FeatureStore:
        """The features of one kind."""
        return self._open("features", kind, self.layout.features(kind), "`musicgenre features` with it in `features.kinds`")

    def embeddings(self, backbone: str) -> FeatureStore:
        """The embeddings of one backbone, a row a segment."""
        return self._open("embeddings", backbone, self.layout.embeddings(backbone), "`musicgenre embed` with it in `embed.backbones`")

    def _open(self, room: str, name: str, path: Any, remedy: str) -> FeatureStore:
        if (room, name) not in self._stores:
            if not (path / "spec.json").is_file():
                raise MissingInput(f"{path} is not there. Run {remedy}.")
            self._stores[room, name] = FeatureStore.open(path)
        return self._stores[room, name]

    @cached_property
    def front_end(self) -> FrontEnd:
        """The front end that made the features."""
        from musicgenre.features.frontend import FrontEnd

        return FrontEnd.from_dict(self.store(self.kinds[0]).spec["front_end"])


__all__ = ["SPLITS", "Corpus"]
