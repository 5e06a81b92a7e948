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
from musicgenre.registry.rollback import rollback
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


def _promote(layout: Layout) -> object:
    return promotion.promote(PARAMS, layout)


def _roll_back(layout: Layout) -> object:
    return rollback(PARAMS, layout, reason="complaints")


def _steps(layout: Layout, log: Path, work: Callable[[Layout], object] = _promote) -> list[str]:
    """Names of all writes of undisturbed `work`."""

    def logged() -> None:
        with log.open("a") as handle:
            _kill_at(0, lambda name: print(name, file=handle, flush=True))
            work(layout)

    assert _in_child(logged) == 0
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
    small_project.relocate(copy, root)

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


def test_killed_around_the_moves(reigning: Layout, tmp_path: Path) -> None:
    """The steps from the new version's creation on: every alias, tag, file."""
    shutil.copytree(reigning.root, tmp_path / "counted")
    small_project.relocate(tmp_path / "counted", reigning.root)
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
    small_project.relocate(tmp_path / "counted", reigning.root)
    steps = _steps(Layout(tmp_path / "counted"), tmp_path / "steps.txt")
    assert len(steps) >= 20
    for step in range(1, len(steps) + 1):
        _die_and_recover(reigning.root, tmp_path / f"step{step}", step)


# --- rollback --------------------------------------------------------------------


def _die_in_rollback(root: Path, copy: Path, step: int, then: Callable[[Layout], object]) -> None:
    """Kill a rollback from 2 to 1, look, do `then`, and look again."""
    shutil.copytree(root, copy)
    layout = Layout(copy)
    small_project.relocate(copy, root)

    def killed() -> None:
        _kill_at(step, lambda _: None)
        _roll_back(layout)

    assert _in_child(killed) == signal.SIGKILL

    def inspect() -> None:
        versions = Versions(PARAMS, layout)
        champion = versions.at("champion")
        assert champion is not None, "no champion"
        with versions.bundle(champion) as folder:
            assert load_bundle(folder).digest == champion.digest
        load_bundle(layout.champion)
        then(layout)
        book, aliases = small_project.read_book(layout), versions.aliases()
        moved = champion.number == "1" or then is _roll_back
        assert aliases["champion"] == book["champion"] == ("1" if moved else "2"), "a second step was taken, or the first undone"
        assert aliases.get("previous", "") == book["previous"] == ("" if moved else "1")
        assert not [item for item in verify(PARAMS, layout) if item.state == "bad"], verify(PARAMS, layout)
        if moved:
            assert promotion.promote(PARAMS, layout).decision == "refused", "the withdrawn model came back by itself"

    assert _in_child(inspect) == 0
    shutil.rmtree(copy)


def _rollback_steps(reigning: Layout, tmp_path: Path) -> list[str]:
    small_project.evaluated(reigning, "transfer")
    shutil.copytree(reigning.root, tmp_path / "counted")
    small_project.relocate(tmp_path / "counted", reigning.root)
    _close_connections()
    return _steps(Layout(tmp_path / "counted"), tmp_path / "steps.txt", _roll_back)


def test_a_rollback_killed_around_its_moves(two_reigned: Layout, tmp_path: Path) -> None:
    steps = _rollback_steps(two_reigned, tmp_path)
    moves = [number + 1 for number, name in enumerate(steps) if name.endswith("_alias") or name == "replace"]
    assert [steps[move - 1] for move in moves] == ["set_registered_model_alias", "delete_registered_model_alias", "replace"]
    for step in moves:
        _die_in_rollback(two_reigned.root, tmp_path / f"step{step}", step, _roll_back)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("then", [_roll_back, _promote])
def test_a_rollback_killed_between_any_two_steps(two_reigned: Layout, tmp_path: Path, then: Callable[[Layout], object]) -> None:
    steps = _rollback_steps(two_reigned, tmp_path)
    assert len(steps) >= 6
    for step in range(1, len(steps) + 1):
        _die_in_rollback(two_reigned.root, tmp_path / f"step{step}", step, then)
