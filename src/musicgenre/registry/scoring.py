"""Any bundle on the current test tracks, also one whose features or genres are not today's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from musicgenre.errors import AudioError, EvaluationError
from musicgenre.evaluation import metrics
from musicgenre.evaluation.scoring import Features, check_front_end
from musicgenre.layout import Layout
from musicgenre.registry.gate import Figures

if TYPE_CHECKING:
    import pandas as pd

    from musicgenre.bundle.predictor import Predictor


def track_probabilities(predictor: Predictor, layout: Layout, tracks: pd.DataFrame, features: Features) -> NDArray[np.float64]:
    """Probabilities float64 [tracks, the bundle's classes].

    From the stored features where they are what the bundle reads, otherwise from the audio
    through the bundle's own front end.

    Raises
    ------
    EvaluationError
        If neither is to be had; the message names the reason.
    """
    try:
        check_front_end(predictor, features)
    except EvaluationError:
        return _from_audio(predictor, layout, tracks)
    kinds = predictor.spec.kinds
    index = features.store(kinds[0]).index
    durations = dict(zip(index["track_id"], index["duration_s"].astype(float), strict=True))
    rows = [predictor.classify_features(features.track(kinds, name), durations[name]).probabilities for name in tracks["track_id"]]
    return np.asarray(rows, dtype=np.float64)


def _from_audio(predictor: Predictor, layout: Layout, tracks: pd.DataFrame) -> NDArray[np.float64]:
    import pandas as pd

    from musicgenre.bundle.batch import classify_files

    manifest = pd.read_parquet(layout.manifest, columns=["track_id", "path"]).set_index("track_id")
    paths = [_audio_path(layout, str(manifest.loc[name, "path"])) for name in tracks["track_id"]]
    rows = []
    for outcome in classify_files(predictor, paths):
        if outcome.prediction is None:
            error = outcome.error or AudioError("unknown")
            raise EvaluationError(f"its front end differs from the stored features, and {outcome.path} cannot be read ({error}).")
        rows.append(outcome.prediction.probabilities)
    return np.asarray(rows, dtype=np.float64)


def _audio_path(layout: Layout, text: str) -> Path:
    path = Path(text)
    if not path.is_absolute():
        path = layout.root / path
    if not path.is_file():
        raise EvaluationError(f"its front end differs from the stored features, and {path} is not there to compute its own.")
    return path


def restrict(p: NDArray[np.float64], classes: tuple[str, ...], wanted: tuple[str, ...]) -> NDArray[np.float64]:
    """Columns of `wanted`, in that order, renormalised; a row without any mass there becomes uniform."""
    chosen = p[:, [classes.index(name) for name in wanted]]
    total = chosen.sum(axis=1, keepdims=True)
    return np.where(total > 1e-12, chosen / np.maximum(total, 1e-12), 1.0 / len(wanted))


def figures_of(y: NDArray[np.intp], p: NDArray[np.float64], classes: tuple[str, ...]) -> Figures:
    """The gate's figures of one model."""
    found = metrics.headline(y, p)
    predicted = metrics.predicted_labels(p)
    recall = {name: float(np.mean(predicted[y == label] == label)) for label, name in enumerate(classes) if (y == label).any()}
    return Figures(
        macro_f1=float(found["macro_f1"]),
        accuracy=float(found["accuracy"]),
        calibration_error=float(found["calibration_error"]),
        recall=recall,
    )


__all__ = ["figures_of", "restrict", "track_probabilities"]
