"""A real Ray cluster of two nodes: the same features and the same study as on local processes, also when a node is lost midway."""

from __future__ import annotations

import hashlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from search_project import TOY

from musicgenre.errors import ParamsError
from musicgenre.features.extract import extract
from musicgenre.layout import Layout
from musicgenre.lineage import file_sha256
from musicgenre.params import ComputeParams, DatasetParams, FeaturesParams, Params
from musicgenre.search.study import run_search

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
COLUMNS = ["index", "state", "macro_f1", "config", "epochs"]


@pytest.fixture
def cluster() -> Iterator[Any]:
    ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
    from ray.cluster_utils import Cluster

    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    found.add_node(num_cpus=1)
    found.wait_for_nodes()
    yield found
    ray.shutdown()
    found.shutdown()


@pytest.mark.parametrize("lose_a_node", [False, True])
def test_a_cluster_comes_to_the_same(cluster: Any, project: Layout, make_params: Callable[..., Params], lose_a_node: bool) -> None:
    slow = {"always": {"sleep_s": 0.25}}
    run_search("classical", make_params(behave=slow, trials=5), project, family=TOY, quiet=True)
    local = pd.read_parquet(project.model("classical") / "trials.parquet")[COLUMNS]
    kept = (project.model("classical") / "model.skops").read_bytes()
    shutil.rmtree(project.work)
    (project.root / "hooks" / "calls.jsonl").unlink()

    if lose_a_node:

        def lose() -> None:
            calls = project.root / "hooks" / "calls.jsonl"
            while not calls.is_file() or calls.read_text().count("\n") < 2:
                time.sleep(0.05)
            cluster.remove_node(next(node for node in cluster.worker_nodes), allow_graceful=False)

        threading.Thread(target=lose, daemon=True).start()
    engine = {"engine": "ray", "address": cluster.address, "workers": 2}
    summary = run_search("classical", make_params(behave=slow, trials=5, compute=engine), project, family=TOY, quiet=True)
    assert summary.trials["complete"] == 5
    found = pd.read_parquet(project.model("classical") / "trials.parquet")
    pd.testing.assert_frame_equal(found[COLUMNS], local)
    assert (project.model("classical") / "model.skops").read_bytes() == kept
    if lose_a_node:
        assert found["attempts"].max() == 2, "the lost node's trial was run again"


@pytest.mark.parametrize("lose_a_node", [False, True])
def test_features_from_a_cluster_are_the_same_bytes(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lose_a_node: bool
) -> None:
    rng, rows = np.random.default_rng(0), []
    (tmp_path / "set").mkdir()
    (tmp_path / "data").mkdir()
    for index in range(24):
        path = tmp_path / "set" / f"{index:02d}.wav"
        soundfile.write(path, rng.normal(0, 0.1, 22050 * 20), 22050)
        rows.append((f"a/{index:02d}", f"set/{path.name}", file_sha256(path)))
    pd.DataFrame(rows, columns=["track_id", "path", "sha256"]).to_parquet(tmp_path / "data" / "valid.parquet")
    monkeypatch.chdir(tmp_path)  # commands work with paths relative to the project; nodes started elsewhere must find them too
    layout, kinds = Layout(Path()), FeaturesParams(kinds=("mel", "scalogram", "descriptors"))

    def made(compute: ComputeParams) -> dict[str, str]:
        summary = extract(kinds, DatasetParams(source="folder", path="set"), layout, compute, quiet=True)
        assert set(summary.computed.values()) == {24}
        found = {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(layout.data.rglob("features/*/*"))}
        shutil.rmtree(layout.work)
        shutil.rmtree(layout.data / "features")
        return found

    local = made(ComputeParams(workers=1))
    lost = threading.Event()

    def lose() -> None:
        while not any((layout.work / "features").rglob("*")):
            time.sleep(0.02)
        cluster.remove_node(next(node for node in cluster.worker_nodes), allow_graceful=False)
        lost.set()

    if lose_a_node:
        threading.Thread(target=lose, daemon=True).start()
    assert made(ComputeParams(engine="ray", address=cluster.address, workers=2)) == local
    assert lost.is_set() == lose_a_node


def test_a_cluster_that_is_away_is_an_error_within_seconds(project: Layout, make_params: Callable[..., Params]) -> None:
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    began = time.monotonic()
    for address in ("127.0.0.1:9", "ray://127.0.0.1:9"):
        params = make_params(behave={}, compute={"engine": "ray", "address": address, "workers": 2})
        with pytest.raises(ParamsError, match=rf"compute.address '{address}': no Ray cluster answers \(.*refused"):
            run_search("classical", params, project, family=TOY, quiet=True)
    assert time.monotonic() - began < 60
    assert not (project.root / "hooks" / "calls.jsonl").exists()
