"""Runs every explanation that the scores and `params.evaluate` allow.

A section that cannot be made is a string that says why; the report prints it.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from musicgenre.bundle.predictor import Predictor
from musicgenre.errors import MusicGenreError
from musicgenre.evaluation.bootstrap import group_codes
from musicgenre.evaluation.explain.embedding_map import EmbeddingMap, project
from musicgenre.evaluation.explain.importance import Importance, permutation_importance
from musicgenre.evaluation.explain.label_errors import DRAWS, Suspect, out_of_fold, suspects
from musicgenre.evaluation.explain.occlusion import Occlusion, image_kinds, occlude
from musicgenre.evaluation.explain.vectors import track_vectors
from musicgenre.evaluation.inputs import read_split
from musicgenre.evaluation.metrics import predicted_labels
from musicgenre.evaluation.results import Evaluation, FamilyResult
from musicgenre.evaluation.robustness import Robustness, choose_tracks, measure_robustness
from musicgenre.evaluation.scoring import Features
from musicgenre.evaluation.sounds import Sounds
from musicgenre.layout import Layout
from musicgenre.params import Params

if TYPE_CHECKING:
    from collections.abc import Callable

OCCLUDED_TRACKS = 4
IMPORTANCE_TRACKS = 60
MAP_TRACKS = 2000


@dataclass(frozen=True)
class Importances:
    """`chosen`: the descriptors that the family kept, in words; empty where it reads all of them."""

    family: str
    groups: tuple[Importance, ...]
    chosen: str = ""


@dataclass(frozen=True)
class Occlusions:
    family: str
    maps: tuple[Occlusion, ...]


def _votes(evaluation: Evaluation) -> dict[str, list[str]]:
    votes: dict[str, list[str]] = defaultdict(list)
    for item in evaluation.families:
        if item.name == "ensemble":
            continue  # it repeats its members
        for split, scores in item.scores.items():
            if item.figures[split].why:
                continue
            for track_id, label in zip(scores.tracks["track_id"], predicted_labels(scores.p), strict=True):
                votes[track_id].append(scores.classes[int(label)])
    return votes


def label_errors(evaluation: Evaluation, layout: Layout, seed: int) -> tuple[Suspect, ...]:
    """Suspected label errors in all splits."""
    tracks = read_split(layout).sort_values("track_id").reset_index(drop=True)
    y = np.array([evaluation.classes.index(genre) for genre in tracks["genre"]], dtype=np.intp)
    _, x = track_vectors(layout, tracks["track_id"].tolist())
    groups = group_codes(tracks["group"].to_numpy(dtype=str))
    draws = np.stack([out_of_fold(x, y, groups, len(evaluation.classes), seed=seed + draw) for draw in range(DRAWS)])
    return tuple(suspects(tracks, y, draws, evaluation.classes, _votes(evaluation)))


def embedding_map(layout: Layout, seed: int) -> EmbeddingMap:
    """All tracks on a plane (evenly over genres where there are very many)."""
    tracks = read_split(layout)
    if len(tracks) > MAP_TRACKS:
        tracks = choose_tracks(tracks, MAP_TRACKS, seed)
    tracks = tracks.sort_values("track_id")
    source, x = track_vectors(layout, tracks["track_id"].tolist())
    method, xy = project(x, seed=seed)
    return EmbeddingMap(tuple(tracks["track_id"]), tuple(tracks["genre"]), tuple(tracks["split"]), xy, method, source)


def _reads(item: FamilyResult, kind: str) -> bool:
    return any(spec["kind"] == kind for spec in item.inputs)


def importances(evaluation: Evaluation, layout: Layout, seed: int) -> Importances | str:
    """Of the best single family that reads descriptors, on validation tracks."""
    family = next((item for item in evaluation.ranked if _reads(item, "descriptors") and item.name != "ensemble"), None)
    if family is None:
        return "No family of this run reads descriptors, so there is nothing to shuffle."
    features, predictor = Features(layout), Predictor.load(family.source.bundle)
    tracks = choose_tracks(family.scores["validation"].tracks, IMPORTANCE_TRACKS, seed)
    y = np.array([evaluation.classes.index(genre) for genre in tracks["genre"]], dtype=np.intp)
    arrays = [{kind: np.asarray(v) for kind, v in features.track(predictor.spec.kinds, name).items()} for name in tracks["track_id"]]
    names = features.store("descriptors").spec.get("names") or predictor.front_end.names("descriptors")
    found = permutation_importance(predictor, arrays, tracks["duration_s"].tolist(), y, names, seed=seed)
    return Importances(family.name, tuple(found), chosen_descriptors(layout, family.name, names))


def chosen_descriptors(layout: Layout, family: str, names: Sequence[str]) -> str:
    """What the family's feature selection kept, in words; empty where it read all of `names`."""
    path = layout.model(family) / "model.json"
    model = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    selected, method = model.get("selected", []), model.get("selection", "none")
    if method == "none":
        return ""
    listed = ", ".join(name.replace("_", " ") for name in selected)
    return f"Its feature selection ({method.replace('_', ' ')}) kept {len(selected)} of {len(names)} descriptors: {listed}."


