"""One suite over all families: what `models.base` promises must hold for each."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("tensorflow")

from musicgenre.errors import ModelError, MusicGenreError
from musicgenre.features.segments import cut, segment_times
from musicgenre.layout import Layout
from musicgenre.models import families
from musicgenre.models.base import Choice, Float
from musicgenre.models.classical_model import ClassicalModel
from musicgenre.models.corpus import Corpus
from musicgenre.models.keras_model import KerasModel
from musicgenre.models.onnx.check import run_batched, session
from musicgenre.models.selection import select
from musicgenre.params import FAMILIES, EmbedParams, FamilySearch

BLOCK = FamilySearch(epochs=2, segment_s=3.0, hop_s=1.5)
# Small and quick, but every part of the real thing.
QUICK: dict[str, dict[str, Any]] = {
    "cnn": {"blocks": 2, "width": 4, "batch": 16},
    "transfer": {"backbone": "tiny", "width": 16, "batch": 16},
    "multimodal": {"kinds": "mel+scalogram+descriptors", "blocks": 2, "width": 4, "units": 8, "fusion": "gated", "batch": 16},
    "classical": {"model": "svm"},
}
STACKED = {"kinds": "descriptors+embedding:tiny", "fusion": "stacking", "units": 8}
CASES = list(QUICK.items())
CASES += [("transfer", {"backbone": "tiny", "width": 16, "unfreeze": 1, "second_rate": 1e-3})]
CASES += [("multimodal", {"kinds": "mel+embedding:tiny", "fusion": "average", "blocks": 2, "width": 4, "units": 8})]
CASES += [("multimodal", STACKED)]
CASES += [("classical", {"model": kind}) for kind in ("lr", "mlp")]
CASES += [("classical", {"model": "rf", "trees": 20}), ("classical", {"model": "xgb", "boosts": 20})]
CASES += [("classical", {"model": "lr", "row": "track", "select": "anova", "keep": 5, "pca": 3, "class_weights": True})]
CASES += [("classical", {"model": "lr", "select": method, "keep": 5}) for method in ("forward", "backward")]
CASES += [("classical", {"model": "svm", "kernel": "linear"}), ("classical", {"model": "lr", "source": "tiny", "C": 0.1})]
NAMES = [f"{name}-{'-'.join(str(value) for value in config.values())}" for name, config in CASES]


def fit(
    family: str, layout: Layout, config: Mapping[str, Any], *, seed: int = 1, block: FamilySearch = BLOCK
) -> tuple[Any, Corpus, list[Any]]:
    corpus = Corpus.open(layout)
    seen: list[Any] = []
    fitted = families.get(family).fit(
        config, corpus, block=block, seed=seed, report=lambda epoch, metrics: seen.append((epoch, dict(metrics)))
    )
    return fitted, corpus, seen


def load(family: str, directory: Path) -> Any:
    return (ClassicalModel if family == "classical" else KerasModel).load(directory)


def served(fitted: Any, spec: Any, folder: Path, corpus: Corpus, split: str) -> np.ndarray[Any, Any]:
    """What a service would say: stored features, the same `cut`, the ONNX file, the mean over segments."""
    running = session(folder / spec.file)
    rows = []
    for track, duration in corpus.rows(split)[["track_id", "duration_s"]].itertuples(index=False):
        times = segment_times(duration, spec.segmenting)
        feed = {item.name: cut(corpus.store(item.kind).track(track), item, times, spec.segmenting) for item in spec.inputs}
        rows.append(run_batched(running, feed).mean(axis=0))
    return np.stack(rows)


@pytest.mark.parametrize(("family", "config"), CASES, ids=NAMES)
def test_promises(family: str, config: dict[str, Any], make_layout: Callable[..., Layout], tiny_backbone: None, tmp_path: Path) -> None:
    layout = make_layout(genres=3, tracks=8, backbone=True)
    fitted, corpus, seen = fit(family, layout, config)

    # Every epoch is reported, and the history says the same.
    assert [epoch for epoch, _ in seen] == list(range(1, len(seen) + 1)) == fitted.history["epoch"].tolist()
    needed = {"train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "validation_macro_f1"}
    assert all(needed <= set(metrics) and all(np.isfinite(list(metrics.values()))) for _, metrics in seen)
    assert fitted.n_parameters > 0

    # Probabilities of tracks, in corpus order.
    p = fitted.predict(corpus, "validation")
    assert p.shape == (len(corpus.rows("validation")), 3) and p.dtype == np.float32
    assert np.allclose(p.sum(axis=1), 1, atol=1e-5) and (p >= 0).all()

    # The saved model is the model, and holds no pickle.
    fitted.save(tmp_path / "saved")
    again = load(family, tmp_path / "saved")
    assert np.abs(again.predict(corpus, "validation") - p).max() <= 1e-5
    assert {path.suffix for path in (tmp_path / "saved").iterdir()} <= {".keras", ".skops", ".json", ".parquet", ".npz"}

    # What is served is what was trained, also after loading.
    spec = fitted.export(tmp_path)
    assert spec.family == family and (tmp_path / spec.file).is_file()
    assert np.abs(served(fitted, spec, tmp_path, corpus, "validation") - p).max() <= 1e-5
    assert again.export(tmp_path / "saved").inputs == spec.inputs


@pytest.mark.parametrize("family", FAMILIES)
def test_same_seed_same_model(family: str, make_layout: Callable[..., Layout], tiny_backbone: None) -> None:
    layout = make_layout(genres=3, tracks=8, backbone=True)
    config = QUICK[family] if family != "classical" else {"model": "rf", "trees": 20}
    first, corpus, _ = fit(family, layout, config, seed=4)
    second, _, _ = fit(family, layout, config, seed=4)
    other, _, _ = fit(family, layout, config, seed=5)
    assert np.array_equal(first.predict(corpus, "validation"), second.predict(corpus, "validation"))
    assert not np.array_equal(first.predict(corpus, "validation"), other.predict(corpus, "validation"))


MANY = [*QUICK.items(), ("classical", {"model": "mlp"}), ("multimodal", STACKED)]


@pytest.mark.parametrize(("family", "config"), MANY, ids=[*QUICK, "mlp", "stacking"])
@pytest.mark.parametrize("genres", [2, pytest.param(50, marks=pytest.mark.slow)])
def test_two_genres_and_fifty(
    genres: int, family: str, config: dict[str, Any], make_layout: Callable[..., Layout], tiny_backbone: None, tmp_path: Path
) -> None:
    fitted, corpus, _ = fit(family, make_layout(genres=genres, tracks=4, backbone=True), config)
    p = fitted.predict(corpus, "validation")
    assert p.shape[1] == genres and np.allclose(p.sum(axis=1), 1, atol=1e-5)
    assert np.abs(served(fitted, fitted.export(tmp_path), tmp_path, corpus, "validation") - p).max() <= 1e-5


@pytest.mark.parametrize("family", FAMILIES)
def test_tracks_shorter_than_a_segment(family: str, make_layout: Callable[..., Layout], tiny_backbone: None, tmp_path: Path) -> None:
    fitted, corpus, _ = fit(family, make_layout(genres=2, tracks=4, seconds=1.3, backbone=True), QUICK[family])
    p = fitted.predict(corpus, "validation")
    assert np.abs(served(fitted, fitted.export(tmp_path), tmp_path, corpus, "validation") - p).max() <= 1e-5


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.slow
def test_overfits_eight_tracks(family: str, make_layout: Callable[..., Layout], tiny_backbone: None) -> None:
    layout = make_layout(genres=2, tracks=8, noise=0.5, backbone=True)
    config = {**QUICK[family], "dropout": 0.0, "label_smoothing": 0.0} if family != "classical" else {"model": "svm", "C": 100.0}
    fitted, corpus, seen = fit(family, layout, config, block=FamilySearch(epochs=40))
    rows = corpus.rows("train")
    assert len(rows) == 8
    assert (fitted.predict(corpus, "train").argmax(axis=1) == rows["label"].to_numpy()).all()
    assert max(metrics["train_accuracy"] for _, metrics in seen) >= 0.95


@pytest.mark.parametrize("family", FAMILIES)
def test_odd_segment_length(family: str, make_layout: Callable[..., Layout], tiny_backbone: None, tmp_path: Path) -> None:
    if family == "transfer":
        pytest.skip("the segments of transfer are those of the stored embeddings")
    block = FamilySearch(epochs=1, segment_s=0.71, hop_s=0.37)
    fitted, corpus, _ = fit(family, make_layout(genres=2, tracks=4, backbone=True), QUICK[family], block=block)
    fitted.export(tmp_path)
    assert np.isfinite(fitted.predict(corpus, "validation")).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_says_what_it_cannot_do(family: str, make_layout: Callable[..., Layout], tiny_backbone: None) -> None:
    layout = make_layout(genres=2, tracks=4, backbone=True)
    with pytest.raises(ModelError, match="no_such_key"):
        fit(family, layout, {"no_such_key": 1})
    wrong = {
        "cnn": {"kind": "colour"},
        "transfer": {"backbone": "nonesuch"},
        "multimodal": {"kinds": "mel"},
        "classical": {"model": "oracle"},
    }
    with pytest.raises(MusicGenreError, match=next(iter(wrong[family].values()))):
        fit(family, layout, wrong[family])


@pytest.mark.parametrize("family", FAMILIES)
def test_space_is_a_space(family: str) -> None:
    made = families.get(family)
    space = made.space(FamilySearch())
    assert set(space.conditions) <= set(space.dimensions)
    for name, parents in space.conditions.items():
        assert set(parents) <= set(space.dimensions), name
    pinned = made.space(FamilySearch(fixed={"class_weights": True}))
    assert pinned.dimensions["class_weights"] == Choice((True,))
    kinds, backbones = made.needs(FamilySearch())
    assert kinds or backbones
    names = [system.name for system in made.published()]
    assert len(names) == len(set(names)) and all(system.source and system.title for system in made.published())


@pytest.mark.parametrize("family", FAMILIES)
def test_published_systems_are_points_of_the_space(family: str) -> None:
    """What a system chooses among named options is one of them; it may lack a stored backbone, or fix what is not searched."""
    space = families.get(family).space(FamilySearch())
    for system in families.get(family).published():
        for name in {"optimizer", "kinds", "fusion", "kind", "model", "source", "row", "select"} & set(system.config):
            dimension = space.dimensions[name]
            assert isinstance(dimension, Choice) and system.config[name] in dimension.options, (system.name, name)


def test_what_is_searched_by_default() -> None:
    spaces = {family: families.get(family).space(FamilySearch()).dimensions for family in FAMILIES}
    for family in ("cnn", "transfer", "multimodal"):
        assert spaces[family]["optimizer"] == Choice(("adam", "adamw", "rmsprop", "sgd"))
        assert isinstance(spaces[family]["l2"], Float)
    assert set(spaces["multimodal"]["fusion"].options) == {"concatenate", "average", "gated", "stacking"}
    assert any("embedding:melnet" in kinds for kinds in spaces["multimodal"]["kinds"].options)
    steps = {"none", "variance", "mutual_information", "anova", "correlation", "forward", "backward", "l1", "importance"}
    assert set(spaces["classical"]["select"].options) == steps
    assert set(spaces["classical"]["source"].options) == {"descriptors", *EmbedParams().backbones}


@pytest.mark.parametrize(
    ("family", "config"), [("cnn", {}), ("multimodal", {}), ("multimodal", {"fusion": "gated"}), ("multimodal", STACKED)]
)
def test_l2_shrinks_every_kernel(
    family: str, config: dict[str, Any], make_layout: Callable[..., Layout], tiny_backbone: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss that is trained on grows by l2 times the squares of all kernels."""
    import keras

    from musicgenre.models import training

    made: list[keras.Model] = []

    def stop(model: keras.Model, optimizer: Any) -> Any:
        made.append(model)
        raise InterruptedError

    monkeypatch.setattr(training, "make_step", stop)
    with pytest.raises(InterruptedError):
        fit(family, make_layout(genres=2, tracks=4, backbone=True), {**QUICK[family], **config, "l2": 0.25})
    kernels = [variable for variable in made[0].trainable_variables if variable.path.endswith("kernel")]
    squares = sum(float(keras.ops.sum(kernel**2)) for kernel in kernels)
    assert sum(map(float, made[0].losses)) == pytest.approx(0.25 * squares, rel=1e-4)


