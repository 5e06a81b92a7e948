"""YAMNet (AudioSet; MobileNet v1 with folded batch norms) as a Keras graph over log-mel patches of 96 frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from musicgenre.errors import ModelError
from musicgenre.models.backbones.weights import WeightFile, Weights, find

if TYPE_CHECKING:
    from musicgenre.features.frontend import FrontEnd

PATCH, BANDS, CLASSES = 96, 64, 521
# (stride, filters) of the thirteen depthwise-separable layers after the first convolution.
LAYERS = ((1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512), *((1, 512),) * 5, (2, 1024), (1, 1024))


def _body() -> Any:
    """One patch [96, 64] → [1024], the mean over the last map."""
    import keras

    layers = keras.layers
    source = keras.Input((PATCH, BANDS))
    value = layers.Reshape((PATCH, BANDS, 1))(source)
    value = layers.Conv2D(32, 3, strides=2, padding="same", activation="relu", name="layer1")(value)
    for index, (stride, filters) in enumerate(LAYERS, start=2):
        value = layers.DepthwiseConv2D(3, strides=stride, padding="same", activation="relu", name=f"layer{index}_dw")(value)
        value = layers.Conv2D(filters, 1, padding="same", activation="relu", name=f"layer{index}_pw")(value)
    return keras.Model(source, layers.GlobalAveragePooling2D()(value), name="yamnet_patch")


def _fill(body: Any, scores: Any, weights: Weights) -> None:
    """Stored as Keras numbers them: `conv2d`, `conv2d_1`, … in the order of the graph."""
    import h5py  # type: ignore[import-untyped]  # publishes no types

    counts = {"conv2d": 0, "depthwise_conv2d": 0}
    with h5py.File(weights.path) as stored:
        for layer in body.layers:
            if not layer.weights:
                continue
            stem = "depthwise_conv2d" if layer.name.endswith("_dw") else "conv2d"
            name = stem if counts[stem] == 0 else f"{stem}_{counts[stem]}"
            counts[stem] += 1
            try:
                layer.set_weights([np.asarray(stored[f"layers/{name}/vars/{index}"]) for index in range(2)])
            except (KeyError, ValueError) as error:
                raise ModelError(f"{weights.path} does not fit YAMNet at {layer.name!r}: {error}") from error
        if scores is not None:
            scores.set_weights([np.asarray(stored[f"layers/dense/vars/{index}"]) for index in range(2)])
    body.trainable = False


class Yamnet:
    """See `backbones.base.Backbone`; 1024-d. A segment is cut into half-overlapping patches of 0.96 s, whose vectors are averaged."""

    name = "yamnet"
    kind = "yamnet_mel"
    files = (
        WeightFile(
            "yamnet.weights.h5",
            "dequantised",
            "ec4f8b86cf958b7a633e3f5fe38ee8be118168bdbd9a08daa28b6ee2db9699ba",
            licence="Apache-2.0",
        ),
    )

    def check(self, front_end: FrontEnd) -> None:
        """The kind is defined by YAMNet itself; no parameter of ours changes it."""

    def find(self, variant: str | None = None, *, download: bool = True) -> Weights:
        return find(self.name, self.files, variant=variant, download=download)

    def _patches(self, shape: tuple[int, int], weights: Weights, *, scores: bool) -> Any:
        import keras

        layers = keras.layers
        if shape[1] != BANDS or shape[0] < PATCH:
            raise ModelError(f"YAMNet reads at least {PATCH} frames (0.96 s) of {BANDS} bands, not segments of {shape}.")
        source = keras.Input(shape, name=self.kind)
        body = _body()
        head = layers.Dense(CLASSES, activation="sigmoid", name="scores") if scores else None
        if head is not None:
            head.build((None, 1024))
        _fill(body, head, weights)
        starts = range(0, shape[0] - PATCH + 1, PATCH // 2)
        parts = []
        for start in starts:
            part = body(layers.Cropping1D((start, shape[0] - PATCH - start))(source))
            parts.append(part if head is None else head(part))
        return keras.Model(source, layers.Average()(parts) if len(parts) > 1 else parts[0], name=self.name)

    def build(self, shape: tuple[int, int], weights: Weights) -> Any:
        return self._patches(shape, weights, scores=False)

    def build_tagger(self, weights: Weights, frames: int = PATCH) -> Any:
        """float32 [N, frames, 64] → [N, 521] AudioSet scores, to check it against published behaviour."""
        return self._patches((frames, BANDS), weights, scores=True)


__all__ = ["Yamnet"]
