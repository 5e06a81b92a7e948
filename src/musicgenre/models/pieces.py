"""Pieces of tracks as if each were a track: what a split by segments pretends. For measuring that leak, nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musicgenre.errors import ModelError
from musicgenre.features.store import FeatureStore
from musicgenre.models.corpus import Corpus

if TYPE_CHECKING:
    import pandas as pd

MARK = "#"


@dataclass(frozen=True)
class PieceStore:
    """A store whose tracks are stretches of `piece_s` seconds of another's: `<track>#<number>`."""

    store: FeatureStore
    piece_s: float

    @property
    def values(self) -> NDArray[Any]:
        return self.store.values

    @property
    def spec(self) -> Mapping[str, Any]:
        return self.store.spec

    def track(self, name: str) -> NDArray[Any]:
        """Rows of one piece, [frames, bands]; for descriptors its row, twice (as whole and as piece)."""
        track, number = name.rsplit(MARK, 1)
        values = self.store.track(track)
        rate = float(self.spec["rate"])
        if rate == 0:
            centre = (int(number) + 0.5) * self.piece_s / float(self.spec["front_end"]["descriptor_segment_s"])
            row = 1 + min(int(centre), len(values) - 2) if len(values) > 1 else 0
            return values[[row, row]]
        start, frames = round(int(number) * self.piece_s * rate), max(1, round(self.piece_s * rate))
        start = min(start, max(0, len(values) - frames))
        return values[start : start + frames]


class PieceCorpus(Corpus):
    """A corpus of pieces; embeddings are refused (they are cut otherwise)."""

    piece_s: float = 0.0

    def store(self, kind: str) -> Any:
        return PieceStore(super().store(kind), self.piece_s)

    def embeddings(self, backbone: str) -> FeatureStore:
        raise ModelError(f"embeddings of {backbone} belong to whole tracks; a split by segments cannot use them.")


def pieces_of(corpus: Corpus, piece_s: float, *, validation: float, test: float, seed: int, splits: tuple[str, ...]) -> PieceCorpus:
    """All of `corpus` cut into whole pieces, drawn to sides at random and stratified by genre: pieces of one track meet on both sides."""

    tracks: pd.DataFrame = corpus.tracks
    counts = np.maximum(1, (tracks["duration_s"].to_numpy() / piece_s + 1e-6).astype(int))
    table = tracks.loc[tracks.index.repeat(counts)].reset_index(drop=True)
    number = np.concatenate([np.arange(count) for count in counts])
    table["recording"] = table["track_id"]
    table["group"] = table["track_id"]
    table["track_id"] = [f"{track}{MARK}{index:04d}" for track, index in zip(table["track_id"], number, strict=True)]
    table["duration_s"] = np.minimum(piece_s, table["duration_s"])
    rng = np.random.default_rng(seed)
    sides = np.empty(len(table), dtype=object)
    for genre in sorted(table["genre"].unique()):
        rows = rng.permutation(np.flatnonzero(table["genre"] == genre))
        held, tested = round(validation * len(rows)), round(test * len(rows))
        sides[rows[:tested]], sides[rows[tested : tested + held]], sides[rows[tested + held :]] = "test", "validation", "train"
    table["split"] = sides
    table = table[table["split"].isin(splits)].sort_values("track_id").reset_index(drop=True)
    made = PieceCorpus(layout=corpus.layout, tracks=table, classes=corpus.classes)
    made.piece_s = piece_s
    return made


__all__ = ["PieceCorpus", "PieceStore", "pieces_of"]
