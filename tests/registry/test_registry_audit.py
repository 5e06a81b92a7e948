"""The log in the registry itself: tags and artifacts that are only ever added, and what verify makes of a log that was cut."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import small_project

from musicgenre.layout import Layout
from musicgenre.registry import audit
from musicgenre.registry.book import Book
from musicgenre.registry.listing import show
from musicgenre.registry.promotion import promote
from musicgenre.registry.rollback import rollback
from musicgenre.registry.verify import verify
from musicgenre.registry.versions import Versions

PARAMS = small_project.params()


def _tags(layout: Layout, number: str) -> dict[str, str]:
    version = Versions(PARAMS, layout).get(number)
    assert version is not None
    return {key: value for key, value in version.tags.items() if key.startswith(audit.PREFIX)}


def _artifact(layout: Layout, number: str, name: str) -> str:
    """From the version's own store; `runs:/` would ask whichever store this process used last."""
    import mlflow

    versions = Versions(PARAMS, layout)
    version = versions.get(number)
    assert version is not None
    return mlflow.artifacts.load_text(f"{versions.client.get_run(version.run_id).info.artifact_uri}/{name}")


def test_every_move_is_a_tag_and_an_artifact_with_who_when_and_why(two_reigned: Layout) -> None:
    rollback(PARAMS, two_reigned, reason="complaints about jazz")
    small_project.evaluated(two_reigned, "transfer")
    promote(PARAMS, two_reigned, force=True, reason="the complaint was wrong")
    log = small_project.read_book(two_reigned)["log"]
    assert [entry["action"] for entry in log] == ["promoted", "promoted", "refused", "rolled back", "forced"]
    for entry in log:
        for number in audit.about(entry):
            tag = audit.tag_of(entry)
            assert _tags(two_reigned, number)[tag].startswith(f"{entry['action']} by {entry['who']}: ")
            assert json.loads(_artifact(two_reigned, number, f"audit/{tag.removeprefix(audit.PREFIX)}.json")) == entry
    said = list(_tags(two_reigned, "2").values())
    assert any("complaints about jazz" in text for text in said) and any("the complaint was wrong" in text for text in said)


def test_later_moves_leave_earlier_entries_as_they_were(two_reigned: Layout) -> None:
    before = _tags(two_reigned, "2")
    log = small_project.read_book(two_reigned)["log"]
    rollback(PARAMS, two_reigned, reason="x")
    after = _tags(two_reigned, "2")
    assert before.items() < after.items()
    assert small_project.read_book(two_reigned)["log"][: len(log)] == log


def test_a_log_cut_at_its_end_is_found(two_reigned: Layout) -> None:
    """The chain of hashes alone cannot see that."""
    book = Book.read(two_reigned.registry, "musicgenre")
    del book.log[-1]
    book.write(two_reigned.registry)
    assert book.broken_at() is None
    found = [item for item in verify(PARAMS, two_reigned) if item.state == "bad"]
    assert [(item.version, item.what) for item in found] == [("3", "log")]
    assert "refused by" in found[0].words and "was cut" in found[0].words


def test_a_store_filled_again_has_the_log_and_the_cards(two_reigned: Layout, empty_database: Path) -> None:
    before = {number: (_tags(two_reigned, number), show(PARAMS, two_reigned, number)["card"]) for number in "123"}
    shutil.copy(empty_database, two_reigned.root / "mlflow.db")
    shutil.rmtree(two_reigned.root / "mlartifacts")
    shutil.rmtree(two_reigned.bundle("cnn"))  # version 1 comes back as absent
    small_project.evaluated(two_reigned, "transfer")
    promote(PARAMS, two_reigned)
    assert {number: (_tags(two_reigned, number), show(PARAMS, two_reigned, number)["card"]) for number in "123"} == before
    assert "## Robustness" in before["1"][1]
    assert not [item for item in verify(PARAMS, two_reigned) if item.state == "bad"]


def test_the_cards_are_artifacts_of_their_version(two_reigned: Layout) -> None:
    assert _artifact(two_reigned, "2", "card.md") == show(PARAMS, two_reigned, "2")["card"]
    data = _artifact(two_reigned, "2", "data_card.md")
    assert data.startswith("# Data: demo") and "| blues |" in data
    page = _artifact(two_reigned, "2", "card.html")
    assert "<table>" in page and "<h2>Lineage</h2>" in page and "<h2>Split</h2>" in page
