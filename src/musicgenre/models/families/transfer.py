"""A head on a frozen pretrained backbone; the stored embeddings make an epoch cheap, the export holds both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicgenre.models.augment import Augmentation
from musicgenre.models.base import Choice, Dimension, Float, Int, PublishedSystem, Report, Space
from musicgenre.models.config import narrow, parse_config
from musicgenre.models.corpus import Corpus
from musicgenre.models.families.published import TRANSFER
from musicgenre.models.inputs import channel_statistics, load_embeddings, load_segments
from musicgenre.models.keras_model import KerasModel
from musicgenre.models.layers import classify, dense_head, scaled
from musicgenre.models.training import Recipe, make_predict, seed_everything, shortened, train
from musicgenre.params import FamilySearch


@dataclass(frozen=True)
class TransferConfig:
    """One head and its training.

    Attributes
    ----------
    backbone
        Whose embeddings are stored (`embed.backbones`).
    units
        Hidden layers; empty means `depth` layers, the first of `width`, each half the one before.
    noise
        Gaussian noise on the standardised embedding while training, in standard deviations.
    """

    backbone: str = "melnet"
    units: tuple[int, ...] = ()
    depth: int = 1
    width: int = 128
    dropout: float = 0.3
    batch_norm: bool = False
    l2: float = 1e-4
    optimizer: str = "adam"
    rate: float = 2e-3
    momentum: float = 0.9
    decay: str = "cosine"
    batch: int = 64
    epochs: int = 60
    patience: int = 0
    label_smoothing: float = 0.05
    class_weights: bool = False
    resample: bool = False
    mixup: float = 0.0
    noise: float = 0.0

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
            augmentation=Augmentation(mixup=self.mixup, noise=self.noise),
        )

    def hidden(self) -> tuple[int, ...]:
        """Sizes of the hidden layers."""
        return self.units or tuple(max(8, self.width // 2**i) for i in range(self.depth))


@dataclass
class TransferModel(KerasModel):
    """The whole graph, and its head alone for stored embeddings.

    What was trained is the head on the embeddings that ONNX Runtime made; that is
    what an export must agree with. The same network in TensorFlow differs from it
    by the rounding of fifty float32 layers (up to 1e-4 in an embedding of MobileNetV2).
    """

    head: Any = None
    backbone: str = ""
    sample_embeddings: NDArray[np.float32] | None = None

    def expected(self) -> NDArray[np.float32]:
        """The head's answer on the stored embeddings of `sample`."""
        if self.head is None or self.sample_embeddings is None:
            return super().expected()
        return np.asarray(self.head(self.sample_embeddings, training=False))

    def predict(self, corpus: Corpus, split: str) -> NDArray[np.float32]:
        """From the stored embeddings while the head is at hand, through the whole graph after loading."""
        if self.head is None:
            return super().predict(corpus, split)
        segments = load_embeddings(corpus, split, self.backbone)
        return segments.track_mean(make_predict(self.head)(segments))


class Transfer:
    """See `models.base.Family`."""

    name = "transfer"

    def space(self, block: FamilySearch) -> Space:
        dimensions: dict[str, Dimension] = {
            "backbone": Choice(("melnet",)),
            "depth": Int(0, 2),
            "width": Choice((64, 128, 256, 512)),
            "dropout": Float(0.0, 0.6),
            "batch_norm": Choice((False, True)),
            "l2": Float(1e-6, 1e-2, log=True),
            "optimizer": Choice(("adam", "adamw", "rmsprop", "sgd")),
            "rate": Float(3e-4, 2e-2, log=True),
            "batch": Choice((32, 64, 128)),
            "label_smoothing": Float(0.0, 0.2),
            "class_weights": Choice((False, True)),
            "mixup": Choice((0.0, 0.2)),
            "noise": Choice((0.0, 0.1, 0.3)),
        }
        return narrow(Space(dimensions, {"width": {"depth": (1, 2)}}), block, family=self.name)

    def published(self) -> tuple[PublishedSystem, ...]:
        return TRANSFER

    def needs(self, block: FamilySearch) -> tuple[frozenset[str], frozenset[str]]:
        from musicgenre.models import backbones

        dimension = self.space(block).dimensions["backbone"]
        names = frozenset(str(item) for item in dimension.options) if isinstance(dimension, Choice) else frozenset({"melnet"})
        return frozenset(backbones.get(name).kind for name in names), names

    def fit(self, config: Mapping[str, Any], corpus: Corpus, *, block: FamilySearch, seed: int, report: Report) -> TransferModel:
        import keras

        from musicgenre.models import backbones

        chosen = parse_config(TransferConfig, config, block)
        spec, segmenting, lineage = backbones.stored_input(corpus, chosen.backbone)
        training = load_embeddings(corpus, "train", chosen.backbone)
        validation = load_embeddings(corpus, "validation", chosen.backbone)
        seed_everything(seed)
        mean, deviation = channel_statistics(training)
        # A component that hardly varies would turn the backbone's rounding into signal.
        statistics = (mean, np.maximum(deviation, 0.1 * float(np.median(deviation))))
        source = keras.Input((len(mean),), name="embedding")
        value = scaled(source, "standard", statistics, name="embedding")
        value = keras.layers.Dropout(chosen.dropout)(value) if chosen.dropout and not chosen.hidden() else value
        value = dense_head(value, chosen.hidden(), dropout=chosen.dropout, batch_norm=chosen.batch_norm, l2=chosen.l2)
        head = keras.Model(source, classify(value, len(corpus.classes), l2=chosen.l2), name="head")
        history = train(head, training, validation, shortened(chosen.recipe(), block.epochs), seed=seed, report=report)
        loaded = backbones.load(chosen.backbone, lineage, spec.shape)
        whole = keras.Input(spec.shape, name=spec.name)
        return TransferModel(
            family=self.name,
            model=keras.Model(whole, head(loaded.model(whole)), name=self.name),
            inputs=(spec,),
            segmenting=segmenting,
            classes=corpus.classes,
            history=history,
            sample=load_segments(corpus, "validation", (spec,), segmenting).sample(16),
            extra=lineage,
            head=head,
            sample_embeddings=validation.sample(16)[0],
            backbone=chosen.backbone,
        )


__all__ = ["Transfer", "TransferConfig", "TransferModel"]
