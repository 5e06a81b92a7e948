"""The manifest stage against reading a folder file by file: rate, a second run, memory, growth.

    python benchmarks/manifest.py [--quick] [--json]

Rates are files per CPU second, children included, of files that are rendered here; the naive way loads each
with librosa, resamples it as librosa does and hashes it, in one process, without fingerprints.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"

# The thread limits above must stand before NumPy is loaded.
# ruff: noqa: E402
import numpy as np
import soundfile as sf

from musicgenre.audio import PlainLimits
from musicgenre.dataset.manifest import build_from
from musicgenre.layout import Layout
from musicgenre.lineage import file_sha256

RATE = 22_050
LIMITS = PlainLimits()
Figures = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class File:
    path: Path
    track_id: str
    genre: str
    group: str | None = None


def render(folder: Path, count: int, seconds: float, *, first: int = 0) -> list[File]:
    """`count` files of chords, each different, in Ogg and FLAC."""
    folder.mkdir(parents=True, exist_ok=True)
    t = np.arange(RATE // 4) / RATE
    files = []
    for number in range(first, first + count):
        rng = np.random.default_rng(number)
        notes = [sum(np.sin(2 * np.pi * f * t) for f in rng.uniform(150, 2_500, 3)) * np.exp(-4 * t) for _ in range(int(seconds * 4))]
        path = folder / f"{number:06d}.{'ogg' if number % 4 else 'flac'}"
        sf.write(path, (0.2 * np.concatenate(notes)).astype(np.float32), RATE)
        files.append(File(path, f"g{number % 10}/{number:06d}", f"g{number % 10}"))
    return sorted(files, key=lambda file: file.track_id)


def cpu() -> float:
    """CPU seconds of this process and of its ended children."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in spent)


def spent(files: list[File], project: Path, workers: int) -> tuple[float, float]:
    """CPU and wall-clock seconds of one run of the stage."""
    before, started = cpu(), time.perf_counter()
    build_from(files, LIMITS, Layout(project), workers=workers, quiet=True)
    return cpu() - before, time.perf_counter() - started


def naive(files: list[File]) -> float:
    """CPU seconds of loading, resampling and hashing one file after another."""
    import librosa

    librosa.load(files[0].path, sr=16_000)
    started = cpu()
    for file in files:
        librosa.load(file.path, sr=16_000)
        file_sha256(file.path)
    return cpu() - started


def peak_mb() -> float:
    """The largest resident set of this process so far, in MB."""
    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 1e6


def figure(ours: float, other: float | None, unit: str, *, more_is_better: bool = True, note: str = "") -> dict[str, Any]:
    ratio = None if other is None else ours / other if more_is_better else other / ours
    return {"ours": ours, "naive": other, "ratio": ratio, "unit": unit, "error": note}


def measure(quick: bool) -> Figures:
    figures: Figures = {}
    workers = min(2, os.cpu_count() or 1)
    with tempfile.TemporaryDirectory(prefix="musicgenre-bench-") as name:
        root = Path(name)
        clips = render(root / "clips", 24 if quick else 120, 30.0)
        once, wall = spent(clips, root / "clips-project", workers)
        figures["30 s clips"] = figure(
            len(clips) / once, len(clips) / naive(clips), "files per CPU s", note=f"{len(clips) / wall:.1f} per s of wall clock"
        )
        small = 200 if quick else 1_000
        few = render(root / "short", small, 1.0)
        spent(few, root / "few", workers)
        low = peak_mb()
        first, _ = spent(few, root / "few-again", workers)
        many = sorted(few + render(root / "short", 9 * small, 1.0, first=small), key=lambda file: file.track_id)
        grown, _ = spent(many, root / "many", workers)
        again, _ = spent(many, root / "many", workers)
        figures["unchanged files"] = figure(
            len(many) / again, len(many) / grown, "files per CPU s", note="the second run against the first"
        )
        figures["growth"] = figure(
            grown / first, 10.0, "times the CPU", more_is_better=False, note=f"{small} to {len(many)} files; naive is linear"
        )
        figures["memory"] = figure(peak_mb(), None, "MB peak", note=f"{peak_mb() - low:.0f} MB more for {len(many)} files than for {small}")
    return figures


def show(figures: Figures) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Manifest")
    for heading in ("figure", "ours", "naive", "ratio", "unit", "note"):
        table.add_column(heading, justify="right" if heading in ("ours", "naive", "ratio") else "left")
    for name, row in figures.items():
        other, ratio = ("–" if row[key] is None else f"{row[key]:.3g}" for key in ("naive", "ratio"))
        table.add_row(name, f"{row['ours']:.3g}", other, ratio if ratio == "–" else f"{ratio}×", row["unit"], row["error"])
    Console(width=150).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="about a minute")
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    options = parser.parse_args()
    figures = measure(options.quick)
    if options.json:
        print(json.dumps(figures))
    else:
        show(figures)


if __name__ == "__main__":
    main()
