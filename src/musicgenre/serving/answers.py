"""The JSON of a classification."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from musicgenre.bundle.predictor import Prediction

UNKNOWN = "unknown"
_DIGITS = 4  # of timeline probabilities; the track's own are exact


@dataclass(frozen=True)
class ModelIdentity:
    """Which model answered: `version` as the registry counts (empty where unknown), `digest` the bundle's seal."""

    name: str
    version: str
    digest: str

    def to_dict(self) -> dict[str, str]:
        return {"name": self.name, "version": self.version, "digest": self.digest}


@dataclass(frozen=True)
class Classified:
    """What the engine hands over for one clip; `format` is the container as found in the bytes, for example ``wav``."""

    prediction: Prediction
    format: str
    warnings: tuple[str, ...]


def ranked(genres: tuple[str, ...], probabilities: Any, count: int) -> list[dict[str, Any]]:
    """The `count` likeliest genres, best first."""
    order = np.argsort(-probabilities, kind="stable")[:count]
    return [{"genre": genres[index], "probability": float(probabilities[index])} for index in order]


def timeline(result: Classified, top_k: int) -> list[dict[str, Any]]:
    """One entry a segment: start and end in seconds, and its `top_k` genres."""
    prediction = result.prediction
    genres = prediction.classes
    order = np.argsort(-prediction.segment_probabilities, axis=1, kind="stable")[:, :top_k]
    values = np.take_along_axis(prediction.segment_probabilities, order, axis=1).tolist()
    entries = []
    for start, indices, row in zip(prediction.times_s.tolist(), order.tolist(), values, strict=True):
        end = min(start + prediction.segment_s, max(float(prediction.duration_s), start))
        top = [{"genre": genres[index], "probability": round(value, _DIGITS)} for index, value in zip(indices, row, strict=True)]
        entries.append({"start_s": round(start, 3), "end_s": round(end, 3), "genre": top[0]["genre"], "probabilities": top})
    return entries


def classification(result: Classified, *, top_k: int, reject_below: float, model: ModelIdentity, cached: bool) -> dict[str, Any]:
    """The answer for one clip, without its request id.

    `probabilities` holds the likeliest `top_k` genres, each the model's float32
    value exactly. `genre` is ``unknown`` where the best is below `reject_below`.
    """
    prediction = result.prediction
    top = ranked(prediction.classes, prediction.probabilities, top_k)
    return {
        "genre": top[0]["genre"] if top[0]["probability"] >= reject_below else UNKNOWN,
        "probability": top[0]["probability"],
        "probabilities": top,
        "timeline": timeline(result, top_k),
        "duration_s": round(float(prediction.duration_s), 3),
        "format": result.format,
        "warnings": list(result.warnings),
        "model": model.to_dict(),
        "cached": cached,
    }


__all__ = ["UNKNOWN", "Classified", "ModelIdentity", "classification", "ranked", "timeline"]
