"""Trials of a real Keras family do not leak into each other: memory after fifty is that after five."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from musicgenre.layout import Layout
from musicgenre.params import Params, parse_params
from musicgenre.search.store import StudyStore, locked
from musicgenre.search.study import run_search

TRIALS = 50


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_memory_is_flat_over_fifty_trials(project: Layout, make_params: Callable[..., Params]) -> None:
    fixed = {"kind": "mfcc", "width": 8, "blocks": 3}
    block = {"trials": TRIALS, "epochs": 1, "published": [], "segment_s": 2.0, "hop_s": 2.0, "fixed": fixed}
    params = parse_params({"search": {"common": {"pruner": "none", "concurrent": 1}, "cnn": block}, "compute": {"workers": 1}})
    summary = run_search("cnn", params, project, quiet=True)
    assert summary.trials["total"] == TRIALS
    with locked(project, summary.study):
        records = StudyStore(project, summary.study, storage=None).records()
    resident = np.array([record.rss_mb for record in records])
    print("resident MB after trials 1, 5, 10, 20, 30, 40, 50:", resident[[0, 4, 9, 19, 29, 39, 49]].round(0))
    assert resident[-5:].mean() <= 1.10 * resident[4]
