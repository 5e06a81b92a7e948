"""Half precision loses nothing that a model uses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from musicgenre.features.frontend import FrontEnd

SPEC = FrontEnd()


def statistics(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """What a track's mel or scalogram is to a linear model: mean, deviation and mean step of each band."""
    wide = values.astype(np.float64)
    return np.concatenate([wide.mean(axis=0), wide.std(axis=0), np.abs(np.diff(wide, axis=0)).mean(axis=0)])


def test_a_classifier_decides_the_same(gtzan_mini: Path) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    exact: list[NDArray[np.float64]] = []
    stored: list[NDArray[np.float64]] = []
    labels: list[str] = []
    for genre in ("blues", "classical", "jazz", "rock"):
        for path in sorted((gtzan_mini / genre).glob("*.ogg"))[:10]:
            samples, _ = soundfile.read(path, dtype="float32", frames=22050 * 3)
            arrays = SPEC.compute_exact(samples, ["mel", "scalogram"])
            exact.append(np.concatenate([statistics(values) for values in arrays.values()]))
            stored.append(np.concatenate([statistics(values.astype(np.float16)) for values in arrays.values()]))
            labels.append(genre)
    train = np.arange(len(labels)) % 2 == 0
    answers = []
    for table in (np.stack(exact), np.stack(stored)):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
        model.fit(table[train], np.array(labels)[train])
        answers.append(model.predict_proba(table[~train]))
    full, half = answers
    assert np.abs(full - half).max() < 0.005
    assert (full.argmax(axis=1) == half.argmax(axis=1)).all()
