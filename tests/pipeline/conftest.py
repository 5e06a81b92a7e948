"""Fixtures of the pipeline tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from project import TINY, Project, make_project


@pytest.fixture(scope="session")
def tiny_project(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Project:
    """Every stage run once on a tiny demo set."""
    project = make_project(tmp_path_factory.mktemp("project"), repository, TINY)
    project.run("dvc", "repro")
    return project
