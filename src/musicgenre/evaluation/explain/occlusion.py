"""Where in an image a model looks: how far its answer falls when a patch is hidden (Zeiler & Fergus 2014).

Works on any bundle, as a black box: one segment's features are handed to the predictor
with a patch as quiet as that band's quietest moments. Drops are in log-odds, because a sure
model's probability hardly moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from musicgenre.bundle.predictor import Predictor

GRID = (8, 10)  # bands × time


@dataclass(frozen=True)
class Occlusion:
    """One segment of one track.

    Attributes
    ----------
    image
        The segment's features, float32 [frames, bands].
    drop
        What hiding each patch takes from the log-odds of `answer`, float64 [band patches, time patches].
    """

    track_id: str
    genre: str
    answer: str
    probability: float
    kind: str
    start_s: float
    length_s: float
    image: NDArray[np.float32]
    drop: NDArray[np.float64]


def image_kinds(predictor: Predictor) -> tuple[str, ...]:
    """Framed kinds that the bundle reads."""
    return tuple(
        sorted({item.kind for member in predictor.spec.members for item in member.inputs if len(item.shape) == 2 and item.rate > 0})
    )


def one_segment(predictor: Predictor, features: Mapping[str, NDArray[Any]], start_s: float, length_s: float) -> dict[str, NDArray[Any]]:
    """The features of `length_s` seconds from `start_s` on; descriptors stay as they are."""
    cut: dict[str, NDArray[Any]] = {}
    for kind, values in features.items():
        rate = predictor.front_end.rate(kind)
        if rate <= 0:
            cut[kind] = np.asarray(values)
            continue
        frames = max(1, round(length_s * rate))
        start = min(round(start_s * rate), max(0, len(values) - frames))
        cut[kind] = np.array(values[start : start + frames])
    return cut


def log_odds(p: float) -> float:
    """Logarithm of p / (1 − p), held within one in a million of 0 and 1."""
    held = min(max(p, 1e-6), 1 - 1e-6)
    return float(np.log(held / (1 - held)))


def occlude(
    predictor: Predictor, features: Mapping[str, NDArray[Any]], *, kind: str, track_id: str, genre: str, start_s: float, length_s: float
) -> Occlusion:
    """Hide each patch of `kind` in turn; the other kinds stay visible."""
    segment = one_segment(predictor, features, start_s, length_s)
    plain = predictor.classify_features(segment, length_s)
    label = int(plain.probabilities.argmax())
    image = segment[kind]
    quiet = np.quantile(image.astype(np.float32), 0.1, axis=0).astype(image.dtype)
    before = log_odds(float(plain.probabilities[label]))
    bands = np.linspace(0, image.shape[1], GRID[0] + 1).round().astype(int)
    times = np.linspace(0, image.shape[0], GRID[1] + 1).round().astype(int)
    drop = np.zeros(GRID)
    for row in range(GRID[0]):
        for column in range(GRID[1]):
            hidden = image.copy()
            inside = (slice(times[column], times[column + 1]), slice(bands[row], bands[row + 1]))
            hidden[inside] = quiet[inside[1]]
            p = predictor.classify_features({**segment, kind: hidden}, length_s).probabilities
            drop[row, column] = before - log_odds(float(p[label]))
    return Occlusion(
        track_id=track_id,
        genre=genre,
        answer=plain.classes[label],
        probability=float(plain.probabilities[label]),
        kind=kind,
        start_s=start_s,
        length_s=length_s,
        image=image.astype(np.float32),
        drop=drop,
    )


__all__ = ["GRID", "Occlusion", "image_kinds", "log_odds", "occlude", "one_segment"]
