"""Late fusion of any stored kinds: mel, wavelet scalogram, MFCC, descriptors, each backbone's embedding.

A framed kind has a small convolutional branch, a vector a dense one; they are fused before the classifier, or stacked behind one each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from musicgenre.errors import ModelError
from musicgenre.models.augment import Augmentation
from musicgenre.models.base import Choice, Dimension, Float, PublishedSystem, Report, Space
from musicgenre.models.config import NetworkConfig, narrow, parse_config
from musicgenre.models.corpus import Corpus
from musicgenre.models.families.published import MULTIMODAL
from musicgenre.models.fusion import Fusion, Joined, open_fusion, reads, split_names
from musicgenre.models.inputs import Segments, load_segments
from musicgenre.models.keras_model import HeadedModel
from musicgenre.models.layers import Statistics, as_image, classify, conv_block, dense_head, pooled, scaled
from musicgenre.models.stacking import stack
from musicgenre.models.training import seed_everything, shortened, train
from musicgenre.params import FamilySearch

if TYPE_CHECKING:
    import keras
    import pandas as pd

FUSIONS = ("concatenate", "average", "gated", "stacking")
KINDS = (
    "mel+scalogram",
    "mel+scalogram+descriptors",
    "mel+embedding:melnet",
    "mel+scalogram+embedding:melnet",
    "descriptors+embedding:melnet",
    "mel+scalogram+descriptors+embedding:melnet",
)


@dataclass(frozen=True)
class MultimodalConfig(NetworkConfig):
    """One fusion and its training.

    Attributes
    ----------
    kinds
        Two or more names joined by "+": stored kinds, or `embedding:<backbone>` for stored embeddings.
    fusion
        concatenate the branches' vectors; average them; or gated: a weighted average whose weights a sigmoid layer
        computes from all branches, for every component; or stacking: a classifier each, and a weight each, learnt
        from what they say out of fold (see `models.stacking`).
    width, blocks, units
        Filters of a branch's first block, blocks, and the length of a branch's vector.
    image, scaling, squeeze, segment_s
        As in the `cnn` family.
    """

    kinds: str = "mel+scalogram"
    fusion: str = "concatenate"
    width: int = 6
    blocks: int = 4
    units: int = 64
    dense: int = 0
    filters: tuple[int, ...] = ()
    image: int = 0
    scaling: str = "standard"
    squeeze: int = 3
    segment_s: float = 0.0
    head: str = "average_max"
    batch_norm: bool = True
    masks: int = 1
    shift: float = 0.0

    def augmentation(self) -> Augmentation:
        return Augmentation(masks=self.masks, mixup=self.mixup, shift=self.shift)


def _branch(source: Any, config: MultimodalConfig, item: Joined, statistics: Statistics, top_db: float) -> Any:
    """A kind's segment as a vector of `units`."""
    import keras

    scaling = config.scaling if item.name in ("mel", "scalogram") else "standard"
    value = scaled(source, scaling, statistics, name=item.name.replace(":", "_"), top_db=top_db)
    if len(source.shape) == 3:
        value = as_image(value, size=config.image)
        if config.squeeze > 1 and not config.image:
            value = keras.layers.AveragePooling2D((min(config.squeeze, int(value.shape[1])), 1))(value)
        for filters in config.filters or tuple(config.width * min(8, 2**i) for i in range(config.blocks)):
            value = conv_block(value, filters, batch_norm=config.batch_norm, l2=config.l2)
        value = pooled(value, config.head)
    return dense_head(value, (config.units,), dropout=config.dropout, l2=config.l2)


def fuse(vectors: Sequence[Any], how: str, *, l2: float = 0.0) -> Any:
    """Vectors of one length as one vector.

    Raises
    ------
    ModelError
        If `how` is not a fusion.
    """
    import keras

    layers = keras.layers
    if how == "concatenate":
        return layers.Concatenate()(list(vectors))
    if how == "average":
        return layers.Average()(list(vectors))
    if how == "gated":
        everything, decay = layers.Concatenate()(list(vectors)), keras.regularizers.L2(l2) if l2 else None
        gates = [layers.Dense(int(vector.shape[-1]), activation="sigmoid", kernel_regularizer=decay)(everything) for vector in vectors]
        return layers.Add()([layers.Multiply()([vector, gate]) for vector, gate in zip(vectors, gates, strict=True)])
    raise ModelError(f"fusion is {how!r}; it can be {', '.join(FUSIONS)}.")


