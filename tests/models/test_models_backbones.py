"""Backbones: their graphs, their weights, the stage that runs them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from musicgenre.errors import FetchError, MissingInput, ModelError, WeightsUnavailable
from musicgenre.features.frontend import FrontEnd
from musicgenre.features.store import FeatureStore
from musicgenre.layout import Layout
from musicgenre.lineage import file_sha256
from musicgenre.models import backbones
from musicgenre.models.backbones import weights as room
from musicgenre.models.backbones.melnet import Melnet
from musicgenre.models.backbones.musicnn import TAGS, Musicnn
from musicgenre.models.backbones.yamnet import Yamnet
from musicgenre.models.embed import embed
from musicgenre.models.onnx.check import session
from musicgenre.models.onnx.keras_graph import keras_to_onnx
from musicgenre.params import ComputeParams, EmbedParams


@pytest.fixture
def no_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither variable nor cache; the publisher is a file that is not there."""
    monkeypatch.delenv(room.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_melnet_ships_and_is_what_its_card_says() -> None:
    network = Melnet()
    found = network.find()
    assert found.origin == "package" and found.path.stat().st_size <= 3_000_000
    assert file_sha256(found.path) == network.card["sha256"]
    network.check(FrontEnd())
    held, chance = network.card["held_out_accuracy"], network.card["chance"]
    assert sum(held[name] > 1.3 * chance[name] for name in held) >= 8


def test_melnet_refuses_other_features() -> None:
    with pytest.raises(ModelError, match="n_mels"):
        Melnet().check(FrontEnd(n_mels=64))


def test_melnet_in_onnx_is_melnet() -> None:
    network = Melnet()
    model = network.build((129, 96), network.find())
    data = (np.random.default_rng(0).random((3, 129, 96)) * -80).astype(np.float32)
    got = session(keras_to_onnx(model, title="melnet", names=("mel",))).run(None, {"mel": data})[0]
    expected = np.asarray(model(data, training=False))
    assert np.abs(got - expected).max() <= 1e-4 * np.abs(expected).max()


def test_tampered_melnet_is_refused(tmp_path: Path) -> None:
    original = Melnet().folder
    for name in ("melnet.npz", "melnet.json"):
        (tmp_path / name).write_bytes((original / name).read_bytes())
    with (tmp_path / "melnet.npz").open("ab") as handle:
        handle.write(b"x")
    with pytest.raises(FetchError, match="SHA-256"):
        Melnet(tmp_path).find()


@pytest.mark.parametrize("name", ["mobilenet_v2", "vgg16", "musicnn", "yamnet"])
def test_missing_weights_name_every_way(name: str, no_weights: None) -> None:
    with pytest.raises(WeightsUnavailable) as caught:
        backbones.get(name).find(download=False)
    message = str(caught.value)
    assert room.VARIABLE in message and str(room.cache_folder()) in message


def test_weights_order_digest_and_download(no_weights: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    content = b"weights" * 1000
    digest = hashlib.sha256(content).hexdigest()
    publisher = tmp_path / "publisher.h5"
    publisher.write_bytes(content)
    item = room.WeightFile("w.h5", "v", digest, url=publisher.as_uri())

    found = room.find("x", [item])
    assert found.origin == "publisher" and found.path == room.cache_folder() / "w.h5"
    assert room.find("x", [item]).origin == "cache"
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "w.h5").write_bytes(content)
    monkeypatch.setenv(room.VARIABLE, str(mine))
    assert room.find("x", [item]).origin == "environment"
    (mine / "w.h5").write_bytes(b"other")
    with pytest.raises(FetchError, match="SHA-256"):
        room.find("x", [item])


def test_a_wrong_download_leaves_nothing(no_weights: None, tmp_path: Path) -> None:
    publisher = tmp_path / "publisher.h5"
    publisher.write_bytes(b"not what was promised")
    with pytest.raises(FetchError, match="nothing was kept"):
        room.find("x", [room.WeightFile("w.h5", "v", "0" * 64, url=publisher.as_uri())])
    assert not list(room.cache_folder().glob("*"))


def test_embed_computes_only_what_is_new(make_layout: Callable[..., Layout], tiny_backbone: None, tmp_path: Path) -> None:
    import shutil

    source = make_layout(genres=2, tracks=4)
    layout = Layout(tmp_path / "project")
    shutil.copytree(source.data, layout.data)
    params = EmbedParams(backbones=("tiny",), batch=5)
    first = embed(params, layout, ComputeParams(workers=1))[0]
    assert first.computed == first.tracks == 8 and first.segments == 8 * 5
    values = np.array(FeatureStore.open(layout.embeddings("tiny")).values)

    shutil.rmtree(layout.embeddings("tiny"))
    assert embed(params, layout, ComputeParams(workers=1))[0].computed == 0
    assert np.array_equal(np.array(FeatureStore.open(layout.embeddings("tiny")).values), values)

    (next(iter(sorted((layout.work / "embeddings").rglob("*.npy"))))).unlink()  # as if killed before this one
    assert embed(params, layout, ComputeParams(workers=1))[0].computed == 1
    # How segments fall into batches changes rounding at most.
    other = embed(EmbedParams(backbones=("tiny",), batch=64, hop_s=1.5), layout, ComputeParams(workers=1))[0]
    assert other.computed == 0
    assert np.allclose(np.array(FeatureStore.open(layout.embeddings("tiny")).values), values, atol=1e-6)


def test_embed_removes_what_is_no_longer_asked_for(make_layout: Callable[..., Layout], tiny_backbone: None, tmp_path: Path) -> None:
    import shutil

    layout = Layout(tmp_path / "project")
    shutil.copytree(make_layout(genres=2, tracks=4).data, layout.data)
    (layout.embeddings("old")).mkdir(parents=True)
    embed(EmbedParams(backbones=("tiny",)), layout, ComputeParams(workers=1))
    assert not layout.embeddings("old").exists()


def test_embed_says_which_features_are_missing(tmp_path: Path, research_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(room.VARIABLE, str(research_weights))
    with pytest.raises(MissingInput, match="musicnn_mel"):
        embed(EmbedParams(backbones=("musicnn",)), Layout(tmp_path), ComputeParams(workers=1))


def _clip(gtzan_mini: Path, genre: str, kind: str, seconds: float) -> Any:
    import soundfile

    path = next(path for path in sorted((gtzan_mini / genre).glob("*.ogg")))
    samples, _ = soundfile.read(path, dtype="float32")
    return FrontEnd().compute(samples[: int(22050 * seconds)], [kind])[kind].astype(np.float32)


@pytest.mark.slow
def test_musicnn_hears_what_was_published(gtzan_mini: Path, research_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real tensors by name, on real audio: the tag of the genre stands far above its average over all genres."""
    monkeypatch.setenv(room.VARIABLE, str(research_weights))
    tagger = Musicnn().build_tagger(Musicnn().find())
    assert tagger.count_params() == pytest.approx(787_000, rel=0.02)
    expected = {"metal": "metal", "jazz": "jazz", "hiphop": "Hip-Hop", "blues": "blues", "country": "country", "rock": "rock"}
    scores = {}
    for genre in expected:
        mel = _clip(gtzan_mini, genre, "musicnn_mel", 12)
        windows = np.stack([mel[start : start + 187] for start in range(0, 187 * 3, 187)])
        scores[genre] = np.asarray(tagger(windows, training=False)).mean(axis=0)
    everyone = np.mean(list(scores.values()), axis=0)
    right = [genre for genre, tag in expected.items() if scores[genre][TAGS.index(tag)] > 1.5 * everyone[TAGS.index(tag)]]
    assert len(right) >= 5, right


@pytest.mark.slow
def test_yamnet_hears_music(gtzan_mini: Path, research_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import csv

    monkeypatch.setenv(room.VARIABLE, str(research_weights))
    with (research_weights / "yamnet_class_map.csv").open() as handle:
        names = [row["display_name"] for row in csv.DictReader(handle)]
    tagger = Yamnet().build_tagger(Yamnet().find(), frames=288)
    for genre in ("jazz", "metal", "classical"):
        mel = _clip(gtzan_mini, genre, "yamnet_mel", 3.2)
        scores = np.asarray(tagger(mel[None, :288], training=False))[0]
        assert "Music" in [names[index] for index in np.argsort(-scores)[:3]], genre


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "variant"), [("mobilenet_v2", "0.35"), ("mobilenet_v2", "1.0-dequantised"), ("musicnn", None), ("yamnet", None)]
)
def test_real_weights_in_onnx(
    name: str, variant: str | None, gtzan_mini: Path, research_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative to the embedding's size the two runtimes differ by float32 rounding over some fifty layers."""
    monkeypatch.setenv(room.VARIABLE, str(research_weights))
    network = backbones.get(name)
    mel = _clip(gtzan_mini, "blues", network.kind, 4)
    frames = round(3 * FrontEnd().rate(network.kind))
    data = np.stack([mel[:frames], mel[20 : 20 + frames]])
    model = network.build((frames, data.shape[2]), network.find(variant))
    got = session(keras_to_onnx(model, title=name, names=("x",))).run(None, {"x": data})[0]
    expected = np.asarray(model(data, training=False))
    assert np.abs(got - expected).max() <= 1e-4 * max(1.0, np.abs(expected).max())
