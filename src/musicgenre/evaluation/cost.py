"""What an answer costs: latency, memory and size of a bundle, measured where nothing else runs.

Each bundle is measured in a fresh process that holds nothing but the predictor, as in the service.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicgenre.errors import EvaluationError

CALLS = 5
CLIP_S = 30.0


@dataclass(frozen=True)
class Cost:
    """`latency_ms`: median of `classify_samples` on a clip of `clip_s` seconds; `memory_mb`: resident memory it adds."""

    latency_ms: float
    memory_mb: float
    size_mb: float
    clip_s: float


def clip(rate: int, seconds: float = CLIP_S) -> NDArray[np.float32]:
    """A clip that sounds like nothing but costs what music costs: chords in noise, float32 [n]."""
    time_s = np.arange(round(rate * seconds)) / rate
    tones = sum(np.sin(2 * np.pi * pitch * time_s) / 6 for pitch in (110.0, 220.0, 277.18, 329.63))
    noise = np.random.default_rng(0).normal(scale=0.05, size=len(time_s))
    return np.asarray(tones + noise, dtype=np.float32)


def _resident_mb() -> float:
    import psutil

    return float(psutil.Process().memory_info().rss) / 1e6


def _measure_here(directory: Path, seconds: float) -> dict[str, float]:
    from musicgenre.bundle.files import bundle_bytes
    from musicgenre.bundle.predictor import Predictor

    before = _resident_mb()
    predictor = Predictor.load(directory)
    samples = clip(predictor.sample_rate, seconds)
    predictor.classify_samples(samples)  # plans and filters are made on first use
    took = []
    for _ in range(CALLS):
        started = time.perf_counter()
        predictor.classify_samples(samples)
        took.append(time.perf_counter() - started)
    return {
        "latency_ms": float(np.median(took)) * 1e3,
        "memory_mb": _resident_mb() - before,
        "size_mb": bundle_bytes(directory) / 1e6,
        "clip_s": seconds,
    }


def measure(directories: Sequence[Path], *, seconds: float = CLIP_S) -> list[Cost]:
    """Cost of each bundle, one after another, each in a child of one fresh process.

    Raises
    ------
    EvaluationError
        If the process dies or a bundle does not answer in it.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-m", "musicgenre.evaluation.cost", str(seconds), *(str(Path(item).resolve()) for item in directories)]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        raise EvaluationError(f"measuring latency failed with exit code {done.returncode}: {done.stderr.strip()[-600:]}")
    return [Cost(**item) for item in json.loads(done.stdout.splitlines()[-1])]


def _in_child(directory: Path, seconds: float) -> dict[str, Any]:
    """Measure in a fork, so that one bundle's memory is not another's."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - a process of its own
        try:
            os.close(reading)
            with os.fdopen(writing, "w") as out:
                json.dump(_measure_here(directory, seconds), out)
            os._exit(0)
        except BaseException as error:
            print(f"{directory}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading) as source:
        text = source.read()
    if os.waitpid(child, 0)[1] != 0:
        sys.exit(1)
    result: dict[str, Any] = json.loads(text)
    return result


def main(arguments: list[str]) -> None:
    """``python -m musicgenre.evaluation.cost SECONDS BUNDLE…`` prints one JSON array."""
    import musicgenre.bundle.predictor
    import musicgenre.features.kinds  # noqa: F401  (shared by all children, so that a fork starts warm)

    print(json.dumps([_in_child(Path(item), float(arguments[0])) for item in arguments[1:]]))


if __name__ == "__main__":
    main(sys.argv[1:])


__all__ = ["CALLS", "CLIP_S", "Cost", "clip", "measure"]
