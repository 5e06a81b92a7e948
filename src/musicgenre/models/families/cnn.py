"""Convolutional networks on mel or MFCC segments, trained from scratch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from musicgenre.errors import ModelError
from musicgenre.features.segments import Segmenting
from musicgenre.models.augment import Augmentation
from musicgenre.models.base import Choice, Dimension, Float, Int, PublishedSystem, Report, Space
from musicgenre.models.config import NetworkConfig, narrow, parse_config
from musicgenre.models.corpus import Corpus
from musicgenre.models.families.published import CNN
from musicgenre.models.inputs import channel_statistics, input_spec, load_segments, median_duration
from musicgenre.models.keras_model import KerasModel
from musicgenre.models.layers import Statistics, as_image, classify, conv_block, dense_head, pooled, scaled
from musicgenre.models.training import seed_everything, shortened, train
from musicgenre.params import FamilySearch

if TYPE_CHECKING:
    import keras

KINDS = ("mel", "mfcc", "scalogram")


@dataclass(frozen=True)
class CnnConfig(NetworkConfig):
    """One network and its training.

    Attributes
    ----------
    kind, bands, image, scaling
        Stored kind; its first `bands` (0: all); resized to `image` × `image` (0: as it is); `standard` or `unit` (see `layers.scaled`).
    squeeze
        Average so many frames into one before the first convolution.
    segment_s, hop_s
        Seconds; 0 means the search block's; −1 for `segment_s` means one segment of the median track's length.
    filters, kernels, pools
        A convolution block each; `filters` empty means `blocks` blocks of `width`, doubled each time up to 8 × width.
    blocks
        0: none; the image itself goes into the dense layers (with `head: flatten`).
    units
        Dense layers before the output; empty means one of `dense`.
    norm_last
        Order conv, activation, pool, batch norm (as the tutorials have it) instead of conv, batch norm, activation, pool.
    binary
        One sigmoid unit and binary cross-entropy where there are two genres.
    """

    kind: str = "mel"
    bands: int = 0
    image: int = 0
    scaling: str = "standard"
    squeeze: int = 3
    segment_s: float = 0.0
    hop_s: float = 0.0
    blocks: int = 4
    width: int = 8
    kernel: int = 3
    filters: tuple[int, ...] = ()
    kernels: tuple[int, ...] = ()
    pools: tuple[int, ...] = ()
    pool: str = "max"
    pool_padding: str = "valid"
    padding: str = "same"
    batch_norm: bool = True
    norm_last: bool = False
    conv_dropout: float = 0.0
    head: str = "average_max"
    dense: int = 0
    units: tuple[int, ...] = ()
    binary: bool = False
    masks: int = 1
    shift: float = 0.0
    gain: float = 0.0
    noise: float = 0.0

    def augmentation(self) -> Augmentation:
        return Augmentation(masks=self.masks, shift=self.shift, gain=self.gain, noise=self.noise, mixup=self.mixup)

    def segmenting(self, corpus: Corpus, block: FamilySearch) -> Segmenting:
        """Length and hop in seconds."""
        length = median_duration(corpus) if self.segment_s < 0 else self.segment_s or block.segment_s
        return Segmenting(length_s=length, hop_s=length if self.segment_s < 0 else self.hop_s or self.segment_s or block.hop_s)


def build(config: CnnConfig, shape: tuple[int, int], statistics: Statistics, classes: int, *, top_db: float) -> keras.Model:
    """The network for segments of `shape` (frames, bands)."""
    import keras

    source = keras.Input(shape, name=config.kind)
    value = scaled(source, config.scaling, statistics, name=config.kind, top_db=top_db)
    value = as_image(value, size=config.image, bands=config.bands)
    if config.squeeze > 1:
        value = keras.layers.AveragePooling2D((min(config.squeeze, value.shape[1]), 1))(value)
    filters = config.filters or tuple(config.width * min(8, 2**i) for i in range(config.blocks))
    kernels = config.kernels or (config.kernel,) * len(filters)
    pools = config.pools or (2,) * len(filters)
    if not len(filters) == len(kernels) == len(pools):
        raise ModelError(f"{len(filters)} filters, {len(kernels)} kernels and {len(pools)} pools; give as many of each.")
    for count, kernel, pool in zip(filters, kernels, pools, strict=True):
        value = conv_block(
            value,
            count,
            kernel=kernel,
            pool=(pool, pool),
            pool_kind=config.pool,
            pool_padding=config.pool_padding,
            batch_norm=config.batch_norm,
            norm_last=config.norm_last,
            dropout=config.conv_dropout,
            padding=config.padding,
            l2=config.l2,
        )
    value = pooled(value, config.head)
    value = dense_head(value, config.units or ((config.dense,) if config.dense else ()), l2=config.l2)
    value = keras.layers.Dropout(config.dropout)(value) if config.dropout else value
    return keras.Model(source, classify(value, classes, binary=config.binary, l2=config.l2), name="cnn")


class Cnn:
    """See `models.base.Family`."""

    name = "cnn"

    def space(self, block: FamilySearch) -> Space:
        dimensions: dict[str, Dimension] = {
            "kind": Choice(("mel", "mfcc")),
            "blocks": Int(3, 5),
            "width": Choice((6, 8, 12)),
            "kernel": Choice((3, 5)),
            "pool": Choice(("max", "average")),
            "head": Choice(("average", "average_max")),
            "conv_dropout": Float(0.0, 0.2),
            "dense": Choice((0, 64)),
            "dropout": Float(0.1, 0.5),
            "l2": Float(1e-6, 1e-2, log=True),
            "optimizer": Choice(("adam", "adamw", "rmsprop", "sgd")),
            "rate": Float(1e-3, 1e-2, log=True),
            "batch": Choice((16, 32, 64)),
            "label_smoothing": Float(0.0, 0.15),
            "class_weights": Choice((False, True)),
            "masks": Int(0, 2),
            "mixup": Choice((0.0, 0.2)),
            "shift": Choice((0.0, 0.3)),
            "gain": Choice((0.0, 0.2)),
            "noise": Choice((0.0, 0.1)),
        }
        return narrow(Space(dimensions), block, family=self.name)

    def published(self) -> tuple[PublishedSystem, ...]:
        return CNN

    def needs(self, block: FamilySearch) -> tuple[frozenset[str], frozenset[str]]:
        kind = self.space(block).dimensions["kind"]
        kinds = kind.options if isinstance(kind, Choice) else KINDS
        return frozenset(str(item) for item in kinds), frozenset()

    def fit(self, config: Mapping[str, Any], corpus: Corpus, *, block: FamilySearch, seed: int, report: Report) -> KerasModel:
        chosen = parse_config(CnnConfig, config, block)
        if chosen.kind not in KINDS:
            raise ModelError(f"cnn.kind is {chosen.kind!r}; it can be {', '.join(KINDS)}.")
        segmenting = chosen.segmenting(corpus, block)
        spec = input_spec(corpus, chosen.kind, segmenting)
        training = load_segments(corpus, "train", (spec,), segmenting)
        validation = load_segments(corpus, "validation", (spec,), segmenting)
        seed_everything(seed)
        top_db = float(corpus.store(chosen.kind).spec["front_end"].get("top_db", 80.0))
        model = build(chosen, (spec.shape[0], spec.shape[1]), channel_statistics(training), len(corpus.classes), top_db=top_db)
        history = train(model, training, validation, shortened(chosen.recipe(), block.epochs), seed=seed, report=report)
        return KerasModel(
            family=self.name,
            model=model,
            inputs=(spec,),
            segmenting=segmenting,
            classes=corpus.classes,
            history=history,
            sample=validation.sample(16),
            extra={},
        )


__all__ = ["Cnn", "CnnConfig", "build"]
