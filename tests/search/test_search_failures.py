"""Trials that go wrong are recorded with one line, the study goes on; if none succeeds, the commonest reason is the error."""

from __future__ import annotations

import errno
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from search_project import TOY, read_runs

from musicgenre.errors import MissingInput, SearchError, StorageFull
from musicgenre.layout import Layout
from musicgenre.params import Params
from musicgenre.search.store import StudyStore
from musicgenre.search.study import run_search

Make = Callable[..., Params]


def test_each_kind_of_failure_is_one_line_on_its_trial(project: Layout, make_params: Make) -> None:
    plan = {"0": {"raise": "bands is 99; 16 at most."}, "1": {"nan": True}, "2": {"bug": True}, "3": {"memory": True}, "4": {"kill": True}}
    params = make_params(behave=plan, trials=6, common={"concurrent": 1})
    summary = run_search("classical", params, project, family=TOY, quiet=True)
    assert summary.trials == {"total": 6, "complete": 2, "pruned": 0, "failed": 4}
    table = pd.read_parquet(project.model("classical") / "trials.parquet").set_index("index").sort_index()
    reasons = table["reason"].tolist()
    assert reasons[0] == "bands is 99; 16 at most."
    assert "nan after epoch 1" in reasons[1]
    assert reasons[2] == "ValueError: first line"
    assert reasons[3] == "out of memory"
    assert table["attempts"].tolist() == [1, 1, 1, 1, 2, 1], "the killed one was run again"
    assert table.loc[4, "state"] == "complete"
    assert (project.root / "hooks" / "calls.jsonl").read_text().count("\n") == 7

    runs = read_runs(project.root)
    assert len(runs.children) == 6
    assert [run.info.status for run in runs.children][:4] == ["FAILED"] * 4
    assert runs.children[3].data.tags["reason"] == "out of memory"
    assert [run.info.status for run in runs.deleted] == ["KILLED"], "the lost attempt is out of the lists and not running"
    assert "SIGKILL" in runs.deleted[0].data.tags["reason"]


@pytest.mark.slow
def test_a_trial_that_kills_twice_is_failed_and_all_failing_is_an_error(project: Layout, make_params: Make) -> None:
    params = make_params(behave={"always": {"kill": True}}, trials=2, common={"concurrent": 1})
    with pytest.raises(SearchError, match=r"no trial succeeded.*2 of 2 times.*twice, its process was killed by SIGKILL"):
        run_search("classical", params, project, family=TOY, quiet=True)
    assert (project.root / "hooks" / "calls.jsonl").read_text().count("\n") == 4, "two trials, each run twice"
    runs = read_runs(project.root)
    assert [run.info.status for run in runs.parents] == ["FAILED"]
    assert "no trial succeeded" in runs.parents[0].data.tags["reason"]
    assert {run.info.status for run in [*runs.children, *runs.deleted]} == {"FAILED", "KILLED"}
    assert not project.model("classical").exists(), "no half-written output"


def test_a_stage_that_has_not_run_is_named(project: Layout, make_params: Make) -> None:
    (project.features("mfcc") / "spec.json").unlink()
    with pytest.raises(MissingInput, match="Run `musicgenre features` first"):
        run_search("classical", make_params(trials=1), project, family=TOY, quiet=True)


@pytest.mark.slow
def test_the_time_budget_ends_a_study_with_what_it_has_also_within_an_epoch(project: Layout, make_params: Make) -> None:
    slow = {str(ordinal): {"sleep_s": 60.0} for ordinal in range(2, 40)}
    params = make_params(behave=slow, trials=30, timeout_s=1.0, common={"concurrent": 1})
    began = time.monotonic()
    summary = run_search("classical", params, project, family=TOY, quiet=True)
    assert time.monotonic() - began < 45, "an epoch of a minute is not waited for"
    assert "time budget" in summary.ended
    assert summary.trials["complete"] >= 1, "one result at least, however short the time"
    assert summary.trials["total"] < 4


@pytest.mark.slow
@pytest.mark.usefixtures("threads")
def test_patience_ends_a_study_that_stopped_improving(project: Layout, make_params: Make) -> None:
    params = make_params(behave={}, trials=12, epochs=1, common={"concurrent": 1, "patience": 2})
    summary = run_search("classical", params, project, family=TOY, quiet=True)
    table = pd.read_parquet(project.model("classical") / "trials.parquet").sort_values("index")
    assert summary.ended == "no better trial among the last 2"
    assert summary.trials["total"] < 12
    assert table["index"].max() - summary.best_trial == 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)], check=False).returncode:
        pytest.skip("mounting a small disk takes root's rights")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.slow
@pytest.mark.usefixtures("threads")
def test_a_full_disk_is_one_line_and_nothing_finished_is_lost(
    project: Layout, make_params: Make, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.work.parent.mkdir(exist_ok=True)
    project.work.symlink_to(small_disk)
    params = make_params(behave={"always": {"sleep_s": 0.05}}, trials=6, common={"concurrent": 1})
    calls = project.root / "hooks" / "calls.jsonl"
    ballast = small_disk / "ballast"
    write = StudyStore.begin

    def fill(self: StudyStore, *arguments: object) -> None:
        if len(self.records()) == 3:
            with pytest.raises(OSError) as full, ballast.open("wb", buffering=0) as handle:
                while True:
                    handle.write(b"0" * 4096)
            assert full.value.errno == errno.ENOSPC
        write(self, *arguments)  # type: ignore[arg-type]  # handed on as they came

    with monkeypatch.context() as patch:
        patch.setattr(StudyStore, "begin", fill)
        with pytest.raises(StorageFull, match=r"No space left for .*journal\.log.*What was finished is kept: free space") as said:
            run_search("classical", params, project, family=TOY, quiet=True)
    assert "\n" not in str(said.value)
    assert [run.info.status for run in read_runs(project.root).parents] == ["FAILED"]
    ballast.unlink()
    summary = run_search("classical", params, project, family=TOY, quiet=True)
    assert summary.trials["total"] == 6
    assert summary.trials["complete"] >= 5
    table = pd.read_parquet(project.model("classical") / "trials.parquet")
    assert table.loc[table["state"] == "failed", "reason"].str.startswith("no space left on the disk").all()
    assert calls.read_text().count("\n") in (6, 7), "three were kept, at most one is run again"
    runs = read_runs(project.root)
    assert "RUNNING" not in {run.info.status for run in [*runs.parents, *runs.children, *runs.deleted]}
