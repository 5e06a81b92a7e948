"""Undoing, tracing, re-checking, and filling an empty store again."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import small_project

from musicgenre.bundle import load_bundle
from musicgenre.errors import RegistryError
from musicgenre.layout import Layout
from musicgenre.registry.book import Book
from musicgenre.registry.listing import listing, show
from musicgenre.registry.promotion import promote
from musicgenre.registry.rollback import rollback
from musicgenre.registry.trace import trace
from musicgenre.registry.verify import verify
from musicgenre.registry.versions import Versions

PARAMS = small_project.params()


@pytest.fixture(scope="module")
def two_promoted(prepared: Path, empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Versions 1 (weak) and 2 (good, champion), and a refused third; a git repository with the book committed."""
    root = tmp_path_factory.mktemp("promoted") / "project"
    shutil.copytree(prepared, root)
    shutil.copy(empty_database, root / "mlflow.db")
    layout = Layout(root)
    for family in ("cnn", "transfer", "classical"):
        small_project.evaluated(layout, family)
        promote(PARAMS, layout)
    return root


@pytest.fixture
def reigning(two_promoted: Path, tmp_path: Path) -> Layout:
    """A copy whose store names its own artifacts."""
    import sqlite3

    root = tmp_path / "copy"
    shutil.copytree(two_promoted, root)
    with sqlite3.connect(root / "mlflow.db") as database:
        for table, column in (
            ("experiments", "artifact_location"),
            ("runs", "artifact_uri"),
            ("logged_models", "artifact_location"),
            ("model_versions", "storage_location"),
        ):
            database.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (str(two_promoted), str(root)))
    database.close()
    return Layout(root)


def _bad(layout: Layout) -> list[tuple[str, str]]:
    return [(item.version, item.words) for item in verify(PARAMS, layout) if item.state == "bad"]


# --- rollback ------------------------------------------------------------------


def test_one_step_back_stays_back(reigning: Layout) -> None:
    found = rollback(PARAMS, reigning, reason="complaints")
    assert (found.withdrawn, found.champion, found.previous) == ("2", "1", "")
    versions = Versions(PARAMS, reigning)
    assert versions.aliases() == {"candidate": "3", "champion": "1"}
    assert load_bundle(reigning.champion).digest == load_bundle(reigning.bundle("cnn")).digest
    entry = small_project.read_book(reigning)["log"][-1]
    assert entry["action"] == "rolled back" and "complaints" in entry["words"] and entry["withdrawn"] == "2"
    assert "complaints" in versions.get("2").tags["withdrawn"]  # type: ignore[union-attr]  # it is there
    assert not _bad(reigning)
    with pytest.raises(RegistryError, match="No champion came before"):
        rollback(PARAMS, reigning)

    small_project.evaluated(reigning, "transfer")
    again = promote(PARAMS, reigning)
    assert again.decision == "refused" and "Rolled back before" in again.words
    forced = promote(PARAMS, reigning, force=True, reason="fixed the complaint")
    assert (forced.decision, forced.champion) == ("forced", "2")
    assert Versions(PARAMS, reigning).aliases()["previous"] == "1"
    small_project.evaluated(reigning, "cnn")
    assert promote(PARAMS, reigning).decision == "refused"
    small_project.evaluated(reigning, "transfer")
    assert promote(PARAMS, reigning).decision == "unchanged", "the withdrawal outlived the force"


def test_a_rollback_onto_a_broken_bundle_moves_nothing(reigning: Layout) -> None:
    _file(reigning, "1").write_bytes(b"broken")
    with pytest.raises(Exception, match="SHA-256"):
        rollback(PARAMS, reigning)
    assert Versions(PARAMS, reigning).aliases()["champion"] == "2"


def test_nothing_to_roll_back_is_said(project: Layout) -> None:
    with pytest.raises(RegistryError, match="no champion to roll back"):
        rollback(PARAMS, project)


# --- verify ----------------------------------------------------------------------


def _file(layout: Layout, number: str, name: str | None = None) -> Path:
    versions = Versions(PARAMS, layout)
    version = versions.get(number)
    assert version is not None
    with versions.bundle(version) as folder:
        return folder / name if name else next(folder.glob("*.onnx"))


