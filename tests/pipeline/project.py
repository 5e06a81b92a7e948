"""A project of its own in a temporary folder: the real `dvc.yaml`, a small `params.yaml`."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

BIN = Path(sys.executable).parent

_SHARED = ("dvc.yaml", "params.yaml", "bentofile.yaml", "uv.lock", "pyproject.toml", ".dvcignore", ".gitignore", "README.md", "LICENSE")

TINY: dict[str, Any] = {
    "dataset": {"demo": {"artists_per_genre": 5, "tracks_per_artist": 1, "duration_s": 6.0, "faults": True}},
    "search": {
        "cnn": {"trials": 1, "epochs": 2, "published": []},
        "transfer": {"trials": 1, "epochs": 4, "published": []},
        "multimodal": {"trials": 1, "epochs": 2, "published": []},
        "classical": {"trials": 2, "published": []},
    },
    "evaluate": {"bootstrap": 200, "robustness": False, "on_problem": "warn"},
    "promote": {"min_above_chance": 0.0, "max_calibration_error": 1.0, "max_latency_ms": 60000},
}


def merge(base: dict[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `change` laid over it, block by block."""
    for key, value in change.items():
        base[key] = merge(dict(base.get(key) or {}), value) if isinstance(value, Mapping) and key != "severity" else value
    return base


@dataclass(frozen=True)
class Project:
    """A checkout in which commands are run as a person runs them."""

    root: Path

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of a person who stands in this project.

        MLflow writes the store it was last pointed at into the environment of its process: what
        other tests of this worker left there would send a child to their store.
        """
        inherited = {name: value for name, value in os.environ.items() if name not in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")}
        return inherited | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "BENTOML_HOME": str(self.root / ".bentoml")} | more

    def run(
        self, *words: str, check: bool = True, timeout: float = 540, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        variables = self.environment(**(environment or {}))
        done = subprocess.run(words, cwd=self.root, capture_output=True, text=True, timeout=timeout, check=False, env=variables)
        if check:
            assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
        return done

    def set(self, change: Mapping[str, Any]) -> None:
        path = self.root / "params.yaml"
        path.write_text(yaml.safe_dump(merge(yaml.safe_load(path.read_text()), change), sort_keys=False))


def make_project(root: Path, repository: Path, change: Mapping[str, Any]) -> Project:
    """Lay out a project under `root` that shares the checkout's code."""
    for name in _SHARED:
        shutil.copy(repository / name, root / name)
    shutil.copytree(repository / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__"))
    project = Project(root)
    project.set(change)
    project.run("git", "init", "-q")
    project.run("dvc", "init", "-q")
    project.run("git", "add", "-A")
    project.run("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "start")
    return project


def _status(url: str) -> int:
    """Of a GET; 0 where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


@contextmanager
def serving(project: Project, *, status: int = 200, **environment: str) -> Iterator[str]:
    """`musicgenre serve` in the project; its address once `/readyz` answers with `status`. Its log is `serve-<port>.log`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = project.root / f"serve-{port}.log"
    command = [str(BIN / "musicgenre"), "serve", "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=project.root, env=project.environment(**environment), stdout=output, stderr=output)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(480):
            assert process.poll() is None, log.read_text()[-4000:]
            if _status(f"{url}/readyz") == status:
                break
            time.sleep(0.25)
        else:
            raise AssertionError(log.read_text()[-4000:])
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
