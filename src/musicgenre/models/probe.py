"""A linear probe: how much of the genre a backbone's embedding shows, with its weights and with random ones.

Logistic regression on standardised segment embeddings, segments averaged to tracks,
grouped five-fold cross-validation over the training and validation tracks (test stays unseen).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicgenre.features.segments import Segmenting
from musicgenre.layout import Layout
from musicgenre.models import backbones
from musicgenre.models.corpus import Corpus
from musicgenre.models.inputs import Segments, input_spec, load_segments
from musicgenre.models.onnx.check import run_batched, session
from musicgenre.models.onnx.keras_graph import keras_to_onnx


@dataclass(frozen=True)
class Probe:
    """Track accuracy and macro F1 of five folds put together; `random` is the mean of the random initialisations."""

    backbone: str
    tracks: int
    accuracy: float
    macro_f1: float
    random_accuracy: float
    random_macro_f1: float
    random_seeds: int


def probe(backbone: str, layout: Layout, *, segmenting: Segmenting | None = None, random_seeds: int = 3) -> Probe:
    """Compare trained with random weights on the tracks of `layout`."""
    import keras

    corpus = Corpus.open(layout, splits=("train", "validation"))
    corpus.tracks["split"] = "train"
    segmenting = segmenting or Segmenting(3.0, 1.5)
    network = backbones.get(backbone)
    spec = input_spec(corpus, network.kind, segmenting)
    segments = load_segments(corpus, "train", (spec,), segmenting)
    groups = corpus.rows("train")["group"].to_numpy()
    trained = network.build((spec.shape[0], spec.shape[1]), network.find())
    figures = [_score(_embed(trained, segments), segments, groups)]
    for seed in range(random_seeds):
        keras.utils.set_random_seed(seed)
        fresh = keras.models.clone_model(trained)
        fresh.trainable = True
        _calibrate(fresh, segments)
        figures.append(_score(_embed(fresh, segments), segments, groups))
    rest = np.array(figures[1:])
    accuracy, f1 = figures[0]
    return Probe(backbone, segments.n_tracks, accuracy, f1, float(rest[:, 0].mean()), float(rest[:, 1].mean()), random_seeds)


def _calibrate(model: object, segments: Segments) -> None:
    """Let batch norms see some batches, so that random weights are not judged by statistics of zero and one."""
    rng = np.random.default_rng(0)
    for _ in range(30):
        rows = rng.choice(len(segments), size=min(64, len(segments)), replace=False)
        model(segments.batch(rows)[0], training=True)  # type: ignore[operator]  # a Keras model is callable


def _embed(model: object, segments: Segments) -> NDArray[np.float32]:
    running = session(keras_to_onnx(model, title="probe", names=("x",), output="embedding"))
    parts = [
        run_batched(running, {"x": segments.batch(np.arange(start, min(start + 256, len(segments))))[0]})
        for start in range(0, len(segments), 256)
    ]
    return np.concatenate(parts)


def _score(rows: NDArray[np.float32], segments: Segments, groups: NDArray[np.object_]) -> tuple[float, float]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from musicgenre.models.training import macro_f1

    truth = segments.track_labels
    scores = np.zeros((segments.n_tracks, int(truth.max()) + 1))
    for inside, _ in StratifiedGroupKFold(5, shuffle=True, random_state=0).split(truth, truth, groups):
        chosen = np.isin(segments.track, inside)
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500))
        model.fit(rows[chosen], segments.labels[chosen])
        probabilities = model.predict_proba(rows[~chosen])
        np.add.at(scores, segments.track[~chosen], probabilities)
    predicted = scores.argmax(axis=1)
    return float((predicted == truth).mean()), macro_f1(truth, predicted)


__all__ = ["Probe", "probe"]
