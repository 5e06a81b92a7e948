"""A whole study with a family of milliseconds: outputs, runs in MLflow, going on, starting afresh."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from search_project import TOY, read_runs, write_project
from thread_pool import ThreadPool

from musicgenre.errors import ParamsError, SearchError, TrackingUnavailable
from musicgenre.layout import Layout
from musicgenre.lineage import collect
from musicgenre.params import FamilySearch, Params, SearchCommon, parse_params
from musicgenre.search import study
from musicgenre.search.identity import study_id
from musicgenre.search.study import run_search

Make = Callable[..., Params]
pytestmark = pytest.mark.usefixtures("threads")


def calls(root: Path) -> int:
    return len((root / "hooks" / "calls.jsonl").read_text().splitlines())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Layout:
    """A study that has ended; for tests that only read."""
    layout = write_project(tmp_path_factory.mktemp("finished"))
    shutil.copy(empty_store, layout.root / "mlflow.db")
    block = {"trials": 4, "epochs": 6, "segment_s": 2.0, "hop_s": 2.0}
    params = parse_params({"search": {"common": {"pruner": "none"}, "classical": block}, "compute": {"workers": 1}})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "_pool", lambda settled, trials: ThreadPool(settled.layout.root, settled.reference, size=1))
        run_search("classical", params, layout, family=TOY, quiet=True)
    return layout


@pytest.fixture
def searched(project: Layout, make_params: Make, threads: None) -> tuple[Layout, Params]:
    params = make_params(behave={}, published="all", trials=4)
    run_search("classical", params, project, family=TOY, quiet=True)
    return project, params


def test_the_winners_folder_is_what_later_stages_read(finished: Layout) -> None:
    layout = finished
    folder = layout.model("classical")
    assert {path.name for path in folder.iterdir()} == {
        "model.skops",
        "history.parquet",
        "trials.parquet",
        "summary.json",
        "validation.parquet",
        "bundle",
    }
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["trials"] == {"total": 4, "complete": 4, "pruned": 0, "failed": 0}
    assert summary["enabled"] is True
    trials = pd.read_parquet(folder / "trials.parquet")
    assert sorted(trials["index"]) == [0, 1, 2, 3]
    assert trials.iloc[0]["index"] == summary["best_trial"]
    assert trials["macro_f1"].max() == summary["validation_macro_f1"]

    table = pd.read_parquet(folder / "validation.parquet")
    splits = pd.read_parquet(layout.splits)
    assert set(table["track_id"]) == set(splits.loc[splits["split"] == "validation", "track_id"])
    p = table[["p_g0", "p_g1", "p_g2"]].to_numpy()
    assert np.allclose(p.sum(axis=1), 1, atol=1e-5)
    from sklearn.metrics import f1_score

    predicted = np.array(["g0", "g1", "g2"])[p.argmax(axis=1)]
    assert f1_score(table["genre"], predicted, average="macro") == pytest.approx(summary["validation_macro_f1"])

    published = {row["name"]: row for row in summary["published"]}
    assert published["plain"]["trial"] == 0
    assert published["plain"]["figures"] == {"accuracy": 0.5}
    assert published["grand"]["state"] == "skipped"
    assert "vgg16" in published["grand"]["reason"]


def test_the_bundle_answers_as_the_trial_did(finished: Layout) -> None:
    from musicgenre.bundle.predictor import Predictor
    from musicgenre.models.corpus import Corpus

    layout = finished
    predictor = Predictor.load(layout.bundle("classical"))
    corpus = Corpus.open(layout)
    table = pd.read_parquet(layout.model("classical") / "validation.parquet")
    row = corpus.rows("validation").iloc[1]
    answer = predictor.classify_features({"mfcc": corpus.store("mfcc").track(row.track_id)}, row.duration_s)
    expected = table.loc[table["track_id"] == row.track_id, [f"p_{name}" for name in answer.classes]].to_numpy()[0]
    # The toy's model averages features over segments, its bundle probabilities: near, not equal.
    assert answer.classes[int(np.argmax(answer.probabilities))] == answer.classes[int(np.argmax(expected))]
    lineage = predictor.spec.lineage
    assert lineage["mlflow_run"] == json.loads((layout.model("classical") / "summary.json").read_text())["mlflow_winner_run"]
    assert len(lineage["split_id"]) == 16


def test_mlflow_shows_a_study_and_its_trials(finished: Layout) -> None:
    layout = finished
    summary = json.loads((layout.model("classical") / "summary.json").read_text())
    runs = read_runs(layout.root)
    assert len(runs.parents) == 1
    parent = runs.parents[0]
    assert [run.info.run_name for run in runs.children] == ["trial 00 plain", "trial 01", "trial 02", "trial 03"]
    assert all(run.info.status == "FINISHED" for run in [parent, *runs.children])
    assert not runs.deleted
    assert parent.info.run_id == summary["mlflow_parent_run"]
    assert parent.data.params["space.rate"] == "0.01 … 1 (log)"
    assert parent.data.metrics["trials_complete"] == 4
    assert {item.path for item in runs.client.list_artifacts(parent.info.run_id)} == {"study.html", "trials.csv"}
    page = runs.client.download_artifacts(parent.info.run_id, "study.html", str(layout.root))
    assert "cdn.plot.ly" not in Path(page).read_text()[:2000]

    winner = [run for run in runs.children if run.data.tags.get("winner")]
    assert [run.info.run_id for run in winner] == [summary["mlflow_winner_run"]]
    files = {item.path for item in runs.client.list_artifacts(winner[0].info.run_id)}
    assert files >= {"model", "confusion_matrix.png", "roc.png", "per_genre.csv"}

    first = runs.children[0]
    assert first.data.params == {"rate": "0.3", "bands": "13", "momentum": "false"}
    assert first.data.tags["published"] == "plain"
    assert first.data.tags["lineage.split_id"] == parent.data.tags["lineage.split_id"]
    assert [step for step, _ in runs.curve(first)] == [1, 2, 3, 4, 5, 6]
    assert {"train/loss", "validation/loss", "macro_f1", "accuracy", "duration_s", "fit_s"} <= set(first.data.metrics)
    assert {item.tags[0].value for item in first.inputs.dataset_inputs} == {"training", "validation"}


def test_more_trials_go_on_with_the_same_study(searched: tuple[Layout, Params], make_params: Make) -> None:
    layout, _ = searched
    before = pd.read_parquet(layout.model("classical") / "trials.parquet").set_index("index")
    made = calls(layout.root)
    same = run_search("classical", make_params(behave={}, published="all", trials=4), layout, family=TOY, quiet=True)
    assert calls(layout.root) == made, "nothing was left to do"
    more = run_search("classical", make_params(behave={}, published="all", trials=6), layout, family=TOY, quiet=True)
    assert more.study == same.study
    assert calls(layout.root) == made + 2
    after = pd.read_parquet(layout.model("classical") / "trials.parquet").set_index("index")
    assert after.loc[before.index, "config"].equals(before["config"])
    runs = read_runs(layout.root)
    assert (len(runs.parents), len(runs.children)) == (1, 6)
    assert sum("winner" in run.data.tags for run in runs.children) == 1


def test_what_makes_a_study_another_one(finished: Layout, tmp_path: Path) -> None:
    from toy_family import Toy

    layout = Layout(tmp_path)
    shutil.copytree(finished.data, layout.data)
    common, block = SearchCommon(), FamilySearch(fixed={"bands": 5})

    def identity(block: FamilySearch = block, common: SearchCommon = common, published: tuple[str, ...] = ()) -> str:
        return study_id(Toy(), Toy().space(block), block, common, collect(layout), layout, published)

    first = identity()
    assert identity(block.model_copy(update={"trials": 99, "timeout_s": 1.0})) == first, "a budget is no part of it"
    assert identity(common=common.model_copy(update={"storage": "sqlite:///x.db", "patience": 3})) == first
    others = {
        identity(block.model_copy(update={"epochs": 3})),
        identity(block.model_copy(update={"fixed": {"bands": 6}})),
        identity(common=common.model_copy(update={"seed": 2})),
        identity(common=common.model_copy(update={"concurrent": 3})),
        identity(published=("plain",)),
    }
    splits = pd.read_parquet(layout.splits)
    splits.assign(split=splits["split"].map({"train": "validation", "validation": "train", "test": "test"})).to_parquet(layout.splits)
    others.add(identity())
    spec = json.loads((layout.features("mfcc") / "spec.json").read_text())
    (layout.features("mfcc") / "spec.json").write_text(json.dumps({**spec, "kind_id": "other"}))
    others.add(identity())
    assert len(others | {first}) == 8


def test_a_lost_work_cache_and_a_lost_mlflow_store_are_made_up_for(searched: tuple[Layout, Params], empty_store: Path) -> None:
    layout, params = searched
    before = (layout.model("classical") / "bundle" / "toy.onnx").read_bytes()
    summary = json.loads((layout.model("classical") / "summary.json").read_text())
    made = calls(layout.root)
    (models,) = (layout.work / "search").glob("*/models")
    shutil.rmtree(models)
    shutil.copy(empty_store, layout.root / "mlflow.db")
    again = run_search("classical", params, layout, family=TOY, quiet=True)
    assert calls(layout.root) == made + 1, "the winner alone is fitted again"
    assert again.validation_macro_f1 == summary["validation_macro_f1"]
    assert (layout.model("classical") / "bundle" / "toy.onnx").read_bytes() == before
    runs = read_runs(layout.root)
    assert (len(runs.parents), len(runs.children)) == (1, 4)
    assert [step for step, _ in runs.curve(runs.children[2])] == [1, 2, 3, 4, 5, 6], "curves come back too"
    assert all(run.info.status == "FINISHED" for run in runs.children)


def test_two_workers_and_one_come_to_the_same(project: Layout, make_params: Make) -> None:
    found = []
    for workers in (1, 2):
        params = make_params(trials=5, compute={"workers": workers}, common={"pruner": "median", "concurrent": 2})
        run_search("classical", params, project, family=TOY, quiet=True)
        table = pd.read_parquet(project.model("classical") / "trials.parquet")
        found.append(table[["index", "state", "macro_f1", "config", "epochs"]])
        found.append(pd.read_parquet(project.model("classical") / "validation.parquet"))
        shutil.rmtree(project.work)
    pd.testing.assert_frame_equal(found[0], found[2])
    pd.testing.assert_frame_equal(found[1], found[3])


def test_data_is_opened_once_a_worker_not_once_a_trial(project: Layout, make_params: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    from musicgenre.models.corpus import Corpus

    opened: list[object] = []
    really = Corpus.open

    def counted(*arguments: Any, **named: Any) -> Corpus:
        opened.append(arguments)
        return really(*arguments, **named)

    monkeypatch.setattr(Corpus, "open", counted)
    summary = run_search("classical", make_params(trials=5, epochs=1), project, family=TOY, quiet=True)
    assert summary.trials["complete"] == 5
    assert len(opened) == 2, "by the driver and by its one worker"


@pytest.mark.slow
def test_hyperband_prunes_ends_with_the_trials_asked_for_and_resumes_alike(project: Layout, make_params: Make) -> None:
    columns = ["index", "state", "macro_f1", "config", "epochs", "reason"]
    found = []
    for pieces in ((10,), (3, 4, 10)):
        for trials in pieces:
            params = make_params(trials=trials, epochs=9, common={"pruner": "hyperband", "concurrent": 2}, compute={"workers": 2})
            summary = run_search("classical", params, project, family=TOY, quiet=True)
        found.append(pd.read_parquet(project.model("classical") / "trials.parquet")[columns])
        shutil.rmtree(project.work)
    assert summary.trials["total"] == 10
    assert summary.trials["failed"] == 0
    assert summary.trials["pruned"] >= 3
    pruned = found[0][found[0]["state"] == "pruned"]
    assert set(pruned["epochs"]) <= {1, 3, 9}
    assert pruned["reason"].str.contains("behind the other trials at epoch").all()
    pd.testing.assert_frame_equal(found[0], found[1])


def test_a_family_switched_off_says_so_and_no_more(project: Layout, make_params: Make) -> None:
    summary = run_search("classical", make_params(enabled=False), project, family=TOY, quiet=True)
    assert not summary.enabled
    assert [path.name for path in project.model("classical").iterdir()] == ["summary.json"]
    assert json.loads((project.model("classical") / "summary.json").read_text())["enabled"] is False


def test_a_store_that_is_away_is_said_before_any_work(project: Layout, make_params: Make) -> None:
    params = make_params(behave={}, tracking={"uri": "http://127.0.0.1:9"})
    with pytest.raises(TrackingUnavailable, match=r"127\.0\.0\.1:9"):
        run_search("classical", params, project, family=TOY, quiet=True)
    assert not (project.root / "hooks" / "calls.jsonl").exists()
    assert not project.work.exists()


def test_an_unknown_published_system_is_an_error(project: Layout, make_params: Make) -> None:
    with pytest.raises(ParamsError, match=r"'nope'.*plain, grand"):
        run_search("classical", make_params(published=["nope"]), project, family=TOY, quiet=True)


def test_a_storage_that_cannot_be_used_is_one_line(project: Layout, make_params: Make) -> None:
    (project.root / "study.db").write_bytes(b"not a database, but long enough to be looked at " * 40)
    params = make_params(common={"storage": f"sqlite:///{project.root / 'study.db'}"})
    with pytest.raises(SearchError, match=r"study\.db cannot be used: .*search\.common\.storage"):
        run_search("classical", params, project, family=TOY, quiet=True)


@pytest.mark.slow
def test_a_sql_database_keeps_the_study_as_well(project: Layout, make_params: Make) -> None:
    params = make_params(behave={}, trials=2, common={"storage": f"sqlite:///{project.root / 'study.db'}"})
    run_search("classical", params, project, family=TOY, quiet=True)
    assert run_search("classical", params, project, family=TOY, quiet=True).trials["complete"] == 2
    assert calls(project.root) == 2


@pytest.mark.slow
def test_a_second_objective_chooses_from_the_pareto_front(project: Layout, make_params: Make) -> None:
    params = make_params(trials=5, common={"objective2": "size"})
    summary = run_search("classical", params, project, family=TOY, quiet=True)
    table = pd.read_parquet(project.model("classical") / "trials.parquet")
    assert summary.cost is not None
    assert summary.cost > 300
    assert table["cost"].notna().all()
    best = table["macro_f1"].max()
    assert summary.cost == table.loc[table["macro_f1"] >= best - 0.01, "cost"].min()
