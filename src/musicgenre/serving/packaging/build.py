"""``python -m musicgenre.serving.packaging.build FOLDER BUNDLE TAG MODEL_TAG``: one bento from one staged folder.

A process of its own, because BentoML keeps its home, its working folder and the
imported service in module state. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from musicgenre.errors import PackagingError
from musicgenre.serving.locate import MODEL_FILE, STORED
from musicgenre.serving.packaging.staging import Staged


def environment(home: Path) -> dict[str, str]:
    """Variables for every BentoML child process."""
    variables = {**os.environ, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True", "PYTHONWARNINGS": "ignore"}
    for name in list(variables):
        # What the caller's own service is told must not reach the one that is being tested.
        if name.startswith("MUSICGENRE_") or name in ("BENTOML_CONFIG", "PROMETHEUS_MULTIPROC_DIR"):
            del variables[name]
    return variables


def build(staged: Staged, home: Path) -> dict[str, Any]:
    """Import the model, build the bento; what is there already is kept.

    Returns
    -------
    dict
        ``path`` of the bento, ``model_path``, ``built`` (false where both were there).

    Raises
    ------
    PackagingError
        With the last lines of BentoML's own words.
    """
    home.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", __name__, str(staged.directory.resolve()), str(staged.bundle.resolve()), staged.tag, staged.model_tag]
    # Beside the staged package, so that the service is imported from what will be served.
    variables = {**environment(home), "PYTHONPATH": str(staged.directory.resolve())}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=variables, cwd=staged.directory)
    if done.returncode != 0:
        raise PackagingError(f"BentoML could not build {staged.tag}: {done.stderr.strip()[-1500:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _build(folder: Path, bundle: Path, tag: str, model_tag: str) -> dict[str, Any]:
    import bentoml

    built = False
    try:
        model = bentoml.models.get(model_tag)
    except bentoml.exceptions.NotFound:
        about = json.loads((folder / MODEL_FILE).read_text(encoding="utf-8"))
        labels = {"digest": about["digest"], "version": about["version"]}
        with bentoml.models.create(model_tag, labels=labels) as model:
            shutil.copytree(bundle, model.path_of(STORED))
        built = True
    try:
        bento = bentoml.bentos.get(tag)
    except bentoml.exceptions.NotFound:
        bento = bentoml.bentos.build_bentofile(str(folder / "bentofile.yaml"), version=tag.partition(":")[2], build_ctx=str(folder))
        built = True
    return {"path": str(bento.path), "model_path": str(bentoml.models.get(model_tag).path), "built": built}


if __name__ == "__main__":
    print(json.dumps(_build(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4])))

__all__ = ["build", "environment"]
