"""`lineage.collect`: ids follow content, not row order, and are empty before a stage has run."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from musicgenre.layout import Layout
from musicgenre.lineage import collect


def _project(root: Path) -> Layout:
    layout = Layout(root)
    layout.features("mel").mkdir(parents=True)
    valid = pd.DataFrame({"track_id": ["a/1", "b/1"], "sha256": ["x", "y"], "genre": ["a", "b"], "path": ["a/1.wav", "b/1.wav"]})
    valid.to_parquet(layout.valid)
    splits = pd.DataFrame({"track_id": ["a/1", "b/1"], "genre": ["a", "b"], "group": ["g", "h"], "split": ["train", "test"]})
    splits.to_parquet(layout.splits)
    (layout.features("mel") / "spec.json").write_text(json.dumps({"feature_id": "f" * 16}))
    return layout


def test_an_empty_project_has_empty_ids(tmp_path: Path) -> None:
    found = collect(Layout(tmp_path))
    assert (found.data_id, found.split_id, found.feature_id, found.split_policy, found.git_commit) == ("", "", "", "", "")


def test_ids_ignore_row_order_and_see_content(tmp_path: Path) -> None:
    layout = _project(tmp_path)
    first = collect(layout, mlflow_run="r")
    assert first.feature_id == "f" * 16
    assert first.mlflow_run == "r"
    valid = pd.read_parquet(layout.valid)
    valid.iloc[::-1].to_parquet(layout.valid)
    assert collect(layout, mlflow_run="r") == first
    valid.assign(sha256=["x", "z"]).to_parquet(layout.valid)
    changed = collect(layout)
    assert changed.data_id != first.data_id
    assert changed.split_id == first.split_id
    splits = pd.read_parquet(layout.splits)
    splits.assign(split=["test", "train"]).to_parquet(layout.splits)
    assert collect(layout).split_id != first.split_id


def test_stores_of_two_front_ends_have_an_id_of_their_own(tmp_path: Path) -> None:
    layout = _project(tmp_path)
    layout.features("mfcc").mkdir()
    (layout.features("mfcc") / "spec.json").write_text(json.dumps({"feature_id": "e" * 16}))
    assert collect(layout).feature_id not in {"e" * 16, "f" * 16, ""}


def test_policy_and_source_come_from_the_parameters(tmp_path: Path) -> None:
    layout = _project(tmp_path)
    (tmp_path / "params.yaml").write_text("split: {policy: official}\ndataset: {source: gtzan}\n")
    found = collect(layout)
    assert (found.split_policy, found.data_source) == ("official", "gtzan")
