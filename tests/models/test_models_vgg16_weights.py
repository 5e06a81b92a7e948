"""VGG16 out of an archive's pickle: nothing is unpickled, and the network is the one that the tensors belong to."""

from __future__ import annotations

import importlib.util
import io
import pickle
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from musicgenre.models.backbones.images import TORCHVISION_VGG16, Vgg16, _three_channels
from musicgenre.models.backbones.weights import Weights

keras = pytest.importorskip("keras")

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "vgg16_weights.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    found = importlib.util.spec_from_file_location("vgg16_weights", SCRIPT)
    assert found and found.loader
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def convolutions(script: ModuleType) -> dict[str, dict[str, np.ndarray[Any, Any]]]:
    rng = np.random.default_rng(0)
    return {
        f"Conv_{index}": {
            "kernel": (rng.standard_normal((3, 3, read, made), np.float32) / np.sqrt(4.5 * read)).astype(np.float32),
            "bias": rng.standard_normal(made, np.float32) * np.float32(0.1),
        }
        for index, (read, made) in enumerate(script.SHAPES)
    }


def pickled(content: object) -> io.BytesIO:
    return io.BytesIO(pickle.dumps(content, protocol=3))


def test_tensors_are_read_without_unpickling(script: ModuleType, convolutions: Any, tmp_path: Path) -> None:
    head = {"Conv_0": {"kernel": np.ones((1, 1, 512, 1), np.float32)}}
    found = script.tensors(pickled({"VGG16_0": convolutions, "NetLinLayer_0": head}))
    for name, (kernel, bias) in found.items():
        assert np.array_equal(kernel, convolutions[name]["kernel"]) and np.array_equal(bias, convolutions[name]["bias"])

    class Hostile:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "ran",)

    script.tensors(pickled({"hostile": Hostile(), "VGG16_0": convolutions}))
    assert not (tmp_path / "ran").exists()


def test_other_tensors_are_refused(script: ModuleType, convolutions: Any) -> None:
    with pytest.raises(ValueError, match="not VGG16's"):
        script.tensors(pickled({"VGG16_0": {name: convolutions[name] for name in list(convolutions)[:12]}}))
    swapped = {**convolutions, "Conv_1": {**convolutions["Conv_1"], "kernel": np.asfortranarray(convolutions["Conv_1"]["kernel"])}}
    with pytest.raises(ValueError, match="Fortran"):
        script.tensors(pickled({"VGG16_0": swapped}))
    wide = {**convolutions, "Conv_0": {name: value.astype(np.float64) for name, value in convolutions["Conv_0"].items()}}
    with pytest.raises(ValueError, match="float32"):
        script.tensors(pickled({"VGG16_0": wide}))


def test_the_file_makes_the_network(script: ModuleType, convolutions: Any, tmp_path: Path) -> None:
    found = script.tensors(pickled({"VGG16_0": convolutions}))
    target = tmp_path / TORCHVISION_VGG16.name
    digest = script.write(found, target)
    assert digest == script.write(found, tmp_path / "again.weights.h5"), "the pinned digest needs a file that is always the same"
    assert not [item for item in tmp_path.iterdir() if item.name not in (target.name, "again.weights.h5")]

    weights = Weights(target, target.name, TORCHVISION_VGG16.variant, digest, "environment")
    network = Vgg16().build((40, 96), weights)
    mel = np.random.default_rng(1).uniform(-80, 0, (2, 40, 96)).astype(np.float32)
    source = keras.Input((40, 96))
    image = np.asarray(keras.Model(source, _three_channels(source, size=Vgg16.size, top_db=80.0))(mel))
    assert image.min() >= 0 and image.max() <= 1
    plain = keras.applications.VGG16(input_shape=(Vgg16.size, Vgg16.size, 3), include_top=False, weights=None, pooling="avg")
    plain.set_weights([item for name in convolutions for item in (convolutions[name]["kernel"], convolutions[name]["bias"])])
    # What torchvision's documentation asks for: RGB in [0, 1], standardised.
    expected = np.asarray(plain((image - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]))
    assert np.allclose(np.asarray(network(mel)), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
