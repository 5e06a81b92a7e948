"""Partial fine-tuning from activations kept at the boundary is fine-tuning of the whole graph."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from musicgenre.errors import ModelError
from musicgenre.features.extract import store_spec
from musicgenre.features.frontend import FrontEnd
from musicgenre.features.store import StoreWriter
from musicgenre.layout import Layout
from musicgenre.models import backbones, families
from musicgenre.models.backbones import weights as room
from musicgenre.models.boundary import activations, divide
from musicgenre.models.corpus import Corpus
from musicgenre.models.embed import embed
from musicgenre.models.onnx.check import run_batched, session
from musicgenre.params import ComputeParams, EmbedParams, FamilySearch

BLOCK = FamilySearch(epochs=3)
# The first phase hardly learns, so that the second one is certain to be kept.
TUNED = {"width": 16, "batch": 16, "epochs": 1, "rate": 1e-5, "second_rate": 3e-3, "second_epochs": 3}


def _nested() -> Any:
    """A network inside a network, with a batch norm and a skip over the boundary."""
    import keras

    layers = keras.layers
    inside = keras.Input((20, 8))
    first = layers.Conv1D(6, 3, padding="same", name="first")(inside)
    second = layers.Conv1D(6, 3, padding="same", name="second")(layers.BatchNormalization()(first))
    net = keras.Model(inside, layers.GlobalAveragePooling1D()(layers.Add()([first, layers.ReLU()(second)])))
    source = keras.Input((20, 8))
    whole = keras.Model(source, layers.Dense(5, name="third")(net(layers.Rescaling(0.1)(source))), name="nested")
    whole.trainable = False
    return whole


def _fit(layout: Layout, config: dict[str, Any]) -> tuple[Any, Corpus, list[int]]:
    corpus, epochs = Corpus.open(layout), []
    fitted = families.get("transfer").fit(config, corpus, block=BLOCK, seed=2, report=lambda epoch, _: epochs.append(epoch))
    return fitted, corpus, epochs


@pytest.mark.parametrize(("unfreeze", "learning"), [(1, ["third"]), (2, ["second", "third"]), (3, ["first", "second", "third"])])
def test_both_halves_are_the_whole_in_training_too(unfreeze: int, learning: list[str]) -> None:
    model = _nested()
    halves = divide(model, unfreeze)
    assert list(halves.layers) == learning
    assert not halves.before.trainable_variables and len(halves.after.trainable_variables) == 2 * unfreeze
    data = np.random.default_rng(0).normal(size=(4, 20, 8)).astype(np.float32)
    kept = halves.before(data, training=False)
    untouched = np.asarray(model(data, training=False))
    for variable in halves.after.trainable_variables:
        variable.assign(variable * 1.5 + 0.1)
    changed = np.asarray(model(data, training=False))
    assert np.abs(changed - untouched).max() > 0.01
    assert np.abs(np.asarray(halves.after(kept, training=True)) - changed).max() <= 1e-6


def test_melnet_divides_where_its_blocks_branch() -> None:
    network = backbones.get("melnet")
    model = network.build((129, 96), network.find())
    halves = divide(model, 3)
    assert halves.layers == ("conv3", "conv4", "mix")
    data = (np.random.default_rng(0).random((3, 129, 96)) * -80).astype(np.float32)
    for variable in halves.after.trainable_variables:
        variable.assign(variable * 1.1)
    whole = np.asarray(model(data, training=False))
    assert np.abs(np.asarray(halves.after(halves.before(data, training=False))) - whole).max() <= 1e-5 * np.abs(whole).max()


@pytest.mark.parametrize("unfreeze", [0, 4])
def test_more_layers_than_there_are_is_said(unfreeze: int) -> None:
    with pytest.raises(ModelError, match="3 layers"):
        divide(_nested(), unfreeze)


def test_a_tuned_model_is_served_as_trained(make_layout: Callable[..., Layout], tiny_backbone: None, tmp_path: Path) -> None:
    layout = make_layout(genres=3, tracks=8, backbone=True)
    fitted, _, epochs = _fit(layout, {"backbone": "tiny", "unfreeze": 1, **TUNED})
    assert epochs == fitted.history["epoch"].tolist() == [1, 2, 3, 4]
    before = backbones.get("tiny").build((60, 32), None).get_layer("tiny_conv").get_weights()
    after = fitted.halves.after.get_layer("tiny_conv").get_weights()
    assert all(np.abs(old - new).max() > 1e-4 for old, new in zip(before, after, strict=True)), "the backbone's layer has learnt"

    whole = np.asarray(fitted.model(fitted.sample[0], training=False))
    assert np.abs(whole - fitted.expected()).max() <= 1e-5, "cached activations give the full graph's answers"
    spec = fitted.export(tmp_path)  # raises above 1e-5
    assert np.abs(run_batched(session(tmp_path / spec.file), {"mel": fitted.sample[0]}) - whole).max() <= 1e-5


def test_activations_are_computed_once(make_layout: Callable[..., Layout], tiny_backbone: None) -> None:
    layout = make_layout(genres=3, tracks=8, backbone=True, seed=3)
    _fit(layout, {"backbone": "tiny", **TUNED})
    assert not (layout.work / "activations").exists(), "no fine-tuning, no activations"
    fitted, corpus, _ = _fit(layout, {"backbone": "tiny", "unfreeze": 1, **TUNED})
    stores = {path: path.stat().st_mtime_ns for path in (layout.work / "activations").glob("*/values.npy")}
    assert len(stores) == 2, "train and validation, never test"
    again, _, _ = _fit(layout, {"backbone": "tiny", "unfreeze": 1, **TUNED})
    assert {path: path.stat().st_mtime_ns for path in (layout.work / "activations").glob("*/values.npy")} == stores
    assert np.array_equal(again.predict(corpus, "validation"), fitted.predict(corpus, "validation"))


def test_a_second_phase_that_is_no_better_is_undone(make_layout: Callable[..., Layout], tiny_backbone: None) -> None:
    layout = make_layout(genres=3, tracks=8, backbone=True)
    first = {"backbone": "tiny", "width": 16, "batch": 16, "epochs": 3, "rate": 1e-2}
    plain, corpus, _ = _fit(layout, first)
    wild, _, _ = _fit(layout, {**first, "unfreeze": 1, "second_rate": 30.0, "second_epochs": 1})
    assert np.abs(wild.predict(corpus, "validation") - plain.predict(corpus, "validation")).max() <= 1e-5


def _real_corpus(gtzan_mini: Path, root: Path) -> Layout:
    """Ten seconds of four tracks of three genres: two train, one validates, one tests."""
    import pandas as pd
    import soundfile

    layout, front_end = Layout(root), FrontEnd()
    rows = []
    layout.data.mkdir(parents=True)
    with StoreWriter(layout.features("mel"), store_spec(front_end, "mel")) as writer:
        for genre in ("blues", "metal", "reggae"):
            for path, split in zip(sorted((gtzan_mini / genre).glob("*.ogg")), ("train", "train", "validation", "test"), strict=False):
                samples, _ = soundfile.read(path, dtype="float32", frames=220_500)
                track = f"{genre}/{path.stem}"
                writer.add(track, front_end.compute(samples, ["mel"])["mel"], duration_s=10.0)
                rows.append({"track_id": track, "genre": genre, "group": track, "recording": track, "split": split})
    pd.DataFrame(rows).to_parquet(layout.splits)
    return layout


@pytest.mark.slow
@pytest.mark.parametrize(("name", "unfreeze"), [("melnet", 1), ("melnet", 3), ("mobilenet_v2", 1), ("mobilenet_v2", 3)])
def test_real_backbones_agree_after_tuning(
    name: str, unfreeze: int, gtzan_mini: Path, research_weights: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(room.VARIABLE, str(research_weights))
    layout = _real_corpus(gtzan_mini, tmp_path / "project")
    embed(EmbedParams(backbones=(name,)), layout, ComputeParams(workers=1))
    fitted, corpus, _ = _fit(layout, {"backbone": name, "unfreeze": unfreeze, **TUNED, "second_rate": 1e-4})
    assert len(fitted.history) == 4
    rows = activations(corpus, "validation", fitted.halves, fitted.inputs[0], fitted.segmenting, fitted.extra)
    assert np.array_equal(rows.sample(16)[0], fitted.stored_sample[0])
    fitted.export(tmp_path)  # raises above 1e-5
