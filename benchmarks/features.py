"""Features against librosa and PyWavelets called one by one: same clip, same core, same process.

    python benchmarks/features.py [--quick] [--json] [--clip FILE]

Times are the best of several runs in CPU seconds of one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"

# The thread limits above must stand before NumPy is loaded.
# ruff: noqa: E402
import numpy as np
from scipy import fft

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "features"))

from clips import music

from musicgenre.audio import decode_file
from musicgenre.features import reference
from musicgenre.features.extract import extract, store_spec
from musicgenre.features.filters import mel_bank
from musicgenre.features.frontend import FrontEnd
from musicgenre.features.scalogram import scalogram_energy
from musicgenre.features.spectrum import power_blocks
from musicgenre.features.store import StoreWriter
from musicgenre.layout import Layout
from musicgenre.lineage import file_sha256
from musicgenre.params import AudioLimits, ComputeParams, DatasetParams, FeaturesParams

SPEC = FrontEnd()
KINDS = ("mel", "mfcc", "scalogram", "descriptors")
Figures = dict[str, dict[str, Any]]


def best(function: Callable[[], Any], times: int) -> float:
    """CPU seconds of the fastest of `times` runs, after one to warm up."""
    function()
    taken = []
    for _ in range(times):
        started = time.process_time()
        function()
        taken.append(time.process_time() - started)
    return min(taken)


def figure(ours: float, naive: float | None, unit: str, error: str = "") -> dict[str, Any]:
    return {"ours": ours, "naive": naive, "ratio": None if naive is None else naive / ours, "unit": unit, "error": error}


def per_kind(samples: np.ndarray, quick: bool) -> Figures:
    """Each kind alone, then all at once, with the error against the reference beside it."""
    runs = 3 if quick else 7
    exact = SPEC.compute_exact(samples, KINDS)
    wanted: dict[str, Callable[[], Any]] = {
        "mel": lambda: reference.mel(samples, SPEC),
        "mfcc": lambda: reference.mfcc(samples, SPEC),
        "scalogram": lambda: reference.scalogram_energy(samples, SPEC),
        "descriptors": lambda: reference.descriptors(samples, SPEC),
    }
    found: Figures = {}
    naive_total = 0.0
    for kind, naive in wanted.items():
        expected = naive()  # compiles librosa's kernels, so that what is timed is the computation
        started = time.process_time()
        naive()
        naive_s = time.process_time() - started
        naive_total += naive_s
        ours = best(lambda kind=kind: SPEC.compute(samples, [kind]), runs)
        found[kind] = figure(ours, naive_s, "s", _error(kind, exact, expected, samples))
    found["all kinds"] = figure(best(lambda: SPEC.compute(samples, KINDS), runs), naive_total, "s")
    found["harmonic and percussive parts"] = _parts(samples, runs)
    return found


def _error(kind: str, exact: dict[str, np.ndarray], expected: Any, samples: np.ndarray) -> str:
    if kind == "descriptors":
        row = dict(zip(SPEC.names(kind), exact[kind][0].tolist(), strict=True))
        off = {name: abs(row[name] - value) / max(abs(value), 1e-2) for name, value in expected.items() if name in row}
        worst = max(off, key=lambda name: off[name])
        return f"median {np.median(list(off.values())):.0e}, most {off[worst]:.0e} ({worst}) relative"
    if kind == "scalogram":
        ours = scalogram_energy(samples, rate=22050, hop=512, fmin=40.0, fmax=8000.0, count=64)
        loud = expected > 1e-3 * expected.max()
        relative = np.abs(ours - expected)[loud] / expected[loud]
        correlation = np.corrcoef(ours.ravel(), expected.ravel())[0, 1]
        return f"correlation {correlation:.6f}, energy {ours.sum() / expected.sum() - 1:+.1e}, a cell {np.median(relative):.1e} (median)"
    return f"{np.max(np.abs(exact[kind] - expected) / np.maximum(np.abs(expected), 1)):.0e} relative"


def _parts(samples: np.ndarray, runs: int) -> dict[str, Any]:
    from musicgenre.features.harmonic import energy_shares

    magnitude = np.sqrt(np.concatenate([block for _, block in power_blocks(samples, n_fft=2048, hop=512, window="hann")]))
    expected = reference.parts(samples, SPEC)
    started = time.process_time()
    reference.parts(samples, SPEC)
    naive = time.process_time() - started
    error = np.abs(energy_shares(magnitude)[:, 0] - expected["harmonic_share"]).max()
    return figure(best(lambda: energy_shares(magnitude), runs), naive, "s", f"{error:.0e} absolute")


def shares(samples: np.ndarray, folder: Path, quick: bool) -> Figures:
    """Where a track's time goes, and the distance to the bare cost of one decode and one FFT a kind."""
    import soundfile

    path = folder / "clip.wav"
    soundfile.write(path, samples, SPEC.sample_rate)
    runs = 3 if quick else 7
    decode = best(lambda: decode_file(path, rate=SPEC.sample_rate, limits=AudioLimits()), runs)
    stft = best(lambda: [None for _ in power_blocks(samples, n_fft=2048, hop=512, window="hann")], runs)
    padded = np.zeros(fft.next_fast_len(len(samples) + 8192, real=True), np.float32)
    padded[: len(samples)] = samples
    whole = best(lambda: fft.rfft(padded, workers=1), runs)
    power = np.concatenate([block for _, block in power_blocks(samples, n_fft=2048, hop=512, window="hann")])
    bank = mel_bank(22050, 2048, 96, 0.0, 11025.0, "slaney")
    filters = best(lambda: [bank @ np.ascontiguousarray(power[i : i + 64].T) for i in range(0, len(power), 64)], runs)
    arrays = SPEC.compute(samples, KINDS)

    def write() -> None:
        for kind in KINDS:
            with StoreWriter(folder / kind, store_spec(SPEC, kind)) as store:
                store.add("track", arrays[kind], duration_s=30.0)

    written = best(write, runs)
    total = decode + best(lambda: SPEC.compute(samples, KINDS), runs) + written
    bare = decode + 2 * stft + whole
    found = {
        f"share: {name}": figure(100 * value / total, None, "% of a track")
        for name, value in {
            "decode": decode,
            "one STFT": stft,
            "mel filter": filters,
            "one FFT of the clip": whole,
            "write": written,
        }.items()
    }
    rest = 100 - sum(row["ours"] for row in found.values())
    found["share: wavelet bands, descriptors and the rest"] = figure(rest, None, "% of a track")
    found["whole track over bare decode and FFTs"] = figure(total / bare, None, "×", f"{1000 * total:.0f} ms over {1000 * bare:.0f} ms")
    return found


