"""From a served answer's model id back to its commit, in a folder of its own, and the same figures again."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from project import Project

from musicgenre.bundle import load_bundle

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500), pytest.mark.xdist_group("pipeline")]

_CLOCK = {"fit_s", "latency_ms", "memory_mb"}  # measured anew; the rest of the metrics is arithmetic


def _figures(root: Path) -> dict[str, Any]:
    """`reports/metrics.json` flat, without what a clock says."""
    flat: dict[str, Any] = {}

    def walk(value: Any, path: str) -> None:
        if isinstance(value, dict):
            for name, item in value.items():
                if name not in _CLOCK:
                    walk(item, f"{path}/{name}")
        else:
            flat[path] = value

    walk(json.loads((root / "reports/metrics.json").read_text()), "")
    return flat


def test_the_commands_of_trace_bring_back_the_same_metrics(tiny_project: Project) -> None:
    root = tiny_project.root
    tiny_project.run("git", "add", "-A")
    tiny_project.run("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "results")
    commit = tiny_project.run("git", "rev-parse", "HEAD").stdout.strip()

    # The whole line, from the digits that answers carry, the bento that carries the model included.
    champion = load_bundle(root / "models/champion")
    traced = json.loads(tiny_project.run("musicgenre", "trace", champion.digest[:12], "--json").stdout)
    bento = json.loads((root / "reports/bento.json").read_text())
    assert traced["bentos"] == [bento["tag"]] and traced["committed"] == commit
    assert traced["training"]["params"] and traced["training"]["metrics"] and traced["registration"]["metrics"]
    assert all(traced["lineage"][name] for name in ("data_id", "split_id", "feature_id", "git_commit", "dvc_lock", "mlflow_run"))
    assert {"dvc.lock", "data/demo", "data/splits.parquet", "models/champion"} <= set(traced["lock"])

    # As a person follows them.
    commands = tiny_project.run("musicgenre", "trace", champion.digest[:12], "--checkout").stdout
    tiny_project.run("bash", "-e", "-c", commands)
    back = Project(root.parent / "musicgenre-v1")
    assert load_bundle(back.root / "models/champion").digest == champion.digest
    assert _figures(back.root) == _figures(root)
    assert not (back.root / ".musicgenre/search").exists(), "the studies would only be resumed"

    # Everything computed again: data, features, every search, the ensemble, the test set's figures.
    here = {"PYTHONPATH": str(back.root / "src")}
    back.run("dvc", "repro", "--force", "promote", timeout=1200, environment=here)
    again, first = _figures(back.root), _figures(root)
    assert set(again) == set(first)
    for name, value in first.items():
        if isinstance(value, float):
            assert math.isclose(again[name], value, rel_tol=0, abs_tol=1e-9), name
        else:
            assert again[name] == value, name
    for family in ("cnn", "transfer", "multimodal", "classical", "ensemble"):
        bundle = f"models/{family}/bundle"
        assert load_bundle(back.root / bundle).answers == load_bundle(root / bundle).answers, family
    decided = json.loads(back.run("musicgenre", "promote", "--json", environment=here).stdout)
    assert (decided["decision"], decided["champion"]) == ("unchanged", "1")
