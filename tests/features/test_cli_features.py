"""`musicgenre features` and its pictures, as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from typer.testing import CliRunner

from musicgenre.cli.app import app
from musicgenre.errors import MissingInput
from musicgenre.lineage import file_sha256


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """One track, two kinds, one worker."""
    path = tmp_path / "set" / "a" / "one.wav"
    path.parent.mkdir(parents=True)
    tone = 0.5 * np.sin(2 * np.pi * 330 * np.arange(30000) / 22050)
    soundfile.write(path, tone, 22050)
    (tmp_path / "data").mkdir()
    row = {"track_id": ["a/one"], "path": ["set/a/one.wav"], "sha256": [file_sha256(path)]}
    pd.DataFrame(row).to_parquet(tmp_path / "data" / "valid.parquet")
    settings = "dataset: {source: folder, path: set}\nfeatures: {kinds: [mel, descriptors]}\ncompute: {workers: 1}\n"
    (tmp_path / "params.yaml").write_text(settings)
    return tmp_path


def run(project: Path, *words: str) -> str:
    done = CliRunner().invoke(app, ["--root", str(project), "features", *words], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_the_stage_says_what_it_did(project: Path) -> None:
    summary = json.loads(run(project, "--json"))
    assert summary["computed"] == {"mel": 1, "descriptors": 1}
    assert (project / "data/features/mel/values.npy").is_file()
    assert "descriptors" in run(project)


def test_a_track_is_drawn_by_id_and_by_file(project: Path) -> None:
    printed = run(project, "show", "a/one")
    picture = Path(printed.strip())
    assert picture == project / "reports/features/one.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    other = project / "other.png"
    run(project, "show", str(project / "set/a/one.wav"), "--kinds", "mel,scalogram,mfcc", "--out", str(other))
    assert other.stat().st_size > 10_000


def test_an_unknown_track_is_met_with_near_ones(project: Path) -> None:
    with pytest.raises(MissingInput, match="Did you mean a/one"):
        run(project, "show", "one")


def test_columns_are_described(project: Path) -> None:
    assert "| `tempo` | beats/min | `librosa.feature.tempo` |" in run(project, "describe")
