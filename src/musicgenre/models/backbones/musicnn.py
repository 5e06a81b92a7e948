"""musicnn (Pons & Serra 2019, arXiv:1909.06654) as a Keras graph that loads the authors' tensors by name.

Every convolution is conv → ReLU → batch norm (eps 1e-3). The output is the
200-d embedding before the tag layer; `build_tagger` goes on to the 50 tags.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from musicgenre.errors import ModelError
from musicgenre.models.backbones.weights import WeightFile, Weights, find

if TYPE_CHECKING:
    from musicgenre.features.frontend import FrontEnd

FRAMES, BANDS = 187, 96
# The 50 tags of the Million Song Dataset variant, in the order of the output.
TAGS = (
    "rock", "pop", "alternative", "indie", "electronic", "female vocalists", "dance", "00s", "alternative rock", "jazz", "beautiful",
    "metal", "chillout", "male vocalists", "classic rock", "soul", "indie rock", "Mellow", "electronica", "80s", "folk", "90s", "chill",
    "instrumental", "punk", "oldies", "blues", "hard rock", "ambient", "acoustic", "experimental", "female vocalist", "guitar",
    "Hip-Hop", "70s", "party", "country", "easy listening", "sexy", "catchy", "funk", "electro", "heavy metal", "Progressive rock",
    "60s", "rnb", "indie pop", "sad", "House", "happy",
)  # fmt: skip


def _norm(value: Any, name: str) -> Any:
    import keras

    return keras.layers.BatchNormalization(epsilon=1e-3, name=name)(value)


def _graph(source: Any) -> tuple[Any, Any]:
    """Embedding and tags for log-mel [187, 96]."""
    import keras

    layers = keras.layers
    frames = int(source.shape[1])
    value = _norm(layers.Reshape((frames, BANDS, 1))(source), "batch_normalization")
    padded = layers.ZeroPadding2D(((3, 3), (0, 0)))(value)
    branches = []
    for name, norm, width, filters in (("conv2d", 1, 38, 204), ("conv2d_1", 2, 67, 204)):
        branch = layers.Conv2D(filters, (7, width), activation="relu", name=name)(padded)
        branch = _norm(branch, f"batch_normalization_{norm}")
        branches.append(layers.MaxPooling2D((1, BANDS - width + 1))(branch))
    for name, norm, length in (("conv2d_2", 3, 128), ("conv2d_3", 4, 64), ("conv2d_4", 5, 32)):
        branch = layers.Conv2D(51, (length, 1), padding="same", activation="relu", name=name)(value)
        branch = _norm(branch, f"batch_normalization_{norm}")
        branches.append(layers.MaxPooling2D((1, BANDS))(branch))
    front = layers.Reshape((frames, 561))(layers.Concatenate()(branches))
    outputs = [front]
    for index in (1, 2, 3):
        middle = layers.Conv1D(64, 7, padding="same", activation="relu", name=f"midend_conv{index}")(outputs[-1])
        middle = _norm(middle, f"bn_midend_conv{index}")
        outputs.append(middle if index == 1 else layers.Add()([outputs[-1], middle]))
    value = layers.Concatenate()(outputs)
    largest, mean = layers.GlobalMaxPooling1D()(value), layers.GlobalAveragePooling1D()(value)
    pair = layers.Concatenate()([layers.Reshape((753, 1))(largest), layers.Reshape((753, 1))(mean)])
    value = layers.Dropout(0.5)(_norm(layers.Flatten()(pair), "bn_flatpool"))
    embedding = _norm(layers.Dense(200, activation="relu", name="dense")(value), "bn_dense")
    tags = layers.Dense(50, activation="sigmoid", name="dense_1")(layers.Dropout(0.5)(embedding))
    return embedding, tags


def _fill(model: Any, weights: Weights) -> None:
    """Put the stored tensors, found by name, into the graph's layers; every one must be used and fit."""
    import h5py  # type: ignore[import-untyped]  # publishes no types

    with h5py.File(weights.path) as stored:
        root = stored.get("model_weights", stored)
        for layer in model.layers:
            if not layer.weights:
                continue
            if layer.name not in root:
                raise ModelError(f"{weights.path} has no tensors for layer {layer.name!r}; it is not musicnn's file.")
            group = root[layer.name][layer.name]
            tensors = {key.split(":")[0].removesuffix("_1"): np.asarray(group[key]) for key in group}
            values = []
            for variable in layer.weights:
                array = tensors[variable.name]
                if array.ndim == len(variable.shape) + 1:
                    array = array.squeeze(2)  # the mid-end was stored as two-dimensional convolutions one band high
                values.append(array.reshape(variable.shape))
            layer.set_weights(values)
    model.trainable = False


class Musicnn:
    """See `backbones.base.Backbone`; 200-d, on `musicnn_mel` segments of 3 s (187 frames)."""

    name = "musicnn"
    kind = "musicnn_mel"
    files = (WeightFile("MSD_musicnn.h5", "MSD", "412a832c8527a813e084ba6f2cc7d068ecbbf1b68bda8c1de2e7de0d1f5fe7d1", licence="ISC"),)

    def check(self, front_end: FrontEnd) -> None:
        """The kind is defined by musicnn itself; no parameter of ours changes it."""

    def find(self, variant: str | None = None, *, download: bool = True) -> Weights:
        return find(self.name, self.files, variant=variant, download=download)

    def build(self, shape: tuple[int, int], weights: Weights) -> Any:
        import keras

        if shape[1] != BANDS or shape[0] < 32:
            raise ModelError(f"musicnn reads at least half a second of {BANDS} bands, not segments of {shape}.")
        source = keras.Input(shape, name=self.kind)
        embedding, tags = _graph(source)
        _fill(keras.Model(source, tags), weights)
        return keras.Model(source, embedding, name=self.name)

    def build_tagger(self, weights: Weights, frames: int = FRAMES) -> Any:
        """The whole network, float32 [N, frames, 96] → [N, 50] tags, to check it against published behaviour."""
        import keras

        source = keras.Input((frames, BANDS), name=self.kind)
        model = keras.Model(source, _graph(source)[1], name="musicnn_tagger")
        _fill(model, weights)
        return model


__all__ = ["TAGS", "Musicnn"]
