"""A real `mlflow server` over HTTP: a study on it, and one that dies midway and comes back."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from search_project import TOY, read_runs

from musicgenre.layout import Layout
from musicgenre.params import Params
from musicgenre.search.study import run_search

Make = Callable[..., Params]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.usefixtures("threads")]


class Server:
    """An MLflow server of its own database, that can be killed and started again on the same port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        words = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{self.folder}/server.db", "--workers", "1"]
        words += ["--artifacts-destination", str(self.folder / "artifacts"), "--port", str(self.port)]
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True, env=environment)
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"{self.uri}/health", timeout=2):
                    return
            except OSError:
                time.sleep(0.2)
        pytest.fail((self.folder / "server.log").read_text()[-3000:])

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "server").mkdir()
    found = Server(tmp_path / "server")
    yield found
    found.kill()


def test_a_study_on_a_server(server: Server, project: Layout, make_params: Make) -> None:
    params = make_params(trials=3, tracking={"uri": server.uri}, published="all")
    summary = run_search("classical", params, project, family=TOY, quiet=True)
    runs = read_runs(project.root, uri=server.uri)
    assert (len(runs.parents), len(runs.children)) == (1, 3)
    assert {run.info.status for run in [*runs.parents, *runs.children]} == {"FINISHED"}
    assert {item.path for item in runs.client.list_artifacts(summary.mlflow_winner_run)} >= {"model"}
    assert [step for step, _ in runs.curve(runs.children[1])] == [1, 2, 3, 4, 5, 6]


def test_a_server_that_dies_midway_gets_everything_when_it_is_back(server: Server, project: Layout, make_params: Make) -> None:
    params = make_params(behave={"always": {"sleep_s": 0.3}}, trials=6, tracking={"uri": server.uri}, common={"concurrent": 1})
    calls = project.root / "hooks" / "calls.jsonl"

    def accident() -> None:
        while not calls.is_file() or calls.read_text().count("\n") < 3:
            time.sleep(0.05)
        server.kill()
        time.sleep(4)
        server.start()

    thread = threading.Thread(target=accident)
    thread.start()
    summary = run_search("classical", params, project, family=TOY, quiet=True)
    thread.join()
    assert summary.trials["complete"] == 6
    runs = read_runs(project.root, uri=server.uri)
    assert (len(runs.parents), len(runs.children)) == (1, 6)
    assert {run.info.status for run in [*runs.parents, *runs.children]} == {"FINISHED"}
    for run in runs.children:
        assert sorted({step for step, _ in runs.curve(run)}) == [1, 2, 3, 4, 5, 6]


def test_a_server_that_stays_away_is_caught_up_with_by_the_next_run(server: Server, project: Layout, make_params: Make) -> None:
    params = make_params(behave={"always": {"sleep_s": 0.2}}, trials=4, tracking={"uri": server.uri}, common={"concurrent": 1})
    calls = project.root / "hooks" / "calls.jsonl"

    def accident() -> None:
        while not calls.is_file() or calls.read_text().count("\n") < 2:
            time.sleep(0.05)
        server.kill()

    thread = threading.Thread(target=accident)
    thread.start()
    summary = run_search("classical", params, project, family=TOY, quiet=True)
    thread.join()
    assert summary.trials["complete"] == 4, "the search itself is not held up"
    assert (project.model("classical") / "summary.json").is_file()
    server.start()
    again = run_search("classical", params, project, family=TOY, quiet=True)
    assert calls.read_text().count("\n") == 4, "no trial is run again"
    runs = read_runs(project.root, uri=server.uri)
    assert (len(runs.parents), len(runs.children)) == (1, 4)
    assert {run.info.status for run in [*runs.parents, *runs.children]} == {"FINISHED"}
    assert again.mlflow_winner_run in {run.info.run_id for run in runs.children}
