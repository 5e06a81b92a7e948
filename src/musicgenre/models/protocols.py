"""How publications split their data, and corpora split that way.

A protocol is run as it is described, faults included: what it hides is the
difference to the honest split (`data/splits.parquet`) on the same system.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from musicgenre.layout import Layout
from musicgenre.models.corpus import Corpus

if TYPE_CHECKING:
    import pandas as pd

_TRAINING = ("train", "validation")


@dataclass(frozen=True)
class Protocol:
    """What is drawn, and the shares of validation and test (its own early stopping set where it has one).

    Attributes
    ----------
    unit
        `tracks`, drawn at random, blind to artists and copies; `segments`, so that pieces of one track meet on both sides;
        or `stream`: the three sets are taken from a stream that is reshuffled at every pass. Over the epochs every track
        has then been in the training set; a test set is a random share of tracks that were all trained on.
    """

    unit: Literal["tracks", "segments", "stream"]
    validation: float
    test: float

    def __str__(self) -> str:
        return f"{self.unit}, {1 - self.test:.0%}/{self.test:.0%}"


# What a description says of its split; where it gives one share only, validation is taken from the training side.
_SIXTY_FORTY = Protocol("tracks", 0.1, 0.4)
_STREAM = Protocol("stream", 0.1, 0.1)
PROTOCOLS: Mapping[str, Protocol] = {
    "spectrogram_cnn": _SIXTY_FORTY,
    "mobilenet": _SIXTY_FORTY,
    "late_fusion": _SIXTY_FORTY,
    "mfcc_cnn": Protocol("segments", 0.15, 0.25),
    "folder_cnn": Protocol("segments", 0.1, 0.2),
    "vgg16_head_a": _STREAM,
    "vgg16_head_b": _STREAM,
    "vgg16_head_c": _STREAM,
}
OTHERWISE = Protocol("tracks", 0.1, 0.2)


def honest(layout: Layout) -> tuple[Corpus, Corpus]:
    """(train and validation, test) of `data/splits.parquet`."""
    return Corpus.open(layout, _TRAINING), Corpus.open(layout, ("test",))


def own(protocol: Protocol, layout: Layout, *, segment_s: float, seed: int) -> tuple[Corpus, Corpus]:
    """(train and validation, test) as `protocol` draws them; `segment_s`: seconds a piece, where segments are drawn."""
    everything = Corpus.open(layout, ("train", "validation", "test"))
    if protocol.unit == "segments":
        from musicgenre.models.pieces import pieces_of

        shares = {"validation": protocol.validation, "test": protocol.test}
        return (
            pieces_of(everything, segment_s, **shares, seed=seed, splits=_TRAINING),
            pieces_of(everything, segment_s, **shares, seed=seed, splits=("test",)),
        )
    drawn = _drawn(everything.tracks, protocol, seed)
    if protocol.unit == "stream":
        # Whatever is not held for validation in this pass has been trained on: the test share of the last pass as well.
        trained = drawn.assign(split=drawn["split"].replace("test", "train"))
        return Corpus.open(layout, _TRAINING, assignment=trained), Corpus.open(layout, ("test",), assignment=drawn)
    return Corpus.open(layout, _TRAINING, assignment=drawn), Corpus.open(layout, ("test",), assignment=drawn)


def _drawn(tracks: pd.DataFrame, protocol: Protocol, seed: int) -> pd.DataFrame:
    """Sides drawn track by track, stratified by genre; every track is a group of its own."""
    from musicgenre.dataset.assignment import leaky_sides

    sides = leaky_sides(
        tracks["track_id"].tolist(), tracks["genre"].tolist(), validation=protocol.validation, test=protocol.test, seed=seed
    )
    assignment = tracks[["track_id", "genre", "group", "recording"]].assign(split=sides)
    assignment["group"] = assignment["track_id"]
    return assignment


__all__ = ["OTHERWISE", "PROTOCOLS", "Protocol", "honest", "own"]
