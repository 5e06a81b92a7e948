"""Gathering what the gate looks at: everything here reads, measures and compares; nothing decides."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musicgenre.bundle.files import bundle_bytes
from musicgenre.errors import BundleError, EvaluationError, FeatureError, MissingInput
from musicgenre.layout import Layout
from musicgenre.params import Params
from musicgenre.registry.gate import Comparison, Evidence
from musicgenre.registry.probe import probe
from musicgenre.registry.scoring import figures_of, restrict, track_probabilities

if TYPE_CHECKING:
    import pandas as pd

    from musicgenre.bundle.predictor import Predictor
    from musicgenre.evaluation.scoring import Features


def read_metrics(layout: Layout) -> dict[str, Any]:
    """`reports/metrics.json`.

    Raises
    ------
    MissingInput
        If there has been no evaluation.
    """
    if not layout.metrics.is_file():
        raise MissingInput(f"{layout.metrics} is not there. Run `musicgenre evaluate` (or `dvc repro`) first.")
    found: dict[str, Any] = json.loads(layout.metrics.read_text(encoding="utf-8"))
    return found


def validation_state(layout: Layout) -> str:
    """Empty when `reports/validation/result.json` says the data passed; otherwise why that is not known."""
    path = layout.validation_report / "result.json"
    if not path.is_file():
        return f"There is no {path.name} of the data's validation; run `musicgenre validate`."
    result = json.loads(path.read_text(encoding="utf-8"))
    return "" if result.get("success") is True else "The data failed its validation (reports/validation)."


def robustness_drop(metrics: Mapping[str, Any], family: str) -> float | None:
    """Largest accuracy lost under a disturbance, where `evaluate` measured this family; None otherwise."""
    found = metrics.get("robustness")
    if not isinstance(found, Mapping) or not family or found.get("family") != family:
        return None
    lost = [float(row["lost"]) for row in found.get("perturbations", {}).values() if row.get("lost") is not None]
    return float(np.max(lost)) if lost else None  # NaN if one is: the gate refuses what is not a number


def test_tracks(layout: Layout) -> pd.DataFrame:
    """The current test tracks, sorted by track_id."""
    from musicgenre.evaluation.inputs import read_split

    table = read_split(layout)
    return table[table["split"] == "test"].sort_values("track_id", kind="stable").reset_index(drop=True)


def latency_ms(metrics: Mapping[str, Any], family: str, directory: Path) -> float:
    """As `evaluate` measured it for this very family's bundle, otherwise measured now."""
    known = (metrics.get("families") or {}).get(family, {}).get("latency_ms") if family else None
    if known is not None:
        return float(known)
    from musicgenre.evaluation.cost import measure

    return float(measure([directory])[0].latency_ms)


def compare(
    layout: Layout, candidate: Predictor, champion: Predictor, tracks: pd.DataFrame, features: Features, params: Params
) -> tuple[Comparison | None, str]:
    """Both on the same tracks of the classes that both know, or why that cannot be."""
    from musicgenre.evaluation import comparison

    here = set(tracks["genre"])
    common = tuple(name for name in candidate.spec.classes if name in champion.spec.classes and name in here)
    if len(common) < 2:
        return None, f"the two share {len(common)} genre{'s' if len(common) != 1 else ''} of the test set."
    chosen = tracks[tracks["genre"].isin(common)].reset_index(drop=True)
    y = np.array([common.index(genre) for genre in chosen["genre"]], dtype=np.intp)
    both = []
    for predictor in (candidate, champion):
        try:
            p = track_probabilities(predictor, layout, chosen, features)
        except (EvaluationError, FeatureError, BundleError) as error:
            which = "the candidate" if predictor is candidate else "the champion"
            return None, f"{which} cannot be scored: {error}"
        both.append(restrict(p, predictor.spec.classes, common))
    block = params.evaluate
    found = comparison.compare(
        y,
        both[0],
        both[1],
        chosen["group"].to_numpy(dtype=str),
        names=("candidate", "champion"),
        resamples=block.bootstrap,
        confidence=params.promote.confidence,
        seed=block.seed,
    )
    return (
        Comparison(
            genres=common,
            tracks=len(chosen),
            candidate=figures_of(y, both[0], common),
            champion=figures_of(y, both[1], common),
            low=found.macro_f1.low,
            high=found.macro_f1.high,
        ),
        "",
    )


def gather(
    params: Params,
    layout: Layout,
    directory: Path,
    *,
    family: str = "",
    champion: Path | None = None,
    champion_version: str = "",
    champion_problem: str = "",
    withdrawn: str = "",
) -> Evidence:
    """Evidence on the bundle in `directory`.

    Parameters
    ----------
    family
        The family in `reports/metrics.json` that this bundle is of, for what `evaluate` measured; empty if none.
    champion
        Folder of the champion's bundle; None when there is no champion or `champion_problem` says why it cannot be had.

    Raises
    ------
    EvaluationError
        If the candidate itself cannot be scored on the current test set.
    """
    from musicgenre.bundle.predictor import Predictor
    from musicgenre.evaluation.scoring import Features
    from musicgenre.lineage import collect

    metrics = read_metrics(layout)
    predictor = Predictor.load(directory)
    spec = predictor.spec
    tracks, features = test_tracks(layout), Features(layout)
    missing = tuple(sorted(set(tracks["genre"]) - set(spec.classes)))
    known = tracks[tracks["genre"].isin(spec.classes)].reset_index(drop=True)
    if known.empty:
        raise EvaluationError(f"{directory} knows none of today's genres ({', '.join(missing)}). Train again.")
    y = np.array([spec.classes.index(genre) for genre in known["genre"]], dtype=np.intp)
    figures = figures_of(y, track_probabilities(predictor, layout, known, features), spec.classes)
    comparison, why = None, champion_problem
    if champion is not None:
        comparison, why = compare(layout, predictor, Predictor.load(champion), tracks, features, params)
    lineage, today = spec.lineage, collect(layout)
    trained_split = str(lineage.get("split_id", ""))
    return Evidence(
        classes=spec.classes,
        tracks=len(known),
        figures=figures,
        latency_ms=latency_ms(metrics, family, directory),
        size_mb=bundle_bytes(directory) / 1e6,
        loads=probe(directory),
        champion=champion_version,
        comparison=comparison,
        incomparable=why,
        split_policy=str(lineage.get("split_policy", "")),
        other_split=bool(trained_split and today.split_id and trained_split != today.split_id),
        dirty=bool(lineage.get("git_dirty", True)),
        validation=validation_state(layout),
        robustness_drop=robustness_drop(metrics, family),
        withdrawn=withdrawn,
        missing_genres=missing,
    )


__all__ = ["compare", "gather", "latency_ms", "read_metrics", "robustness_drop", "test_tracks", "validation_state"]
