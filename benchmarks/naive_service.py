"""The service most people write first: BentoML, Keras `predict` in the handler, features by librosa. For comparison only."""

from __future__ import annotations

import os
from pathlib import Path

import bentoml


@bentoml.service(name="naive", traffic={"timeout": 600})
class Naive:
    """One handler that does everything."""

    def __init__(self) -> None:
        import keras

        self.model = keras.models.load_model(os.environ["NAIVE_MODEL"])
        self.classes = os.environ["NAIVE_CLASSES"].split(",")
        self.frames = int(os.environ["NAIVE_FRAMES"])

    @bentoml.api
    def classify(self, file: Path) -> dict[str, float]:
        """Probabilities of a whole track: mean over segments half overlapping."""
        import librosa
        import numpy as np

        samples, rate = librosa.load(file, sr=22050)
        mel = librosa.feature.melspectrogram(y=samples, sr=rate, n_fft=2048, hop_length=512, n_mels=96)
        decibel = librosa.power_to_db(mel, ref=np.max).T
        starts = range(0, max(1, len(decibel) - self.frames + 1), self.frames // 2)
        segments = np.stack([decibel[start : start + self.frames] for start in starts])
        track = self.model.predict(segments, verbose=0).mean(axis=0)
        return {name: float(value) for name, value in zip(self.classes, track, strict=True)}
