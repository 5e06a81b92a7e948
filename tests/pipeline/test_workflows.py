"""The workflows are valid by the published schema and run the commands people run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml


@pytest.mark.parametrize("name", ["test.yml", "pipeline.yml"])
def test_workflow_matches_the_schema(name: str, repository: Path) -> None:
    path = repository / ".github" / "workflows" / name
    program = Path(sys.executable).with_name("check-jsonschema")
    command = [str(program), "--builtin-schema", "vendor.github-workflows", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_schema_check_can_fail(repository: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.yml"
    broken.write_text((repository / ".github/workflows/test.yml").read_text().replace("runs-on", "runs-at"))
    program = Path(sys.executable).with_name("check-jsonschema")
    command = [str(program), "--builtin-schema", "vendor.github-workflows", str(broken)]
    assert subprocess.run(command, capture_output=True, timeout=120, check=False).returncode != 0


def test_workflows_use_make_targets_that_exist(repository: Path) -> None:
    makefile = (repository / "Makefile").read_text()
    for path in (repository / ".github" / "workflows").glob("*.yml"):
        jobs = yaml.safe_load(path.read_text())["jobs"]
        commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
        targets = {word for command in commands for line in command.splitlines() if line.startswith("make ") for word in line.split()[1:2]}
        assert targets, path.name
        for target in targets:
            assert f"\n{target}:" in makefile, f"{path.name}: make {target}"