def test_columns_are_chosen_on_training_tracks_alone(make_layout: Callable[..., Layout]) -> None:
    layout = make_layout(genres=3, tracks=8, backbone=True)
    for method in ("forward", "backward", "anova"):
        fitted, corpus, _ = fit("classical", layout, {"model": "lr", "row": "track", "select": method, "keep": 5})
        known = corpus.rows("train")
        rows = np.stack([np.asarray(corpus.store("descriptors").track(track)[0]) for track in known["track_id"]])
        alone = select(method, rows.astype(np.float64), known["label"].to_numpy(), known["group"].to_numpy(), keep=5, seed=1)
        assert np.array_equal(fitted.columns, alone)


def test_the_chosen_descriptors_stand_beside_the_model(make_layout: Callable[..., Layout], tmp_path: Path) -> None:
    layout = make_layout(genres=3, tracks=8, backbone=True)
    for config in ({"model": "rf", "trees": 10}, {"model": "lr", "pca": 3}):
        fitted, _, _ = fit("classical", layout, {**config, "select": "anova", "keep": 5})
        fitted.save(tmp_path)
        table = pd.read_parquet(tmp_path / "descriptors.parquet")
        model = json.loads((tmp_path / "model.json").read_text(encoding="utf-8"))
        assert model["selection"] == "anova" and sorted(table["feature"]) == sorted(model["selected"]) and len(table) == 5
        assert table["importance"].isna().all() == ("pca" in config)
        assert table["importance"].is_monotonic_decreasing or "pca" in config
        assert list(table)[2:] == []


