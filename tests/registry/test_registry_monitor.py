"""Drift statistics against what they should say, and the monitor on simulated logs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handmade_bundle import CLASSES, member, write
from musicgenre.bundle import BundleSpec, load_bundle
from musicgenre.bundle.reference import summarise
from musicgenre.cli.app import app
from musicgenre.errors import MissingInput
from musicgenre.layout import Layout
from musicgenre.params import MonitorParams
from musicgenre.registry.drift import estimated_priors, psi, shares, shift, total_variation
from musicgenre.registry.monitor import monitor

LEVELS = np.linspace(0, 1, 21)
LIMITS = MonitorParams()


def _quantiles(values: np.ndarray) -> list[float]:
    return [float(value) for value in np.quantile(values, LEVELS)]


# --- statistics ---------------------------------------------------------------------


def test_psi_is_the_textbook_sum() -> None:
    expected, observed = np.full(10, 0.1), np.array([0.2, 0.2, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05])
    known = float(np.sum((observed - expected) * np.log(observed / expected)))
    assert psi(expected, observed, 10_000) == pytest.approx(known, rel=1e-9)
    assert psi(expected, expected, 100) == pytest.approx(0.0)


def test_shares_over_training_deciles() -> None:
    values = np.random.default_rng(0).normal(size=5000)
    expected, observed = shares(_quantiles(values), values)
    np.testing.assert_allclose(expected, 0.1, atol=1e-9)
    np.testing.assert_allclose(observed, 0.1, atol=0.002)
    expected, observed = shares([0.0] * 15 + [1.0] * 6, np.array([0.0, 0.0, 0.5, 1.0]))
    assert expected.sum() == pytest.approx(1.0) and observed.sum() == pytest.approx(1.0)


def test_false_alarms_are_rare_and_real_drift_is_seen() -> None:
    rng = np.random.default_rng(1)
    quantiles = _quantiles(rng.normal(size=400))
    limits = {"max_psi": 0.25, "max_ks": 0.2}
    alarms = [shift("x", quantiles, rng.normal(size=60), 400).drifted(**limits) for _ in range(150)]
    assert np.mean(alarms) <= 0.03
    seen = [shift("x", quantiles, rng.normal(1.0, 1.0, size=60), 400).drifted(**limits) for _ in range(40)]
    assert np.mean(seen) >= 0.97
    narrower = [shift("x", quantiles, rng.normal(0.0, 0.3, size=120), 400).drifted(**limits) for _ in range(40)]
    assert np.mean(narrower) >= 0.97


def test_ks_agrees_with_scipy_on_the_same_distribution() -> None:
    from scipy.stats import kstest

    rng = np.random.default_rng(2)
    observed = rng.uniform(0.1, 1.1, size=200)
    found = shift("x", [float(level) for level in LEVELS], observed, 10**9)
    known = kstest(observed, "uniform")
    assert found.ks == pytest.approx(known.statistic, abs=1e-9)
    assert found.p_value == pytest.approx(known.pvalue, abs=1e-6)


def test_a_constant_statistic() -> None:
    same = shift("x", [12.0] * 21, np.full(80, 12.0), 100)
    assert same.psi is None and same.ks == 0.0 and not same.drifted(max_psi=0.25, max_ks=0.2)
    other = shift("x", [12.0] * 21, np.full(80, 30.0), 100)
    assert other.ks == 1.0 and other.drifted(max_psi=0.25, max_ks=0.2)


def test_priors_are_estimated_without_labels() -> None:
    rng = np.random.default_rng(3)
    trained, true = np.array([0.5, 0.5]), np.array([0.85, 0.15])
    labels = rng.choice(2, size=4000, p=true)
    x = rng.normal(np.where(labels == 0, -1.0, 1.0), 1.2)
    likelihood = np.stack([np.exp(-((x - centre) ** 2) / (2 * 1.2**2)) for centre in (-1.0, 1.0)], axis=1)
    p = likelihood * trained / (likelihood * trained).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(estimated_priors(p, trained), true, atol=0.03)
    assert total_variation(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == 1.0


# --- the monitor ---------------------------------------------------------------------


def _training(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    return [
        (rng.normal(-45 + rng.normal(0, 3), 8, size=(200, 96)) - np.linspace(0, 20, 96) * rng.normal(1, 0.2)).astype(np.float32)
        for _ in range(count)
    ]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    root = tmp_path_factory.mktemp("monitor")
    reference = summarise("mel", _training(np.random.default_rng(0), 150), [12.0] * 150, [CLASSES[i % 3] for i in range(150)])
    write(root / "models/champion", [member(root / "m", "one")], reference=reference, golden=False)
    (root / "params.yaml").write_text("monitor: {min_answers: 50}\n")
    return Layout(root)


def _log(
    path: Path, spec: BundleSpec, *, seed: int, count: int = 120, louder: float = 0.0, genres: tuple[float, ...] = (1 / 3,) * 3
) -> None:
    from musicgenre.bundle.reference import statistics, track_vector

    rng = np.random.default_rng(seed)
    lines = []
    for number, values in enumerate(_training(rng, count)):
        figures = statistics(track_vector(values + louder, "mel"), "mel", float(rng.uniform(3, 200)), spec.reference)
        label = rng.choice(3, p=genres)
        p = np.full(3, 0.05)
        p[label] = 0.9
        line: dict[str, Any] = {
            "time": f"2026-05-01T10:{number // 60:02d}:{number % 60:02d}.000Z",
            "request_id": str(number),
            "model": spec.digest,
            "version": "1",
            "duration_s": figures["duration_s"],
            "genre": CLASSES[label],
            "probabilities": dict(zip(CLASSES, p.tolist(), strict=True)),
            "statistics": figures,
            "warnings": ["unlike_training"] if figures["distance"] > spec.reference["limit"] else [],
        }
        lines.append(json.dumps(line))
    path.write_text("\n".join(lines) + "\n")


def _failed(found: Any) -> set[str]:
    return {item.name for item in found.checks if not item.passed}


def test_the_same_kind_of_music_is_no_drift(project: Layout, tmp_path: Path) -> None:
    spec = load_bundle(project.champion)
    _log(tmp_path / "log", spec, seed=5)
    found = monitor(LIMITS, project, tmp_path / "log")
    assert (found.state, found.exit_code, found.answers) == ("ok", 0, 120), _failed(found)
    assert json.loads((project.reports / "monitor/result.json").read_text())["state"] == "ok"
    assert "share in training" in (project.reports / "monitor/report.md").read_text()


def test_louder_clips_and_other_genres_are_drift(project: Layout, tmp_path: Path) -> None:
    spec = load_bundle(project.champion)
    _log(tmp_path / "log", spec, seed=6, louder=15.0)
    found = monitor(LIMITS, project, tmp_path / "log")
    assert found.state == "drift" and found.exit_code == 3
    assert {"distribution of level", "the median level is within the middle 80 % of training"} <= _failed(found)
    assert not {"distribution of brightness", "shares of the genres", "distribution of duration_s"} & _failed(found)
    _log(tmp_path / "log", spec, seed=7, genres=(0.9, 0.05, 0.05))
    assert _failed(monitor(LIMITS, project, tmp_path / "log")) == {"shares of the genres"}


def test_bad_lines_other_models_and_few_answers(project: Layout, tmp_path: Path) -> None:
    spec = load_bundle(project.champion)
    path = tmp_path / "log"
    _log(path, spec, seed=8, count=60)
    lines = path.read_text().splitlines()
    other = json.dumps({**json.loads(lines[0]), "model": "f" * 64})
    path.write_text("\n".join([*lines, other, '{"cut of', "7", "{}"]) + "\n")
    found = monitor(LIMITS, project, path)
    assert (found.answers, found.other_models, found.unreadable) == (60, 1, 3)
    path.write_text("\n".join(lines[:49]) + "\n")
    assert monitor(LIMITS, project, path).exit_code == 4
    with pytest.raises(MissingInput, match="prediction_log"):
        monitor(LIMITS, project, tmp_path / "nowhere")


def test_a_wrong_line_fails_its_expectation(project: Layout, tmp_path: Path) -> None:
    spec = load_bundle(project.champion)
    path = tmp_path / "log"
    _log(path, spec, seed=9, count=80)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[3]["genre"] = "polka"
    lines[4]["probabilities"]["pop"] += 0.5
    lines[5]["time"] = None
    path.write_text("\n".join(json.dumps(line) for line in lines))
    failed = _failed(monitor(LIMITS, project, path))
    assert {"genres are the model's", "probabilities sum to one", "every answer says its time"} <= failed


def test_the_command_gives_schedulers_an_exit_code(project: Layout, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    spec = load_bundle(project.champion)
    _log(tmp_path / "log", spec, seed=6, louder=15.0)
    done = CliRunner().invoke(app, ["--root", str(project.root), "monitor", str(tmp_path / "log"), "--json"])
    assert done.exit_code == 3
    assert json.loads(done.stdout)["state"] == "drift"
