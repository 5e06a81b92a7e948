"""Published systems: listed, faithful where the description speaks, run both ways, not run twice."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from musicgenre.errors import ModelError
from musicgenre.layout import Layout
from musicgenre.models import families, reproduce
from musicgenre.models.config import parse_config
from musicgenre.models.corpus import Corpus
from musicgenre.models.families.cnn import CnnConfig, build
from musicgenre.models.pieces import pieces_of
from musicgenre.params import FAMILIES, FamilySearch, Params


def test_every_family_lists_what_its_publications_did() -> None:
    names = {item.system.name for item in reproduce.systems()}
    assert {"mfcc_cnn", "folder_cnn", "spectrogram_cnn", "mobilenet", "vgg16_frozen", "late_fusion"} <= names
    assert {"descriptors_lr", "descriptors_svm", "descriptors_rf", "descriptors_xgb"} <= names
    assert not any(name.startswith("house_") for name in names)
    with pytest.raises(ModelError, match="mfcc_cnn"):
        reproduce.find("nonesuch")


@pytest.mark.parametrize("family", FAMILIES)
def test_published_configurations_are_valid(family: str) -> None:
    from importlib import import_module

    module = import_module(f"musicgenre.models.families.{family}")
    kind = getattr(module, f"{family.capitalize()}Config")
    for system in families.get(family).published():
        parse_config(kind, system.config, FamilySearch())


def test_mfcc_cnn_is_the_tutorials_network() -> None:
    """10 segments a track, 130 × 13, convolutions 32 (3,3), 32 (3,3), 32 (2,2), dense 64, dropout 0.3, Adam 1e-4, batch 32, 30 epochs."""
    config = parse_config(CnnConfig, reproduce.find("mfcc_cnn").system.config, FamilySearch())
    model = build(config, (130, 20), (np.zeros(20, np.float32), np.ones(20, np.float32)), 10, top_db=80.0)
    layers = [layer for layer in model.layers if type(layer).__name__ in ("Conv2D", "Dense", "MaxPooling2D", "BatchNormalization")]
    found = [
        (type(layer).__name__, getattr(layer, "filters", getattr(layer, "units", None)), getattr(layer, "kernel_size", None))
        for layer in layers
    ]
    block = [("MaxPooling2D", None, None), ("BatchNormalization", None, None)]
    assert found == [
        ("Conv2D", 32, (3, 3)), *block, ("Conv2D", 32, (3, 3)), *block, ("Conv2D", 32, (2, 2)), *block,
        ("Dense", 64, None), ("Dense", 10, None),
    ]  # fmt: skip
    recipe = config.recipe()
    assert (recipe.optimizer, recipe.rate, recipe.batch, recipe.epochs, config.dropout) == ("adam", 1e-4, 32, 30, 0.3)


def test_binary_output_is_one_sigmoid() -> None:
    config = parse_config(CnnConfig, reproduce.find("folder_cnn").system.config, FamilySearch())
    model = build(config, (200, 96), (np.zeros(96, np.float32), np.ones(96, np.float32)), 2, top_db=80.0)
    units = [layer.units for layer in model.layers if type(layer).__name__ == "Dense"]
    assert units[-1] == 1 and model.output_shape == (None, 2)


def test_pieces_of_one_track_meet_on_both_sides(make_layout: Callable[..., Layout]) -> None:
    everything = Corpus.open(make_layout(genres=2, tracks=4), splits=("train", "validation", "test"))
    sides = {side: pieces_of(everything, 1.0, validation=0.2, test=0.3, seed=1, splits=(side,)) for side in ("train", "validation", "test")}
    assert sum(len(corpus.tracks) for corpus in sides.values()) == 8 * 10
    owners = [set(corpus.tracks["recording"]) for corpus in sides.values()]
    assert owners[0] & owners[2]
    first = sides["test"].tracks["track_id"].iloc[0]
    track, number = first.rsplit("#", 1)
    whole, piece = everything.store("mel").track(track), sides["test"].store("mel").track(first)
    assert np.array_equal(piece, whole[20 * int(number) : 20 * int(number) + 20])


def test_run_both_ways_and_not_twice(make_layout: Callable[..., Layout], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout(tmp_path / "project")
    shutil.copytree(make_layout(genres=2, tracks=12, noise=3.0).data, layout.data)
    results, skipped = reproduce.reproduce_all(Params(), layout, names=["descriptors_lr", "vgg16_frozen"])
    assert "vgg16" in skipped["vgg16_frozen"]
    (found,) = results
    for way in ("own", "honest"):
        figures = found[way]["figures"]
        assert 0 <= figures["accuracy"]["low"] <= figures["accuracy"]["value"] <= figures["accuracy"]["high"] <= 1
        assert (layout.reports / "reproduction" / f"descriptors_lr-{way}-predictions.parquet").is_file()
    table = (layout.reports / "reproduction" / "table.md").read_text(encoding="utf-8")
    assert "descriptors_lr" in table and "acc 0.49" in table and "skipped vgg16_frozen" in table

    def forbidden(*arguments: object, **more: object) -> None:
        raise AssertionError("fitted again")

    monkeypatch.setattr(reproduce, "_run", forbidden)
    assert reproduce.reproduce("descriptors_lr", Params(), layout) == found
