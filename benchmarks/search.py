"""Search: this project's way against the plain way, with the same wall-clock budget.

Plain: a process and a load of the data for every trial, no pruning, one trial at a time.
Ours: persistent workers, median pruning. Both search the same space of small networks on
stored features (a synthetic corpus), with the same seeds; the figures are trials an hour and
the best validation macro F1 reached. On a busy machine look at CPU seconds a trial (start-up
included). `tracking` is the CPU time of the thread that writes to MLflow, as a share of the
trials' CPU time.

    python benchmarks/search.py [--quick] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

CLASSES = 6


def corpus(root: Path, tracks: int) -> Any:
    """MFCC and mel stores of random genres: profile + artist + noise."""
    import numpy as np
    import pandas as pd

    from musicgenre.features.frontend import FrontEnd
    from musicgenre.features.store import StoreWriter
    from musicgenre.layout import Layout
    from musicgenre.params import FeaturesParams

    layout, rng = Layout(root), np.random.default_rng(0)
    rows = []
    for genre in range(CLASSES):
        for index in range(tracks):
            split = ("train", "train", "validation", "test")[index % 4]
            track = f"g{genre}/{index:03d}"
            rows.append({"track_id": track, "genre": f"g{genre}", "group": track, "recording": track, "split": split})
    table = pd.DataFrame(rows).sort_values("track_id").reset_index(drop=True)
    layout.data.mkdir(parents=True)
    table.to_parquet(layout.splits)
    front = FrontEnd.from_params(FeaturesParams())
    for kind in ("mel", "mfcc"):
        bands, rate = front.bands(kind), front.rate(kind)
        profiles = {genre: rng.normal(0, 1, bands) for genre in sorted(set(table["genre"]))}
        spec = {"kind": kind, "feature_id": front.feature_id, "kind_id": front.kind_id(kind), "rate": rate, "bands": bands}
        spec |= {"dtype": str(front.dtype(kind)), "front_end": front.to_dict()}
        with StoreWriter(layout.features(kind), spec) as writer:
            for row in table.itertuples():
                values = 2 * profiles[row.genre] + 3 * rng.normal(0, 1, bands) + 4 * rng.normal(0, 1, (int(8 * rate), bands))
                values = np.clip(-40 + 4 * values, -80, 0) if kind == "mel" else values
                writer.add(row.track_id, values.astype(front.dtype(kind)), duration_s=8.0, sha256="0" * 64)
    return layout


def cpu_s(*whose: int) -> float:
    """User and system seconds of this process and its ended children (or of `whose` alone)."""
    found = [resource.getrusage(item) for item in whose or (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(item.ru_utime + item.ru_stime for item in found)


def settings(budget_s: float, epochs: int, *, pruner: str) -> Any:
    from musicgenre.params import parse_params

    block = {"trials": 10_000, "timeout_s": budget_s, "epochs": epochs, "published": [], "fixed": {"kind": "mfcc", "width": 8, "blocks": 3}}
    return parse_params({"search": {"common": {"pruner": pruner, "concurrent": 2}, "cnn": block}})


def ours(layout: Any, budget_s: float, epochs: int, *, pruner: str) -> dict[str, float]:
    """A real study through `run_search`; start-up and logging are inside the time."""
    from musicgenre.search import study
    from musicgenre.search.study import run_search
    from musicgenre.tracking import Tracker

    seen: list[Tracker] = []

    class Watched(Tracker):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            seen.append(self)

    study.Tracker = Watched  # type: ignore[misc]  # to read the writing thread's CPU time afterwards
    before, all_before = cpu_s(resource.RUSAGE_CHILDREN), cpu_s()
    started = time.monotonic()
    summary = run_search("cnn", settings(budget_s, epochs, pruner=pruner), layout, quiet=True)
    seconds = time.monotonic() - started
    worked = cpu_s(resource.RUSAGE_CHILDREN) - before
    count = summary.trials
    return {
        "trials": float(count["complete"] + count["pruned"]),
        "seconds": seconds,
        "cpu_s": cpu_s() - all_before,
        "best": summary.validation_macro_f1,
        "tracking_share": seen[-1].logging_s / worked if worked else float("nan"),
    }


def plain_trial(root: str, config: dict[str, Any], epochs: int, seed: int) -> float:
    """What a plain objective does: import, open the data, fit, score."""
    import numpy as np

    from musicgenre.evaluation.metrics import headline
    from musicgenre.layout import Layout
    from musicgenre.models import families
    from musicgenre.models.corpus import Corpus
    from musicgenre.params import FamilySearch

    found = Corpus.open(Layout(Path(root)), splits=("train", "validation"))
    block = FamilySearch(epochs=epochs, fixed={"kind": "mfcc", "width": 8, "blocks": 3})
    fitted = families.get("cnn").fit(config, found, block=block, seed=seed, report=lambda epoch, metrics: None)
    rows = found.rows("validation")
    return headline(rows["label"].to_numpy(), np.asarray(fitted.predict(found, "validation"), dtype=np.float64))["macro_f1"]


def _hush() -> None:
    """TensorFlow's greetings, once a trial, would bury the figures."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def naive(layout: Any, budget_s: float, epochs: int) -> dict[str, float]:
    """One fresh process a trial, no pruning, random-start TPE of the same seed."""
    import multiprocessing as mp

    from musicgenre.models import families
    from musicgenre.search.records import Record
    from musicgenre.search.sampling import derived_seed, propose

    params = settings(budget_s, epochs, pruner="none")
    block, common = params.search.cnn, params.search.common.model_copy(update={"concurrent": 1})
    space, records, best = families.get("cnn").space(block), [], 0.0
    started, before = time.monotonic(), cpu_s()
    context = mp.get_context("spawn")
    while time.monotonic() - started < budget_s or not records:
        index = len(records)
        config = propose(index, records, space, block, common, name="plain").config
        with context.Pool(1, initializer=_hush) as pool:
            value = pool.apply(plain_trial, (str(layout.root), config, epochs, derived_seed("trial", common.seed, index)))
        records.append(Record(index, config, state="complete", value=value))
        best = max(best, value)
    return {"trials": float(len(records)), "seconds": time.monotonic() - started, "cpu_s": cpu_s() - before, "best": best}


