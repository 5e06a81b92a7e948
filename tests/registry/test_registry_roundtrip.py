"""clone → pull → promote with real git and DVC, and the way back that `trace --checkout` prints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import small_project
import yaml

from musicgenre.bundle import load_bundle
from musicgenre.layout import Layout

BIN = Path(sys.executable).parent

DVC: dict[str, object] = {
    "stages": {
        "promote": {
            "cmd": "musicgenre promote",
            "deps": ["reports/metrics.json", "models/cnn", "models/transfer", "data"],
            "params": ["promote"],
            "outs": [{"models/champion": {"persist": True}}, {"models/registry.json": {"cache": False, "persist": True}}],
        }
    },
    "artifacts": {"musicgenre": {"path": "models/champion", "type": "model"}},
}


def _run(root: Path, *words: str) -> str:
    environment = dict(os.environ, PATH=f"{BIN}{os.pathsep}{os.environ['PATH']}", OMP_NUM_THREADS="1")
    for name in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{name}_NAME": "t", f"GIT_{name}_EMAIL": "t@example.org"}
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, timeout=280, check=False, env=environment)
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_clone_pull_promote_and_back(project: Layout, tmp_path: Path) -> None:
    root = project.root
    (root / "params.yaml").write_text(yaml.safe_dump({"evaluate": {"bootstrap": 200}, "promote": {"max_calibration_error": 1.0}}))
    (root / "dvc.yaml").write_text(yaml.safe_dump(DVC))
    (root / ".gitignore").write_text("/mlflow.db*\n/mlartifacts\n/.musicgenre\n")
    _run(root, "git", "init", "-q")
    _run(root, "dvc", "init", "-q")
    _run(root, "dvc", "remote", "add", "-d", "store", str(tmp_path / "remote"))
    _run(root, "dvc", "add", "-q", "data", "models/cnn", "models/transfer", "models/classical")
    _run(root, "dvc", "repro")
    _run(root, "git", "add", ".")
    _run(root, "git", "commit", "-qm", "first")
    first = load_bundle(project.champion).digest
    metrics = project.metrics.read_bytes()

    small_project.evaluated(project, "transfer")
    _run(root, "dvc", "repro")
    _run(root, "git", "add", ".")
    _run(root, "git", "commit", "-qm", "second")
    second = load_bundle(project.champion).digest
    assert first != second
    _run(root, "dvc", "push", "-q")
    assert "Data and pipelines are up to date" in _run(root, "dvc", "status")

    # A clone with the DVC remote and no MLflow store ends with the same champion.
    clone = tmp_path / "clone"
    _run(tmp_path, "git", "clone", "-q", str(root), str(clone))
    _run(clone, "dvc", "pull", "-q")
    found = json.loads(_run(clone, "musicgenre", "promote", "--json"))
    assert (found["decision"], found["champion"], found["restored"]) == ("unchanged", "2", ["1", "2"])
    rows = json.loads(_run(clone, "musicgenre", "registry", "list", "--json"))
    assert [(row["version"], row["digest"]) for row in rows] == [("1", first), ("2", second)]
    assert rows[1]["aliases"] == ["candidate", "champion"] and rows[0]["aliases"] == ["previous"]
    _run(clone, "musicgenre", "registry", "verify")
    assert (clone / "models/registry.json").read_bytes() == project.registry.read_bytes()
    assert "up to date" in _run(clone, "dvc", "status")

    # `dvc artifacts get` finds the champions in the repository.
    tags = json.loads(_run(root, "musicgenre", "registry", "tag", "--json"))
    assert [(item["tag"], item["state"]) for item in tags] == [("musicgenre@v1.0.0", "made"), ("musicgenre@v2.0.0", "made")]
    _run(tmp_path, "dvc", "artifacts", "get", str(root), "musicgenre", "-o", str(tmp_path / "got"))
    assert load_bundle(tmp_path / "got").digest == second
    _run(tmp_path, "dvc", "artifacts", "get", str(root), "musicgenre", "-o", str(tmp_path / "old"), "--rev", "v1.0.0")
    assert load_bundle(tmp_path / "old").digest == first

    # Version 1, from the digits in an answer, back to its data, its metrics and its bundle.
    traced = json.loads(_run(root, "musicgenre", "trace", first[:12], "--json"))
    assert traced["version"] == "1" and traced["committed"]
    commands = _run(root, "musicgenre", "trace", first[:12], "--checkout")
    _run(root, "bash", "-e", "-c", commands)
    back = root.parent / "musicgenre-v1"
    assert load_bundle(back / "models/champion").digest == first
    assert (back / "reports/metrics.json").read_bytes() == metrics
    assert "up to date" in _run(back, "dvc", "status")
    # Computed again from scratch it is the same.
    _run(back, "dvc", "repro", "--force")
    assert load_bundle(back / "models/champion").digest == first