def occlusions(evaluation: Evaluation, layout: Layout) -> Occlusions | str:
    """Of the best single family that reads images: right and wrong test tracks that it is sure of, at their surest segment."""
    family = next((item for item in evaluation.ranked if item.name != "ensemble" and any(spec["rate"] > 0 for spec in item.inputs)), None)
    if family is None:
        return "No family of this run reads spectrograms or scalograms, so there is no image to hide parts of."
    features, predictor = Features(layout), Predictor.load(family.source.bundle)
    scores = family.scores["test"]
    sure = scores.p.max(axis=1)
    right = predicted_labels(scores.p) == scores.y
    wrong = np.flatnonzero(~right)[np.argsort(-sure[~right], kind="stable")][: OCCLUDED_TRACKS // 2]
    good = np.flatnonzero(right)[np.argsort(-sure[right], kind="stable")][: OCCLUDED_TRACKS - len(wrong)]
    maps = []
    for row in [*good, *wrong]:
        track = scores.tracks.iloc[int(row)]
        label = int(scores.p[row].argmax())
        start = float(scores.times_s[row][int(scores.segments[row][:, label].argmax())])
        arrays = features.track(predictor.spec.kinds, track["track_id"])
        hide = partial(occlude, predictor, arrays, track_id=str(track["track_id"]), genre=str(track["genre"]))
        maps += [hide(kind=kind, start_s=start, length_s=scores.segment_s) for kind in image_kinds(predictor)]
    return Occlusions(family.name, tuple(maps))


def robustness(evaluation: Evaluation, params: Params, layout: Layout) -> tuple[Robustness, ...] | str:
    """Of every family that may become champion, the best on validation first, on test tracks."""
    block = params.evaluate
    if not block.robustness:
        return "Not measured: `evaluate.robustness` is false."
    selected = evaluation.family(evaluation.selected)
    rate = int(Predictor.load(selected.source.bundle).sample_rate)
    return measure_robustness(
        {item.name: item.source.bundle for item in evaluation.ranked if not item.figures["test"].why},
        choose_tracks(selected.scores["test"].tracks, block.robustness_tracks, block.seed),
        Sounds(layout, params.dataset, rate),
        resamples=block.bootstrap,
        confidence=block.confidence,
        seed=block.seed,
        workers=params.compute.workers or os.cpu_count() or 1,
    )


def explain(evaluation: Evaluation, params: Params, layout: Layout) -> Evaluation:
    """Add every section; one that fails says why in words."""
    if not evaluation.selected:
        return evaluation
    seed = params.evaluate.seed
    makers: dict[str, Callable[[], Any]] = {
        "robustness": lambda: robustness(evaluation, params, layout),
        "label_errors": lambda: label_errors(evaluation, layout, seed),
        "map": lambda: embedding_map(layout, seed),
        "importances": lambda: importances(evaluation, layout, seed),
        "occlusions": lambda: occlusions(evaluation, layout),
    }
    sections: dict[str, Any] = {}
    for name, make in makers.items():
        try:
            sections[name] = make()
        except MusicGenreError as error:
            sections[name] = f"Could not be made: {error}"
    return replace(evaluation, sections={**evaluation.sections, **sections})


__all__ = [
    "Importances",
    "Occlusions",
    "chosen_descriptors",
    "embedding_map",
    "explain",
    "importances",
    "label_errors",
    "occlusions",
    "robustness",
]