def measure(quick: bool) -> dict[str, dict[str, Any]]:
    budget_s, epochs, tracks = (40.0, 10, 24) if quick else (240.0, 20, 80)
    with tempfile.TemporaryDirectory(prefix="musicgenre-bench-") as place:
        layout = corpus(Path(place), tracks)
        unpruned = ours(layout, budget_s, epochs, pruner="none")
        pruned = ours(layout, budget_s, epochs, pruner="median")
        plain = naive(layout, budget_s, epochs)

    def hourly(found: dict[str, float]) -> float:
        return 3600 * found["trials"] / found["seconds"]

    def per_trial(found: dict[str, float]) -> float:
        return found["cpu_s"] / found["trials"]

    def figure(mine: float, theirs: float, unit: str) -> dict[str, Any]:
        return {"ours": mine, "naive": theirs, "ratio": mine / theirs if theirs else None, "unit": unit, "error": None}

    return {
        "trials an hour, pruning": figure(hourly(pruned), hourly(plain), "trials/h"),
        "trials an hour, no pruning": figure(hourly(unpruned), hourly(plain), "trials/h"),
        "CPU seconds a trial, pruning": {**figure(per_trial(pruned), per_trial(plain), "s"), "ratio": per_trial(plain) / per_trial(pruned)},
        "best macro F1 in the budget": figure(pruned["best"], plain["best"], "macro F1"),
        "tracking, share of the trials' CPU": {**figure(100 * pruned["tracking_share"], 3.0, "% (limit 3)"), "ratio": None},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="about three minutes")
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    arguments = parser.parse_args()
    figures = measure(arguments.quick)
    if arguments.json:
        print(json.dumps(figures, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Search, same wall-clock budget")
    for name in ("figure", "ours", "naive", "ratio", "unit"):
        table.add_column(name)
    for name, row in figures.items():
        ratio = f"{row['ratio']:.1f}×" if row["ratio"] else "–"
        table.add_row(name, f"{row['ours']:.3g}", f"{row['naive']:.3g}", ratio, row["unit"])
    Console(width=None if sys.stdout.isatty() else 110).print(table)


if __name__ == "__main__":
    main()
