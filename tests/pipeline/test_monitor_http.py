"""The service over HTTP writes the log, `musicgenre monitor` reads it: too few, like training, drifted."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
import soundfile
from project import Project, serving

from musicgenre.bundle import load_bundle

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("pipeline")]


@dataclass(frozen=True)
class Watched:
    """A running service of the champion that keeps a log, and the monitor beside it."""

    project: Project
    url: str
    log: Path

    def send(self, data: bytes) -> dict[str, Any]:
        answer = httpx.post(f"{self.url}/classify", files={"file": ("clip", data)}, timeout=60)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def monitor(self, *words: str) -> subprocess.CompletedProcess[str]:
        """As a scheduler runs it: nothing named, the log from the parameters."""
        return self.project.run("musicgenre", "monitor", *words, check=False)

    def start_again(self) -> None:
        self.log.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def watched(tiny_project: Project) -> Iterator[Watched]:
    parameters = tiny_project.root / "params.yaml"
    before = parameters.read_text()
    tiny_project.set({"serve": {"prediction_log": ".musicgenre/answers.jsonl"}})
    try:
        with serving(tiny_project) as url:
            yield Watched(tiny_project, url, tiny_project.root / ".musicgenre/answers.jsonl")
    finally:
        parameters.write_text(before)


@pytest.fixture(scope="module")
def heard(tiny_project: Project) -> list[Path]:
    """The clips that the champion was trained on."""
    splits = pd.read_parquet(tiny_project.root / "data/splits.parquet")
    paths = pd.read_parquet(tiny_project.root / "data/manifest.parquet", columns=["track_id", "path"])
    rows = splits[splits["split"] == "train"].merge(paths, on="track_id")
    return [tiny_project.root / path for path in rows["path"]]


def _noisy(path: Path, rng: np.random.Generator) -> bytes:
    """The clip under white noise as loud as itself."""
    sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = sound.mean(axis=1)
    mono = mono + rng.normal(0, np.sqrt(np.mean(mono**2)), len(mono))
    buffer = io.BytesIO()
    soundfile.write(buffer, (0.9 * mono / np.abs(mono).max()).astype(np.float32), rate, format="WAV")
    return buffer.getvalue()


def test_too_few_answers_exit_4(watched: Watched, heard: list[Path]) -> None:
    watched.start_again()
    for path in heard[:10]:
        answer = watched.send(path.read_bytes())
    done = watched.monitor()
    assert done.returncode == 4, done.stderr
    assert "10 answers" in done.stdout and "monitor.min_answers" in done.stdout
    line = json.loads(watched.log.read_text().splitlines()[-1])
    assert line["request_id"] == answer["request_id"] and line["version"] == answer["model"]["version"] == "1"
    assert line["model"] == answer["model"]["digest"] == load_bundle(watched.project.root / "models/champion").digest
    assert {name: line["probabilities"][name] for name in (item["genre"] for item in answer["probabilities"])} == {
        item["genre"]: item["probability"] for item in answer["probabilities"]
    }


def test_the_music_it_was_trained_on_exits_0(watched: Watched, heard: list[Path]) -> None:
    watched.start_again()
    for path in heard * 2:
        watched.send(path.read_bytes())
    done = watched.monitor("--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0, [item for item in found["checks"] if not item["passed"]]
    assert (found["state"], found["answers"], found["unreadable"], found["other_models"]) == ("ok", 2 * len(heard), 0, 0)
    names = {item["name"] for item in found["checks"]}
    assert {"probabilities sum to one", "distribution of level", "shares of the genres"} <= names
    # Quantiles of the features that the service computed are those that training stored.
    level = next(item for item in found["shifts"] if item["name"] == "level")
    assert level["median"] == pytest.approx(level["trained_median"], abs=0.02) and level["ks"] < 0.1 and level["psi"] < 0.05


def test_disturbed_clips_exit_3_and_the_report_says_what_moved(watched: Watched, heard: list[Path]) -> None:
    watched.start_again()
    rng = np.random.default_rng(0)
    for path in heard * 2:
        watched.send(_noisy(path, rng))
    done = watched.monitor()
    assert done.returncode == 3, done.stdout
    report = (watched.project.root / "reports/monitor/report.md").read_text()
    assert done.stdout.strip() == report.strip() and "state: **drift**" in report
    result = json.loads((watched.project.root / "reports/monitor/result.json").read_text())
    failed = {item["name"] for item in result["checks"] if not item["passed"]}
    assert {"distribution of dynamics", "distribution of distance", "the median dynamics is within the middle 80 % of training"} <= failed
    assert any(name.startswith("at most 10%") for name in failed), "no warning that the clips are unlike training"
    dynamics = next(item for item in result["shifts"] if item["name"] == "dynamics")
    assert dynamics["psi"] > dynamics["psi_noise"] and dynamics["ks"] > 0.5 and dynamics["p_value"] < 1e-6
    assert "| share in training | share now |" in report and "dvc repro" in report
