"""Every command of the registry as a person types it, with --json as a program reads it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from musicgenre.bundle import load_bundle
from musicgenre.cli.app import app
from musicgenre.layout import Layout
from musicgenre.registry.pages import card_page


@pytest.fixture
def root(two_reigned: Layout) -> Layout:
    (two_reigned.root / "params.yaml").write_text(
        yaml.safe_dump({"evaluate": {"bootstrap": 200}, "promote": {"max_calibration_error": 1.0}})
    )
    return two_reigned


def _said(layout: Layout, *words: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["--root", str(layout.root), *words])
    assert done.exit_code == code, (done.stdout, done.exception)
    return done.stdout


def _json(layout: Layout, *words: str, code: int = 0) -> Any:
    return json.loads(_said(layout, *words, "--json", code=code))


def test_each_command_speaks_json(root: Layout) -> None:
    assert [row["aliases"] for row in _json(root, "registry", "list")] == [["previous"], ["champion"], ["candidate"]]

    shown = _json(root, "registry", "show", "champion")
    assert shown["version"] == "2" and "## Purpose" in shown["card"] and shown["data_card"].startswith("# Data")
    verdict = next(entry for entry in shown["log"] if entry["action"] == "promoted")
    assert {"name", "value", "limit", "passed", "words"} == set(verdict["criteria"][0])

    judged = _json(root, "registry", "promote", "1")
    assert (judged["decision"], judged["champion"]) == ("refused", "2") and judged["verdict"]["criteria"]
    forced = _json(root, "registry", "promote", "1", "--force", "--reason", "a try")
    assert (forced["decision"], forced["champion"]) == ("forced", "1")

    digest = load_bundle(root.champion).digest
    traced = _json(root, "registry", "trace", digest[:12])
    assert traced["version"] == "1" and traced["checkout"] and traced["lineage"]["data_id"]
    assert traced["log"][-1]["action"] == "forced" and "a try" in traced["log"][-1]["words"] and traced["log"][-1]["who"]

    back = _json(root, "registry", "rollback", "--reason", "the try failed")
    assert (back["withdrawn"], back["champion"]) == ("1", "2")
    assert all(item["state"] == "ok" for item in _json(root, "registry", "verify"))
    next(root.bundle("transfer").parent.parent.joinpath("champion").glob("*.onnx")).write_bytes(b"x")
    assert [item["state"] for item in _json(root, "registry", "verify", code=1)].count("bad") == 1
    assert "is not a git repository" in _error(root, "registry", "tag", "--json")


def _error(layout: Layout, *words: str) -> str:
    done = CliRunner().invoke(app, ["--root", str(layout.root), *words])
    assert done.exit_code == 1
    return f"{done.output}{done.exception}"


def test_each_command_speaks_to_people(root: Layout) -> None:
    assert "transfer" in _said(root, "registry", "list")
    assert _said(root, "registry", "show", "2").startswith("# Music genre classifier")
    assert _said(root, "registry", "show", "2", "--data").startswith("# Data")
    assert "git commit" in _said(root, "trace", "champion") or "data id" in _said(root, "trace", "champion")
    assert "golden answer" in _said(root, "registry", "verify")
    refused = _said(root, "registry", "promote", "3")
    assert "NO" in refused and "refused: Refused:" in refused and "Champion: version 2" in refused
    assert "needs a reason" in _error(root, "registry", "promote", "3", "--force")
    assert "Back to version 1 from version 2: why not." in _said(root, "rollback", "--reason", "why not")


def test_the_card_as_a_page(root: Layout) -> None:
    target = root.root / "card.html"
    assert str(target) in _said(root, "registry", "show", "champion", "--page", str(target))
    page = target.read_text()
    for part in ("Purpose", "Data", "Figures", "Robustness", "Limits", "Cost", "Decision", "Lineage", "Split"):
        assert f"<h2>{part}</h2>" in page
    assert page.count("<table>") >= 5 and "http" not in page.replace("http-equiv", "")


def test_a_genre_cannot_put_markup_on_the_page() -> None:
    page = card_page("<x>", "| genre |\n| --- |\n| <script>alert(1)</script> |")
    assert "<script>" not in page and "&lt;script&gt;" in page and "<title>&lt;x&gt;</title>" in page
