"""Undoing, tracing, re-checking, and filling an empty store again."""

from __future__ import annotations

import hashlib
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


def _bad(layout: Layout) -> list[tuple[str, str]]:
    return [(item.version, item.words) for item in verify(PARAMS, layout) if item.state == "bad"]


# --- rollback ------------------------------------------------------------------


def test_one_step_back_stays_back(two_reigned: Layout) -> None:
    found = rollback(PARAMS, two_reigned, reason="complaints")
    assert (found.withdrawn, found.champion, found.previous) == ("2", "1", "")
    versions = Versions(PARAMS, two_reigned)
    assert versions.aliases() == {"candidate": "3", "champion": "1"}
    assert load_bundle(two_reigned.champion).digest == load_bundle(two_reigned.bundle("cnn")).digest
    entry = small_project.read_book(two_reigned)["log"][-1]
    assert entry["action"] == "rolled back" and "complaints" in entry["words"] and entry["withdrawn"] == "2"
    assert "complaints" in versions.get("2").tags["withdrawn"]  # type: ignore[union-attr]  # it is there
    assert not _bad(two_reigned)
    with pytest.raises(RegistryError, match="No champion came before"):
        rollback(PARAMS, two_reigned)

    small_project.evaluated(two_reigned, "transfer")
    again = promote(PARAMS, two_reigned)
    assert again.decision == "refused" and "Rolled back before" in again.words
    forced = promote(PARAMS, two_reigned, force=True, reason="fixed the complaint")
    assert (forced.decision, forced.champion) == ("forced", "2")
    assert Versions(PARAMS, two_reigned).aliases()["previous"] == "1"
    small_project.evaluated(two_reigned, "cnn")
    assert promote(PARAMS, two_reigned).decision == "refused"
    small_project.evaluated(two_reigned, "transfer")
    assert promote(PARAMS, two_reigned).decision == "unchanged", "the withdrawal outlived the force"


def test_a_rollback_onto_a_broken_bundle_moves_nothing(two_reigned: Layout) -> None:
    _file(two_reigned, "1").write_bytes(b"broken")
    with pytest.raises(Exception, match="SHA-256"):
        rollback(PARAMS, two_reigned)
    assert Versions(PARAMS, two_reigned).aliases()["champion"] == "2"


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


def test_everything_is_well(two_reigned: Layout) -> None:
    found = verify(PARAMS, two_reigned)
    assert {item.state for item in found} == {"ok"}
    assert [item.version for item in found if item.what == "bundle"] == ["1", "2", "3"]


def test_each_fault_is_found_and_named(two_reigned: Layout) -> None:
    path = _file(two_reigned, "2")
    good = path.read_bytes()
    path.write_bytes(bytes([good[0] ^ 1]) + good[1:])
    assert len(_bad(two_reigned)) == 1 and _bad(two_reigned)[0][0] == "2" and path.name in _bad(two_reigned)[0][1]
    path.unlink()
    assert "is missing" in _bad(two_reigned)[0][1]
    path.write_bytes(good)

    # A whole other bundle, sealed as it should be, under version 1's name.
    folder = _file(two_reigned, "1").parent
    shutil.rmtree(folder)
    shutil.copytree(two_reigned.bundle("classical"), folder)
    assert _bad(two_reigned)[0][0] == "1" and "replaced by another" in _bad(two_reigned)[0][1]
    shutil.rmtree(folder)
    assert "has lost its bundle" in _bad(two_reigned)[0][1] or "is not a bundle" in _bad(two_reigned)[0][1]
    shutil.copytree(two_reigned.bundle("cnn"), folder)
    assert not _bad(two_reigned)

    shutil.rmtree(two_reigned.champion)
    assert _bad(two_reigned)[0][1].startswith(str(two_reigned.champion))
    shutil.copytree(two_reigned.bundle("cnn"), two_reigned.champion)
    assert "not the champion" in _bad(two_reigned)[0][1]


def test_a_changed_log_shows(two_reigned: Layout) -> None:
    book = small_project.read_book(two_reigned)
    book["log"][0]["words"] = "It was always the best."
    two_reigned.registry.write_text(json.dumps(book))
    assert "Log entry 1 does not follow" in _bad(two_reigned)[0][1]
    del book["log"][0]
    two_reigned.registry.write_text(json.dumps(book))
    assert "Log entry 0 does not follow" in _bad(two_reigned)[0][1]


def test_an_alias_moved_by_hand_shows(two_reigned: Layout) -> None:
    Versions(PARAMS, two_reigned).point("champion", "3")
    assert any("registry.json says 2" in words for _, words in _bad(two_reigned))


# --- the round trip ---------------------------------------------------------------


