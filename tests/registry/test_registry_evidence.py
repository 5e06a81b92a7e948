"""What the gate is told: the fresh process, other genres, other features, other splits, failed validation."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import small_project
import soundfile

from handmade_bundle import CLASSES, front_end, member, write
from musicgenre.atomic import write_json
from musicgenre.bundle import load_bundle
from musicgenre.bundle.golden import clip
from musicgenre.layout import Layout
from musicgenre.registry.evidence import gather, robustness_drop
from musicgenre.registry.gate import judge
from musicgenre.registry.probe import probe
from musicgenre.registry.scoring import restrict

PARAMS = small_project.params()


def test_a_good_bundle_answers_in_a_fresh_process(prepared: Path) -> None:
    assert probe(Layout(prepared).bundle("cnn")) == ""


def test_a_tampered_bundle_does_not(project: Layout) -> None:
    with (project.bundle("cnn") / "cnn.onnx").open("ab") as handle:
        handle.write(b"x")
    assert "SHA-256" in probe(project.bundle("cnn"))


def test_a_graph_without_its_golden_answer_does_not(tmp_path: Path) -> None:
    write(tmp_path / "bundle", [member(tmp_path / "m", "one")], golden=False)
    assert "golden recipe" in probe(tmp_path / "bundle")


def test_a_champion_of_other_genres_is_compared_on_the_common_ones(project: Layout) -> None:
    small_project.train(project, "multimodal", skill=1.0, classes=("blues", "metal"))
    found = gather(PARAMS, project, project.bundle("transfer"), champion=project.bundle("multimodal"), champion_version="1")
    assert found.comparison is not None
    assert found.comparison.genres == ("blues", "metal")
    assert found.comparison.tracks == 24
    assert set(found.comparison.champion.recall) == {"blues", "metal"}


def test_too_few_common_genres_are_said(project: Layout) -> None:
    small_project.train(project, "multimodal", skill=1.0, classes=("blues",))
    found = gather(PARAMS, project, project.bundle("transfer"), champion=project.bundle("multimodal"), champion_version="1")
    assert found.comparison is None and "share 1 genre" in found.incomparable
    verdict = judge(found, PARAMS.promote)
    assert [item.name for item in verdict.failed] == ["comparable"]


def test_a_candidate_that_lacks_a_genre_is_refused(project: Layout) -> None:
    small_project.train(project, "multimodal", skill=3.0, classes=("blues", "metal"))
    found = gather(PARAMS, project, project.bundle("multimodal"), family="multimodal")
    assert found.missing_genres == ("pop",) and found.tracks == 24
    assert "every genre" in [item.name for item in judge(found, PARAMS.promote).failed]


def _other_front_end(project: Layout) -> Path:
    spec, folder = member(project.root / "m", "one")
    write(project.bundle("multimodal"), [(replace(spec, family="cnn"), folder)], front_end={**front_end(), "top_db": 60.0})
    return project.bundle("multimodal")


def test_a_champion_of_other_features_hears_the_audio_or_says_why_not(project: Layout) -> None:
    import pandas as pd

    champion = _other_front_end(project)
    manifest = pd.read_parquet(project.valid)
    manifest["path"] = [f"audio/{track.replace('/', '-')}.wav" for track in manifest["track_id"]]
    manifest.to_parquet(project.manifest)
    found = gather(PARAMS, project, project.bundle("transfer"), champion=champion, champion_version="1")
    assert found.comparison is None and "the champion cannot be scored" in found.incomparable and ".wav" in found.incomparable

    (project.root / "audio").mkdir()
    sound = clip(22050)[: 22050 * 4]
    for path in manifest["path"]:
        soundfile.write(project.root / path, sound, 22050)
    found = gather(PARAMS, project, project.bundle("transfer"), champion=champion, champion_version="1")
    assert found.comparison is not None and found.comparison.tracks == 36
    assert found.comparison.champion.accuracy == pytest.approx(1 / 3)  # the same sound for every track


def test_what_makes_figures_worthless_is_noticed(project: Layout) -> None:
    small_project.train(project, "multimodal", skill=2.0, split_policy="segments", split_id="other", git_dirty=True)
    write_json(project.validation_report / "result.json", {"success": False})
    found = gather(PARAMS, project, project.bundle("multimodal"), family="multimodal")
    assert (found.split_policy, found.other_split, found.dirty) == ("segments", True, True)
    strict = small_project.params(allow_dirty=False).promote
    names = {item.name for item in judge(found, strict).failed}
    assert names == {"split policy", "same split", "data validation", "clean work tree"}
    (project.validation_report / "result.json").unlink()
    assert "musicgenre validate" in gather(PARAMS, project, project.bundle("multimodal")).validation


def test_robustness_counts_only_for_the_family_it_was_measured_on(project: Layout) -> None:
    rows = {"mp3_64": {"lost": 0.1}, "low_pass_4k": {"lost": 0.45}, "gain": {"lost": -0.02}}
    metrics = {"robustness": {"family": "cnn", "perturbations": rows}}
    assert robustness_drop(metrics, "cnn") == 0.45
    assert robustness_drop(metrics, "transfer") is None
    assert robustness_drop({}, "cnn") is None
    unknown = {"robustness": {"family": "cnn", "perturbations": {"gain": {"lost": 0.1}, "mp3_64": {"lost": float("nan")}}}}
    assert np.isnan(robustness_drop(unknown, "cnn"))  # type: ignore[arg-type]  # it is a number: not a number
    content = json.loads(project.metrics.read_text())
    write_json(project.metrics, {**content, **metrics})
    limits = small_project.params(max_robustness_drop=0.4).promote
    found = gather(PARAMS, project, project.bundle("cnn"), family="cnn")
    assert [item.name for item in judge(found, limits).failed] == ["robustness"]


def test_restricting_keeps_rows_distributions() -> None:
    p = np.array([[0.5, 0.3, 0.2], [0.0, 0.0, 1.0]])
    np.testing.assert_allclose(restrict(p, CLASSES, ("blues", "metal")), [[0.625, 0.375], [0.5, 0.5]])


def test_evidence_is_json(project: Layout) -> None:
    found = gather(PARAMS, project, project.bundle("transfer"), family="transfer", champion=project.bundle("cnn"), champion_version="1")
    assert json.loads(json.dumps(found.to_dict()))["latency_ms"] == 12.5
    assert load_bundle(project.bundle("transfer")).classes == found.classes
