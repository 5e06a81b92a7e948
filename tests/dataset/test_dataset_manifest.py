"""A row a file, whatever the file; and no file read twice."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from musicgenre.audio import PlainLimits
from musicgenre.dataset.manifest import COLUMNS, ManifestSummary, build, build_from, read_manifest
from musicgenre.dataset.measure import measure
from musicgenre.errors import MissingInput
from musicgenre.layout import Layout
from musicgenre.params import ComputeParams, DatasetParams

LIMITS = PlainLimits()
RATE = 22_050


def music(seed: int, seconds: float = 9.0) -> np.ndarray:
    """float32 [n]: a row of random chords, different for each seed."""
    rng = np.random.default_rng(seed)
    t = np.arange(RATE // 4) / RATE
    notes = [sum(np.sin(2 * np.pi * f * t) for f in rng.uniform(150, 2_500, 4)) * np.exp(-4 * t) for _ in range(int(seconds * 4))]
    return (0.15 * np.concatenate(notes)).astype(np.float32)


@dataclass(frozen=True)
class File:
    path: Path
    track_id: str
    genre: str
    group: str | None = None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("music")
    for genre in ("a", "b"):
        (root / genre).mkdir()
        for n in range(4):
            sf.write(root / genre / f"{n}.flac", music(10 * ord(genre) + n), RATE)
    x, y = music(10 * ord("a")), music(5)
    sf.write(root / "b" / "copy.mp3", 0.6 * x[RATE // 2 :], RATE)
    sf.write(root / "a" / "same.wav", sf.read(root / "a" / "1.flac")[0], RATE)
    sf.write(root / "a" / "silent.wav", np.zeros(RATE * 3), RATE)
    sf.write(root / "a" / "short.wav", x[:5_000], RATE)
    sf.write(root / "b" / "clipped.wav", np.clip(np.stack([8 * y, 8 * y + 0.1], axis=1), -1, 1), RATE)
    (root / "b" / "broken.mp3").write_bytes(b"no music here" * 100)
    (root / "b" / "empty.ogg").write_bytes(b"")
    whole = (root / "b" / "0.flac").read_bytes()
    (root / "b" / "cut.flac").write_bytes(whole[: len(whole) // 2])
    return root


def files(root: Path) -> list[File]:
    found = [File(path, path.relative_to(root).with_suffix("").as_posix(), path.parent.name) for path in root.glob("*/*")]
    return sorted(found, key=lambda file: file.track_id)


def run(root: Path, project: Path, workers: int = 2) -> tuple[ManifestSummary, pd.DataFrame]:
    layout = Layout(project)
    summary = build_from(files(root), LIMITS, layout, workers=workers, quiet=True)
    return summary, read_manifest(layout).set_index("track_id")


def test_every_file_has_a_row_with_its_figures_or_its_error(folder: Path, tmp_path: Path) -> None:
    summary, table = run(folder, tmp_path)
    assert [table.index.name, *table.columns] == list(COLUMNS) and table.index.is_monotonic_increasing
    assert summary.files == len(table) == 16 and summary.measured == 16 and summary.faulty == 4
    errors = table["error"].dropna().to_dict()
    assert errors == {"a/silent": "silent", "a/short": "too_short", "b/broken": "unsupported_format", "b/empty": "empty"}
    plain = table.loc["a/0"]
    assert (plain["format"], plain["sample_rate"], plain["channels"], plain["genre"], plain["group"]) == ("flac", RATE, 1, "a", "a/0")
    x = music(10 * ord("a"))
    assert plain["duration_s"] == pytest.approx(len(x) / RATE) and plain["peak"] == pytest.approx(np.abs(x).max(), abs=1e-3)
    assert plain["rms_db"] == pytest.approx(10 * np.log10(np.mean(x**2)), abs=0.01)
    assert plain["silence_fraction"] == 0 and plain["clipped_fraction"] == 0 and not plain["truncated"]
    loud, y = table.loc["b/clipped"], music(5)
    stereo = np.clip(np.stack([8 * y, 8 * y + 0.1], axis=1), -1, 1)
    assert loud["clipped_fraction"] == pytest.approx((np.abs(stereo) >= 0.999).mean(), abs=0.01)
    assert loud["dc_offset"] == pytest.approx(np.abs(stereo.mean(axis=0)).max(), abs=0.005) and loud["channels"] == 2
    assert table.loc["a/silent", "silence_fraction"] == 1 and table.loc["a/silent", "rms_db"] == -120
    assert table.loc["b/cut", "truncated"] and 3 < table.loc["b/cut", "duration_s"] < 6


def test_copies_share_a_recording_and_lossless_ones_their_samples(folder: Path, tmp_path: Path) -> None:
    summary, table = run(folder, tmp_path)
    groups = {name: sorted(rows.index) for name, rows in table.groupby("recording") if len(rows) > 1}
    assert groups == {"a/0": ["a/0", "b/copy"], "a/1": ["a/1", "a/same"], "b/0": ["b/0", "b/cut"]}
    assert summary.duplicates == 3
    assert table.loc["a/1", "pcm_sha256"] == table.loc["a/same", "pcm_sha256"]
    assert table.loc["a/1", "sha256"] != table.loc["a/same", "sha256"]


def test_unchanged_files_are_not_read_again_and_workers_do_not_matter(folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "music"
    shutil.copytree(folder, root)
    project = tmp_path / "project"
    first, table = run(root, project, workers=1)
    again, same = run(root, project, workers=3)
    assert first.measured == 16 and again.measured == 0
    pd.testing.assert_frame_equal(table, same)
    # A changed file and a new one are read; a renamed or touched one is known by its content.
    sf.write(root / "a" / "2.flac", music(77), RATE)
    sf.write(root / "a" / "new.flac", music(78), RATE)
    (root / "b" / "2.flac").rename(root / "b" / "renamed.flac")
    os.utime(root / "b" / "3.flac", ns=(1, 1))
    changed, after = run(root, project)
    assert changed.files == 17 and changed.measured == 4
    assert after.loc["a/2", "sha256"] != table.loc["a/2", "sha256"]
    assert after.loc["b/renamed", "pcm_sha256"] == table.loc["b/2", "pcm_sha256"]
    # Deleting the manifest, as DVC does before it runs a stage, costs nothing either.
    Layout(project).manifest.unlink()
    assert run(root, project)[0].measured == 0


def test_a_damaged_cache_is_made_anew(folder: Path, tmp_path: Path) -> None:
    cache = Layout(tmp_path).work / "manifest.sqlite"
    cache.parent.mkdir()
    cache.write_bytes(b"this is no database" * 1_000)
    assert run(folder, tmp_path)[0].measured == 16


def test_a_missing_file_is_a_row_not_a_crash(folder: Path, tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    gone = File(folder / "a" / "gone.wav", "a/gone", "a")
    build_from([*files(folder)[:2], gone], LIMITS, layout, workers=1, quiet=True)
    row = read_manifest(layout).set_index("track_id").loc["a/gone"]
    assert row["error"] == "undecodable" and "No such file" in row["error_text"]


def test_the_figures_do_not_depend_on_the_block_size(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(folder / "b" / "clipped.wav")
    whole, words = measure(path, LIMITS)
    monkeypatch.setattr("musicgenre.audio.stream.BLOCK_FRAMES", 1_000)
    pieces, words_again = measure(path, LIMITS)
    np.testing.assert_array_equal(words, words_again)
    assert whole.pcm_sha256 == pieces.pcm_sha256 and whole.silence_fraction == pieces.silence_fraction
    assert whole.rms_db == pytest.approx(pieces.rms_db) and whole.dc_offset == pytest.approx(pieces.dc_offset)


def test_the_stage_lists_the_configured_folder(folder: Path, tmp_path: Path) -> None:
    params = DatasetParams(source="folder", path=str(folder))
    summary = build(params, Layout(tmp_path), ComputeParams(workers=1), quiet=True)
    assert summary.files == 16 and summary.genres == 2


def test_without_a_manifest_the_next_step_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="musicgenre manifest"):
        read_manifest(Layout(tmp_path))


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was(gtzan_mini: Path, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(f"dataset: {{source: folder, path: {gtzan_mini}}}\ncompute: {{workers: 1}}\n")
    command = [sys.executable, "-c", "from musicgenre.cli import main; main()", "--root", str(tmp_path), "manifest", "--json"]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    cache = Layout(tmp_path).work / "manifest.sqlite"
    for _ in range(600):
        time.sleep(0.1)
        if cache.is_file() and known_figures(cache) >= 20:
            break
    first.kill()
    first.wait()
    kept = known_figures(cache)
    assert 20 <= kept < 200 and not Layout(tmp_path).manifest.exists()
    again = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert again["files"] == 200 and again["measured"] <= 200 - kept


def known_figures(cache: Path) -> int:
    with contextlib.closing(sqlite3.connect(cache)) as database, contextlib.suppress(sqlite3.OperationalError):
        return int(database.execute("select count(*) from measured").fetchone()[0])
    return 0


@pytest.mark.slow
def test_the_known_duplicates_of_gtzan_mini_and_no_others(gtzan_mini: Path, tmp_path: Path) -> None:
    _, table = run(gtzan_mini, tmp_path)
    groups = [sorted(rows.index) for _, rows in table.groupby("recording") if len(rows) > 1]
    assert groups == [["jazz/jazz.00034", "jazz/jazz.00053"], ["jazz/jazz.00036", "jazz/jazz.00058"]]
    assert table["error"].dropna().index.tolist() == ["jazz/jazz.00054"]


def test_the_known_duplicates_of_gtzan_mini_among_their_neighbours(gtzan_mini: Path, tmp_path: Path) -> None:
    jazz = [file for file in files(gtzan_mini) if file.genre == "jazz"][10:24]
    layout = Layout(tmp_path)
    build_from(jazz, LIMITS, layout, workers=1, quiet=True)
    table = read_manifest(layout)
    groups = [sorted(rows["track_id"]) for _, rows in table.groupby("recording") if len(rows) > 1]
    assert groups == [["jazz/jazz.00034", "jazz/jazz.00053"], ["jazz/jazz.00036", "jazz/jazz.00058"]]
