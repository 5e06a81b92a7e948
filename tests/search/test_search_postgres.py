"""Studies in a real PostgreSQL: killed and gone on with, held against other machines, away, of another schema, without a driver."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from search_project import TOY, read_runs
from stage_process import calls, start, wait_for

from musicgenre.errors import SearchError
from musicgenre.layout import Layout
from musicgenre.params import Params, load_params
from musicgenre.search.store import StudyStore
from musicgenre.search.study import run_search

Make = Callable[..., Params]
COLUMNS = ["index", "state", "macro_f1", "config", "epochs"]


class Postgres:
    """A server of its own on a free port, that can be stopped and started. It refuses to run as root, so root lends it another user."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._as = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self._as:
            shutil.chown(folder, "postgres")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._do("initdb", "-D", str(folder / "data"), "-U", "tester", "--auth", "trust", "--no-sync")
        self.start()
        self.url = f"postgresql://tester:secret@127.0.0.1:{self.port}/postgres"

    def _do(self, *words: str) -> None:
        # pg_ctl's server inherits its output: a pipe would never end.
        with (self.folder.parent / f"{self.folder.name}.log").open("ab") as log:
            subprocess.run([*self._as, *words], check=True, cwd="/", stdout=log, stderr=log, timeout=120)

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self._do("pg_ctl", "-D", str(self.folder / "data"), "-l", str(self.folder / "server.log"), "-o", options, "-w", "start")

    def stop(self) -> None:
        self._do("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "-w", "stop")


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
    if missing := [name for name in ("initdb", "pg_ctl") if shutil.which(name) is None]:
        pytest.skip(f"no {missing[0]} on the path: PostgreSQL's server programs are not installed")
    if os.geteuid() == 0 and shutil.which("runuser") is None:
        pytest.skip("PostgreSQL does not run as root, and there is no runuser")
    folder = Path(tempfile.mkdtemp(prefix="musicgenre-pg-"))
    found = Postgres(folder)
    yield found
    found.stop()
    shutil.rmtree(folder)
    folder.with_name(f"{folder.name}.log").unlink()


@pytest.fixture
def database(server: Postgres, request: pytest.FixtureRequest) -> str:
    """The URL of an empty database."""
    import psycopg

    name = f"d{abs(hash(request.node.name)):x}"
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return server.url.removesuffix("postgres") + name


@pytest.mark.slow
def test_a_killed_stage_on_postgresql_goes_on_and_comes_to_the_journals_result(project: Layout, make_params: Make, database: str) -> None:
    root = project.root
    two = {"workers": 2}
    run_search("classical", make_params(behave={}, trials=7, compute=two), project, family=TOY, quiet=True)
    local = pd.read_parquet(project.model("classical") / "trials.parquet")[COLUMNS]
    shutil.rmtree(project.work)
    (root / "hooks" / "calls.jsonl").unlink()

    # The toy is told where it misbehaves through a file, so the study stays the same one.
    make_params(behave={"4": {"sleep_s": 300.0}, "5": {"sleep_s": 300.0}}, trials=7, compute=two, common={"storage": database})
    stage = start(root)
    wait_for(lambda: len(calls(root)) == 6)
    os.kill(stage.pid, signal.SIGKILL)
    stage.communicate()
    (root / "hooks" / "behave.json").write_text("{}")
    summary = run_search("classical", load_params(root / "params.yaml"), project, family=TOY, quiet=True)
    assert summary.trials == {"total": 7, "complete": 7, "pruned": 0, "failed": 0}
    assert len(calls(root)) == 6 + 3, "four were done, two are run again, one is new"
    table = pd.read_parquet(project.model("classical") / "trials.parquet")
    pd.testing.assert_frame_equal(table[COLUMNS], local)
    assert sorted(table["attempts"]) == [1, 1, 1, 1, 1, 2, 2]
    assert not list(project.work.glob("search/*/journal.log")), "the database alone holds the study"
    runs = read_runs(root)
    assert "RUNNING" not in {run.info.status for run in [*runs.parents, *runs.children, *runs.deleted]}

    import optuna

    (known,) = optuna.get_all_study_summaries(database.replace("postgresql:", "postgresql+psycopg:"))
    assert (known.study_name, known.n_trials) == (summary.study, 9)  # the two lost attempts stay visible to Optuna's dashboard


@pytest.mark.slow
@pytest.mark.usefixtures("threads")
def test_a_server_that_dies_midway_is_one_line_and_the_next_run_goes_on(
    server: Postgres, project: Layout, make_params: Make, database: str
) -> None:
    params = make_params(behave={"always": {"sleep_s": 0.1}}, trials=5, common={"storage": database, "concurrent": 1})

    def accident() -> None:
        wait_for(lambda: len(calls(project.root)) == 3)
        server.stop()

    thread = threading.Thread(target=accident)
    thread.start()
    try:
        with pytest.raises(SearchError, match=r"postgresql://tester:…@127\.0\.0\.1.* failed: .*run the same command to go on") as said:
            run_search("classical", params, project, family=TOY, quiet=True)
    finally:
        thread.join()
        server.start()
    assert "\n" not in str(said.value)
    assert "secret" not in str(said.value)
    assert [run.info.status for run in read_runs(project.root).parents] == ["FAILED"]
    summary = run_search("classical", params, project, family=TOY, quiet=True)
    assert summary.trials["complete"] == 5
    assert 6 <= len(calls(project.root)) <= 7, "what was finished before is kept"
    assert [run.info.status for run in read_runs(project.root).parents] == ["FINISHED"]


@pytest.mark.slow
def test_one_process_at_a_time_holds_a_study_also_from_another_machine(database: str, tmp_path: Path) -> None:
    here, there = Layout(tmp_path / "here"), Layout(tmp_path / "there")
    store = StudyStore(here, "s", storage=database)
    other = StudyStore(there, "another study", storage=database)
    with pytest.raises(SearchError, match=r"another process is working on s in .*Wait for it"):
        StudyStore(there, "s", storage=database)
    other.close()
    store.close()
    StudyStore(there, "s", storage=database).close()

    script = f"import sys, time; sys.path[:0] = {sys.path!r}\n" + (
        "from pathlib import Path\nfrom musicgenre.layout import Layout\nfrom musicgenre.search.store import StudyStore\n"
        f"store = StudyStore(Layout(Path({str(tmp_path)!r})), 's', storage={database!r})\nprint('held', flush=True)\ntime.sleep(300)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(SearchError, match="another process"):
        StudyStore(here, "s", storage=database)
    holder.kill()
    StudyStore(here, "s", storage=database).close()  # a killed holder lets go at once
    holder.communicate()


@pytest.mark.slow
def test_tables_of_an_older_optuna_and_a_study_of_an_older_schema_are_one_line(database: str, tmp_path: Path) -> None:
    import psycopg

    StudyStore(Layout(tmp_path), "s", storage=database).close()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE study_user_attributes SET value_json = '0' WHERE key = 'musicgenre_schema'")
    with pytest.raises(SearchError, match=r"holds the study in schema 0, this version writes 1\. Use another storage"):
        StudyStore(Layout(tmp_path), "s", storage=database)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v2.6.0.a'")
    with pytest.raises(SearchError, match=r"tables of another Optuna version: .*optuna storage upgrade --storage URL") as said:
        StudyStore(Layout(tmp_path), "s", storage=database)
    assert "\n" not in str(said.value)


@pytest.mark.slow
def test_a_server_that_is_away_or_lets_nobody_in_is_one_line(server: Postgres, project: Layout, make_params: Make) -> None:
    for url, words in {
        "postgresql://tester:secret@127.0.0.1:9/postgres": r"127\.0\.0\.1:9/postgres cannot be used: .*refused.*Start the server",
        f"{server.url.removesuffix('postgres')}nowhere": r"/nowhere cannot be used: .*does not exist",
    }.items():
        began = time.monotonic()
        with pytest.raises(SearchError, match=words) as said:
            run_search("classical", make_params(behave={}, common={"storage": url}), project, family=TOY, quiet=True)
        assert time.monotonic() - began < 20
        assert "\n" not in str(said.value)
        assert "secret" not in str(said.value)
    assert not (project.root / "hooks" / "calls.jsonl").exists(), "before any work"


def test_a_missing_driver_is_named_with_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    for url in ("postgresql://a:b@host/db", "postgres://a:b@host/db"):
        with pytest.raises(SearchError, match=r"a:…@host/db needs the package 'psycopg', which is not .* `uv sync .*postgres`"):
            StudyStore(Layout(tmp_path), "s", storage=url)
