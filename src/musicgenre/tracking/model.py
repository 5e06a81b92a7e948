"""A bundle as an MLflow model in a run's artifacts: signature, requirements, no pickle."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from pathlib import Path

import musicgenre

_CODE = Path(musicgenre.__file__).parent / "registry" / "served_model.py"  # the same file that registered versions run
_CHATTY = ("mlflow.utils.requirements_utils", "mlflow.utils.environment", "mlflow.models.model", "mlflow.pyfunc")


def save_bundle_model(bundle: Path, directory: Path) -> None:
    """Write an MLflow pyfunc model that answers from a copy of `bundle` into `directory` (which must not exist).

    Its signature (paths in, genres with probabilities out) comes from the types of
    `registry.served_model`. The store is not touched; a run gets the folder as artifacts.
    """
    import mlflow.pyfunc

    os.environ.setdefault("MLFLOW_UV_AUTO_DETECT", "false")
    os.environ.setdefault("MLFLOW_LOG_UV_FILES", "false")
    levels = {name: logging.getLogger(name).level for name in _CHATTY}
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with tempfile.TemporaryDirectory(prefix="musicgenre-") as place:
            copy = shutil.copytree(bundle, Path(place) / "bundle")  # the folder's name becomes the name in the model
            mlflow.pyfunc.save_model(
                path=str(directory),
                python_model=str(_CODE),
                artifacts={"bundle": str(copy)},
                pip_requirements=["musicgenre", "mlflow"],  # named, because guessing them takes ten seconds
            )
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


__all__ = ["save_bundle_model"]
