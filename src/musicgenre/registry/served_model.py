"""The model that MLflow loads from a registered version (models from code: this file is the model, no pickle).

Input: paths of audio files. Output: for each, the genres with their probabilities. Needs the
`musicgenre` package; everything else is in the bundle beside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
from mlflow.pyfunc.model import PythonModel


class BundleModel(PythonModel):
    """Answers from the bundle logged as the artifact ``bundle``."""

    def load_context(self, context: Any) -> None:
        """Check every digest, then load."""
        from musicgenre.bundle.predictor import Predictor

        self._predictor = Predictor.load(Path(context.artifacts["bundle"]))

    def predict(self, context: Any, model_input: list[str], params: dict[str, Any] | None = None) -> list[dict[str, float]]:
        """Probabilities by genre, one mapping a path, the likeliest first."""
        return [dict(self._predictor.classify_file(Path(path)).ranked()) for path in model_input]


mlflow.models.set_model(BundleModel())