def test_everything_is_well(reigning: Layout) -> None:
    found = verify(PARAMS, reigning)
    assert {item.state for item in found} == {"ok"}
    assert [item.version for item in found if item.what == "bundle"] == ["1", "2", "3"]


def test_each_fault_is_found_and_named(reigning: Layout) -> None:
    path = _file(reigning, "2")
    good = path.read_bytes()
    path.write_bytes(bytes([good[0] ^ 1]) + good[1:])
    assert len(_bad(reigning)) == 1 and _bad(reigning)[0][0] == "2" and path.name in _bad(reigning)[0][1]
    path.unlink()
    assert "is missing" in _bad(reigning)[0][1]
    path.write_bytes(good)

    # A whole other bundle, sealed as it should be, under version 1's name.
    folder = _file(reigning, "1").parent
    shutil.rmtree(folder)
    shutil.copytree(reigning.bundle("classical"), folder)
    assert _bad(reigning)[0][0] == "1" and "replaced by another" in _bad(reigning)[0][1]
    shutil.rmtree(folder)
    assert "has lost its bundle" in _bad(reigning)[0][1] or "is not a bundle" in _bad(reigning)[0][1]
    shutil.copytree(reigning.bundle("cnn"), folder)
    assert not _bad(reigning)

    shutil.rmtree(reigning.champion)
    assert _bad(reigning)[0][1].startswith(str(reigning.champion))
    shutil.copytree(reigning.bundle("cnn"), reigning.champion)
    assert "not the champion" in _bad(reigning)[0][1]


def test_a_changed_log_shows(reigning: Layout) -> None:
    book = small_project.read_book(reigning)
    book["log"][0]["words"] = "It was always the best."
    reigning.registry.write_text(json.dumps(book))
    assert "Log entry 1 does not follow" in _bad(reigning)[0][1]
    del book["log"][0]
    reigning.registry.write_text(json.dumps(book))
    assert "Log entry 0 does not follow" in _bad(reigning)[0][1]


def test_an_alias_moved_by_hand_shows(reigning: Layout) -> None:
    Versions(PARAMS, reigning).point("champion", "3")
    assert any("registry.json says 2" in words for _, words in _bad(reigning))


# --- the round trip ---------------------------------------------------------------


def test_an_empty_store_is_filled_from_the_clone(reigning: Layout, empty_database: Path) -> None:
    """What a clone with the DVC cache has: models/, reports/, data/, and a store that knows nothing."""
    before = {item.number: item.digest for item in Versions(PARAMS, reigning).all()}
    shutil.copy(empty_database, reigning.root / "mlflow.db")
    shutil.rmtree(reigning.root / "mlartifacts")
    shutil.rmtree(reigning.bundle("cnn"))  # version 1's bundle is nowhere any more
    assert listing(PARAMS, reigning) == []
    found = promote(PARAMS, reigning)
    assert found.restored == ("1", "2", "3") and found.champion == "2" and found.decision == "refused"
    versions = Versions(PARAMS, reigning)
    assert {item.number: item.digest for item in versions.all()} == before
    assert versions.aliases() == {"candidate": "3", "champion": "2", "previous": "1"}
    states = {item.version: item.state for item in verify(PARAMS, reigning) if item.what == "bundle"}
    assert states == {"1": "absent", "2": "ok", "3": "ok"}
    assert not _bad(reigning)
    with pytest.raises(RegistryError, match="not in this store"):
        rollback(PARAMS, reigning)
    assert versions.aliases()["champion"] == "2"
    small_project.evaluated(reigning, "transfer")
    assert promote(PARAMS, reigning).decision == "unchanged"


def test_a_store_with_another_history_gets_the_champion_under_a_new_number(reigning: Layout, empty_database: Path, project: Layout) -> None:
    small_project.evaluated(project, "classical")
    promote(small_project.params(min_above_chance=0.0), project, force=True, reason="only to have another history")
    Versions(PARAMS, project).unpoint("champion")
    for name in ("mlflow.db", "mlartifacts"):
        target = reigning.root / name
        shutil.rmtree(target) if target.is_dir() else target.unlink()
        (shutil.copytree if (project.root / name).is_dir() else shutil.copy)(project.root / name, target)
    small_project.evaluated(reigning, "transfer")
    found = promote(PARAMS, reigning)
    assert found.decision == "unchanged" and found.champion == "2" and len(found.restored) == 1
    assert Versions(PARAMS, reigning).at("champion").digest == load_bundle(reigning.champion).digest  # type: ignore[union-attr]  # it is there


