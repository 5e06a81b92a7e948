"""Two promotions at once: one wins, the other judges again, against the winner."""

from __future__ import annotations

import multiprocessing
import os
import queue
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import small_project

from musicgenre.bundle import load_bundle
from musicgenre.errors import RegistryError, TrackingUnavailable
from musicgenre.layout import Layout
from musicgenre.params import Params, parse_params
from musicgenre.registry import promotion
from musicgenre.registry.lock import exclusive
from musicgenre.registry.rollback import rollback
from musicgenre.registry.verify import verify
from musicgenre.registry.versions import Versions


def _params(uri: str) -> Params:
    raw = small_project.params().model_dump(mode="json", by_alias=True)
    return parse_params({**raw, "tracking": {**raw["tracking"], "uri": uri}})


def _promote(root: Path, uri: str, barrier: Any, results: Any) -> None:
    """In a process of its own: gather evidence, wait until the other has gathered too, then go on."""
    calls = 0
    gather = promotion.gather

    def together(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        found = gather(*args, **kwargs)
        if calls == 1:
            barrier.wait(400)
        return found

    promotion.gather = together
    found = promotion.promote(_params(uri), Layout(root))
    results.put((found.family, found.decision, found.champion, calls))


def _race(first: Layout, second: Layout, uri: str) -> dict[str, tuple[str, str, int]]:
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(2), context.Queue()
    racers = [context.Process(target=_promote, args=(item.root, uri, barrier, results)) for item in (first, second)]
    for racer in racers:
        racer.start()
    found: list[tuple[str, str, str, int]] = []
    while len(found) < len(racers):
        try:
            found.append(results.get(timeout=1))
        except queue.Empty:  # one that died says nothing, and the other waits for it
            assert all(racer.exitcode in (None, 0) for racer in racers), [racer.exitcode for racer in racers]
    for racer in racers:
        racer.join(30)
        assert racer.exitcode == 0
    return {family: (decision, champion, calls) for family, decision, champion, calls in found}


def _two_roots(project: Layout, tmp_path: Path) -> tuple[Layout, Layout]:
    other = Layout(tmp_path / "other")
    shutil.copytree(project.root, other.root)
    small_project.evaluated(project, "cnn")
    small_project.evaluated(other, "transfer")
    return project, other


def _check(found: dict[str, tuple[str, str, int]], params: Params, weak: Layout, good: Layout) -> None:
    """The good model reigns whoever was first, and whoever was second has judged twice."""
    versions = Versions(params, weak)
    champion = versions.at("champion")
    assert champion is not None and champion.digest == load_bundle(good.bundle("transfer")).digest
    with versions.bundle(champion) as folder:
        load_bundle(folder)
    assert sorted(calls for _, _, calls in found.values()) == [1, 2]
    assert found["transfer"][0] == "promoted"
    expected = ("refused", 2) if found["transfer"][2] == 1 else ("promoted", 1)
    assert (found["cnn"][0], found["cnn"][2]) == expected
    assert versions.aliases()["champion"] == found["transfer"][1]


def test_race_on_the_embedded_store(project: Layout, tmp_path: Path) -> None:
    weak, good = _two_roots(project, tmp_path)
    uri = f"sqlite:///{project.root / 'mlflow.db'}"
    found = _race(weak, good, uri)
    _check(found, _params(uri), weak, good)


def test_the_lock_keeps_others_out_and_says_who_holds_it(project: Layout) -> None:
    versions = Versions(small_project.params(), project)
    context = multiprocessing.get_context("fork")
    held, done = context.Event(), context.Event()

    def hold() -> None:
        with exclusive(versions, project):
            held.set()
            done.wait(60)

    holder = context.Process(target=hold)
    holder.start()
    assert held.wait(60)
    with pytest.raises(RegistryError, match="Another promotion holds"), exclusive(versions, project, wait_s=0.2):
        pytest.fail("two held the lock")
    holder.kill()  # a dead holder frees it
    holder.join()
    with exclusive(versions, project, wait_s=5):
        pass


# --- a real server -------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Iterator[str]:
    """`mlflow server` on a free port."""
    root = tmp_path_factory.mktemp("server")
    shutil.copy(empty_database, root / "mlflow.db")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    words += ["--backend-store-uri", f"sqlite:///{root / 'mlflow.db'}", "--artifacts-destination", str(root / "artifacts")]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # seven more processes that nothing here needs
    with (root / "log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, env=environment, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            try:
                with urllib.request.urlopen(f"{url}/health", timeout=2):
                    break
            except OSError:
                assert process.poll() is None, (root / "log").read_text()[-2000:]
                time.sleep(0.5)
        else:
            pytest.fail((root / "log").read_text()[-2000:])
        yield url
    finally:
        os.killpg(process.pid, 9)  # it holds nothing that matters, and lingers on a gentler signal
        process.wait(30)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_race_on_a_server(project: Layout, tmp_path: Path, server: str) -> None:
    weak, good = _two_roots(project, tmp_path)
    found = _race(weak, good, server)
    _check(found, _params(server), weak, good)
    versions = Versions(_params(server), weak)
    assert not versions.client.search_registered_models("name LIKE '%.lock'"), "the lock was left behind"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_dead_holder_on_a_server_loses_the_lock(project: Layout, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from musicgenre.registry import lock

    versions = Versions(_params(server), project)
    versions.client.create_registered_model(f"{versions.name}.lock", tags={"holder": "x", "who": "ghost@nowhere", "until": "0"})
    with exclusive(versions, project, wait_s=20):
        held = versions.client.get_registered_model(f"{versions.name}.lock").tags
        assert held["holder"] != "x"
        with pytest.raises(RegistryError, match="holds the registry's lock"), lock._named(versions, 0.1):
            pytest.fail("two held the lock")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_on_a_server_at_each_request(project: Layout, server: str) -> None:
    """SIGKILL before each writing request to a real server: a champion that loads reigns after every one."""
    raw = small_project.params().model_dump(mode="json", by_alias=True)
    params = parse_params({**raw, "tracking": {**raw["tracking"], "uri": server}, "promote": {**raw["promote"], "name": "killed"}})
    promotion.promote(params, project)
    small_project.evaluated(project, "transfer")
    versions = Versions(params, project)
    with versions.bundle(versions.at("champion")) as folder:  # type: ignore[arg-type]  # it was just promoted
        evidence = promotion.gather(params, project, project.bundle("transfer"), family="transfer", champion=folder, champion_version="1")

    def again() -> None:
        promotion.gather = lambda *_, **__: evidence
        found = promotion.promote(params, project)
        (project.root / "found.txt").write_text(f"{found.decision} {found.champion}: {found.words}")

    assert _kill_at_each_request(versions, again) > 10
    said = (project.root / "found.txt").read_text()
    assert said.startswith(("promoted 2", "unchanged 2")), said
    assert versions.at("champion").digest == load_bundle(project.bundle("transfer")).digest  # type: ignore[union-attr]  # see above
    assert versions.aliases()["previous"] == "1"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_rollback_killed_on_a_server_at_each_request(project: Layout, server: str) -> None:
    """The same for the way back: at the end one step was taken, whichever call was the last that was heard."""
    raw = small_project.params().model_dump(mode="json", by_alias=True)
    params = parse_params({**raw, "tracking": {**raw["tracking"], "uri": server}, "promote": {**raw["promote"], "name": "undone"}})
    for family in ("classical", "cnn", "transfer"):
        small_project.evaluated(project, family)
        promotion.promote(params, project, force=True, reason="three champions")
    versions = Versions(params, project)
    assert versions.aliases()["champion"] == "3"

    assert _kill_at_each_request(versions, lambda: rollback(params, project, reason="complaints")) >= 5
    assert (versions.aliases()["champion"], versions.aliases()["previous"]) == ("2", "1")
    assert "complaints" in versions.get("3").withdrawn  # type: ignore[union-attr]  # it is there
    assert load_bundle(project.champion).digest == load_bundle(project.bundle("cnn")).digest
    assert not [item for item in verify(params, project) if item.state == "bad"]


def _kill_at_each_request(versions: Versions, work: Callable[[], object]) -> int:
    """Do `work` again and again, killed before its first, second, third … writing request, until it lives; how often it died."""
    context = multiprocessing.get_context("fork")

    def killed_at(step: int) -> None:
        import requests

        done = 0
        send = requests.Session.request

        def request(self: Any, method: str, *args: Any, **kwargs: Any) -> Any:
            nonlocal done
            done += method.upper() != "GET"
            if done == step and method.upper() != "GET":
                os.kill(os.getpid(), 9)
            return send(self, method, *args, **kwargs)

        requests.Session.request = request  # type: ignore[method-assign]  # this process dies
        work()

    for step in range(1, 200):
        child = context.Process(target=killed_at, args=(step,))
        child.start()
        child.join(120)
        champion = versions.at("champion")
        assert champion is not None
        with versions.bundle(champion) as folder:
            assert load_bundle(folder).digest == champion.digest
        if child.exitcode == 0:
            return step - 1
        assert child.exitcode == -9
        _expire_lock(versions)
    pytest.fail("it never lived")


def _expire_lock(versions: Versions) -> None:
    """What a minute's wait would do."""
    from mlflow.exceptions import MlflowException

    try:
        versions.client.set_registered_model_tag(f"{versions.name}.lock", "until", "0")
    except MlflowException as error:
        assert error.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_a_server_that_is_away_is_said_within_seconds(project: Layout) -> None:
    began = time.monotonic()
    with pytest.raises(TrackingUnavailable, match=r"does not answer .*tracking\.uri"):
        Versions(_params("http://127.0.0.1:9"), project)
    assert time.monotonic() - began < 10
