"""Published systems: listed, faithful where the description speaks, run both ways, not run twice."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("tensorflow")

from musicgenre.errors import EvaluationError, ModelError
from musicgenre.layout import Layout
from musicgenre.models import families, protocols, reproduce
from musicgenre.models.config import parse_config
from musicgenre.models.corpus import Corpus
from musicgenre.models.families.cnn import CnnConfig, build
from musicgenre.models.pieces import pieces_of
from musicgenre.params import FAMILIES, FamilySearch, Params, parse_params


def test_every_family_lists_what_its_publications_did() -> None:
    names = {item.system.name for item in reproduce.systems()}
    assert {"mfcc_cnn", "folder_cnn", "spectrogram_cnn", "mobilenet", "vgg16_frozen", "late_fusion"} <= names
    assert {"descriptors_lr", "descriptors_svm", "descriptors_rf", "descriptors_xgb"} <= names
    assert {"feed_forward", "vgg16_xgb"} <= names
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


def test_the_feed_forward_baseline_unrolls_the_image() -> None:
    config = parse_config(CnnConfig, reproduce.find("feed_forward").system.config, FamilySearch())
    model = build(config, (431, 96), (np.zeros(96, np.float32), np.ones(96, np.float32)), 7, top_db=80.0)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert not {"Conv2D", "MaxPooling2D", "BatchNormalization", "Dropout"} & set(kinds)
    assert [tuple(layer.kernel.shape) for layer in model.layers if type(layer).__name__ == "Dense"] == [
        (216 * 216, 512),
        (512, 32),
        (32, 7),
    ]


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
    page = (layout.reports / "reproduction" / "report.html").read_text(encoding="utf-8")
    assert "descriptors_lr" in page and "Skipped vgg16_frozen" in page
    drawn = {"summary", *(f"{what}-descriptors_lr-{way}" for what in ("confusion", "roc") for way in ("own", "honest"))}
    assert drawn | {"importances-descriptors_lr"} == set(re.findall(r'data-figure="([^"]+)"', page))
    for way in ("own", "honest"):
        table = pd.read_parquet(layout.reports / "reproduction" / f"descriptors_lr-{way}-descriptors.parquet")
        assert list(table) == ["feature", "importance", "w_g00", "w_g01"] and table["importance"].is_monotonic_decreasing
        assert f'data-name="genres-descriptors_lr-{way}"' in page
    truth = pd.read_parquet(layout.reports / "reproduction" / "descriptors_lr-honest-predictions.parquet").iloc[0]
    assert f"<strong>{truth['track_id']}</strong>" in page

    def forbidden(*arguments: object, **more: object) -> None:
        raise AssertionError("fitted again")

    monkeypatch.setattr(reproduce, "_run", forbidden)
    assert reproduce.reproduce("descriptors_lr", Params(), layout) == found


def test_a_killed_run_goes_on_where_it_stopped(make_layout: Callable[..., Layout], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout(tmp_path / "project")
    shutil.copytree(make_layout(genres=2, tracks=12, noise=3.0).data, layout.data)
    real = reproduce._run
    ran: list[str] = []

    def killed(item: reproduce.Listed, way: str, *rest: Any) -> dict[str, Any]:
        if way == "honest" and not ran.count("honest"):
            ran.append(way)
            raise KeyboardInterrupt
        ran.append(way)
        return real(item, way, *rest)

    monkeypatch.setattr(reproduce, "_run", killed)
    with pytest.raises(KeyboardInterrupt):
        reproduce.reproduce("descriptors_lr", Params(), layout)
    found = reproduce.reproduce("descriptors_lr", Params(), layout)
    assert ran == ["own", "honest", "honest"] and set(found) >= {"own", "honest"}
    # Other features are another result.
    spec = layout.features("descriptors") / "spec.json"
    spec.write_text(spec.read_text(encoding="utf-8").replace("descriptors-test", "descriptors-new"), encoding="utf-8")
    reproduce.reproduce("descriptors_lr", Params(), layout)
    assert ran[3:] == ["own", "honest"]


def test_the_average_of_two_systems(make_layout: Callable[..., Layout], tiny_backbone: None, tmp_path: Path) -> None:
    """VGG16 and XGBoost averaged; a tiny network stands in for VGG16 and is fine-tuned like it."""
    layout = Layout(tmp_path / "project")
    shutil.copytree(make_layout(genres=2, tracks=12, noise=3.0, backbone=True).data, layout.data)
    assert reproduce.find("vgg16_xgb").needs == ("vgg16",)
    results, skipped = reproduce.reproduce_all(Params(), layout, names=["vgg16_xgb"], epochs=1)
    assert not results and "vgg16" in skipped["vgg16_xgb"]
    results, skipped = reproduce.reproduce_all(Params(), layout, names=["vgg16_xgb"], epochs=1, stand_in="tiny")
    (found,) = results
    assert found["name"] == "vgg16_xgb-tiny" and found["stand_in"] == "tiny" and not skipped
    folder = layout.reports / "reproduction"
    for way in ("own", "honest"):
        names = ("vgg16_tuned-tiny", "descriptors_xgb", "vgg16_xgb-tiny")
        first, second, mixed = (pd.read_parquet(folder / f"{name}-{way}-predictions.parquet") for name in names)
        assert first["track_id"].equals(mixed["track_id"])
        for column in ("p_g00", "p_g01"):
            assert np.allclose(mixed[column], (first[column] + second[column]) / 2, atol=1e-6)
        assert not np.allclose(first["p_g00"], second["p_g00"])
        assert found[way]["cpu_seconds"] > 0
    # The page shows its members as well: they were run on the same split.
    table = (folder / "table.md").read_text(encoding="utf-8").splitlines()
    assert [line.split(" ")[1] for line in table[2:5]] == ["vgg16_tuned-tiny", "descriptors_xgb", "vgg16_xgb-tiny"]
    assert "VGG16 and XGBoost" in (folder / "report.html").read_text(encoding="utf-8")


def test_a_cap_that_no_page_can_keep_is_refused_before_training(
    make_layout: Callable[..., Layout], monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*arguments: object, **more: object) -> None:
        raise AssertionError("fitted")

    monkeypatch.setattr(reproduce, "_run", forbidden)
    with pytest.raises(EvaluationError, match="max_report_mb is 1"):
        params = parse_params({"evaluate": {"max_report_mb": 1.0}})
        reproduce.reproduce_all(params, make_layout(genres=2, tracks=12, noise=3.0), names=["descriptors_lr"])


def test_a_reshuffled_stream_tests_on_what_it_trained_on(make_layout: Callable[..., Layout]) -> None:
    layout = make_layout(genres=2, tracks=12, noise=3.0)
    assert reproduce.find("vgg16_head_a").protocol.unit == "stream"
    training, testing = protocols.own(protocols.Protocol("stream", 0.2, 0.2), layout, segment_s=3.0, seed=1)
    trained, tested = set(training.rows("train")["track_id"]), set(testing.rows("test")["track_id"])
    assert tested and tested <= trained
    assert not tested & set(training.rows("validation")["track_id"])
    # Drawn by tracks they are apart.
    training, testing = protocols.own(protocols.Protocol("tracks", 0.2, 0.2), layout, segment_s=3.0, seed=1)
    assert not set(testing.rows("test")["track_id"]) & set(training.tracks["track_id"])
