"""The mixture: what the greedy selection takes, a temperature that helps out of fold, a bundle that mixes alike."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from search_project import TOY, read_runs, write_project
from thread_pool import ThreadPool

from musicgenre.errors import MissingInput, SearchError
from musicgenre.layout import Layout
from musicgenre.params import parse_params
from musicgenre.search import study
from musicgenre.search.ensemble import apply_temperature, build, calibrate, fit_temperature, greedy

RNG = np.random.default_rng(5)


def noisy(labels: np.ndarray, classes: int, strength: float, seed: int) -> np.ndarray:
    """Probabilities of a model whose logits are the truth plus noise of its own."""
    z = strength * np.eye(classes)[labels] + np.random.default_rng(seed).normal(0, 1, (len(labels), classes))
    z = np.exp(z)
    return z / z.sum(axis=1, keepdims=True)


def accuracy(p: np.ndarray, labels: np.ndarray) -> float:
    return float((p.argmax(axis=1) == labels).mean())


def test_independent_models_are_mixed_and_a_useless_one_is_left_out() -> None:
    labels = RNG.integers(0, 5, 400)
    stacks = {"a": noisy(labels, 5, 1.5, 1), "b": noisy(labels, 5, 1.5, 2), "chance": noisy(labels, 5, 0.0, 3)}
    weights = greedy(stacks, labels, rounds=20, max_members=3)
    assert sum(weights.values()) == pytest.approx(1)
    assert weights.get("chance", 0) < 0.15
    mixed = sum(weight * stacks[name] for name, weight in weights.items())
    assert accuracy(mixed, labels) > max(accuracy(stacks["a"], labels), accuracy(stacks["b"], labels)) + 0.02


def test_selection_is_never_worse_than_the_best_alone_and_keeps_to_its_limit() -> None:
    from musicgenre.evaluation.metrics import headline

    labels = RNG.integers(0, 4, 60)
    strengths = {"a": 0.5, "b": 1.0, "c": 2.0, "d": 1.0}
    stacks = {name: noisy(labels, 4, strength, index) for index, (name, strength) in enumerate(strengths.items())}
    best = max(headline(labels, stack)["macro_f1"] for stack in stacks.values())
    for limit in (1, 2, 4):
        weights = greedy(stacks, labels, rounds=15, max_members=limit)
        mixed = np.sum([weight * stacks[name] for name, weight in weights.items()], axis=0)
        assert len(weights) <= limit
        assert headline(labels, mixed)["macro_f1"] >= best
    twins = {"b": stacks["c"], "a": stacks["c"]}
    assert greedy(twins, labels, rounds=5, max_members=2) == {"a": 1.0}, "equals are told apart by name, always alike"


def test_a_temperature_repairs_overconfidence_and_1_is_kept_where_there_is_nothing_to_gain() -> None:
    labels = RNG.integers(0, 4, 2000)
    honest = noisy(labels, 4, 1.0, 9)
    groups = [f"g{index // 4}" for index in range(2000)]
    right = fit_temperature(honest, labels)
    sure = apply_temperature(honest, 0.4)
    temperature, before, after = calibrate(sure, labels, groups)
    assert temperature == pytest.approx(right / 0.4, rel=0.05)
    assert after < before / 2
    good = apply_temperature(honest, right)
    again, same, still = calibrate(good, labels, groups)
    assert abs(np.log(again)) < 0.05
    assert still <= same + 0.01
    np.testing.assert_array_equal(apply_temperature(sure, 3.0).argmax(axis=1), sure.argmax(axis=1))


def test_one_group_alone_cannot_be_held_out() -> None:
    labels = np.array([0, 1, 0, 1])
    assert calibrate(noisy(labels, 2, 1.0, 1), labels, ["same"] * 4)[0] == 1.0


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> tuple[Layout, dict[str, object]]:
    """Two families that were searched (the toy under two names and seeds), two switched off."""
    layout = write_project(tmp_path_factory.mktemp("families"))
    shutil.copy(empty_store, layout.root / "mlflow.db")
    raw: dict[str, object] = {
        "search": {
            "common": {"pruner": "none", "seed": 3},
            "classical": {"trials": 1, "epochs": 4, "segment_s": 2.0, "hop_s": 2.0, "published": []},
            **{name: {"enabled": False} for name in ("cnn", "transfer", "multimodal")},
        },
        "compute": {"workers": 1},
    }
    (layout.root / "params.yaml").write_text(json.dumps(raw))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "_pool", lambda settled, trials: ThreadPool(settled.layout.root, settled.reference, size=1))
        for name in ("cnn", "multimodal", "classical"):
            study.run_search(name, parse_params(raw), layout, family=TOY, quiet=True)
    shutil.copytree(layout.model("classical"), layout.model("transfer"))
    return layout, raw


def test_the_ensembles_bundle_mixes_as_its_validation_table_says(families: tuple[Layout, dict[str, object]]) -> None:
    from musicgenre.bundle.predictor import Predictor
    from musicgenre.models.corpus import Corpus

    layout, raw = families
    # Make the second family another model: its table is altered, so that both are taken.
    table = pd.read_parquet(layout.model("transfer") / "validation.parquet")
    names = [name for name in table.columns if name.startswith("p_")]
    table[names] = table[names] * 0.5 + 0.5 / len(names)
    table.to_parquet(layout.model("transfer") / "validation.parquet")
    summary = build(parse_params(raw), layout)
    assert set(summary.skipped) == {"cnn", "multimodal"}
    assert set(summary.candidates) == {"classical", "transfer"}
    predictor = Predictor.load(layout.bundle("ensemble"))
    assert [member.name for member in predictor.spec.members] == list(summary.members)
    assert predictor.spec.temperature == summary.temperature
    assert predictor.spec.lineage["mlflow_run"] == summary.mlflow_run
    corpus = Corpus.open(layout)
    row = corpus.rows("validation").iloc[0]
    answer = predictor.classify_features({"mfcc": corpus.store("mfcc").track(row.track_id)}, row.duration_s)
    assert answer.probabilities.sum() == pytest.approx(1)
    mixed = pd.read_parquet(layout.model("ensemble") / "validation.parquet")
    assert list(mixed.columns) == list(table.columns)

    runs = read_runs(layout.root, "musicgenre/ensemble")
    assert [run.info.status for run in runs.parents] == ["FINISHED"]
    assert runs.parents[0].data.params["members"] == ", ".join(summary.members)
    build(parse_params(raw), layout)
    assert len(read_runs(layout.root, "musicgenre/ensemble").parents) == 1, "the same mixture is one run"


def test_what_is_missing_or_does_not_fit_is_named(families: tuple[Layout, dict[str, object]], tmp_path: Path) -> None:
    layout, raw = families
    other = Layout(tmp_path)
    shutil.copytree(layout.root / "models", tmp_path / "models")
    shutil.copytree(layout.data, tmp_path / "data")
    table = pd.read_parquet(other.model("transfer") / "validation.parquet")
    table.iloc[1:].to_parquet(other.model("transfer") / "validation.parquet")
    with pytest.raises(SearchError, match=r"models/(classical|transfer) was searched on other validation tracks"):
        build(parse_params(raw), other)
    for name in ("classical", "transfer"):
        (other.model(name) / "summary.json").write_text('{"enabled": false}')
    with pytest.raises(SearchError, match="every family is switched off"):
        build(parse_params(raw), other)
    (other.model("cnn") / "summary.json").unlink()
    with pytest.raises(MissingInput, match="musicgenre search cnn"):
        build(parse_params(raw), other)