def test_an_empty_store_is_filled_from_the_clone(two_reigned: Layout, empty_database: Path) -> None:
    """What a clone with the DVC cache has: models/, reports/, data/, and a store that knows nothing."""
    before = {item.number: item.digest for item in Versions(PARAMS, two_reigned).all()}
    shutil.copy(empty_database, two_reigned.root / "mlflow.db")
    shutil.rmtree(two_reigned.root / "mlartifacts")
    shutil.rmtree(two_reigned.bundle("cnn"))  # version 1's bundle is nowhere any more
    assert listing(PARAMS, two_reigned) == []
    found = promote(PARAMS, two_reigned)
    assert found.restored == ("1", "2", "3") and found.champion == "2" and found.decision == "refused"
    versions = Versions(PARAMS, two_reigned)
    assert {item.number: item.digest for item in versions.all()} == before
    assert versions.aliases() == {"candidate": "3", "champion": "2", "previous": "1"}
    states = {item.version: item.state for item in verify(PARAMS, two_reigned) if item.what == "bundle"}
    assert states == {"1": "absent", "2": "ok", "3": "ok"}
    assert not _bad(two_reigned)
    with pytest.raises(RegistryError, match="not in this store"):
        rollback(PARAMS, two_reigned)
    assert versions.aliases()["champion"] == "2"
    small_project.evaluated(two_reigned, "transfer")
    assert promote(PARAMS, two_reigned).decision == "unchanged"


def test_a_store_with_another_history_gets_the_champion_under_a_new_number(
    two_reigned: Layout, empty_database: Path, project: Layout
) -> None:
    small_project.evaluated(project, "classical")
    promote(small_project.params(min_above_chance=0.0), project, force=True, reason="only to have another history")
    Versions(PARAMS, project).unpoint("champion")
    for name in ("mlflow.db", "mlartifacts"):
        target = two_reigned.root / name
        shutil.rmtree(target) if target.is_dir() else target.unlink()
        (shutil.copytree if (project.root / name).is_dir() else shutil.copy)(project.root / name, target)
    small_project.evaluated(two_reigned, "transfer")
    found = promote(PARAMS, two_reigned)
    assert found.decision == "unchanged" and found.champion == "2" and len(found.restored) == 1
    assert Versions(PARAMS, two_reigned).at("champion").digest == load_bundle(two_reigned.champion).digest  # type: ignore[union-attr]  # it is there


# --- trace, list, show -----------------------------------------------------------------


def test_a_served_digest_leads_to_code_and_data(two_reigned: Layout) -> None:
    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(two_reigned.root), "-c", "user.name=t", "-c", "user.email=t@example.org", *words],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    git("init", "-q")
    lock = "stages:\n  split:\n    cmd: x\n    outs:\n    - path: data/splits.parquet\n      md5: abc\n"
    (two_reigned.root / "dvc.lock").write_text(lock)
    git("add", "models/registry.json", "dvc.lock")
    git("commit", "-qm", "results")
    commit = git("rev-parse", "HEAD")
    digest = load_bundle(two_reigned.champion).digest
    found = trace(PARAMS, two_reigned, digest[:12])
    assert (found.version, found.digest, found.family) == ("2", digest, "transfer")
    assert found.committed == commit
    assert found.lock == {"dvc.lock": hashlib.sha256(lock.encode()).hexdigest(), "data/splits.parquet": "abc"}
    assert found.lineage["split_policy"] == "grouped" and found.lineage["data_id"]
    assert found.registration is not None and found.registration.metrics["test_macro_f1"] > 0.5
    assert any(commit in line for line in found.checkout()) and found.checkout()[-1] == "dvc repro"
    assert [entry["action"] for entry in found.log][:1] == ["promoted"]
    assert trace(PARAMS, two_reigned, "champion") == found
    assert trace(PARAMS, two_reigned, "previous").version == "1"
    with pytest.raises(RegistryError, match="Versions: 1, 2, 3"):
        trace(PARAMS, two_reigned, "deadbeef")


def test_bentos_that_carry_the_model_are_found(two_reigned: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BENTOML_HOME", raising=False)
    folder = two_reigned.root / ".bentoml/bentos/musicgenre/abc"
    folder.mkdir(parents=True)
    digest = load_bundle(two_reigned.champion).digest
    (folder / "bento.yaml").write_text(f"labels:\n  model_digest: {digest}\n")
    (folder.parent / "other").mkdir()
    (folder.parent / "other/bento.yaml").write_text("labels: {model_digest: x}\n")
    assert trace(PARAMS, two_reigned, "2").bentos == ("musicgenre:abc",)
    assert trace(PARAMS, two_reigned, "1").bentos == ()


def test_listing_and_cards(two_reigned: Layout) -> None:
    rows = listing(PARAMS, two_reigned)
    assert [(row.version, row.family, row.decision) for row in rows] == [
        ("1", "cnn", "promoted"),
        ("2", "transfer", "promoted"),
        ("3", "classical", "refused"),
    ]
    assert rows[1].aliases == ("champion",)
    found = show(PARAMS, two_reigned, "3")
    for part in ("## Purpose", "## Data", "## Figures", "## Robustness", "## Limits", "## Cost", "## Decision", "## Lineage"):
        assert part in found["card"]
    assert "**refused**" in found["card"] and "| **no** | better |" in found["card"]
    assert "| blues |" in found["data_card"] and "Synthetic" in found["data_card"]


def test_mlflow_loads_a_version_and_it_answers(two_reigned: Layout, tmp_path: Path) -> None:
    import mlflow
    import soundfile

    from musicgenre.bundle.golden import clip

    Versions(PARAMS, two_reigned)
    soundfile.write(tmp_path / "clip.wav", clip(22050), 22050)
    model = mlflow.pyfunc.load_model("models:/musicgenre@champion")
    answer = model.predict([str(tmp_path / "clip.wav")])[0]
    assert sum(answer.values()) == pytest.approx(1.0, abs=1e-5)
    files = [path.name for path in (two_reigned.root / "mlartifacts").rglob("*") if path.is_file()]
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
