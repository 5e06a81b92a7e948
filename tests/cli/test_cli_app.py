"""The command line's manners: quick help, one clear line for a fault, sane exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("musicgenre")
    return subprocess.run([str(program), *words], cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


def test_help_lists_the_stages_and_imports_nothing_heavy(repository: Path) -> None:
    code = (
        "import sys; from musicgenre.cli.app import app; import typer; typer.main.get_command(app)\n"
        "heavy = {'tensorflow', 'mlflow', 'pandas', 'optuna', 'librosa', 'sklearn', 'bentoml', 'great_expectations', 'scipy'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    listing = run("--help", cwd=repository)
    assert listing.returncode == 0
    for stage in ("source", "manifest", "validate", "split", "features", "embed", "search", "ensemble", "evaluate", "promote", "package"):
        assert f" {stage} " in listing.stdout, stage


def test_an_unknown_key_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("split: {tset: 0.2}\n")
    done = run("split", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.strip() == "error: params.yaml: unknown key `split.tset`. Remove it or correct its spelling."
    assert "Traceback" not in done.stderr


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("split: {tset: 0.2}\n")
    assert "Traceback" in run("--debug", "split", cwd=tmp_path).stderr


@pytest.mark.parametrize("stage", ["validate", "split", "features", "ensemble", "evaluate", "promote", "package"])
def test_a_stage_without_its_input_says_what_to_run(stage: str, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("{}\n")
    done = run(stage, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("error: ")
    assert "musicgenre " in done.stderr or "dvc repro" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_environment_is_told_not_to_phone_home() -> None:
    code = "import os; from musicgenre.cli import app; app._QUIET; print(sorted(app._QUIET))"
    names = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)).stdout
    for name in ("DO_NOT_TRACK", "DVC_NO_ANALYTICS", "GX_ANALYTICS_ENABLED", "MLFLOW_DISABLE_TELEMETRY", "BENTOML_DO_NOT_TRACK"):
        assert name in names
