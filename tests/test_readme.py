"""The README names only what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from musicgenre.cli.app import app


@pytest.fixture(scope="module")
def readme(repository: Path) -> str:
    return (repository / "README.md").read_text(encoding="utf-8")


def test_links_and_pictures_exist(readme: str, repository: Path) -> None:
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", readme) if "://" not in target]
    assert len(targets) > 5
    for target in targets:
        assert (repository / target).is_file(), target


def test_commands_exist(readme: str) -> None:
    known = set(getattr(typer.main.get_command(app), "commands"))  # noqa: B009  (a Typer group has it, its type does not say so)
    named = set(re.findall(r"`musicgenre ([a-z]+)", readme)) | set(re.findall(r"^musicgenre ([a-z]+)", readme, re.M))
    assert {"leakage", "fetch", "predict", "registry", "trace"} <= named
    assert named <= known, named - known


def test_make_targets_exist(readme: str, repository: Path) -> None:
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"make ([a-z-]+)", readme))
    assert {"repro", "test", "ui", "serve"} <= named
    for target in named:
        assert f"\n{target}: " in makefile, target
