"""What MLflow shows of a study: its run's parameters, note and data sets at the start, plots and the winner at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from musicgenre.search import outputs
from musicgenre.search.outputs import StudySummary
from musicgenre.search.records import Record, table
from musicgenre.search.runs import StudyRuns, datasets, shown_figures
from musicgenre.search.sampling import STARTUP, study_view
from musicgenre.search.settled import Settled
from musicgenre.search.spaces import single, words
from musicgenre.tracking.client import Dataset
from musicgenre.tracking.columns import trials_view
from musicgenre.tracking.model import save_bundle_model

ABOUT = (
    "A run is a study, the runs below it are its trials. `macro_f1` is the objective: validation tracks, the model as it was kept. "
    "`train/*` and `validation/*` are curves, a point an epoch. The study's artifacts hold `study.html`; the run tagged `winner` "
    "holds the model."
)


def log(study: Settled, place: Path, summary: StudySummary, records: list[Record], kept: Path, runs: StudyRuns) -> None:
    """Plots and tables on the study's run, the model and its figures on the winner's."""
    from musicgenre.search.plots import study_page

    whole, best = place / "study", place / "winner"
    whole.mkdir()
    study_page(whole / "study.html", study_view(records, study.space, study.common, name=study.name, epochs=study.block.epochs), study.name)
    table(records).to_csv(whole / "trials.csv", index=False)
    outputs.winner_figures(kept, best)
    save_bundle_model(study.layout.bundle(study.family.name), best / "model")
    runs.tracker.artifact(runs.parent, whole)
    winning = next(record for record in records if record.index == summary.best_trial)
    runs.crown(winning, best, records)
    figures = {**shown_figures(summary.validation), "duration_s": summary.duration_s}
    figures |= {f"trials_{name}": float(count) for name, count in summary.trials.items()}
    tags = {"best_trial": str(summary.best_trial), "best_run": summary.mlflow_winner_run, "ended": summary.ended}
    tags |= {f"skipped.{name}": reason for name, reason in study.selection.skipped.items()}
    runs.close(status="FINISHED", state="complete", figures=figures, tags=tags)


def inputs(study: Settled) -> tuple[Dataset, ...]:
    """Tracks of each genre on either side."""
    counts: dict[str, dict[str, int]] = {}
    for split, genre in zip(study.corpus.tracks["split"], study.corpus.tracks["genre"], strict=True):
        genres = counts.setdefault(str(split), {})
        genres[str(genre)] = genres.get(str(genre), 0) + 1
    return datasets(study.layout, study.lineage, counts)


def title(study: Settled) -> str:
    """The name of its run."""
    return f"study {study.name.rsplit('-', 1)[-1][:8]}"


def parameters(study: Settled) -> dict[str, Any]:
    """What the study's run shows as parameters: how it searches, and the space in words."""
    common, block = study.common, study.block
    return {
        "sampler": f"{common.sampler} (multivariate, {STARTUP} random first)" if common.sampler == "tpe" else common.sampler,
        "pruner": common.pruner if common.objective2 == "none" else "none (two objectives)",
        "seed": common.seed,
        "concurrent": common.concurrent,
        "objective": "macro_f1 on validation tracks" + ("" if common.objective2 == "none" else f", {common.objective2}"),
        "epochs": block.epochs,
        "segment_s": block.segment_s,
        "hop_s": block.hop_s,
        "fixed": dict(block.fixed) or "none",
        "space": {name: words(dimension) for name, dimension in study.space.dimensions.items() if not single(dimension)},
    }


def view(study: Settled) -> str:
    """Which columns the list of trials shows."""
    return trials_view([name for name, dimension in study.space.dimensions.items() if not single(dimension)])


def note(study: Settled) -> str:
    """Its description, in Markdown."""
    lines = [f"Search of the **{study.family.name}** family: trials are nested below; the winner's run carries the model."]
    if study.selection.systems:
        lines.append("Starts from " + ", ".join(f"{system.title} (`{system.name}`)" for system in study.selection.systems) + ".")
    lines += [f"Skipped `{name}`: {reason}." for name, reason in study.selection.skipped.items()]
    lines += [f"Not searched: {option} {reason}." for option, reason in study.left_out.items()]
    return "\n\n".join(lines)


__all__ = ["ABOUT", "inputs", "log", "note", "parameters", "title", "view"]
