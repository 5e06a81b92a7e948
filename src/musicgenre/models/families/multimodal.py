"""Late fusion: a small convolutional branch a kind (mel, wavelet scalogram, MFCC, descriptors), fused before the classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from musicgenre.errors import ModelError
from musicgenre.features.segments import InputSpec, Segmenting
from musicgenre.models.augment import Augmentation
from musicgenre.models.base import Choice, Dimension, Float, PublishedSystem, Report, Space
from musicgenre.models.config import narrow, parse_config
from musicgenre.models.corpus import Corpus
from musicgenre.models.families.published import MULTIMODAL
from musicgenre.models.inputs import channel_statistics, input_spec, load_segments, median_duration
from musicgenre.models.keras_model import KerasModel
from musicgenre.models.layers import Statistics, as_image, classify, conv_block, dense_head, pooled, scaled
from musicgenre.models.training import Recipe, seed_everything, shortened, train
from musicgenre.params import FamilySearch

if TYPE_CHECKING:
    import keras

FUSIONS = ("concatenate", "average", "gated")


@dataclass(frozen=True)
class MultimodalConfig:
    """One fusion and its training.

    Attributes
    ----------
    kinds
        Names of stored kinds joined by "+", two or more.
    fusion
        concatenate the branches' vectors; average them; or gated: a weighted average whose weights a sigmoid layer
        computes from all branches, for every component.
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
    dropout: float = 0.3
    l2: float = 0.0
    optimizer: str = "adam"
    rate: float = 3e-3
    momentum: float = 0.9
    decay: str = "cosine"
    batch: int = 32
    epochs: int = 40
    patience: int = 0
    label_smoothing: float = 0.05
    class_weights: bool = False
    resample: bool = False
    masks: int = 1
    mixup: float = 0.0
    shift: float = 0.0

    def recipe(self) -> Recipe:
        """The training part."""
        return Recipe(
            epochs=self.epochs,
            batch=self.batch,
            optimizer=self.optimizer,
            rate=self.rate,
            momentum=self.momentum,
            decay=self.decay,
            label_smoothing=self.label_smoothing,
            class_weights=self.class_weights,
            resample=self.resample,
            patience=self.patience,
            augmentation=Augmentation(masks=self.masks, mixup=self.mixup, shift=self.shift),
        )


def _branch(source: Any, config: MultimodalConfig, kind: str, statistics: Statistics, top_db: float) -> Any:
    """A kind's segment as a vector of `units`."""
    import keras

    decibels = kind in ("mel", "scalogram")
    value = scaled(source, config.scaling if decibels else "standard", statistics, name=kind, top_db=top_db)
    if len(source.shape) == 3:
        value = as_image(value, size=config.image)
        if config.squeeze > 1 and not config.image:
            value = keras.layers.AveragePooling2D((min(config.squeeze, int(value.shape[1])), 1))(value)
        for filters in config.filters or tuple(config.width * min(8, 2**i) for i in range(config.blocks)):
            value = conv_block(value, filters, batch_norm=config.batch_norm, l2=config.l2)
        value = pooled(value, config.head)
    return dense_head(value, (config.units,), dropout=config.dropout, l2=config.l2)


def fuse(vectors: Sequence[Any], how: str) -> Any:
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
        everything = layers.Concatenate()(list(vectors))
        parts = [layers.Multiply()([vector, layers.Dense(int(vector.shape[-1]), activation="sigmoid")(everything)]) for vector in vectors]
        return layers.Add()(parts)
    raise ModelError(f"fusion is {how!r}; it can be {', '.join(FUSIONS)}.")


def build(
    config: MultimodalConfig, specs: Sequence[InputSpec], statistics: Sequence[Statistics], classes: int, top_db: float
) -> keras.Model:
    """The network over all kinds, inputs in the order of `specs`."""
    import keras

    sources = [keras.Input(spec.shape, name=spec.name) for spec in specs]
    vectors = [_branch(source, config, spec.kind, known, top_db) for source, spec, known in zip(sources, specs, statistics, strict=True)]
    value = dense_head(fuse(vectors, config.fusion), (config.dense,) if config.dense else (), dropout=config.dropout, l2=config.l2)
    return keras.Model(sources, classify(value, classes, l2=config.l2), name="multimodal")


class Multimodal:
    """See `models.base.Family`."""

    name = "multimodal"

    def space(self, block: FamilySearch) -> Space:
        dimensions: dict[str, Dimension] = {
            "kinds": Choice(("mel+scalogram", "mel+scalogram+descriptors")),
            "fusion": Choice(FUSIONS),
            "width": Choice((4, 6, 8)),
            "units": Choice((32, 64, 128)),
            "dropout": Float(0.1, 0.5),
            "optimizer": Choice(("adam", "adamw")),
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
        return frozenset(kind for option in options for kind in str(option).split("+")), frozenset()

    def fit(self, config: Mapping[str, Any], corpus: Corpus, *, block: FamilySearch, seed: int, report: Report) -> KerasModel:
        chosen = parse_config(MultimodalConfig, config, block)
        kinds = chosen.kinds.split("+")
        if len(kinds) < 2 or len(set(kinds)) < len(kinds):
            raise ModelError(f"multimodal.kinds is {chosen.kinds!r}; join two or more different stored kinds with +.")
        length = median_duration(corpus) if chosen.segment_s < 0 else chosen.segment_s or block.segment_s
        segmenting = Segmenting(length, length if chosen.segment_s < 0 else block.hop_s)
        specs = tuple(input_spec(corpus, kind, segmenting) for kind in kinds)
        training = load_segments(corpus, "train", specs, segmenting)
        validation = load_segments(corpus, "validation", specs, segmenting)
        seed_everything(seed)
        statistics = [channel_statistics(training, which) for which in range(len(specs))]
        top_db = float(corpus.store(kinds[0]).spec["front_end"].get("top_db", 80.0))
        model = build(chosen, specs, statistics, len(corpus.classes), top_db)
        history = train(model, training, validation, shortened(chosen.recipe(), block.epochs), seed=seed, report=report)
        return KerasModel(
            family=self.name,
            model=model,
            inputs=specs,
            segmenting=segmenting,
            classes=corpus.classes,
            history=history,
            sample=validation.sample(16),
            extra={},
        )


__all__ = ["FUSIONS", "Multimodal", "MultimodalConfig", "build", "fuse"]
