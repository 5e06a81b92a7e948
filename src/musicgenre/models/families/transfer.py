"""A head on a pretrained backbone; the stored embeddings make an epoch cheap, the export holds both.

With `unfreeze` a second phase follows: the backbone's last layers learn together
with the head, at a low rate, from activations kept at the boundary (`models.boundary`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from musicgenre.models.augment import PLAIN, Augmentation
from musicgenre.models.base import Choice, Dimension, Float, Int, PublishedSystem, Report, Space
from musicgenre.models.boundary import Halves, activations, divide
from musicgenre.models.config import NetworkConfig, narrow, parse_config
from musicgenre.models.corpus import Corpus
from musicgenre.models.families.published import TRANSFER
from musicgenre.models.inputs import Segments, channel_statistics, load_embeddings, load_segments
from musicgenre.models.keras_model import HeadedModel
from musicgenre.models.layers import classify, dense_head, scaled, steady
from musicgenre.models.training import Recipe, seed_everything, shortened, train
from musicgenre.params import FamilySearch

if TYPE_CHECKING:
    import pandas as pd

MOST_UNFROZEN = 16


@dataclass(frozen=True)
class TransferConfig(NetworkConfig):
    """One head and its training.

    Attributes
    ----------
    backbone
        Whose embeddings are stored (`embed.backbones`).
    units
        Hidden layers; empty means `depth` layers, the first of `width`, each half the one before.
    noise
        Gaussian noise on the standardised embedding while training, in standard deviations.
    unfreeze
        So many of the backbone's last layers (batch norms not counted) learn in a second phase; 0: none.
    second_rate, second_epochs
        Of the second phase, which has no augmentation and the same optimiser, at a constant rate.
    """

    backbone: str = "melnet"
    units: tuple[int, ...] = ()
    depth: int = 1
    width: int = 128
    batch_norm: bool = False
    l2: float = 1e-4
    rate: float = 2e-3
    batch: int = 64
    epochs: int = 60
    noise: float = 0.0
    unfreeze: int = 0
    second_rate: float = 1e-5
    second_epochs: int = 10

    def augmentation(self) -> Augmentation:
        return Augmentation(mixup=self.mixup, noise=self.noise)

    def second_recipe(self) -> Recipe:
        """The second phase's."""
        return replace(self.recipe(), rate=self.second_rate, epochs=self.second_epochs, decay="constant", augmentation=PLAIN)

    def hidden(self) -> tuple[int, ...]:
        """Sizes of the hidden layers."""
        return self.units or tuple(max(8, self.width // 2**i) for i in range(self.depth))


@dataclass
class TransferModel(HeadedModel):
    """`halves`: the backbone in two after fine-tuning; then `head` holds the layers behind the boundary and reads activations."""

    halves: Halves | None = None


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
            "unfreeze": Choice((0,)),  # widened in the parameters: an epoch of the second phase costs more than many of the first
            "second_rate": Float(1e-6, 1e-3, log=True),
        }
        tuned = tuple(range(1, MOST_UNFROZEN + 1))
        conditions: dict[str, dict[str, tuple[Any, ...]]] = {"width": {"depth": (1, 2)}, "second_rate": {"unfreeze": tuned}}
        return narrow(Space(dimensions, conditions), block, family=self.name)

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
        statistics = steady(channel_statistics(training))
        source = keras.Input((len(statistics[0]),), name="embedding")
        value = scaled(source, "standard", statistics, name="embedding")
        value = keras.layers.Dropout(chosen.dropout)(value) if chosen.dropout and not chosen.hidden() else value
        value = dense_head(value, chosen.hidden(), dropout=chosen.dropout, batch_norm=chosen.batch_norm, l2=chosen.l2)
        head = keras.Model(source, classify(value, len(corpus.classes), l2=chosen.l2), name="head")
        history = train(head, training, validation, shortened(chosen.recipe(), block.epochs), seed=seed, report=report)
        loaded = backbones.load(chosen.backbone, lineage, spec.shape)
        halves, trained = None, head
        stored = partial(load_embeddings, backbone=chosen.backbone)
        if chosen.unfreeze:
            halves = divide(loaded.model, chosen.unfreeze)
            stored = partial(activations, halves=halves, spec=spec, segmenting=segmenting, lineage=lineage)
            before, validation = stored(corpus, "train"), stored(corpus, "validation")
            trained = keras.Model(halves.after.inputs[0], head(halves.after.outputs[0]), name="unfrozen")
            recipe = shortened(chosen.second_recipe(), block.epochs)
            history = _second_phase(trained, before, validation, recipe, history, seed=seed, report=report)
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
            head=trained,
            stored=stored,
            stored_sample=validation.sample(16),
            halves=halves,
        )


def _second_phase(
    model: Any, training: Segments, validation: Segments, recipe: Recipe, first: pd.DataFrame, *, seed: int, report: Report
) -> pd.DataFrame:
    """Train on from the first phase's best weights; where that brings no better epoch, they stay. The history of both phases."""
    import pandas as pd

    weights, epochs = model.get_weights(), len(first)
    second = train(model, training, validation, recipe, seed=seed, report=report, first_epoch=epochs + 1)
    if _best(second) <= _best(first):
        model.set_weights(weights)
    return pd.concat([first, second], ignore_index=True)


def _best(history: pd.DataFrame) -> tuple[float, float]:
    return max(zip(history["validation_macro_f1"], -history["validation_loss"], strict=True))


__all__ = ["Transfer", "TransferConfig", "TransferModel"]
