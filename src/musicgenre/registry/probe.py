"""Does a bundle load and answer where only the service's packages are? Asked in a fresh process.

``python -m musicgenre.registry.probe BUNDLE`` prints one JSON object.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

_NEVER = ("tensorflow", "keras", "mlflow", "optuna", "great_expectations", "dvc", "sklearn", "pickle5", "skops")
_TIMEOUT_S = 120.0


def probe(directory: Path) -> str:
    """Empty when all is well, otherwise what went wrong, in words."""
    words = [sys.executable, "-m", "musicgenre.registry.probe", str(Path(directory).resolve())]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False, env=environment)
    except subprocess.TimeoutExpired:
        return f"It did not answer within {_TIMEOUT_S:.0f} s in a fresh process."
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return f"It does not load or answer in a fresh process: {last}"
    found = json.loads(done.stdout.splitlines()[-1])
    if found["imported"]:
        return f"It needs {', '.join(found['imported'])}, which the service does not have."
    return ""


def main(arguments: list[str]) -> None:
    """Load, answer the golden clip, and say what was imported on the way."""
    for name in _NEVER:
        sys.modules[name] = None  # type: ignore[assignment]  # an import of it now fails, installed or not
    from musicgenre.bundle.golden import check
    from musicgenre.bundle.predictor import Predictor

    difference = check(Predictor.load(Path(arguments[0])))
    print(json.dumps({"golden_difference": difference, "imported": [name for name in _NEVER if sys.modules.get(name) is not None]}))


if __name__ == "__main__":
    main(sys.argv[1:])


__all__ = ["probe"]