def memory(samples: np.ndarray) -> Figures:
    """Peak of what a 30 s clip allocates."""
    SPEC.compute(samples, KINDS)
    tracemalloc.start()
    SPEC.compute(samples, KINDS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {"memory of a clip": figure(peak / 1e6, None, "MB", "limit 200")}


def growth(folder: Path, quick: bool) -> Figures:
    """Seconds a track and peak memory from 100 to 3,000 tracks (of 1.1 s, to be quick), and what a second run costs."""
    import pandas as pd
    import soundfile

    layout, dataset = Layout(folder), DatasetParams(source="folder", path="set")
    params = FeaturesParams(kinds=("mel", "mfcc"))
    (folder / "set").mkdir()
    (folder / "data").mkdir()
    rng = np.random.default_rng(0)
    clip = music(1.1)
    rows: list[tuple[str, str, str]] = []

    def run(count: int) -> tuple[float, float]:
        for number in range(len(rows), count):
            path = folder / "set" / f"{number:05d}.wav"
            soundfile.write(path, clip + rng.standard_normal(len(clip)).astype(np.float32) * 1e-3, 22050)
            rows.append((path.stem, f"set/{path.name}", file_sha256(path)))
        pd.DataFrame(rows, columns=["track_id", "path", "sha256"]).to_parquet(layout.valid)
        tracemalloc.start()
        started = time.process_time()
        extract(params, dataset, layout, ComputeParams(workers=1), quiet=True)
        taken = time.process_time() - started
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return taken, peak / 1e6

    small, large = 100, 600 if quick else 3000
    first, first_mb = run(small)
    rest, rest_mb = run(large)
    ten, _ = run(large + 10)
    none, _ = run(large + 10)
    note = "naive: the first 100"
    return {
        f"growth: a track, {small} to {large} tracks": figure(1000 * rest / (large - small), 1000 * first / small, "ms", note),
        f"growth: peak memory, {small} to {large} tracks": figure(rest_mb, first_mb, "MB", note),
        f"adding 10 tracks to {large}": figure(ten, first + rest, "s", "naive: computing all"),
        f"nothing new in {large + 10}": figure(none, first + rest, "s", "naive: computing all"),
    }


def show(figures: Figures) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Features of a 30 s clip, one thread")
    for heading in ("figure", "ours", "naive", "ratio", "unit", "error or note"):
        table.add_column(heading, justify="right" if heading in ("ours", "naive", "ratio") else "left")
    for name, row in figures.items():
        naive, ratio = ("–" if row[key] is None else f"{row[key]:.3g}" for key in ("naive", "ratio"))
        table.add_row(name, f"{row['ours']:.3g}", naive, ratio if ratio == "–" else f"{ratio}×", row["unit"], row["error"])
    Console(width=150).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="about a minute")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--clip", type=Path, help="an audio file to measure on, instead of a composed clip")
    options = parser.parse_args()
    samples = decode_file(options.clip, rate=SPEC.sample_rate, limits=AudioLimits()).samples if options.clip else music(30.0)
    figures = per_kind(samples, options.quick)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures |= shares(samples, folder, options.quick) | memory(samples)
        (folder / "project").mkdir()
        figures |= growth(folder / "project", options.quick)
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        show(figures)


if __name__ == "__main__":
    main()
