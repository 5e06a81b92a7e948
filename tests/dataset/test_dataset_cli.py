"""The data commands as a person runs them: a folder in, a split out, and words when it cannot be."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

RATE = 22_050


def music(seed: int) -> np.ndarray:
    """float32 [2.5 s]: random chords."""
    rng = np.random.default_rng(seed)
    t = np.arange(RATE // 4) / RATE
    notes = [sum(np.sin(2 * np.pi * f * t) for f in rng.uniform(150, 2_500, 4)) * np.exp(-4 * t) for _ in range(10)]
    return (0.15 * np.concatenate(notes)).astype(np.float32)


def command(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", "from musicgenre.cli import main; main()", "--root", str(root), *words],
                          capture_output=True, text=True, check=False, timeout=250)  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    (root / "params.yaml").write_text(
        "dataset: {source: folder, path: music}\nfeatures: {kinds: [mfcc]}\ncompute: {workers: 1}\nvalidate: {max_quarantined_share: 0.2}\n"
    )
    for g, genre in enumerate(("a", "b")):
        (root / "music" / genre).mkdir(parents=True)
        for n in range(5):
            sf.write(root / "music" / genre / f"{n}.wav", music(100 * g + n), RATE)
    (root / "music" / "b" / "broken.mp3").write_bytes(b"nothing")
    return root


def test_from_a_folder_to_a_split(project: Path) -> None:
    steps = [command(project, name, "--json") for name in ("manifest", "validate", "split")]
    assert [step.returncode for step in steps] == [0, 0, 0], [step.stderr for step in steps]
    manifest, validation, split = (json.loads(step.stdout) for step in steps)
    assert manifest["files"] == manifest["measured"] == 11 and manifest["faulty"] == 1
    assert validation["reasons"] == {"unsupported_format": 1} and validation["accepted"] == 10
    assert split["sizes"] == {"train": 6, "validation": 2, "test": 2}
    assert len(pd.read_parquet(project / "data" / "splits.parquet")) == 10


def test_leakage_says_what_it_needs_and_what_it_offers(project: Path) -> None:
    assert command(project, "leakage", "--model", "magic").returncode == 2
    without = command(project, "leakage", "--no-log")
    assert without.returncode == 1 and "musicgenre features" in without.stderr


def test_a_refused_set_is_one_message_and_exit_code_1(project: Path) -> None:
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text.replace("max_quarantined_share: 0.2", "min_tracks_per_genre: 50"))
    try:
        refused = command(project, "validate")
    finally:
        (project / "params.yaml").write_text(text)
    assert refused.returncode == 1 and refused.stdout == ""
    assert "every genre has at least 50 tracks that may train, but: a (5); b (5)" in refused.stderr
    assert "Traceback" not in refused.stderr and "params.yaml" in refused.stderr
