"""Projects and parameters for the search's tests."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from musicgenre.layout import Layout
from musicgenre.params import Params, parse_params

sys.path.insert(0, str(Path(__file__).parent))  # spawned workers inherit the path and find `toy_family`


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated MLflow database (making one takes seconds); tests start from a copy."""
    from musicgenre.params import TrackingParams
    from musicgenre.tracking.store import client

    layout = Layout(tmp_path_factory.mktemp("store"))
    client(TrackingParams(), layout)
    return layout.root / "mlflow.db"


@pytest.fixture
def project(tmp_path: Path, empty_store: Path) -> Layout:
    from search_project import write_project

    layout = write_project(tmp_path)
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    return layout


@pytest.fixture
def make_params(tmp_path: Path) -> Callable[..., Params]:
    """`make_params(behave={…}, common={…}, compute={…}, tracking={…}, **block)`; also written to params.yaml."""

    def make(
        behave: dict[str, Any] | None = None,
        common: dict[str, Any] | None = None,
        compute: dict[str, Any] | None = None,
        tracking: dict[str, Any] | None = None,
        **block: Any,
    ) -> Params:
        fixed = dict(block.pop("fixed", {}))
        if behave is not None:
            (tmp_path / "hooks").mkdir(exist_ok=True)
            (tmp_path / "hooks" / "behave.json").write_text(json.dumps(behave))
            fixed["behave"] = str(tmp_path / "hooks")
        block = {"trials": 4, "epochs": 6, "segment_s": 2.0, "hop_s": 2.0, "published": [], "fixed": fixed, **block}
        raw = {
            "search": {"common": {"pruner": "none", **(common or {})}, "classical": block},
            "compute": {"workers": 1, **(compute or {})},
            "tracking": tracking or {},
        }
        (tmp_path / "params.yaml").write_text(json.dumps(raw))
        return parse_params(raw)

    return make


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers are threads of this process (processes are tested in the tests that kill them), and no pictures are drawn."""
    from thread_pool import ThreadPool

    from musicgenre.search import outputs, plots, study

    monkeypatch.setattr(plots, "study_page", lambda path, study, title: path.write_text(title))
    monkeypatch.setattr(outputs, "winner_figures", lambda kept, folder: folder.mkdir(parents=True))

    def make(settled: Any, trials: int) -> ThreadPool:
        return ThreadPool(settled.layout.root, settled.reference, size=study.workers(settled.params, trials))

    monkeypatch.setattr(study, "_pool", make)
