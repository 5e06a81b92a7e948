"""Explanations find what was planted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from musicgenre.bundle.predictor import Predictor
from musicgenre.evaluation.bootstrap import group_codes
from musicgenre.evaluation.explain.embedding_map import project as on_a_plane
from musicgenre.evaluation.explain.importance import group_of, groups_of, permutation_importance
from musicgenre.evaluation.explain.label_errors import out_of_fold, suspects
from musicgenre.evaluation.explain.occlusion import log_odds, occlude
from musicgenre.evaluation.explain.sections import Importances, Occlusions, chosen_descriptors, explain
from musicgenre.evaluation.results import Evaluation
from musicgenre.evaluation.robustness import Robustness
from musicgenre.evaluation.scoring import Features
from musicgenre.layout import Layout


def _clusters(n: int = 90, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(classes), n // classes)
    return rng.normal(size=(n, 6)) + 4 * np.eye(6)[y], y, np.arange(n) // 3


def test_planted_label_errors_are_found_first() -> None:
    x, y, groups = _clusters()
    wrong = y.copy()
    planted = [4, 40, 77]
    wrong[planted] = (y[planted] + 1) % 3
    draws = np.stack([out_of_fold(x, wrong, group_codes(groups), 3, seed=seed) for seed in range(3)])
    tracks = pd.DataFrame({"track_id": [f"t{row:02d}" for row in range(90)]})
    found = suspects(tracks, wrong, draws, ("a", "b", "c"), {})
    assert len(found) <= 6  # a list for a person, not every third track
    assert {item.track_id for item in found[:3]} == {"t04", "t40", "t77"}
    assert all(item.proposed == "abc"[y[int(item.track_id[1:])]] for item in found[:3])
    against = {f"t{row:02d}": ["abc"[wrong[row]]] * 3 for row in planted}  # families that hear the label are heard
    assert not {item.track_id for item in suspects(tracks, wrong, draws, ("a", "b", "c"), against)} & {"t04", "t40", "t77"}
    draws[1, 40] = np.eye(3)[wrong[40]]  # one draw of three believes the label: no consistent doubt
    assert {item.track_id for item in suspects(tracks, wrong, draws, ("a", "b", "c"), {})} & {"t04", "t40", "t77"} == {"t04", "t77"}


def test_no_model_judges_a_track_of_a_group_it_saw() -> None:
    x, y, _ = _clusters()
    pairs = np.arange(90) // 2  # two tracks a group, the second a copy of the first with another label
    x[1::2], label = x[::2], y.copy()
    label[1::2] = (y[::2] + 1) % 3
    p = out_of_fold(np.hstack([x, np.eye(45)[pairs] * 50]), label, pairs, 3, seed=0)
    assert np.isfinite(p).all()
    np.testing.assert_allclose(p[::2], p[1::2], atol=1e-9)  # had the group leaked, its mark would tell the two apart


def test_the_map_keeps_neighbours() -> None:
    x, y, _ = _clusters()
    method, xy = on_a_plane(x, seed=1)
    assert method == "t-SNE" and xy.shape == (90, 2)
    distance = np.linalg.norm(xy[:, None] - xy[None], axis=2) + np.diag(np.full(90, np.inf))
    assert np.mean(y[distance.argmin(axis=1)] == y) > 0.85
    np.testing.assert_array_equal(xy, on_a_plane(x, seed=1)[1])
    assert on_a_plane(x[:9], seed=1)[0] == "principal components"
    assert on_a_plane(x[:2], seed=1)[1].shape == (2, 2)


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("mfcc_03_std", "mfcc"),
        ("chroma_Fs_mean", "chroma"),
        ("tonnetz_major_y_mean", "tonnetz_major"),
        ("energy_1000hz_std", "energy"),
        ("zero_crossing_rate_mean", "zero_crossing_rate"),
        ("rhythm_2.52_3.175hz", "rhythm"),
        ("tempo", "tempo"),
    ],
)
def test_descriptors_are_grouped_by_what_they_measure(name: str, group: str) -> None:
    assert group_of(name) == group


def test_only_what_the_model_reads_is_important(project: Layout) -> None:
    predictor, features = Predictor.load(project.bundle("classical")), Features(project)
    names = list(predictor.front_end.names("descriptors"))
    ids = features.store("descriptors").index["track_id"].tolist()
    tracks = [{"descriptors": np.array(features.store("descriptors").track(name))} for name in ids]
    y = np.array([predictor.spec.classes.index(name.split("/")[0]) for name in ids])
    for values in tracks:  # a group that is the same for all tracks can tell nothing
        values["descriptors"][:, groups_of(names)["mfcc"]] = 1.0
    found = permutation_importance(predictor, tracks, [3.0] * len(ids), y, names, seed=0)
    losses = {item.group: item.loss for item in found}
    assert losses["mfcc"] == 0.0
    assert found[0].loss > 0.01
    assert sum(item.size for item in found) == len(names)


def test_hiding_what_carries_the_answer_costs_it(project: Layout) -> None:
    predictor, features = Predictor.load(project.bundle("cnn")), Features(project)
    arrays = {"mel": np.array(features.store("mel").track("blues/00_0"))}
    found = occlude(predictor, arrays, kind="mel", track_id="blues/00_0", genre="blues", start_s=0.5, length_s=2.0)
    assert found.drop.shape == (8, 10)
    assert np.abs(found.drop).max() > 0.01
    quiet = {"mel": np.full_like(arrays["mel"], -40.0)}  # nothing to hide: nothing changes
    flat = occlude(predictor, quiet, kind="mel", track_id="x", genre="blues", start_s=0.0, length_s=2.0)
    np.testing.assert_allclose(flat.drop, 0, atol=1e-5)
    assert log_odds(0.5) == 0 and np.isfinite(log_odds(1.0))


def test_every_section_is_there(evaluated: Evaluation) -> None:
    sections = evaluated.sections
    assert all(isinstance(item, Robustness) for item in sections["robustness"])
    assert {item.family for item in sections["robustness"]} == {item.name for item in evaluated.families}
    assert evaluated.robustness is not None and evaluated.robustness.family == evaluated.selected
    assert isinstance(sections["importances"], Importances)
    assert isinstance(sections["occlusions"], Occlusions)
    assert isinstance(sections["label_errors"], tuple)
    assert len(sections["map"].track_ids) == 30
    assert evaluated.robustness.tracks == 3
    assert len(evaluated.robustness.rows) == 11


def test_the_chosen_descriptors_are_said(tmp_path: Path) -> None:
    names = ["rms_mean", "rms_std", "tempo"]
    layout = Layout(tmp_path)
    assert chosen_descriptors(layout, "classical", names) == ""
    layout.model("classical").mkdir(parents=True)
    path = layout.model("classical") / "model.json"
    path.write_text(json.dumps({"selection": "none", "selected": names}), encoding="utf-8")
    assert chosen_descriptors(layout, "classical", names) == ""
    path.write_text(json.dumps({"selection": "mutual_information", "selected": ["tempo", "rms_std"]}), encoding="utf-8")
    said = chosen_descriptors(layout, "classical", names)
    assert said == "Its feature selection (mutual information) kept 2 of 3 descriptors: tempo, rms std."


def test_a_section_that_cannot_be_made_says_why(evaluated: Evaluation, project: Layout, tmp_path: object) -> None:
    from evaluation_project import small_params

    only = [item for item in evaluated.families if item.name == "classical"]
    found = explain(replace(evaluated, families=tuple(only), selected="classical", sections={}), small_params(robustness=False), project)
    assert "evaluate.robustness" in found.sections["robustness"]
    assert "no image" in found.sections["occlusions"]
