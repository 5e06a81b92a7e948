"""The ways of splitting, each with one leak less than the one before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicgenre.dataset.assignment import fold_numbers


@dataclass(frozen=True)
class Scheme:
    """`removes` is the leak that is gone compared with the scheme before; empty for the first."""

    name: str
    words: str
    removes: str


SCHEMES = (
    Scheme("segments", "pieces of a track on both sides", ""),
    Scheme("tracks", "whole tracks, copies and artists on both sides", "segments"),
    Scheme("recordings", "copies together, artists on both sides", "duplicates"),
    Scheme("grouped", "copies and artists together", "artists"),
)


@dataclass(frozen=True)
class Pieces:
    """Segments and the tracks they are cut from.

    Attributes
    ----------
    values
        float32 [segments, D].
    owner
        The track of each segment, int [segments].
    genres, groups, recordings
        Of each track.
    """

    values: NDArray[np.float32]
    owner: NDArray[np.intp]
    genres: tuple[str, ...]
    groups: tuple[str, ...]
    recordings: tuple[str, ...]

    @property
    def labels(self) -> NDArray[np.intp]:
        """The class of each track, int [tracks]."""
        return np.unique(np.array(self.genres), return_inverse=True)[1].astype(np.intp)

    @property
    def artists_known(self) -> bool:
        """Whether any two tracks share a group."""
        return len(set(self.groups)) < len(self.groups)

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(sorted(set(self.genres)))


def folds(scheme: Scheme, pieces: Pieces, *, count: int, seed: int) -> NDArray[np.intp]:
    """The fold of each segment, int [segments], stratified by genre.

    Raises
    ------
    SplitError
        If a genre has fewer things to keep apart than there are folds.
    """
    names = [f"track {number}" for number in range(len(pieces.genres))]
    if scheme.name == "segments":
        genres = [pieces.genres[track] for track in pieces.owner]
        alone = [f"segment {number}" for number in range(len(pieces.owner))]
        return np.array(fold_numbers(genres, alone, alone, folds=count, seed=seed), dtype=np.intp)
    if scheme.name == "grouped" and pieces.artists_known:
        of_track = fold_numbers(pieces.genres, pieces.groups, pieces.recordings, folds=count, seed=seed)
    else:
        of_track = fold_numbers(pieces.genres, names, names, folds=count, seed=seed)
        if scheme.name != "tracks":
            # Only the copies move, each to its first one's fold, so that nothing else differs from "tracks".
            # Where artists are unknown, the last two schemes are one and the same.
            first: dict[str, int] = {}
            of_track = [first.setdefault(recording, fold) for recording, fold in zip(pieces.recordings, of_track, strict=True)]
    return np.array(of_track, dtype=np.intp)[pieces.owner]


__all__ = ["SCHEMES", "Pieces", "Scheme", "folds"]
