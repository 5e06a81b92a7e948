"""`musicgenre predict` on files and folders, good and bad."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from handmade_bundle import CLASSES, member, write
from musicgenre.bundle.batch import find_files
from musicgenre.bundle.golden import clip
from musicgenre.bundle.predictor import Predictor
from musicgenre.cli.app import app
from musicgenre.errors import MissingInput, TamperedBundle


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    spec = write(root / "models/champion", [member(root / "m", "one")])
    audio = root / "audio"
    (audio / "deep" / ".hidden").mkdir(parents=True)
    soundfile.write(audio / "deep" / "b [take 1].flac", clip(22050), 22050)
    soundfile.write(audio / "a.wav", clip(44100), 44100)
    soundfile.write(audio / "deep" / ".hidden" / "c.wav", clip(22050), 22050)
    (audio / "notes.txt").write_text("not audio")
    (root / "broken.wav").write_bytes(b"RIFF\x10\0\0\0WAVEjunk")
    registry = {"name": "musicgenre", "versions": [{"version": "3", "digest": spec.digest}]}
    (root / "models/registry.json").write_text(json.dumps(registry))
    return root


def _run(project: Path, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["--root", str(project), "predict", *words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def test_json_is_the_services_answer(project: Path) -> None:
    code, text = _run(project, "--json", str(project / "audio"))
    assert code == 0
    answers = json.loads(text)
    assert [Path(answer["path"]).name for answer in answers] == ["a.wav", "b [take 1].flac"]
    exact = Predictor.load(project / "models/champion").classify_file(project / "audio/a.wav")
    given = {item["genre"]: item["probability"] for item in answers[0]["probabilities"]}
    assert given == {name: float(value) for name, value in zip(CLASSES, exact.probabilities, strict=True)}
    assert answers[0]["genre"] == exact.genre
    assert answers[0]["model"]["version"] == "3"
    assert len(answers[0]["timeline"]) == len(exact.times_s)
    assert answers[1]["format"] == "flac"
    np.testing.assert_allclose(sum(given.values()), 1.0, atol=1e-6)


def test_a_bad_file_is_a_row_and_exit_code_one(project: Path) -> None:
    code, text = _run(project, str(project / "broken.wav"), str(project / "audio/a.wav"))
    assert code == 1
    assert "undecodable" in text and "a.wav" in text and "%" in text
    code, text = _run(project, "--json", str(project / "broken.wav"))
    assert code == 1
    assert json.loads(text)[0]["error"]["code"] == "undecodable"


def test_brackets_in_names_are_shown(project: Path) -> None:
    assert "b [take 1].flac" in _run(project, str(project / "audio/deep"))[1].replace("\n", "")


def test_each_file_once_and_absent_ones_named(project: Path, tmp_path: Path) -> None:
    file = project / "audio/a.wav"
    assert find_files([file, project / "audio", file]) == [file, project / "audio/deep/b [take 1].flac"]
    with pytest.raises(MissingInput, match=r"nowhere is not there"):
        find_files([tmp_path / "nowhere"])
    with pytest.raises(MissingInput, match="holds no audio"):
        find_files([tmp_path])


def test_a_tampered_bundle_answers_nothing(project: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(project / "models/champion", tmp_path / "bundle")
    with (tmp_path / "bundle/one.onnx").open("ab") as handle:
        handle.write(b"x")
    with pytest.raises(TamperedBundle):
        _run(project, "--bundle", str(tmp_path / "bundle"), str(project / "audio/a.wav"))


def test_predict_imports_nothing_of_training(project: Path) -> None:
    script = (
        "import sys; from musicgenre.cli.app import app\n"
        f"try: app(['--root', {str(project)!r}, 'predict', {str(project / 'audio/a.wav')!r}])\n"
        "except SystemExit as end: assert not end.code\n"
        "print(sorted({'tensorflow', 'mlflow', 'pandas', 'librosa', 'sklearn', 'bentoml'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
