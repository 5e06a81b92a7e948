"""Evaluating 1,000 tracks by five families takes less than two minutes apart from inference."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from musicgenre.evaluation.bootstrap import group_codes
from musicgenre.evaluation.comparison import compare_all
from musicgenre.evaluation.explain.embedding_map import project as on_a_plane
from musicgenre.evaluation.explain.label_errors import out_of_fold, suspects
from musicgenre.evaluation.judge import judge
from musicgenre.evaluation.scoring import Scores


@pytest.mark.slow
def test_a_thousand_tracks_by_five_families() -> None:
    rng = np.random.default_rng(0)
    n, classes = 1000, tuple("abcdefghij")
    y = rng.integers(0, 10, n)
    genre = [classes[label] for label in y]
    tracks = pd.DataFrame(
        {"track_id": [f"t{i:04d}" for i in range(n)], "genre": genre, "group": [f"g{i // 2}" for i in range(n)], "split": "test"}
    )
    started = time.process_time()
    families = {}
    for name in ("cnn", "transfer", "multimodal", "classical", "ensemble"):
        logits = rng.normal(size=(n, 10)) + 2 * np.eye(10)[y]
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        segments = tuple(np.repeat(row[None], 19, axis=0).astype(np.float32) for row in p)
        scores = Scores(name, classes, tracks, p, segments, tuple(np.arange(19) * 1.5 for _ in range(n)), 3.0)
        for _ in ("validation", "test"):
            found = judge(scores, [], resamples=1000, confidence=0.95, seed=3)
        assert found.headline["macro_f1"].low is not None
        families[name] = p
    compare_all(y, families, tracks["group"].to_numpy(dtype=str), resamples=1000, confidence=0.95, seed=3)
    x = rng.normal(size=(n, 160)) + np.eye(160)[y] * 3
    groups = group_codes(tracks["group"].to_numpy(dtype=str))
    suspects(tracks, y, np.stack([out_of_fold(x, y, groups, 10, seed=seed) for seed in range(3)]), classes, {})
    on_a_plane(x, seed=0)
    assert time.process_time() - started < 120
