"""A small project on disk for the search's tests, and what MLflow holds of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from musicgenre.layout import Layout

TOY = "toy_family:Toy"


def write_project(root: Path, *, genres: int = 3, tracks: int = 8, seconds: float = 6.0, noise: float = 6.0) -> Layout:
    """MFCC stores of the real front end's shape, and a split: of each genre half train, a quarter validate, a quarter test."""
    import pandas as pd

    from musicgenre.features.frontend import FrontEnd
    from musicgenre.features.store import StoreWriter
    from musicgenre.params import FeaturesParams

    layout, rng = Layout(root), np.random.default_rng(0)
    rows = []
    for genre in [f"g{index}" for index in range(genres)]:
        for index in range(tracks):
            share = index / tracks
            track = f"{genre}/{index:03d}"
            split = "train" if share < 0.5 else "validation" if share < 0.75 else "test"
            rows.append({"track_id": track, "genre": genre, "group": track, "recording": track, "split": split})
    table = pd.DataFrame(rows).sort_values("track_id").reset_index(drop=True)
    layout.data.mkdir(parents=True, exist_ok=True)
    table.to_parquet(layout.splits)
    table.assign(sha256="0" * 64).to_parquet(layout.valid)
    front = FrontEnd.from_params(FeaturesParams())
    bands, rate = front.bands("mfcc"), front.rate("mfcc")
    profiles = {genre: rng.normal(0, 1, bands) for genre in sorted(set(table["genre"]))}
    spec = {
        "kind": "mfcc",
        "feature_id": front.feature_id,
        "kind_id": front.kind_id("mfcc"),
        "rate": rate,
        "bands": bands,
        "dtype": "float32",
        "front_end": front.to_dict(),
    }
    with StoreWriter(layout.features("mfcc"), spec) as writer:
        for row in table.itertuples():
            own = profiles[row.genre] + 1.5 * rng.normal(0, 1, bands)
            values = own + noise * rng.normal(0, 1, (int(seconds * rate), bands))
            writer.add(row.track_id, values.astype("float32"), duration_s=seconds, sha256="0" * 64)
    return layout


@dataclass(frozen=True)
class Runs:
    """What MLflow holds of one experiment."""

    experiment: Any
    parents: list[Any]
    children: list[Any]
    deleted: list[Any]
    client: Any

    def curve(self, run: Any, name: str = "validation/macro_f1") -> list[tuple[int, float]]:
        return [(point.step, point.value) for point in self.client.get_metric_history(run.info.run_id, name)]


def read_runs(root: Path, experiment: str = "musicgenre/classical", uri: str = "") -> Runs:
    from mlflow import MlflowClient
    from mlflow.entities import ViewType

    client = MlflowClient(uri or f"sqlite:///{root / 'mlflow.db'}")
    found = client.get_experiment_by_name(experiment)
    runs = list(client.search_runs([found.experiment_id], run_view_type=ViewType.ALL, order_by=["attributes.start_time ASC"]))
    alive = [run for run in runs if run.info.lifecycle_stage == "active"]
    children = [run for run in alive if "mlflow.parentRunId" in run.data.tags]
    parents = [run for run in alive if "mlflow.parentRunId" not in run.data.tags]
    return Runs(found, parents, children, [run for run in runs if run not in alive], client)
