"""ImageNet networks on mel images: MobileNetV2 and VGG16 through keras.applications."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from musicgenre.errors import ModelError
from musicgenre.models.backbones.weights import WeightFile, Weights, find

if TYPE_CHECKING:
    from musicgenre.features.frontend import FrontEnd

_PUBLISHER = "https://storage.googleapis.com/tensorflow/keras-applications"
_VGG16 = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
_MOBILENET = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{alpha}_224_no_top.h5"


# Torchvision's training: another set of tensors than the original's. `scripts/vgg16_weights.py` makes the file.
TORCHVISION_VGG16 = WeightFile(
    "vgg16_torchvision_no_top.weights.h5",
    "torchvision",
    "9ccfbc6a350e9583834b95d1810ddeeb0b68499bfdb3c903f30b457aa5dd8e9b",
    licence="BSD-3-Clause",
)


def _three_channels(source: Any, *, size: int, top_db: float) -> Any:
    """dB [frames, bands] → [size, size, 3] in [0, 1]: resized bilinearly, the one channel three times."""
    import keras

    from musicgenre.models.layers import as_image

    value = as_image(keras.layers.Rescaling(1.0 / top_db, 1.0)(source), size=size)
    return keras.layers.Concatenate()([value, value, value])


class MobileNetV2:
    """MobileNetV2 (Sandler et al. 2018), ImageNet, global average: 1280-d. Images of 128 × 128 in [−1, 1]."""

    name = "mobilenet_v2"
    kind = "mel"
    size = 128
    files = (
        WeightFile(_MOBILENET.format(alpha="1.0"), "1.0", url=f"{_PUBLISHER}/mobilenet_v2/{_MOBILENET.format(alpha='1.0')}"),
        WeightFile(
            "mobilenet_v2_0.35_no_top.weights.h5", "0.35", "04af0032331eca800a501cbd14b1861ef1d07bfa5728325084bbe295e7ffaecb", licence="MIT"
        ),
        WeightFile(
            "mobilenet_v2_1.0_no_top_dequantised.weights.h5",
            "1.0-dequantised",
            "dd879f1e149b4a9586f8a2b8c2e03f9a8a84024d04b137b912f025e3ed149011",
            licence="Apache-2.0",
        ),
        WeightFile(_MOBILENET.format(alpha="0.35"), "0.35", url=f"{_PUBLISHER}/mobilenet_v2/{_MOBILENET.format(alpha='0.35')}"),
    )

    def check(self, front_end: FrontEnd) -> None:
        """Any mel spectrogram is an image."""

    def find(self, variant: str | None = None, *, download: bool = True) -> Weights:
        return find(self.name, self.files, variant=variant, download=download)

    def build(self, shape: tuple[int, int], weights: Weights) -> Any:
        import keras

        alpha = float(weights.variant.split("-")[0])
        source = keras.Input(shape, name=self.kind)
        image = keras.layers.Rescaling(2.0, -1.0)(_three_channels(source, size=self.size, top_db=80.0))
        net = keras.applications.MobileNetV2(
            input_shape=(self.size, self.size, 3), alpha=alpha, include_top=False, weights=None, pooling="avg"
        )
        _load(net, weights)
        return keras.Model(source, net(image), name=self.name)


class Vgg16:
    """VGG16 (Simonyan & Zisserman 2015), ImageNet, global average: 512-d.

    Images in BGR minus the ImageNet means for the original's tensors (which Keras publishes); RGB, standardised, for torchvision's.
    """

    name = "vgg16"
    kind = "mel"
    size = 128
    files = (
        WeightFile(
            _VGG16,
            "notop",
            "bfe5187d0a272bed55ba430631598124cff8e880b98d38c9e56c8d66032abdc1",
            url=f"{_PUBLISHER}/vgg16/{_VGG16}",
            licence="CC-BY-4.0",
        ),
        TORCHVISION_VGG16,
    )

    def check(self, front_end: FrontEnd) -> None:
        """Any mel spectrogram is an image."""

    def find(self, variant: str | None = None, *, download: bool = True) -> Weights:
        return find(self.name, self.files, variant=variant, download=download)

    def build(self, shape: tuple[int, int], weights: Weights) -> Any:
        import keras

        source = keras.Input(shape, name=self.kind)
        image = _three_channels(source, size=self.size, top_db=80.0)
        if weights.variant == TORCHVISION_VGG16.variant:
            deviations, means = (0.229, 0.224, 0.225), (0.485, 0.456, 0.406)
            offsets = [-mean / deviation for mean, deviation in zip(means, deviations, strict=True)]
            image = keras.layers.Rescaling([1 / deviation for deviation in deviations], offsets)(image)
        else:
            image = keras.layers.Rescaling([255.0] * 3, [-103.939, -116.779, -123.68])(image)
        net = keras.applications.VGG16(input_shape=(self.size, self.size, 3), include_top=False, weights=None, pooling="avg")
        _load(net, weights)
        return keras.Model(source, net(image), name=self.name)


def _load(net: Any, weights: Weights) -> None:
    try:
        net.load_weights(weights.path)
    except (ValueError, KeyError, OSError) as error:
        raise ModelError(f"{weights.path} does not fit {net.name}: {error}. Is it the file of variant {weights.variant!r}?") from error
    net.trainable = False


__all__ = ["TORCHVISION_VGG16", "MobileNetV2", "Vgg16"]
