"""A project as `evaluate` leaves it: a split, mel features with a weak trace of the genre, bundles of chosen skill, metrics."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from handmade_bundle import BANDS, CLASSES, RATE, front_end, member, write_graph
from musicgenre.atomic import write_json
from musicgenre.bundle import BundleSpec, write_bundle
from musicgenre.features.frontend import FrontEnd
from musicgenre.features.store import StoreWriter
from musicgenre.layout import Layout
from musicgenre.lineage import collect
from musicgenre.params import Params, parse_params

SECONDS = 6.0
BLOCK = BANDS // len(CLASSES)


def params(**promote: Any) -> Params:
    """Parameters with a small bootstrap; `promote` overrides the gate's limits."""
    return parse_params({"evaluate": {"bootstrap": 200}, "promote": {"max_calibration_error": 1.0, **promote}})


def _mel(label: int, rng: np.random.Generator) -> np.ndarray:
    frames = round(SECONDS * RATE)
    values = rng.normal(-45.0, 6.0, size=(frames, BANDS)) + rng.normal(0, 2.0, size=BANDS)
    values[:, label * BLOCK : (label + 1) * BLOCK] += rng.normal(8.0, 3.0)
    return values.astype(np.float16)


def make(root: Path, *, artists: int = 12, tracks: int = 2, seed: int = 0) -> Layout:
    """Split and features; no model yet."""
    layout = Layout(root)
    rng = np.random.default_rng(seed)
    rows = []
    for genre in CLASSES:
        for artist in range(artists):
            split = ("train", "train", "validation", "test", "test", "test")[artist % 6]
            rows += [
                {
                    "track_id": f"{genre}/{artist}-{n}",
                    "genre": genre,
                    "group": f"{genre}-{artist}",
                    "recording": f"{genre}{artist}{n}",
                    "split": split,
                }
                for n in range(tracks)
            ]
    splits = pd.DataFrame(rows).sort_values("track_id").reset_index(drop=True)
    layout.data.mkdir(parents=True, exist_ok=True)
    splits.to_parquet(layout.splits)
    splits.assign(sha256="0", path=splits["track_id"] + ".wav").to_parquet(layout.valid)
    end = FrontEnd.from_dict(front_end())
    spec = {
        "kind": "mel",
        "feature_id": end.feature_id,
        "kind_id": end.kind_id("mel"),
        "rate": end.rate("mel"),
        "bands": BANDS,
        "dtype": "float16",
        "front_end": end.to_dict(),
    }
    with StoreWriter(layout.features("mel"), spec) as store:
        for row in splits.itertuples():
            store.add(str(row.track_id), _mel(CLASSES.index(str(row.genre)), rng), duration_s=SECONDS)
    write_json(layout.validation_report / "result.json", {"success": True})
    return layout


def train(layout: Layout, family: str, *, skill: float, seed: int = 0, classes: tuple[str, ...] = CLASSES, **lineage: Any) -> BundleSpec:
    """A bundle whose graph reads the genre's trace with `skill` (0 none, 1 as well as can be) and noise."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(0, 0.02, size=(BANDS, len(classes)))
    for label, name in enumerate(classes):
        block = CLASSES.index(name)
        weights[block * BLOCK : (block + 1) * BLOCK, label] += 0.012 * skill
    weights -= weights.mean(axis=0)  # the level of the sound says nothing
    work = layout.root / ".musicgenre" / "train" / family
    spec, folder = member(work, family)
    write_graph(folder / f"{family}.onnx", frames=spec.inputs[0].shape[0], classes=len(classes), weights=weights)
    return write_bundle(
        layout.bundle(family),
        classes=classes,
        front_end=front_end(),
        members=[(replace(spec, family=family), folder)],
        lineage={**collect(layout).to_dict(), "split_policy": "grouped", "git_dirty": False, "data_source": "demo", **lineage},
    )


def evaluated(layout: Layout, selected: str) -> None:
    """`reports/metrics.json` as far as the registry reads it."""
    families = {
        path.parent.name: {"latency_ms": 12.5, "test": {"macro_f1": {"value": 0.5, "low": 0.4, "high": 0.6}}}
        for path in layout.root.glob("models/*/bundle")
    }
    write_json(layout.metrics, {"families": families, "selected": selected, "test_uses": 1})


def read_book(layout: Layout) -> dict[str, Any]:
    """`models/registry.json`."""
    found: dict[str, Any] = json.loads(layout.registry.read_text())
    return found


def relocate(copy: Path, root: Path) -> None:
    """The database names artifacts by absolute path; let the copy of a project name its own."""
    with sqlite3.connect(copy / "mlflow.db") as database:
        for table, column in (
            ("experiments", "artifact_location"),
            ("runs", "artifact_uri"),
            ("logged_models", "artifact_location"),
            ("model_versions", "storage_location"),
        ):
            database.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (str(root), str(copy)))
    database.close()
