"""Single tracks on the page: what a system took them for, and one picture and one sound a track, whoever misheard it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from musicgenre.errors import FeatureError, MissingInput
from musicgenre.evaluation import metrics
from musicgenre.evaluation.report.media import Media
from musicgenre.evaluation.report.shell import PREVIEW_RATE
from musicgenre.evaluation.sounds import Sounds
from musicgenre.layout import Layout

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musicgenre.features.store import FeatureStore
    from musicgenre.params import Params

SHOWN = 48
"""Cards a system; the surest mistakes."""
TOP = 3
KINDS = {"mel": "mel spectrogram", "scalogram": "wavelet scalogram", "mfcc": "cepstrum"}
"""What a picture may be of, the best first, and what to call it."""
_TOGETHER = 16  # tracks whose pictures and sounds are taken in one go


@dataclass(frozen=True)
class Predictions:
    """What a system says of its test tracks: labels `y` int [n], probabilities `p` float64 [n, classes]."""

    track_ids: tuple[str, ...]
    classes: tuple[str, ...]
    y: metrics.Labels
    p: metrics.Probabilities

    @classmethod
    def read(cls, path: Path) -> Predictions:
        """Read a table of track_id, genre and a column `p_<class>` for each class, whether it was tested or not."""
        import pandas as pd

        table = pd.read_parquet(path)
        columns = [name for name in table.columns if name.startswith("p_")]
        classes = tuple(name.removeprefix("p_") for name in columns)
        y = table["genre"].map({name: index for index, name in enumerate(classes)}).to_numpy().astype(np.intp)
        return cls(tuple(table["track_id"].astype(str)), classes, y, table[columns].to_numpy(dtype=np.float64))

    @property
    def wrong(self) -> NDArray[np.intp]:
        """Rows that are misheard, the surest mistake first."""
        rows = np.flatnonzero(metrics.predicted_labels(self.p) != self.y)
        return np.asarray(rows[np.argsort(-self.p[rows].max(axis=1), kind="stable")], dtype=np.intp)

    @cached_property
    def tested(self) -> frozenset[str]:
        """All tracks."""
        return frozenset(self.track_ids)

    @cached_property
    def missed(self) -> frozenset[str]:
        """The misheard ones."""
        return frozenset(self.track_ids[int(row)] for row in self.wrong)


@dataclass(frozen=True)
class Card:
    """One track and what it was taken for.

    Attributes
    ----------
    answers
        The likeliest genres with their probabilities, at most `TOP`.
    own, rank
        Probability of the true genre, and its place among all of them.
    missed, asked
        How many systems misheard the track, of those that were tested on it.
    """

    track_id: str
    genre: str
    answers: tuple[tuple[str, float], ...]
    own: float
    rank: int
    missed: int
    asked: int

    @property
    def answer(self) -> str:
        return self.answers[0][0]


def card(found: Predictions, row: int, everyone: Sequence[Predictions]) -> Card:
    """The card of one row; `everyone`: the predictions of all systems under the same split."""
    p, label, track = found.p[row], int(found.y[row]), found.track_ids[row]
    likeliest = np.argsort(-p, kind="stable")[:TOP]
    return Card(
        track_id=track,
        genre=found.classes[label],
        answers=tuple((found.classes[int(index)], float(p[index])) for index in likeliest),
        own=float(p[label]),
        rank=int((p > p[label]).sum()) + 1,
        missed=sum(track in other.missed for other in everyone),
        asked=sum(track in other.tested for other in everyone),
    )


def in_turns(lists: Iterable[Sequence[str]]) -> list[str]:
    """The first of each list, then the second of each, …; every name once."""
    return list(dict.fromkeys(name for names in zip_longest(*lists) for name in names if name is not None))


@dataclass
class Sources:
    """Where pictures and sounds come from. A part that is None, or a track's picture, is missing for a reason in `words`."""

    store: FeatureStore | None
    kind: str
    sounds: Sounds | None
    words: list[str]

    @classmethod
    def open(cls, params: Params, layout: Layout) -> Sources:
        """The first stored kind of `KINDS`, and the tracks' files."""
        from musicgenre.features.store import FeatureStore

        found = cls(None, "", None, [])
        found.kind = next((name for name in KINDS if (layout.features(name) / "spec.json").is_file()), "")
        try:
            found.store = FeatureStore.open(layout.features(found.kind)) if found.kind else None
        except FeatureError as error:
            found.words.append(f"No pictures: {error}")
        if not found.kind:
            found.words.append(f"No pictures: none of {', '.join(KINDS)} is stored.")
        try:
            found.sounds = Sounds(layout, params.dataset, PREVIEW_RATE)
        except MissingInput as error:
            found.words.append(f"No sound: {error}")
        return found

    def fill(self, media: Media, track_ids: Sequence[str]) -> dict[str, str]:
        """Take sounds into `media` and return pictures (data URIs) by track, the first tracks first, until there is no room."""
        pictures: dict[str, str] = {}
        absent: list[FeatureError] = []
        for start in range(0, len(track_ids), _TOGETHER):
            if media.left_out:
                media.left_out += (len(track_ids) - start) * sum(part is not None for part in (self.store, self.sounds))
                break
            together = track_ids[start : start + _TOGETHER]
            if self.store is not None:
                for track in together:
                    try:
                        pictures[track] = media.image(self.store.track(track))
                    except FeatureError as error:
                        absent.append(error)
            if self.sounds is not None:
                media.add_sounds(together, self.sounds, workers=os.cpu_count() or 1)
        if absent:
            self.words.append(f"{len(absent)} tracks have no picture: {absent[0]}")
        return {track: uri for track, uri in pictures.items() if uri}


def listed(pictures: Mapping[str, str]) -> dict[str, int]:
    """Track → number of the style rule that holds its picture: in the file once, however many cards show it."""
    return {track: number for number, track in enumerate(pictures)}


__all__ = ["KINDS", "SHOWN", "TOP", "Card", "Predictions", "Sources", "card", "in_turns", "listed"]
