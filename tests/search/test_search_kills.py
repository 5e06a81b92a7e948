"""kill -9 of the whole stage, and Ctrl-C: nothing done is lost, nothing is counted twice, no run stays RUNNING."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pandas as pd
import pytest
from search_project import TOY, read_runs
from stage_process import calls, dead, start, wait_for

from musicgenre.layout import Layout
from musicgenre.params import Params, load_params
from musicgenre.search.study import run_search

Make = Callable[..., Params]


def test_a_killed_stage_goes_on_with_the_rest(project: Layout, make_params: Make) -> None:
    root = project.root
    make_params(behave={"3": {"sleep_s": 300.0}}, trials=6, common={"concurrent": 1})
    stage = start(root)
    wait_for(lambda: len(calls(root)) == 4)
    time.sleep(1.5)  # let the tracker say that the fourth trial runs
    os.kill(stage.pid, signal.SIGKILL)
    stage.communicate()
    wait_for(lambda: dead(calls(root)[-1]["pid"]), 20)  # the worker does not outlive its parent
    assert "RUNNING" in {run.info.status for run in read_runs(root).parents}

    (root / "hooks" / "behave.json").write_text("{}")
    (journal,) = (root / ".musicgenre" / "search").glob("*/journal.log")
    with journal.open("ab") as handle:
        handle.write(b'{"op_code": 5, "worker_id": "half a li')  # what a kill in the middle of a write leaves
    (journal.parent / "journal.log.lock").symlink_to(journal)
    began = time.monotonic()
    summary = run_search("classical", load_params(root / "params.yaml"), project, family=TOY, quiet=True)
    assert time.monotonic() - began < 100
    assert summary.trials == {"total": 6, "complete": 6, "pruned": 0, "failed": 0}
    assert len(calls(root)) == 4 + 3, "three done before, the fourth once more, two new"
    table = pd.read_parquet(project.model("classical") / "trials.parquet").set_index("index").sort_index()
    assert table["attempts"].tolist() == [1, 1, 1, 2, 1, 1]
    runs = read_runs(root)
    assert (len(runs.parents), len(runs.children)) == (1, 6)
    assert {run.info.status for run in [*runs.parents, *runs.children]} == {"FINISHED"}
    assert all(run.info.status == "KILLED" for run in runs.deleted)
    assert all([step for step, _ in runs.curve(run)] == [1, 2, 3, 4, 5, 6] for run in runs.children)


@pytest.mark.slow
@pytest.mark.usefixtures("threads")
def test_a_resumed_study_is_the_unbroken_one(project: Layout, make_params: Make) -> None:
    import shutil

    params = make_params(trials=5, common={"pruner": "median"})
    run_search("classical", params, project, family=TOY, quiet=True)
    unbroken = pd.read_parquet(project.model("classical") / "trials.parquet")[["index", "config", "macro_f1", "state"]]
    shutil.rmtree(project.work)
    for trials in (2, 3, 5):
        run_search("classical", make_params(trials=trials, common={"pruner": "median"}), project, family=TOY, quiet=True)
    resumed = pd.read_parquet(project.model("classical") / "trials.parquet")[["index", "config", "macro_f1", "state"]]
    pd.testing.assert_frame_equal(resumed, unbroken)


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_an_interrupt_stops_cleanly(project: Layout, make_params: Make, number: signal.Signals) -> None:
    root = project.root
    make_params(behave={"2": {"sleep_s": 300.0}}, trials=4, common={"concurrent": 1})
    stage = start(root)
    wait_for(lambda: len(calls(root)) == 3)
    time.sleep(0.5)
    os.killpg(stage.pid, number)  # a terminal's Ctrl-C reaches the whole group
    _, said = stage.communicate(timeout=90)
    assert stage.returncode == 130, said
    assert "Traceback" not in said
    assert dead(calls(root)[-1]["pid"])
    runs = read_runs(root)
    assert [run.info.status for run in runs.parents] == ["KILLED"]
    assert len(runs.children) == 2
    assert "RUNNING" not in {run.info.status for run in [*runs.children, *runs.deleted]}
    (root / "hooks" / "behave.json").write_text("{}")
    summary = run_search("classical", load_params(root / "params.yaml"), project, family=TOY, quiet=True)
    assert summary.trials["complete"] == 4
    assert len(calls(root)) == 3 + 2
    assert [run.info.status for run in read_runs(root).parents] == ["FINISHED"]


@pytest.mark.slow
def test_a_dead_study_of_other_parameters_is_swept_up(project: Layout, make_params: Make) -> None:
    root = project.root
    make_params(behave={"1": {"sleep_s": 300.0}}, trials=3, common={"concurrent": 1})
    stage = start(root)
    wait_for(lambda: len(calls(root)) == 2)
    time.sleep(1.5)
    os.kill(stage.pid, signal.SIGKILL)
    stage.communicate()
    run_search("classical", make_params(behave={}, trials=1, epochs=2), project, family=TOY, quiet=True)
    runs = read_runs(root)
    assert sorted(run.info.status for run in runs.parents) == ["FINISHED", "KILLED"]
    assert "RUNNING" not in {run.info.status for run in [*runs.children, *runs.deleted]}