# --- trace, list, show -----------------------------------------------------------------


def test_a_served_digest_leads_to_code_and_data(reigning: Layout) -> None:
    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(reigning.root), "-c", "user.name=t", "-c", "user.email=t@example.org", *words],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    git("init", "-q")
    git("add", "models/registry.json")
    git("commit", "-qm", "results")
    commit = git("rev-parse", "HEAD")
    digest = load_bundle(reigning.champion).digest
    found = trace(PARAMS, reigning, digest[:12])
    assert (found.version, found.digest, found.family) == ("2", digest, "transfer")
    assert found.committed == commit
    assert found.lineage["split_policy"] == "grouped" and found.lineage["data_id"]
    assert found.registration is not None and found.registration.metrics["test_macro_f1"] > 0.5
    assert any(commit in line for line in found.checkout()) and found.checkout()[-1] == "dvc repro"
    assert [entry["action"] for entry in found.log][:1] == ["promoted"]
    assert trace(PARAMS, reigning, "champion") == found
    assert trace(PARAMS, reigning, "previous").version == "1"
    with pytest.raises(RegistryError, match="Versions: 1, 2, 3"):
        trace(PARAMS, reigning, "deadbeef")


def test_bentos_that_carry_the_model_are_found(reigning: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BENTOML_HOME", raising=False)
    folder = reigning.root / ".bentoml/bentos/musicgenre/abc"
    folder.mkdir(parents=True)
    digest = load_bundle(reigning.champion).digest
    (folder / "bento.yaml").write_text(f"labels:\n  model_digest: {digest}\n")
    (folder.parent / "other").mkdir()
    (folder.parent / "other/bento.yaml").write_text("labels: {model_digest: x}\n")
    assert trace(PARAMS, reigning, "2").bentos == ("musicgenre:abc",)
    assert trace(PARAMS, reigning, "1").bentos == ()


def test_listing_and_cards(reigning: Layout) -> None:
    rows = listing(PARAMS, reigning)
    assert [(row.version, row.family, row.decision) for row in rows] == [
        ("1", "cnn", "promoted"),
        ("2", "transfer", "promoted"),
        ("3", "classical", "refused"),
    ]
    assert rows[1].aliases == ("champion",)
    found = show(PARAMS, reigning, "3")
    for part in ("## Purpose", "## Data", "## Figures", "## Robustness", "## Limits", "## Cost", "## Decision", "## Lineage"):
        assert part in found["card"]
    assert "**refused**" in found["card"] and "| **no** | better |" in found["card"]
    assert "| blues |" in found["data_card"] and "Synthetic" in found["data_card"]


def test_mlflow_loads_a_version_and_it_answers(reigning: Layout, tmp_path: Path) -> None:
    import mlflow
    import soundfile

    from musicgenre.bundle.golden import clip

    Versions(PARAMS, reigning)
    soundfile.write(tmp_path / "clip.wav", clip(22050), 22050)
    model = mlflow.pyfunc.load_model("models:/musicgenre@champion")
    answer = model.predict([str(tmp_path / "clip.wav")])[0]
    assert sum(answer.values()) == pytest.approx(1.0, abs=1e-5)
    files = [path.name for path in (reigning.root / "mlartifacts").rglob("*") if path.is_file()]
    assert "served_model.py" in files
    assert not [name for name in files if name.endswith((".pkl", ".pickle", ".joblib"))]


def test_the_book_is_written_only_when_it_changed(tmp_path: Path) -> None:
    book = Book("musicgenre")
    book.note("promoted", "1", words="a")
    book.note("promoted", "1", words="a")
    assert len(book.log) == 1
    book.write(tmp_path / "registry.json")
    stamp = (tmp_path / "registry.json").stat().st_mtime_ns
    Book.read(tmp_path / "registry.json", "musicgenre").write(tmp_path / "registry.json")
    assert (tmp_path / "registry.json").stat().st_mtime_ns == stamp
    (tmp_path / "registry.json").write_text("{}")
    with pytest.raises(RegistryError, match="git checkout"):
        Book.read(tmp_path / "registry.json", "musicgenre")
