"""The opt-in prediction log: what `musicgenre monitor` compares with the training data. No audio, no names.

One JSON object a line, appended in one write (lines of several workers do not mix):
``time`` (UTC, ISO 8601), ``request_id``, ``model`` (the bundle's digest), ``version``,
``duration_s``, ``genre``, ``probabilities`` (every genre), ``statistics`` (see
`bundle.reference.statistics`), ``warnings`` (codes).
"""

from __future__ import annotations

import json
import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from musicgenre.serving.answers import Classified, ModelIdentity

logger = logging.getLogger("musicgenre.serving")


class PredictionLog:
    """Appends to `path`; a full disk costs lines, never answers."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._failed = False

    def write(self, result: Classified, answer: dict[str, Any], model: ModelIdentity, request_id: str) -> None:
        """Append one line."""
        prediction = result.prediction
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "request_id": request_id,
            "model": model.digest,
            "version": model.version,
            "duration_s": answer["duration_s"],
            "genre": answer["genre"],
            "probabilities": {name: float(value) for name, value in zip(prediction.classes, prediction.probabilities, strict=True)},
            "statistics": dict(prediction.statistics),
            "warnings": [warning.partition(":")[0] for warning in result.warnings],
        }
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
            try:
                os.write(descriptor, (json.dumps(line) + "\n").encode())
            finally:
                os.close(descriptor)
        except OSError as error:
            if not self._failed:
                logger.error("prediction log %s: %s; answers go on without it.", self.path, error.strerror)
            self._failed = True


__all__ = ["PredictionLog"]
