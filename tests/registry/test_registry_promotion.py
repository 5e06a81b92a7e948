"""From nothing to a champion, better ones, refusals, force and repetition."""

from __future__ import annotations

import json

import pytest
import small_project

from musicgenre.bundle import load_bundle
from musicgenre.errors import MissingInput, RegistryError
from musicgenre.layout import Layout
from musicgenre.registry.promotion import promote
from musicgenre.registry.versions import Versions

PARAMS = small_project.params()


def test_first_champion_then_a_better_one_then_a_worse_one(project: Layout) -> None:
    first = promote(PARAMS, project)
    assert (first.decision, first.version, first.champion) == ("promoted", "1", "1"), first.words
    assert load_bundle(project.champion).digest == load_bundle(project.bundle("cnn")).digest

    small_project.evaluated(project, "transfer")
    second = promote(PARAMS, project)
    assert (second.decision, second.champion) == ("promoted", "2"), second.words
    versions = Versions(PARAMS, project)
    assert versions.aliases() == {"candidate": "2", "champion": "2", "previous": "1"}
    assert load_bundle(project.champion).digest == load_bundle(project.bundle("transfer")).digest

    small_project.evaluated(project, "classical")
    third = promote(PARAMS, project)
    assert (third.decision, third.version, third.champion) == ("refused", "3", "2")
    assert versions.aliases() == {"candidate": "3", "champion": "2", "previous": "1"}
    assert load_bundle(project.champion).digest == load_bundle(project.bundle("transfer")).digest
    book = small_project.read_book(project)
    assert (book["champion"], book["previous"], book["candidate"]) == ("2", "1", "3")
    assert [entry["action"] for entry in book["log"]] == ["promoted", "promoted", "refused"]
    refused = next(item for item in book["decision"]["criteria"] if item["name"] == "better")
    assert not refused["passed"] and refused["value"] < refused["limit"]
    version = versions.get("3")
    assert version is not None and version.tags["decision"] == "refused"
    evidence = json.loads(_artifact(version.run_id))
    assert evidence["comparison"]["tracks"] == 36
    assert "Weakest recall" in version.description and "## Lineage" in version.description


def _artifact(run_id: str) -> str:
    import mlflow

    return mlflow.artifacts.load_text(f"runs:/{run_id}/evidence.json")


def test_a_second_promotion_changes_nothing(project: Layout) -> None:
    promote(PARAMS, project)
    before = project.registry.read_bytes()
    again = promote(PARAMS, project)
    assert again.decision == "unchanged"
    assert project.registry.read_bytes() == before
    assert len(Versions(PARAMS, project).all()) == 1
    small_project.evaluated(project, "classical")
    promote(PARAMS, project)
    before = project.registry.read_bytes()
    promote(PARAMS, project)
    assert project.registry.read_bytes() == before, "the same refusal was recorded twice"
    assert len(Versions(PARAMS, project).all()) == 2


def test_the_same_model_trained_again_is_no_new_version(project: Layout) -> None:
    promote(PARAMS, project)
    before = load_bundle(project.bundle("cnn"))
    small_project.train(project, "cnn", skill=0.3, seed=1, git_commit="f" * 40)
    after = load_bundle(project.bundle("cnn"))
    assert after.digest != before.digest and after.answers == before.answers
    assert promote(PARAMS, project).decision == "unchanged"
    assert load_bundle(project.champion).digest == before.digest


def test_force_needs_a_reason_and_is_recorded(project: Layout) -> None:
    small_project.evaluated(project, "transfer")
    promote(PARAMS, project)
    small_project.evaluated(project, "classical")
    with pytest.raises(RegistryError, match="needs a reason"):
        promote(PARAMS, project, force=True)
    found = promote(PARAMS, project, force=True, reason="the customer wants it")
    assert (found.decision, found.champion) == ("forced", "2")
    entry = small_project.read_book(project)["log"][-1]
    assert entry["action"] == "forced" and "the customer wants it" in entry["words"] and entry["who"] and entry["time"]


def test_a_registered_version_can_be_judged_again(project: Layout) -> None:
    promote(PARAMS, project)
    small_project.evaluated(project, "transfer")
    assert promote(small_project.params(max_latency_ms=1.0), project).decision == "refused"
    assert Versions(PARAMS, project).aliases()["champion"] == "1"
    found = promote(PARAMS, project, wanted="2")
    assert (found.decision, found.champion) == ("promoted", "2"), found.words
    with pytest.raises(RegistryError, match="no version '9'"):
        promote(PARAMS, project, wanted="9")


def test_without_an_evaluation_the_next_step_is_named(project: Layout) -> None:
    project.metrics.unlink()
    with pytest.raises(MissingInput, match="musicgenre evaluate"):
        promote(PARAMS, project)
