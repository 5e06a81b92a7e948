"""Fingerprints: what they survive, and what finding copies costs as a collection grows.

    python benchmarks/fingerprint.py [--quick] [--json] [--folder AUDIO] [--tracks 10000]

Recall is measured on pieces of the demo set rendered here (or on the files of `--folder`), each re-encoded, made
louder or softer and shifted. Growth is measured on simulated collections whose words are as correlated in time as
real ones; the naive way compares all pairs at all offsets, its time is extrapolated from some pairs.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

# The thread limits above must stand before NumPy is loaded.
# ruff: noqa: E402
import numpy as np
import soundfile as sf
import soxr

from musicgenre.audio import PlainLimits, decode_bytes, decode_file
from musicgenre.dataset import fingerprint
from musicgenre.dataset.recordings import MAX_BIT_ERROR, bit_error, find_matches, recordings
from musicgenre.errors import AudioError

LIMITS = PlainLimits()
RATE = 22_050
Figures = dict[str, dict[str, Any]]


def pieces(folder: Path | None, quick: bool) -> dict[str, np.ndarray]:
    """Samples at 22,050 Hz by name: files of `folder`, or rendered demo tracks (every artist a different one)."""
    if folder is not None:
        found = {}
        for path in sorted(path for path in folder.rglob("*") if path.is_file())[: 40 if quick else 100_000]:
            try:
                found[str(path)] = decode_file(path, rate=RATE, limits=LIMITS).samples
            except AudioError:
                continue
        return found
    from musicgenre.dataset.demo.artist import make_artist
    from musicgenre.dataset.demo.styles import STYLES
    from musicgenre.dataset.demo.track import render_track

    out = {}
    for number, genre in enumerate(sorted(STYLES)):
        for artist in range(2 if quick else 5):
            for track in range(2):
                sound = render_track(make_artist(7, genre, artist), 7, number, artist, track, 12.0)
                out[f"{genre}/{artist}.{track}"] = np.asarray(sound, np.float32).reshape(len(sound), -1).mean(axis=1)
    return out


def encoded(samples: np.ndarray, form: str, **options: Any) -> np.ndarray:
    out = io.BytesIO()
    sf.write(out, np.clip(samples, -1, 1), RATE, format=form, **options)
    return fingerprint.words(decode_bytes(out.getvalue(), rate=fingerprint.RATE, limits=LIMITS).samples)


TREATMENTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mp3": lambda x: encoded(x, "MP3"),
    "mp3, 24 kbit/s": lambda x: encoded(x, "MP3", compression_level=0.9, bitrate_mode="CONSTANT"),
    "ogg": lambda x: encoded(x, "OGG", compression_level=0.5),
    "+6 dB, mp3": lambda x: encoded(2 * x, "MP3"),
    "-6 dB, ogg": lambda x: encoded(x / 2, "OGG"),
    "2 s later, mp3": lambda x: encoded(x[2 * RATE + 77 :], "MP3"),
}


def recall(sounds: dict[str, np.ndarray]) -> Figures:
    """Share of copies put with their original, and pairs of different tracks put together."""
    ids, words = list(sounds), [fingerprint.words(soxr.resample(x, RATE, fingerprint.RATE)) for x in sounds.values()]
    before = recordings(ids, find_matches(words))
    together = len(ids) - len(set(before))
    figures: Figures = {"different tracks put together": row(together, None, "tracks", note=f"of {len(ids)}, before any copy")}
    for name, treat in TREATMENTS.items():
        copies = [treat(x) for x in sounds.values()]
        found = recordings([*ids, *(f"~{i}" for i in ids)], find_matches(words + copies))
        right = sum(found[n] == found[n + len(ids)] for n in range(len(ids)))
        wrong = len(set(before)) - len(set(found))
        figures[f"recall, {name}"] = row(right / len(ids), None, "share", note=f"{max(0, wrong)} false among {len(ids)} copies")
    return figures


def simulate(tracks: int, length: int, seed: int = 0) -> list[np.ndarray]:
    """Words from smooth random band energies; every hundredth track is a noisy, shifted copy of the one before."""
    rng = np.random.default_rng(seed)
    kernel = np.hanning(18).astype(np.float32)
    out: list[np.ndarray] = []
    for number in range(tracks):
        if number % 100 == 99:
            copy = out[-1][int(rng.integers(0, length // 4)) :].copy()
            flips = (rng.random((len(copy), 32)) < 0.08).astype(np.uint8)
            out.append(copy ^ np.packbits(flips, axis=1).view("<u4").reshape(-1).astype(np.uint32))
            continue
        noise = rng.standard_normal((33, length + 21), dtype=np.float32)
        smooth = np.stack([np.convolve(band, kernel, mode="valid") for band in noise], axis=1)
        slope = smooth[:, :-1] - smooth[:, 1:]
        bits = (slope[fingerprint.LAG :] - slope[: -fingerprint.LAG]) > 0
        out.append(np.packbits(bits[:length], axis=1, bitorder="little").view("<u4").reshape(-1).astype(np.uint32))
    return out


def spent(words: list[np.ndarray]) -> tuple[float, int]:
    started = time.process_time()
    found = find_matches(words)
    return time.process_time() - started, len(found)


def all_pairs(words: list[np.ndarray], pairs: int = 12) -> float:
    """CPU seconds of comparing one pair at every offset that leaves 3 s."""
    reach = len(words[0]) - int(3 * fingerprint.WORDS_PER_S)
    started = time.process_time()
    for number in range(pairs):
        for offset in range(-reach, reach):
            bit_error(words[2 * number], words[2 * number + 1], offset)
    return (time.process_time() - started) / pairs


def growth(quick: bool, tracks: int) -> Figures:
    length = int((12 if quick else 30) * fingerprint.WORDS_PER_S)
    large = simulate(tracks, length)
    few, found_few = spent(large[:1_000])
    many, found_many = spent(large)
    pair = all_pairs(large)
    tracemalloc.start()
    find_matches(large[:1_000])
    peak_few = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    seconds = length / fingerprint.WORDS_PER_S
    return {
        "1,000 tracks": row(few, pair * 1_000 * 999 / 2, "CPU s", note=f"{found_few} of 10 copies found, {seconds:g} s tracks"),
        f"{tracks:,} tracks": row(many, pair * tracks * (tracks - 1) / 2, "CPU s", note=f"{found_many} of {tracks // 100} copies found"),
        f"growth, 1,000 to {tracks:,}": row(many / few, (tracks / 1_000) ** 2, "times", note="all pairs grow as the square"),
        "memory, 1,000 tracks": row(peak_few, None, "MB peak", note=f"beside {sum(w.nbytes for w in large[:1_000]) / 1e6:.1f} MB of words"),
    }


def rate(sounds: dict[str, np.ndarray]) -> Figures:
    low = [soxr.resample(x, RATE, fingerprint.RATE) for x in list(sounds.values())[:20]]
    started = time.process_time()
    for x in low:
        fingerprint.words(x)
    taken = (time.process_time() - started) / sum(len(x) / fingerprint.RATE for x in low) * 30
    return {"fingerprint of a 30 s clip": row(taken * 1e3, None, "CPU ms", note=f"limit of bit error {MAX_BIT_ERROR}")}


def row(ours: float, naive: float | None, unit: str, note: str = "") -> dict[str, Any]:
    return {"ours": ours, "naive": naive, "ratio": None if naive is None else naive / ours, "unit": unit, "error": note}


def show(figures: Figures) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Fingerprints")
    for heading in ("figure", "ours", "naive", "ratio", "unit", "note"):
        table.add_column(heading, justify="right" if heading in ("ours", "naive", "ratio") else "left")
    for name, found in figures.items():
        naive, ratio = ("–" if found[key] is None else f"{found[key]:.3g}" for key in ("naive", "ratio"))
        table.add_row(name, f"{found['ours']:.3g}", naive, ratio if ratio == "–" else f"{ratio}×", found["unit"], found["error"])
    Console(width=150).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="about a minute")
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    parser.add_argument("--folder", type=Path, help="measure recall on these files instead of rendered ones")
    parser.add_argument("--tracks", type=int, default=10_000, help="size of the larger simulated collection (default 10,000)")
    options = parser.parse_args()
    sounds = pieces(options.folder, options.quick)
    figures = {**recall(sounds), **rate(sounds), **growth(options.quick, options.tracks)}
    if options.json:
        print(json.dumps(figures))
    else:
        show(figures)


if __name__ == "__main__":
    main()
