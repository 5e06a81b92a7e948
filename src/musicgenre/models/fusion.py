"""What a fusion joins: stored kinds, and embeddings that stand for a backbone in training.

A service has no stored embeddings. The exported graph therefore holds the
backbones, and its inputs are the features that those read; in training the
stored vectors of the same segments take their place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from musicgenre.errors import ModelError
from musicgenre.features.segments import InputSpec, Segmenting
from musicgenre.models import backbones
from musicgenre.models.corpus import Corpus
from musicgenre.models.inputs import Rows, Segments, channel_statistics, input_spec, load_embeddings, load_segments, median_duration
from musicgenre.models.layers import Statistics, steady
from musicgenre.params import FamilySearch

if TYPE_CHECKING:
    import keras

EMBEDDING = "embedding:"


@dataclass(frozen=True)
class Joined:
    """One joined kind.

    Attributes
    ----------
    name
        As in `kinds`: `mel`, `descriptors`, `embedding:melnet`.
    spec
        What a service cuts from the features; for an embedding its backbone's input.
    backbone, lineage
        Of an embedding: which network, and with which weights.
    size
        Shape of the array that the trained part reads.
    """

    name: str
    spec: InputSpec
    size: tuple[int, ...]
    backbone: str = ""
    lineage: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Fusion:
    """All joined kinds, under one segmenting."""

    joined: tuple[Joined, ...]
    segmenting: Segmenting

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        """What a service cuts; a mel that two of the joined read is there once."""
        return tuple({item.spec.name: item.spec for item in self.joined}.values())

    @property
    def lineage(self) -> dict[str, Any]:
        """Backbones and their weights, for the model's lineage."""
        return {item.name: item.lineage for item in self.joined if item.backbone}

    def stored(self, corpus: Corpus, split: str) -> Segments:
        """The arrays that the trained part reads, one for each joined kind, in their order.

        Raises
        ------
        ModelError
            If stored embeddings and features do not hold the same segments.
        """
        framed = [item.spec for item in self.joined if not item.backbone]
        features = load_segments(corpus, split, framed, self.segmenting) if framed else None
        cut = iter(features.rows if features else ())
        rows: list[Rows] = []
        found = [features] if features else []
        for item in self.joined:
            if item.backbone:
                found.append(load_embeddings(corpus, split, item.backbone))
            rows.append(found[-1].rows[0] if item.backbone else next(cut))
        if any(not np.array_equal(part.track, found[0].track) for part in found):
            raise ModelError("stored embeddings and features do not hold the same segments. Run `musicgenre embed` again.")
        return Segments(tuple(rows), found[0].track, found[0].labels, found[0].n_tracks)

    def statistics(self, segments: Segments) -> list[Statistics]:
        """Mean and deviation of every joined kind's bands."""
        found = [channel_statistics(segments, which) for which in range(len(self.joined))]
        return [steady(known) if item.backbone else known for item, known in zip(self.joined, found, strict=True)]

    def whole(self, head: keras.Model) -> keras.Model:
        """`head` on what a service has: features go in as they are, or through their backbone."""
        import keras

        sources = {spec.name: keras.Input(spec.shape, name=spec.name) for spec in self.inputs}
        values = [
            backbones.load(item.backbone, item.lineage, item.spec.shape).model(sources[item.spec.name])
            if item.backbone
            else sources[item.spec.name]
            for item in self.joined
        ]
        return keras.Model(list(sources.values()), head(values), name=head.name)


def split_names(kinds: str) -> tuple[str, ...]:
    """The joined kinds' names.

    Raises
    ------
    ModelError
        Unless there are two or more different ones.
    """
    names = tuple(kinds.split("+"))
    if len(names) < 2 or len(set(names)) < len(names):
        raise ModelError(f"multimodal.kinds is {kinds!r}; join two or more different stored kinds or embeddings (embedding:melnet) with +.")
    return names


def open_fusion(corpus: Corpus, names: Sequence[str], block: FamilySearch, segment_s: float) -> Fusion:
    """Look up what is stored. Where an embedding joins, the segments are those of the stored embeddings.

    Parameters
    ----------
    segment_s
        Seconds; 0: the block's; −1: one segment of the median track's length.

    Raises
    ------
    MissingInput
        If a kind or an embedding is not stored.
    ModelError
        If embeddings were stored with different segments, or `segment_s` asks for others than theirs.
    """
    stored = {name: backbones.stored_input(corpus, name.removeprefix(EMBEDDING)) for name in names if name.startswith(EMBEDDING)}
    cuts = {segmenting for _, segmenting, _ in stored.values()}
    who = " and ".join(stored)
    if len(cuts) > 1:
        raise ModelError(f"{who} were stored with different segments; a fusion needs the same. Run `musicgenre embed` again.")
    if cuts and segment_s:
        raise ModelError(f"segment_s is {segment_s:g}, but the segments of {who} are given (embed.segment_s); leave it out.")
    length = median_duration(corpus) if segment_s < 0 else segment_s or block.segment_s
    segmenting = next(iter(cuts)) if cuts else Segmenting(length, length if segment_s < 0 else block.hop_s)
    joined = []
    for name in names:
        if name in stored:
            spec, _, lineage = stored[name]
            backbone = name.removeprefix(EMBEDDING)
            joined.append(Joined(name, spec, (int(corpus.embeddings(backbone).spec["bands"]),), backbone, lineage))
        else:
            spec = input_spec(corpus, name, segmenting)
            joined.append(Joined(name, spec, spec.shape))
    return Fusion(tuple(joined), segmenting)


def reads(kinds: str) -> tuple[frozenset[str], frozenset[str]]:
    """(feature kinds, backbones) behind names joined by +."""
    names = kinds.split("+")
    used = frozenset(name.removeprefix(EMBEDDING) for name in names if name.startswith(EMBEDDING))
    plain = frozenset(name for name in names if not name.startswith(EMBEDDING))
    return plain | {backbones.get(name).kind for name in used}, used


__all__ = ["EMBEDDING", "Fusion", "Joined", "open_fusion", "reads", "split_names"]
