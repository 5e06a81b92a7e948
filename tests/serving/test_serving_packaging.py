"""Requirements, staging, the built bento, the commands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from musicgenre.errors import PackagingError, TamperedBundle
from musicgenre.layout import Layout
from musicgenre.params import ServeParams
from musicgenre.serving.packaging.requirements import FORBIDDEN, locked, render
from musicgenre.serving.packaging.staging import stage
from musicgenre.serving.settings import load_settings, to_environment

BIN = Path(sys.executable).parent
LOCK = """
version = 1
requires-python = ">=3.11"

[[package]]
name = "musicgenre"
source = { editable = "." }
dependencies = [{ name = "a", extra = ["x"] }, { name = "w", marker = "sys_platform == 'win32'" }]
[package.optional-dependencies]
train = [{ name = "tensorflow" }]

[[package]]
name = "a"
version = "1.0"
wheels = [{ url = "u", hash = "sha256:aa" }, { url = "v", hash = "sha256:bb" }]
dependencies = [
    { name = "b", version = "2.0", marker = "python_full_version < '4'" },
    { name = "b", version = "3.0", marker = "python_full_version >= '4'" },
]
[package.optional-dependencies]
x = [{ name = "c" }]

[[package]]
name = "b"
version = "2.0"
sdist = { url = "u", hash = "sha256:cc" }

[[package]]
name = "b"
version = "3.0"

[[package]]
name = "c"
version = "0.1"

[[package]]
name = "w"
version = "1"

