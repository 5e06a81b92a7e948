"""The ensemble's MLflow run."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from musicgenre.layout import Layout
from musicgenre.lineage import Lineage, canonical_hash
from musicgenre.params import Params
from musicgenre.search.runs import shown_figures
from musicgenre.tracking import Tracker
from musicgenre.tracking.tags import ROLE, STATE, flat, lineage_tags, source_tags

if TYPE_CHECKING:
    from musicgenre.search.ensemble import EnsembleSummary

_ABOUT = "A run is a mixture of the families' winners, chosen and calibrated on validation. `alone.*` is each family by itself."


def log_ensemble(
    params: Params,
    layout: Layout,
    summary: EnsembleSummary,
    lineage: Lineage,
    classes: Sequence[str],
    labels: NDArray[np.intp],
    mixed: NDArray[np.float64],
) -> str:
    """Write the run (once for the same members, weights and data) and return its id."""
    from musicgenre.search.plots import model_figures

    content = {"weights": dict(summary.weights), "temperature": summary.temperature, "candidates": dict(summary.candidates)}
    key = f"ensemble-{canonical_hash({**content, 'split': lineage.split_id, 'data': lineage.data_id})}"
    experiment = f"{params.tracking.prefix}/ensemble"
    with tempfile.TemporaryDirectory(prefix="musicgenre-") as folder, Tracker(params.tracking, layout, experiment, about=_ABOUT) as tracker:
        tags = {**source_tags("musicgenre ensemble", lineage), **lineage_tags(lineage), ROLE: "ensemble", STATE: "complete"}
        tracker.start(key, "ensemble of " + ", ".join(summary.members), tags)
        settings = {"members": list(summary.members), "weights": dict(summary.weights), "temperature": summary.temperature}
        tracker.params(key, flat({**settings, "rounds": summary.rounds, "max_members": params.ensemble.max_members}))
        figures = {**shown_figures(summary.validation), "calibration_error_held_out": summary.calibration_error}
        tracker.metrics(key, {**figures, **{f"alone.{name}": value for name, value in summary.candidates.items()}})
        model_figures(Path(folder), np.asarray(labels), mixed, classes)
        tracker.artifact(key, Path(folder))
        tracker.end(key)
        tracker.flush(timeout_s=60)
        return tracker.run_id(key)


__all__ = ["log_ensemble"]
