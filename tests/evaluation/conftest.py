"""One evaluated project for all tests of the room."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from evaluation_project import Size, build, small_params

from musicgenre.evaluation.results import Evaluation
from musicgenre.layout import Layout

SIZE = Size(genres=3, artists=5, tracks=2, seconds=3.0, noise=1.0)
FAMILIES = ("cnn", "transfer", "multimodal", "classical", "ensemble")


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """Built once; tests that change it take a copy of what they change."""
    return build(tmp_path_factory.mktemp("project"), SIZE, FAMILIES)


@pytest.fixture(scope="session")
def evaluated(project: Layout) -> Evaluation:
    """The stage, run once on `project`; its reports are there."""
    from musicgenre.evaluation import evaluate

    return evaluate(small_params(), project)


@pytest.fixture(scope="session")
def metrics_json(project: Layout, evaluated: Evaluation) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(project.metrics.read_text())
    return found


@pytest.fixture
def copied(project: Layout, tmp_path: Path) -> Layout:
    """A project of its own that shares the features."""
    import shutil

    shutil.copytree(project.root, tmp_path / "copy", ignore=shutil.ignore_patterns("reports", "mlflow.db*", "mlartifacts", ".musicgenre"))
    return Layout(tmp_path / "copy")
