"""A process killed between any two steps leaves a champion that loads, and the next promotion finishes the work."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import small_project

from musicgenre import atomic
from musicgenre.bundle import load_bundle
from musicgenre.layout import Layout
from musicgenre.registry import promotion
from musicgenre.registry.verify import verify
from musicgenre.registry.versions import Versions

PARAMS = small_project.params()
_WRITES = ("create_", "set_", "log_", "update_", "delete_", "finalize_", "rename_", "record_", "restore_")


def _kill_at(step: int, count: Callable[[str], None]) -> None:
    """In this process: before the `step`-th write to store, artifacts or files, die by SIGKILL."""
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as RegistryStore
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as TrackingStore

    done = 0

    def guarded(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal done
            done += 1
            count(function.__name__)
            if done == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        return call

    for store in (RegistryStore, TrackingStore, LocalArtifactRepository):
        for name in dir(store):
            if name.startswith(_WRITES):
                setattr(store, name, guarded(getattr(store, name)))
    # Every atomic write ends in one of these two.
    Path.replace = guarded(Path.replace)  # type: ignore[method-assign]  # this process dies
    atomic._exchange = guarded(atomic._exchange)


def _in_child(work: Callable[[], object]) -> int:
    """Run in a fork; the signal that ended it, 0 if it ended well."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(99)
    status = os.waitpid(child, 0)[1]
    assert status != 99 << 8, "the promotion failed by itself"
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def _steps(layout: Layout, log: Path) -> list[str]:
    """Names of all writes of an undisturbed promotion."""

    def work() -> None:
        with log.open("a") as handle:
            _kill_at(0, lambda name: print(name, file=handle, flush=True))
            promotion.promote(PARAMS, layout)

    assert _in_child(work) == 0
    return log.read_text().split()


@pytest.fixture
def reigning(project: Layout, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """Version 1 reigns, a better candidate is selected; its evidence is gathered once (that part only reads)."""
    promotion.promote(PARAMS, project)
    small_project.evaluated(project, "transfer")
    with Versions(PARAMS, project).bundle(Versions(PARAMS, project).at("champion")) as folder:  # type: ignore[arg-type]  # there is one
        evidence = promotion.gather(PARAMS, project, project.bundle("transfer"), family="transfer", champion=folder, champion_version="1")
    monkeypatch.setattr(promotion, "gather", lambda *_, **__: evidence)
    _close_connections()
    return project


def _close_connections() -> None:
    """A fork must not share an open database connection with its parent."""
    import gc

    import mlflow.tracking._model_registry.utils as registry
    import mlflow.tracking._tracking_service.utils as tracking

    for module in (registry, tracking):
        for value in vars(module).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()
    gc.collect()


def _die_and_recover(root: Path, copy: Path, step: int) -> None:
    shutil.copytree(root, copy)
    layout = Layout(copy)
    _relocate(copy, root)

    def killed() -> None:
        _kill_at(step, lambda _: None)
        promotion.promote(PARAMS, layout)

    assert _in_child(killed) == signal.SIGKILL

    def inspect() -> None:
        versions = Versions(PARAMS, layout)
        champion = versions.at("champion")
        assert champion is not None, "no champion"
        with versions.bundle(champion) as folder:
            assert load_bundle(folder).digest == champion.digest
        load_bundle(layout.champion)
        found = promotion.promote(PARAMS, layout)
        assert found.champion == versions.aliases()["champion"]
        assert versions.aliases()["previous"] == "1"
        assert versions.at("champion").digest == load_bundle(layout.bundle("transfer")).digest  # type: ignore[union-attr]  # see above
        assert load_bundle(layout.champion).digest == load_bundle(layout.bundle("transfer")).digest
        book = small_project.read_book(layout)
        assert book["champion"] == found.champion and book["previous"] == "1"
        assert not [item for item in verify(PARAMS, layout) if item.state == "bad"], verify(PARAMS, layout)

    assert _in_child(inspect) == 0
    shutil.rmtree(copy)


def _relocate(copy: Path, root: Path) -> None:
    """The database names artifacts by absolute path; let the copy's name its own."""
    import sqlite3

    with sqlite3.connect(copy / "mlflow.db") as database:
        for table, column in (
            ("experiments", "artifact_location"),
            ("runs", "artifact_uri"),
            ("logged_models", "artifact_location"),
            ("model_versions", "storage_location"),
        ):
            database.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (str(root), str(copy)))
    database.close()


def test_killed_around_the_moves(reigning: Layout, tmp_path: Path) -> None:
    """The steps from the new version's creation on: every alias, tag, file."""
    shutil.copytree(reigning.root, tmp_path / "counted")
    _relocate(tmp_path / "counted", reigning.root)
    steps = _steps(Layout(tmp_path / "counted"), tmp_path / "steps.txt")
    created = steps.index("create_model_version")
    moves = [number + 1 for number in range(created, len(steps)) if steps[number] in ("set_registered_model_alias", "_exchange", "replace")]
    assert steps.count("set_registered_model_alias") == 3 and len(moves) == 5
    for step in moves:
        _die_and_recover(reigning.root, tmp_path / f"step{step}", step)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_between_any_two_steps(reigning: Layout, tmp_path: Path) -> None:
    shutil.copytree(reigning.root, tmp_path / "counted")
    _relocate(tmp_path / "counted", reigning.root)
    steps = _steps(Layout(tmp_path / "counted"), tmp_path / "steps.txt")
    assert len(steps) >= 20
    for step in range(1, len(steps) + 1):
        _die_and_recover(reigning.root, tmp_path / f"step{step}", step)
