"""The stage on a small real project: what it writes, and that it says the truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

from musicgenre.bundle.predictor import Predictor
from musicgenre.evaluation.cost import Cost
from musicgenre.evaluation.markdown import render_markdown
from musicgenre.evaluation.metrics import HEADLINES
from musicgenre.evaluation.results import Evaluation
from musicgenre.evaluation.scoring import score_bundle
from musicgenre.evaluation.stage import select
from musicgenre.layout import Layout
from musicgenre.summary import summarise

FAMILIES = ["cnn", "transfer", "multimodal", "classical", "ensemble"]


def test_metrics_are_those_of_the_predictions(project: Layout, metrics_json: dict[str, Any]) -> None:
    table = pd.read_parquet(project.predictions)
    assert list(table["family"].unique()) == FAMILIES
    assert set(table["split"]) == {"validation", "test"}
    splits = pd.read_parquet(project.splits).set_index("track_id")
    columns = [name for name in table if name.startswith("p_")]
    classes = [name.removeprefix("p_") for name in columns]
    for (family, split), rows in table.groupby(["family", "split"]):
        assert list(rows["track_id"]) == sorted(splits.index[splits["split"] == split])
        assert list(rows["group"]) == list(splits.loc[rows["track_id"], "group"])
        p = rows[columns].to_numpy(dtype=np.float64)
        y = np.array([classes.index(genre) for genre in rows["genre"]])
        np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-5)
        entry = metrics_json["families"][family][split]
        assert entry["accuracy"]["value"] == pytest.approx(accuracy_score(y, p.argmax(axis=1)))
        assert entry["macro_f1"]["value"] == pytest.approx(f1_score(y, p.argmax(axis=1), average="macro"))
        assert entry["roc_auc"]["value"] == pytest.approx(roc_auc_score(y, p / p.sum(axis=1, keepdims=True), multi_class="ovr"), abs=1e-6)
        assert entry["macro_f1"]["low"] <= entry["macro_f1"]["value"] <= entry["macro_f1"]["high"]
        assert (entry["tracks"], entry["groups"]) == (6, 3)


def test_segments_have_every_figure_too(evaluated: Evaluation, metrics_json: dict[str, Any]) -> None:
    for item in evaluated.families:
        scores = item.scores["test"]
        y = np.concatenate([[label] * len(part) for label, part in zip(scores.y, scores.segments, strict=True)])
        p = np.concatenate(scores.segments).astype(np.float64)
        entry = metrics_json["families"][item.name]["test"]["segment"]
        assert entry["segments"] == len(y) > 6
        assert set(entry) == {"segments", *HEADLINES}
        assert entry["accuracy"]["value"] == pytest.approx(accuracy_score(y, p.argmax(axis=1)))
        assert entry["macro_f1"]["value"] == pytest.approx(f1_score(y, p.argmax(axis=1), average="macro"))
        assert entry["roc_auc"]["value"] == pytest.approx(roc_auc_score(y, p / p.sum(axis=1, keepdims=True), multi_class="ovr"), abs=1e-6)
        assert 0 <= entry["accuracy"]["low"] <= entry["accuracy"]["value"] <= entry["accuracy"]["high"] <= 1
        lines = item.figures["test"].segment.genres
        assert [line.support for line in lines] == np.bincount(y, minlength=3).tolist()


def test_probabilities_are_those_of_the_service(project: Layout) -> None:
    """From stored features or from the file: the same bundle gives the same answer."""
    from musicgenre.params import AudioLimits

    table = score_bundle(project.bundle("multimodal"), project, "test")
    predictor = Predictor.load(project.bundle("multimodal"))
    for row in table.head(2).itertuples():
        found = predictor.classify_file(project.root / "data" / "demo" / f"{row.track_id}.wav", AudioLimits())
        stored = [getattr(row, f"p_{name}") for name in predictor.spec.classes]
        np.testing.assert_allclose(found.probabilities, stored, atol=2e-3)  # float16 features in the store


def test_the_best_on_validation_is_selected(evaluated: Evaluation, metrics_json: dict[str, Any]) -> None:
    validation = {name: entry["validation"]["macro_f1"]["value"] for name, entry in metrics_json["families"].items()}
    best = max(validation.values())
    assert validation[metrics_json["selected"]] == best
    equal = [item for item in evaluated.families if item.value("validation", "macro_f1") == pytest.approx(best)]
    assert min(equal, key=lambda item: item.cost.size_mb if item.cost else 0).name == metrics_json["selected"]
    assert select(list(reversed(evaluated.families))) == evaluated.selected


def test_costs_are_measured(metrics_json: dict[str, Any], project: Layout) -> None:
    for name in FAMILIES:
        entry = metrics_json["families"][name]
        assert entry["latency_ms"] > 1
        assert entry["memory_mb"] > 0
        size = sum(path.stat().st_size for path in project.bundle(name).iterdir()) / 1e6
        assert entry["size_mb"] == pytest.approx(size, abs=1e-4)
    assert metrics_json["families"]["cnn"]["fit_s"] == 10.5


def test_the_summary_reads_it(project: Layout, evaluated: Evaluation) -> None:
    found = summarise(project, source="demo")
    assert found.selected == evaluated.selected
    assert all(row.validation_f1 and row.test_f1 and row.latency_ms for row in found.rows)


def test_plots_are_what_dvc_reads(project: Layout, evaluated: Evaluation) -> None:
    confusion = pd.read_csv(project.plots / "confusion.csv")
    assert list(confusion) == ["actual", "predicted"]
    assert len(confusion) == 6
    roc = pd.read_csv(project.plots / "roc.csv")
    assert (roc["fpr"].iloc[0], roc["tpr"].iloc[-1]) == (0, 1)
    assert roc["fpr"].is_monotonic_increasing and roc["tpr"].is_monotonic_increasing
    assert {path.stem for path in (project.plots / "curves").iterdir()} == {"cnn", "transfer", "multimodal"}
    assert "validation_loss" in pd.read_csv(project.plots / "curves" / "cnn.csv")
    assert len(pd.read_csv(project.plots / "comparisons.csv")) == 10
    assert len(pd.read_csv(project.plots / "robustness.csv")) == 5 * 11
    assert len(pd.read_csv(project.plots / "genres.csv")) == 5 * 2 * 2 * 3  # families, splits, levels, genres


def test_every_pair_is_compared(evaluated: Evaluation) -> None:
    assert len(evaluated.comparisons) == 10
    for item in evaluated.comparisons:
        first, second = (evaluated.family(name).value("test", "macro_f1") for name in (item.first, item.second))
        assert first is not None and second is not None
        assert item.macro_f1.value == pytest.approx(first - second)


def test_the_markdown_is_a_screenful(project: Layout, evaluated: Evaluation) -> None:
    text = (project.reports / "report.md").read_text()
    assert len(text.splitlines()) < 40
    assert all(f"| {name}" in text or f"**{name}** (selected)" in text for name in FAMILIES)
    assert "1 set of models" in text


def _git(root: Path, *words: str) -> None:
    import subprocess

    subprocess.run(["git", "-C", str(root), "-c", "user.name=t", "-c", "user.email=t@example.org", *words], check=True, capture_output=True)


def test_the_parent_is_the_commit_that_a_change_follows(tmp_path: Path) -> None:
    from musicgenre.evaluation.ledger import parent_metrics

    assert parent_metrics(tmp_path, dirty=True) == {}
    _git(tmp_path, "init", "-q")
    (tmp_path / "reports").mkdir()
    for number in (1, 2):
        (tmp_path / "reports" / "metrics.json").write_text(json.dumps({"number": number}))
        _git(tmp_path, "add", "-A")
        _git(tmp_path, "commit", "-qm", str(number))
    assert parent_metrics(tmp_path, dirty=True) == {"number": 2}  # what is changed now follows the last commit
    assert parent_metrics(tmp_path, dirty=False) == {"number": 1}  # the last commit itself follows the one before


def test_the_markdown_compares_with_parent_and_champion(evaluated: Evaluation, metrics_json: dict[str, Any]) -> None:
    parent = json.loads(json.dumps(metrics_json))
    test = parent["families"][evaluated.selected]["test"]
    now = test["macro_f1"]["value"]
    test["macro_f1"]["value"] = now - 0.125
    split = {"split_id": metrics_json["split"]["id"]}
    version = {"version": "4", "family": "svm", "figures": {"macro_f1": now - 0.25, "accuracy": 0.5}, "lineage": split}
    registry = {"champion": "4", "versions": [{"version": "3"}, version]}
    text = render_markdown(evaluated, parent=parent, registry=registry)
    assert (
        f"**Against the parent commit** ({evaluated.selected} → {evaluated.selected}): macro F1 {now - 0.125:.3f} → {now:.3f} (+0.125)"
        in text
    )
    assert f"**Against the champion** (version 4, svm → {evaluated.selected}): macro F1 {now - 0.25:.3f} → {now:.3f} (+0.250)" in text
    assert "another" not in text
    version["lineage"] = {"split_id": "of another day"}
    assert "another test set" in render_markdown(evaluated, parent={}, registry=registry)
    assert "none yet" in render_markdown(evaluated, parent={}, registry={})


def test_mlflow_has_the_run(project: Layout, evaluated: Evaluation) -> None:
    from mlflow import MlflowClient

    from musicgenre.params import TrackingParams
    from musicgenre.tracking.store import resolve

    client = MlflowClient(resolve(TrackingParams(), project).uri)
    experiment = client.get_experiment_by_name("musicgenre/evaluation")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    value = evaluated.family("cnn").value("test", "macro_f1")
    assert run.data.metrics["cnn.test.macro_f1"] == pytest.approx(value)
    assert run.data.tags["selected"] == evaluated.selected
    names = {item.path for item in client.list_artifacts(run.info.run_id)}
    assert {"report.html", "report.md", "metrics.json", "predictions.parquet", "plots"} <= names
    assert {"cnn.test.segment.macro_f1", "cnn.test.segment.macro_f1_low", "cnn.robustness.mp3_64.lost"} <= set(run.data.metrics)
    plots = {Path(item.path).name for item in client.list_artifacts(run.info.run_id, "plots")}
    assert {"confusion.csv", "comparisons.csv", "robustness.csv", "genres.csv", "curves"} <= plots


def test_the_command_prints_a_table_and_json(copied: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    import yaml
    from typer.testing import CliRunner

    from musicgenre.cli.app import app

    block = {"bootstrap": 100, "robustness": False, "on_problem": "warn"}
    (copied.root / "params.yaml").write_text(yaml.safe_dump({"evaluate": block}))
    monkeypatch.setattr("musicgenre.evaluation.track.log_evaluation", lambda *_: None)
    monkeypatch.setattr("musicgenre.evaluation.stage.measure", lambda folders: [Cost(1.0, 2.0, 3.0, 30.0) for _ in folders])
    for family in ("transfer", "multimodal", "ensemble"):
        _remove(copied.model(family))
    done = CliRunner().invoke(app, ["--root", str(copied.root), "evaluate"], catch_exceptions=False)
    assert done.exit_code == 0
    assert "classical" in done.output and "test macro F1" in done.output and "* best on validation" in done.output
    done = CliRunner().invoke(app, ["--root", str(copied.root), "evaluate", "--json"], catch_exceptions=False)
    found = json.loads(done.stdout[done.stdout.index("{") :])
    assert set(found["families"]) == {"cnn", "classical"}
    assert found["test_uses"] == 1  # the same models again are no further use


def _remove(path: Path) -> None:
    import shutil

    shutil.rmtree(path)