[[package]]
name = "tensorflow"
version = "2"
"""


@pytest.fixture
def project(tmp_path: Path, bundle: Path, repository: Path) -> Path:
    """A project folder with a champion."""
    for name in ("params.yaml", "uv.lock", "bentofile.yaml"):
        shutil.copy(repository / name, tmp_path / name)
    shutil.copytree(bundle, tmp_path / "models" / "champion")
    return tmp_path


def test_lock_is_walked_from_the_base_dependencies(tmp_path: Path) -> None:
    path = tmp_path / "uv.lock"
    path.write_text(LOCK)
    packages = locked(path)
    assert [(package["name"], package["version"]) for package in packages] == [("a", "1.0"), ("b", "2.0"), ("c", "0.1")]
    text = render(packages)
    assert "a==1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n" in text
    assert "b==2.0 \\\n    --hash=sha256:cc\n" in text


def test_a_training_library_in_the_base_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "uv.lock"
    path.write_text(LOCK.replace('{ name = "a", extra = ["x"] }', '{ name = "tensorflow" }'))
    with pytest.raises(PackagingError, match="tensorflow"):
        locked(path)


def test_the_projects_lock_gives_a_small_service(repository: Path) -> None:
    names = {package["name"] for package in locked(repository / "uv.lock")}
    assert {"bentoml", "numpy", "onnxruntime", "scipy", "soundfile", "soxr"} <= names
    assert not names & FORBIDDEN
    assert len(names) < 100


def test_staging_twice_gives_one_tag_and_no_secret(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = ServeParams(api_key="hidden", port=1234, top_k=5)
    staged = [stage(Layout(project), settings, tmp_path_factory.mktemp("stage")) for _ in range(2)]
    assert staged[0].tag == staged[1].tag
    folder = staged[0].directory
    assert json.loads((folder / "serve.json").read_text())["top_k"] == 5
    assert not [path for path in folder.rglob("*") if path.is_file() and b"hidden" in path.read_bytes() and path.suffix == ".json"]
    definition = yaml.safe_load((folder / "bentofile.yaml").read_text())
    assert definition["models"] == [staged[0].model_tag]
    assert definition["labels"]["data_id"] == "test"
    assert not (folder / "musicgenre" / "models").exists() and not (folder / "musicgenre" / "search").exists()
    other = stage(Layout(project), ServeParams(top_k=6), tmp_path_factory.mktemp("stage"))
    assert other.tag != staged[0].tag


def test_the_registrys_version_and_figures_travel_along(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    digest = json.loads((project / "models" / "champion" / "bundle.json").read_text())["seal"]
    entry = {"version": "12", "digest": digest, "figures": {"macro_f1": 0.5}}
    (project / "models" / "registry.json").write_text(
        json.dumps({"name": "musicgenre", "versions": [{"version": "11", "digest": "x"}, entry]})
    )
    staged = stage(Layout(project), ServeParams(), tmp_path_factory.mktemp("stage"))
    about = json.loads((staged.directory / "model.json").read_text())
    assert (about["version"], about["figures"], about["bento"]) == ("12", {"macro_f1": 0.5}, staged.tag)
    assert staged.labels["model_version"] == staged.model_version == "12"


def test_no_champion_and_a_damaged_one_are_named(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    graph = project / "models" / "champion" / "tiny.onnx"
    graph.write_bytes(graph.read_bytes() + b"\0")
    with pytest.raises(TamperedBundle, match=r"tiny\.onnx"):
        stage(Layout(project), ServeParams(), tmp_path_factory.mktemp("stage"))
    shutil.rmtree(project / "models")
    with pytest.raises(PackagingError, match="musicgenre promote"):
        stage(Layout(project), ServeParams(), tmp_path_factory.mktemp("stage"))


def _run(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "BENTOML_HOME": str(project / ".bentoml")}
    return subprocess.run([BIN / words[0], *words[1:]], cwd=project, env=environment, capture_output=True, text=True, check=False)


def test_package_builds_serves_compares_and_changes_nothing_twice(project: Path) -> None:
    first = _run(project, "musicgenre", "package", "--json")
    assert first.returncode == 0, first.stderr
    report: dict[str, Any] = json.loads(first.stdout)
    assert report == json.loads((project / "reports" / "bento.json").read_text())
    assert report["smoke"]["identical"] is True
    assert report["smoke"]["resident_mb"]["worker"] < 300
    params = yaml.safe_load((project / "params.yaml").read_text())
    params["package"]["smoke"] = False
    (project / "params.yaml").write_text(yaml.safe_dump(params))
    again = json.loads(_run(project, "musicgenre", "package", "--json").stdout)
    assert again["tag"] == report["tag"]
    assert len(list((project / ".bentoml" / "bentos" / "musicgenre").glob("*/bento.yaml"))) == 1
    bento = project / ".bentoml" / "bentos" / "musicgenre" / report["tag"].partition(":")[2]
    dockerfile = (bento / "env" / "docker" / "Dockerfile").read_text()
    assert "\nUSER bentoml\n" in dockerfile and "\nHEALTHCHECK " in dockerfile and "--require-hashes" in dockerfile
    about = yaml.safe_load((bento / "bento.yaml").read_text())
    assert about["labels"]["model_digest"] == report["model_digest"]
    assert [model["tag"] for model in about["models"]] == [report["model_tag"]]
    assert report["tag"].partition(":")[2] in _run(project, "bentoml", "list").stdout


@pytest.mark.slow
def test_a_clean_environment_is_small_and_answers(project: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from musicgenre.serving.packaging.clean import find_uv

    try:
        uv = Path(find_uv(repository))
    except PackagingError as error:
        pytest.skip(str(error))
    monkeypatch.setenv("PATH", f"{uv.parent}{os.pathsep}{os.environ['PATH']}")
    done = _run(project, "musicgenre", "package", "--clean-env", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["clean_env_mb"] <= 400
    assert report["smoke"]["environment"] == "clean" and report["smoke"]["identical"]


def test_serve_says_what_is_wrong(tmp_path: Path, repository: Path, bundle: Path) -> None:
    import socket

    shutil.copy(repository / "params.yaml", tmp_path / "params.yaml")
    nothing = _run(tmp_path, "musicgenre", "serve")
    assert nothing.returncode == 1 and "musicgenre promote" in nothing.stderr and "Traceback" not in nothing.stderr
    shutil.copytree(bundle, tmp_path / "models" / "champion")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = _run(tmp_path, "musicgenre", "serve", "--port", str(taken.getsockname()[1]))
    assert busy.returncode == 1 and "is in use" in busy.stderr and "Traceback" not in busy.stderr


def test_settings_travel_through_the_environment(tmp_path: Path) -> None:
    settings = ServeParams(cors_origins=("https://a", "https://b"), api_key="k", max_upload_mb=3.5, prediction_log=None)
    assert load_settings(to_environment(settings), directory=tmp_path) == settings
    (tmp_path / "serve.json").write_text('{"top_k": 9, "max_queue": 3}')
    mixed = load_settings({"MUSICGENRE_SERVE_MAX_QUEUE": "4", "MUSICGENRE_SERVE_API_KEY": ""}, directory=tmp_path)
    assert (mixed.top_k, mixed.max_queue, mixed.api_key) == (9, 4, None)
