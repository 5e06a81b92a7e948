"""The addresses that `musicgenre ui` prints lead to lists a person can read."""

from __future__ import annotations

import json
from pathlib import Path

from musicgenre.layout import Layout
from musicgenre.params import TrackingParams
from musicgenre.tracking.client import Runs
from musicgenre.tracking.columns import VIEW_TAG, trials_view
from musicgenre.tracking.store import client, resolve
from musicgenre.tracking.ui import addresses


def test_each_experiment_has_an_address_that_shows_trials_with_columns(tmp_path: Path) -> None:
    layout, params = Layout(tmp_path), TrackingParams()
    found = client(params, layout)
    assert addresses(found, host="h", port=5) == ["no experiment yet  http://h:5/#/experiments?workflowType=machine_learning"]
    searched = Runs(resolve(params, layout), "musicgenre/cnn")
    searched.describe("what it is", trials_view(["rate", "kind"]))
    Runs(resolve(params, layout), "musicgenre/ensemble").describe("a mixture")
    lines = addresses(found, host="h", port=5)
    assert lines[0].startswith("musicgenre/cnn       http://h:5/#/experiments/")
    assert lines[0].endswith("/runs?workflowType=machine_learning&viewStateShareKey=trials")
    assert lines[1].endswith("/runs?workflowType=machine_learning"), "no view was chosen for it"
    view = json.loads(found.get_experiment(searched.experiment_id).tags[VIEW_TAG])
    assert view["selectedColumns"][0] == view["orderByKey"] == "metrics.`macro_f1`"
    assert view["selectedColumns"][-2:] == ["params.`rate`", "params.`kind`"]
    assert not view["orderByAsc"]
    searched.describe("what it is", trials_view(["rate"]))
    assert "params.`kind`" not in found.get_experiment(searched.experiment_id).tags[VIEW_TAG]