def build(
    config: MultimodalConfig,
    joined: Sequence[Joined],
    statistics: Sequence[Statistics],
    classes: int,
    top_db: float,
    *,
    name: str = "multimodal",
) -> keras.Model:
    """The network over stored arrays, inputs in the order of `joined`; of a single kind it is that kind's classifier."""
    import keras

    sources = [keras.Input(item.size, name=item.name.replace(":", "_")) for item in joined]
    vectors = [_branch(source, config, item, known, top_db) for source, item, known in zip(sources, joined, statistics, strict=True)]
    value = fuse(vectors, config.fusion, l2=config.l2) if len(vectors) > 1 else vectors[0]
    value = dense_head(value, (config.dense,) if config.dense else (), dropout=config.dropout, l2=config.l2)
    return keras.Model(sources if len(sources) > 1 else sources[0], classify(value, classes, l2=config.l2), name=name)


class Multimodal:
    """See `models.base.Family`."""

    name = "multimodal"

    def space(self, block: FamilySearch) -> Space:
        dimensions: dict[str, Dimension] = {
            "kinds": Choice(KINDS),
            "fusion": Choice(FUSIONS),
            "width": Choice((4, 6, 8)),
            "units": Choice((32, 64, 128)),
            "dropout": Float(0.1, 0.5),
            "l2": Float(1e-6, 1e-2, log=True),
            "optimizer": Choice(("adam", "adamw", "rmsprop", "sgd")),
            "rate": Float(1e-3, 1e-2, log=True),
            "batch": Choice((16, 32, 64)),
            "label_smoothing": Float(0.0, 0.15),
            "masks": Choice((0, 1, 2)),
            "mixup": Choice((0.0, 0.2)),
        }
        return narrow(Space(dimensions), block, family=self.name)

    def published(self) -> tuple[PublishedSystem, ...]:
        return MULTIMODAL

    def needs(self, block: FamilySearch) -> tuple[frozenset[str], frozenset[str]]:
        dimension = self.space(block).dimensions["kinds"]
        options = dimension.options if isinstance(dimension, Choice) else ("mel+scalogram",)
        found = [reads(str(option)) for option in options]
        return frozenset().union(*(kinds for kinds, _ in found)), frozenset().union(*(backbones for _, backbones in found))

    def fit(self, config: Mapping[str, Any], corpus: Corpus, *, block: FamilySearch, seed: int, report: Report) -> HeadedModel:
        chosen = parse_config(MultimodalConfig, config, block)
        if chosen.fusion not in FUSIONS:
            raise ModelError(f"multimodal.fusion is {chosen.fusion!r}; it can be {', '.join(FUSIONS)}.")
        fusion = open_fusion(corpus, split_names(chosen.kinds), block, chosen.segment_s)
        training, validation = fusion.stored(corpus, "train"), fusion.stored(corpus, "validation")
        seed_everything(seed)
        head, history = _train(chosen, fusion, corpus, training, validation, block, seed, report)
        return HeadedModel(
            family=self.name,
            model=fusion.whole(head) if fusion.lineage else head,
            inputs=fusion.inputs,
            segmenting=fusion.segmenting,
            classes=corpus.classes,
            history=history,
            sample=load_segments(corpus, "validation", fusion.inputs, fusion.segmenting).sample(16),
            extra=fusion.lineage,
            head=head,
            stored=fusion.stored,
            stored_sample=validation.sample(16),
        )


def _train(
    config: MultimodalConfig,
    fusion: Fusion,
    corpus: Corpus,
    training: Segments,
    validation: Segments,
    block: FamilySearch,
    seed: int,
    report: Report,
) -> tuple[keras.Model, pd.DataFrame]:
    """The trained part, over stored arrays, and its history."""
    recipe = shortened(config.recipe(), block.epochs)
    top_db = corpus.front_end.top_db
    if config.fusion != "stacking":
        model = build(config, fusion.joined, fusion.statistics(training), len(corpus.classes), top_db)
        return model, train(model, training, validation, recipe, seed=seed, report=report)

    def branch(which: int, segments: Segments) -> keras.Model:
        alone = replace(fusion, joined=fusion.joined[which : which + 1])
        return build(config, alone.joined, alone.statistics(segments), len(corpus.classes), top_db, name=f"branch{which}")

    groups = corpus.rows("train")["group"].to_numpy()[training.track]
    return stack(branch, training, validation, groups, recipe, seed=seed, report=report)


__all__ = ["FUSIONS", "KINDS", "Multimodal", "MultimodalConfig", "build", "fuse"]
