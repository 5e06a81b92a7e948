"""The queue beside the work: batches, order, a store that is away, and what is said of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from musicgenre.errors import TrackingUnavailable
from musicgenre.layout import Layout
from musicgenre.params import TrackingParams
from musicgenre.tracking import Tracker, resolve
from musicgenre.tracking import tracker as module
from musicgenre.tracking.tags import flat, lineage_tags
from musicgenre.tracking.tracker import is_temporary


class FakeRuns:
    """Stands in for `client.Runs`: remembers what it was told; may be away."""

    away = False
    told: list[tuple[Any, ...]]

    def __init__(self, *_: Any) -> None:
        FakeRuns.told = []

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> Any:
            if FakeRuns.away:
                raise ConnectionError("refused")
            FakeRuns.told.append((name, *arguments))
            return "run-" + str(arguments[0]) if name == "create" else None

        return call


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Tracker]:
    FakeRuns.away = False
    monkeypatch.setattr(module, "Runs", FakeRuns)
    monkeypatch.setattr(module, "_PAUSES_S", (0.02,))
    yield Tracker(TrackingParams(), Layout(tmp_path), "x", patience_s=0.3)
    FakeRuns.away = False


def test_points_that_wait_together_travel_together_and_in_order(fake: Tracker) -> None:
    fake.start("a", "A", {})
    fake.start("b", "B", {})
    for step in range(50):
        fake.metrics("a", {"loss": 1.0 / (step + 1)}, step=step)
        fake.metrics("b", {"loss": 2.0}, step=step)
    fake.metrics("a", {"loss": float("nan")}, step=50)
    fake.end("a")
    with fake:
        pass
    metrics = [entry for entry in FakeRuns.told if entry[0] == "metrics"]
    assert len(metrics) == 2, "one request a run"
    assert [len(points) for _, _, points in metrics] == [50, 50]
    assert [point[2] for point in metrics[0][2]] == list(range(50))
    names = [entry[0] for entry in FakeRuns.told]
    assert names.index("end") > names.index("metrics"), "a run ends after its points"


def test_points_do_not_overtake_an_operation_on_everything(fake: Tracker) -> None:
    fake.start("a", "A", {})
    fake.metrics("a", {"x": 1.0}, step=1)
    fake.call(lambda tracker, runs: runs.marker())
    fake.metrics("a", {"x": 2.0}, step=2)
    with fake:
        pass
    assert [entry[0] for entry in FakeRuns.told][-3:] == ["metrics", "marker", "metrics"]


def test_a_store_that_comes_back_gets_everything(fake: Tracker, caplog: pytest.LogCaptureFixture) -> None:
    with fake:
        fake.start("a", "A", {})
        assert fake.flush(5)
        FakeRuns.away = True
        before = time.perf_counter()
        for step in range(100):
            fake.metrics("a", {"x": float(step)}, step=step)
        assert time.perf_counter() - before < 1, "a hundred calls do not wait for the store"
        assert not fake.flush(0.15)
        FakeRuns.away = False
        assert fake.flush(5)
    assert sum(len(entry[2]) for entry in FakeRuns.told if entry[0] == "metrics") == 100
    assert fake.unwritten == 0
    assert "kept in memory" in caplog.text


def test_a_store_that_stays_away_does_not_hold_up_the_end(fake: Tracker, caplog: pytest.LogCaptureFixture) -> None:
    with fake:
        fake.start("a", "A", {})
        assert fake.flush(5)
        FakeRuns.away = True
        fake.metrics("a", {"x": 1.0})
        fake.end("a")
    assert fake.unwritten == 2
    assert "Run the same command again" in caplog.text


def test_a_refused_operation_is_said_and_the_rest_goes_on(fake: Tracker, caplog: pytest.LogCaptureFixture) -> None:
    def bad(tracker: Tracker, runs: Any) -> None:
        raise ValueError("a parameter's value cannot change\nlong story")

    with fake:
        fake.call(bad)
        fake.start("a", "A", {})
    assert fake.refused == 1
    assert "cannot change" in caplog.text
    assert fake.run_id("a") == "run-a"


@pytest.mark.parametrize(
    ("uri", "words"),
    [("http://127.0.0.1:9", r"127\.0\.0\.1:9 does not answer"), ("sqlite:///folder", "folder cannot be opened")],
)
def test_a_store_that_does_not_answer_is_an_error_at_once(tmp_path: Path, uri: str, words: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(TrackingUnavailable, match=words), Tracker(TrackingParams(uri=uri), Layout(tmp_path), "x"):
        pass


def test_relative_places_are_the_projects(tmp_path: Path) -> None:
    store = resolve(TrackingParams(), Layout(tmp_path))
    assert store.uri == f"sqlite:///{tmp_path.resolve() / 'mlflow.db'}"
    assert store.artifacts == (tmp_path.resolve() / "mlartifacts").as_uri()
    assert resolve(TrackingParams(uri="http://host:5000"), Layout(tmp_path)).artifacts is None


def test_parameters_are_flat_and_readable() -> None:
    config = {"rate": 0.00123456789, "head": {"units": [64, 32], "drop": None}, "flag": True, "kind": "mel"}
    assert flat(config) == {"rate": "0.00123457", "head.units": "64, 32", "head.drop": "none", "flag": "true", "kind": "mel"}


def test_only_what_is_known_becomes_a_tag() -> None:
    from musicgenre.lineage import Lineage

    tags = lineage_tags(Lineage(data_id="d", git_dirty=False, mlflow_run="r"))
    assert tags == {"lineage.data_id": "d", "lineage.git_dirty": "false"}


def test_which_errors_are_worth_another_try() -> None:
    assert is_temporary(ConnectionRefusedError())
    assert is_temporary(RuntimeError("(sqlite3.OperationalError) database is locked"))
    assert is_temporary(RuntimeError("API request to http://x failed with exception HTTPConnectionPool: Max retries exceeded"))
    assert not is_temporary(ValueError("INVALID_PARAMETER_VALUE: Changing param values is not allowed"))
