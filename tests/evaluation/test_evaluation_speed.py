"""Evaluating 1,000 tracks by five families takes less than two minutes apart from inference."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from evaluation_project import small_params

from musicgenre.evaluation.bootstrap import group_codes
from musicgenre.evaluation.comparison import compare_all
from musicgenre.evaluation.cost import Cost
from musicgenre.evaluation.dvcplots import write_plots
from musicgenre.evaluation.explain.embedding_map import EmbeddingMap
from musicgenre.evaluation.explain.embedding_map import project as on_a_plane
from musicgenre.evaluation.explain.label_errors import DRAWS, out_of_fold, suspects
from musicgenre.evaluation.inputs import FamilyInput
from musicgenre.evaluation.judge import judge
from musicgenre.evaluation.markdown import write_markdown
from musicgenre.evaluation.report import write_report
from musicgenre.evaluation.results import Evaluation, FamilyResult
from musicgenre.evaluation.scoring import Scores
from musicgenre.layout import Layout
from musicgenre.lineage import Lineage


def _scores(name: str, classes: tuple[str, ...], tracks: pd.DataFrame, y: np.ndarray, rng: np.random.Generator) -> Scores:
    """Answers of a fair model: 19 segments a track, each a little off the track's own answer."""
    logits = rng.normal(size=(len(y), 1, 10)) + 2 * np.eye(10)[y][:, None] + rng.normal(scale=0.7, size=(len(y), 19, 10))
    parts = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    times = tuple(np.arange(19) * 1.5 for _ in y)
    return Scores(name, classes, tracks, parts.mean(axis=1), tuple(parts.astype(np.float32)), times, 3.0)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_thousand_tracks_by_five_families(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    n, classes, layout = 1000, tuple("abcdefghij"), Layout(tmp_path)
    layout.reports.mkdir()
    y = rng.integers(0, 10, n)
    ids = [f"t{i:04d}" for i in range(n)]
    genre = [classes[label] for label in y]
    tracks = pd.DataFrame({"track_id": ids, "genre": genre, "group": [f"g{i // 2}" for i in range(n)], "split": "test", "duration_s": 30.0})
    groups = tracks["group"].to_numpy(dtype=str)
    families = ("cnn", "transfer", "multimodal", "classical", "ensemble")
    inferred = {(name, split): _scores(name, classes, tracks, y, rng) for name in families for split in ("validation", "test")}
    started = time.process_time()
    results = []
    for name in families:
        scores = {split: inferred[name, split] for split in ("validation", "test")}
        figures = {split: judge(item, [], resamples=1000, confidence=0.95, seed=3) for split, item in scores.items()}
        assert figures["test"].headline["macro_f1"].low is not None
        assert figures["test"].segment.headline["pr_auc"].low is not None
        results.append(FamilyResult(FamilyInput(name, tmp_path / name), scores, figures, Cost(1.0, 2.0, 3.0, 30.0), name))
    p = {name: inferred[name, "test"].p for name in families}
    comparisons = compare_all(y, p, groups, resamples=1000, confidence=0.95, seed=3)
    x = rng.normal(size=(n, 160)) + np.eye(160)[y] * 3
    draws = np.stack([out_of_fold(x, y, group_codes(groups), 10, seed=seed).astype(np.float64) for seed in range(DRAWS)])
    method, xy = on_a_plane(x, seed=0)
    sections = {
        "label_errors": tuple(suspects(tracks, y, draws, classes, {})),
        "map": EmbeddingMap(tuple(ids), tuple(genre), tuple(tracks["split"]), xy, method, "vectors"),
    }
    evaluation = Evaluation(
        classes=classes,
        families=tuple(results),
        selected="cnn",
        problems=(),
        comparisons=tuple(comparisons),
        lineage=Lineage().to_dict(),
        ledger={},
        counts={"train": 0, "validation": n, "test": n},
        sections=sections,
    )
    write_plots(evaluation, layout.plots)
    write_report(evaluation, small_params(), layout)
    write_markdown(evaluation, layout)
    took = time.process_time() - started
    print(f"{took:.1f} s of processor time")
    assert took < 120
    assert (layout.reports / "report.html").stat().st_size < 25e6
