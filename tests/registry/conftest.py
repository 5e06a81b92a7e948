"""One migrated, empty MLflow database for all tests: making it costs seconds, copying it nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import small_project

from musicgenre.layout import Layout


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from musicgenre.tracking.store import client

    root = tmp_path_factory.mktemp("database")
    client(small_project.params().tracking, Layout(root))
    return root / "mlflow.db"


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with three models: weak, good, and one that has learnt nothing."""
    layout = small_project.make(tmp_path_factory.mktemp("prepared"))
    small_project.train(layout, "cnn", skill=0.3, seed=1)
    small_project.train(layout, "transfer", skill=6.0, seed=2)
    small_project.train(layout, "classical", skill=0.0, seed=3)
    small_project.evaluated(layout, "cnn")
    return layout.root


@pytest.fixture
def project(prepared: Path, empty_database: Path, tmp_path: Path) -> Layout:
    """A fresh copy of the prepared project with an empty store."""
    root = tmp_path / "project"
    shutil.copytree(prepared, root)
    shutil.copy(empty_database, root / "mlflow.db")
    return Layout(root)


@pytest.fixture(scope="session")
def two_promoted(prepared: Path, empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Versions 1 (weak) and 2 (good, champion), and a refused third."""
    from musicgenre.registry import evidence
    from musicgenre.registry.promotion import promote

    root = tmp_path_factory.mktemp("promoted") / "project"
    shutil.copytree(prepared, root)
    shutil.copy(empty_database, root / "mlflow.db")
    layout = Layout(root)
    for family in ("cnn", "transfer", "classical"):
        small_project.evaluated(layout, family)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(evidence, "probe", lambda _: "")
            promote(small_project.params(), layout)
    return root


@pytest.fixture
def two_reigned(two_promoted: Path, tmp_path: Path) -> Layout:
    """A copy whose store names its own artifacts."""
    from mlflow.tracking._tracking_service.utils import _artifact_repos_cache  # by run, and the copies' runs have the same ids

    _artifact_repos_cache.clear()
    root = tmp_path / "copy"
    shutil.copytree(two_promoted, root)
    small_project.relocate(root, two_promoted)
    return Layout(root)


@pytest.fixture
def select() -> Callable[[Layout, str], None]:
    return small_project.evaluated


@pytest.fixture(autouse=True)
def _answer_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fresh process is asked for real in `test_registry_evidence`; elsewhere a second a promotion is too much."""
    from musicgenre.registry import evidence

    monkeypatch.setattr(evidence, "probe", lambda _: "")