def test_logistic_regression_says_what_each_descriptor_adds(make_layout: Callable[..., Layout]) -> None:
    """The coefficients are those of the scaled columns: with them the probabilities come out."""
    layout = make_layout(genres=3, tracks=8, backbone=True)
    fitted, _, _ = fit("classical", layout, {"model": "lr", "select": "anova", "keep": 5})
    table = fitted.descriptors().set_index("feature")
    genres = [name for name in table if name.startswith("w_")]
    assert genres == [f"w_{name}" for name in fitted.classes]
    assert np.allclose(table["importance"], table[genres].abs().mean(axis=1))
    rows = fitted.sample.astype(np.float64)
    scaled = fitted.pipeline.named_steps["scale"].transform(rows[:, fitted.columns])
    weights = table.loc[[fitted.names[column] for column in fitted.columns], genres].to_numpy()
    scores = scaled @ weights + fitted.pipeline.named_steps["classify"].intercept_
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    assert np.allclose(p, fitted.row_probabilities(rows), atol=1e-9)


def test_the_test_split_has_to_be_asked_for(make_layout: Callable[..., Layout]) -> None:
    layout = make_layout(genres=3, tracks=8, backbone=True)
    corpus = Corpus.open(layout)
    assert set(corpus.tracks["split"]) == {"train", "validation"}
    with pytest.raises(ModelError, match="not 'test'"):
        corpus.rows("test")
    assert set(Corpus.open(layout, splits=("test",)).tracks["split"]) == {"test"}
