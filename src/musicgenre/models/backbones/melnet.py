"""melnet: our own small network on mel segments, whose weights ship with the package.

Trained by `musicgenre backbone train melnet` on procedurally generated clips with
known labels (see `melnet_training`), never on genres. `melnet.json` beside the
weights says from what, how, and with what result.
"""

from __future__ import annotations

import json
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musicgenre.errors import FetchError, ModelError, WeightsUnavailable
from musicgenre.lineage import file_sha256
from musicgenre.models.backbones.weights import Weights

if TYPE_CHECKING:
    from musicgenre.features.frontend import FrontEnd

WIDTHS = (16, 24, 48, 96, 128)
EMBEDDING = 800
FILE, CARD = "melnet.npz", "melnet.json"


def body(source: Any) -> tuple[Any, Any]:
    """dB [frames, bands] → (top [256], embedding [800]).

    Five convolution blocks, bands flattened, mean and maximum over time: that is
    the top, on which the labels are learnt. The embedding adds the mean and
    maximum of the three blocks before: what a genre sounds like is found there as
    much as in what tells a chord from another (see docs/models.md).
    """
    import keras

    layers = keras.layers
    frames, bands = int(source.shape[1]), int(source.shape[2])
    value = layers.Reshape((frames, bands, 1))(layers.Rescaling(1 / 20.0, 2.0, name="db_scaled")(source))
    value = layers.Conv2D(WIDTHS[0], 5, strides=2, padding="same", use_bias=False, name="conv0")(value)
    # A short training makes few steps: the moving statistics must keep up.
    value = layers.Activation("relu")(layers.BatchNormalization(momentum=0.9, name="norm0")(value))
    middle: list[Any] = []
    for index, width in enumerate(WIDTHS[1:], start=1):
        value = layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"conv{index}")(value)
        steps = 2 if index < len(WIDTHS) - 1 else 1  # the last block keeps its third of a second
        value = layers.MaxPooling2D((min(steps, int(value.shape[1])), 2))(value)
        value = layers.Activation("relu")(layers.BatchNormalization(momentum=0.9, name=f"norm{index}")(value))
        if index >= 2:
            middle += [layers.GlobalAveragePooling2D()(value), layers.GlobalMaxPooling2D()(value)]
    value = layers.Reshape((int(value.shape[1]), int(value.shape[2]) * WIDTHS[-1]))(value)
    value = layers.Conv1D(128, 1, use_bias=False, name="mix")(value)
    value = layers.Activation("relu")(layers.BatchNormalization(momentum=0.9, name="norm_mix")(value))
    top = layers.Concatenate(name="top")([layers.GlobalAveragePooling1D()(value), layers.GlobalMaxPooling1D()(value)])
    return top, layers.Concatenate(name="embedding")([top, *middle])


def build(shape: tuple[int, int]) -> Any:
    """The network without weights."""
    import keras

    source = keras.Input(shape, name="mel")
    return keras.Model(source, body(source)[1], name="melnet")


def pack(model: Any) -> dict[str, Any]:
    """All variables by path, float16 (half the file; the loss is checked when they are shipped)."""
    return {_key(variable): np.asarray(variable, dtype=np.float16) for variable in model.variables}


def _key(variable: Any) -> str:
    layer, name = str(variable.path).split("/")[-2:]
    return f"{layer}.{name}"


def unpack(model: Any, stored: Any) -> None:
    """Put packed arrays into `model`; every variable must be there and fit.

    Raises
    ------
    ModelError
        Naming the variable that does not.
    """
    for variable in model.variables:
        key = _key(variable)
        if key not in stored or stored[key].shape != tuple(variable.shape):
            found = list(stored[key].shape) if key in stored else "nothing"
            raise ModelError(f"melnet's weights: {key} should be {list(variable.shape)}, found {found}. Train melnet again.")
        variable.assign(stored[key].astype(np.float32))


@lru_cache(maxsize=4)
def _card(path: Path) -> dict[str, Any]:
    card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return card


class Melnet:
    """See `backbones.base.Backbone`."""

    name = "melnet"
    kind = "mel"

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or Path(str(resources.files("musicgenre.models.backbones")))

    @property
    def card(self) -> dict[str, Any]:
        """`melnet.json`.

        Raises
        ------
        WeightsUnavailable
            If the package was installed without it.
        """
        path = self.folder / CARD
        if not path.is_file():
            raise WeightsUnavailable(f"{path} is not there. Run `musicgenre backbone train melnet`, or install the whole package.")
        return _card(path)

    def check(self, front_end: FrontEnd) -> None:
        trained = self.card["kind_id"]
        if front_end.kind_id("mel") != trained:
            raise ModelError(
                f"melnet was trained on other mel features ({trained}) than these ({front_end.kind_id('mel')}). "
                f"Set the mel parameters back ({json.dumps(self.card['mel'])}), or run `musicgenre backbone train melnet`."
            )

    def find(self, variant: str | None = None, *, download: bool = True) -> Weights:
        path, card = self.folder / FILE, self.card
        if not path.is_file():
            raise WeightsUnavailable(f"{path} is not there. Run `musicgenre backbone train melnet`, or install the whole package.")
        digest = file_sha256(path)
        if digest != card["sha256"]:
            raise FetchError(f"{path} has SHA-256 {digest}, its card says {card['sha256']}. Restore the file or train melnet again.")
        return Weights(path=path, name=FILE, variant=str(card["version"]), sha256=digest, origin="package")

    def build(self, shape: tuple[int, int], weights: Weights) -> Any:
        model = build(shape)
        with np.load(weights.path, allow_pickle=False) as stored:
            unpack(model, stored)
        model.trainable = False
        return model


__all__ = ["CARD", "EMBEDDING", "FILE", "Melnet", "body", "build", "pack", "unpack"]
