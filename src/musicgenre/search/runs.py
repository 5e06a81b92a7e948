"""A study and its trials as MLflow runs, written from records: now, or again after a kill."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from musicgenre.layout import Layout
from musicgenre.lineage import Lineage
from musicgenre.search.records import Record
from musicgenre.search.store import is_locked
from musicgenre.tracking import Tracker
from musicgenre.tracking.client import Dataset, Runs, RunState
from musicgenre.tracking.tags import PUBLISHED, REASON, ROLE, STATE, WINNER, flat, lineage_tags, short, source_tags
from musicgenre.tracking.tracker import is_temporary

STUDY, PLACE, INDEX = "study", "place", "trial"
_COLUMNS = ("macro_f1", "accuracy", "roc_auc", "top_3", "log_loss", "calibration_error")
_STATUS = {"complete": "FINISHED", "pruned": "FINISHED", "failed": "FAILED"}


@dataclass(frozen=True)
class StudyRuns:
    """Names, tags and inputs shared by the runs of one study."""

    tracker: Tracker
    layout: Layout
    study: str
    family: str
    lineage: Lineage
    inputs: tuple[Dataset, ...] = ()

    @property
    def parent(self) -> str:
        return self.study

    def key(self, index: int) -> str:
        return f"{self.study}/{index:04d}"

    @property
    def _place(self) -> str:
        return f"{socket.gethostname()}:{self.layout.root.resolve()}"

    def _shared(self) -> dict[str, str]:
        command = f"musicgenre search {self.family}"
        return {
            **source_tags(command, self.lineage),
            **lineage_tags(self.lineage),
            STUDY: self.study,
            PLACE: self._place,
            "family": self.family,
        }

    # --- the study's own run ---

    def open(self, *, title: str, params: Mapping[str, Any], note: str, records: Sequence[Record], tags: Mapping[str, str]) -> None:
        """Make or reopen the parent run; bring its children into line with `records`; end what dead processes left running."""
        fixed = {**self._shared(), **tags, ROLE: "study", STATE: "running", "mlflow.note.content": short(note)}
        self.tracker.start(self.parent, title, fixed)
        self.tracker.call(_without(self.parent, REASON))  # of an interruption that this run makes up for
        self.tracker.params(self.parent, flat(params))
        self.tracker.inputs(self.parent, self.inputs)
        finished = tuple(record for record in records if record.finished)
        self.tracker.call(lambda tracker, runs: self._reconcile(tracker, runs, finished))
        self.tracker.call(lambda tracker, runs: self._sweep(runs))

    def _reconcile(self, tracker: Tracker, runs: Runs, finished: Sequence[Record]) -> None:
        wanted = {str(record.index): record for record in finished}
        for child in runs.children(tracker.run_id(self.parent)):
            index = child.tags.get(INDEX, "")
            if child.status == "RUNNING" or index not in wanted:
                runs.drop(child.run_id, "the process ended before the trial did")
            else:
                tracker.bind(self.key(int(index)), child.run_id)
                del wanted[index]
        for record in wanted.values():
            self._write(record, runs, tracker.run_id(self.parent), tracker.bind)

    def _write(self, record: Record, runs: Runs, parent: str, bind: Callable[[str, str], None]) -> None:
        """A finished trial's run, whole, in the writing thread."""
        key = self.key(record.index)
        run = runs.create(key, record.name, {**self._trial_tags(record), "mlflow.parentRunId": parent}, record.started_ms)
        bind(key, run)
        runs.params(run, flat(record.config))
        runs.inputs(run, self.inputs)
        points = []
        for row in record.history:
            moment, step = int(row["moment_ms"]), int(row["epoch"])
            points += [(name, float(value), step, moment) for name, value in _curves(row).items()]
        points += [(name, value, 0, record.ended_ms) for name, value in _figures(record).items()]
        runs.metrics(run, points)
        runs.tags(run, _outcome(record))
        runs.end(run, _STATUS[record.state], record.ended_ms)

    def _sweep(self, runs: Runs) -> None:
        """Runs of other studies of this project whose process was killed and will not come back."""

        def orphan(run: RunState) -> bool:
            other = run.tags.get(STUDY, "")
            return run.tags.get(PLACE) == self._place and other not in ("", self.study) and not is_locked(self.layout, other)

        for run in runs.running():
            if not orphan(run):
                continue
            if run.tags.get(ROLE) == "trial":
                runs.drop(run.run_id, "the process ended before the trial did")
            else:
                runs.tags(run.run_id, {STATE: "interrupted", REASON: "the process ended before the study did"})
                runs.client.set_terminated(run.run_id, status="KILLED")

    def close(self, *, status: str, state: str, figures: Mapping[str, float], tags: Mapping[str, str]) -> None:
        """The study's figures and its end."""
        self.tracker.metrics(self.parent, figures)
        self.tracker.tags(self.parent, {STATE: state, **{name: short(value) for name, value in tags.items()}})
        self.tracker.end(self.parent, status)

    # --- trials ---

    def _trial_tags(self, record: Record) -> dict[str, str]:
        tags = {**self._shared(), ROLE: "trial", STATE: "running", INDEX: str(record.index), "seed": str(record.seed)}
        if record.published:
            tags[PUBLISHED] = record.published
        if record.attempts > 1:
            tags["attempts"] = str(record.attempts)
        return tags

    def begin(self, record: Record) -> None:
        """A trial's run, with its parameters and inputs."""
        key = self.key(record.index)
        self.tracker.start(key, record.name, self._trial_tags(record), start_ms=record.started_ms, parent=self.parent)
        self.tracker.params(key, flat(record.config))
        self.tracker.inputs(key, self.inputs)

    def epoch(self, index: int, row: Mapping[str, float]) -> None:
        """One point of each curve."""
        self.tracker.metrics(self.key(index), _curves(row), step=int(row["epoch"]), moment_ms=int(row["moment_ms"]))

    def end(self, record: Record) -> None:
        """A trial's figures, state and end. A lost attempt leaves the lists."""
        key = self.key(record.index)
        if record.state == "lost":
            self.tracker.drop(key, record.reason)
            return
        self.tracker.metrics(key, _figures(record), moment_ms=record.ended_ms)
        self.tracker.tags(key, _outcome(record))
        self.tracker.end(key, _STATUS[record.state], end_ms=record.ended_ms)

    def crown(self, record: Record, folder: Path, others: Sequence[Record]) -> None:
        """Mark the winner's run (and no other) and give it the files in `folder`."""
        for other in others:
            if other.index != record.index and other.finished:
                self.tracker.call(_without(self.key(other.index), WINNER))
        self.tracker.tags(self.key(record.index), {WINNER: "true"})
        self.tracker.artifact(self.key(record.index), folder)


def _without(key: str, tag: str) -> Callable[[Tracker, Runs], None]:
    """Take a tag off a run, if it has it."""

    def do(tracker: Tracker, runs: Runs) -> None:
        from mlflow.exceptions import MlflowException

        run = tracker.run_id(key)
        try:
            if run and tag in runs.client.get_run(run).data.tags:
                runs.client.delete_tag(run, tag)
        except MlflowException as error:
            if is_temporary(error):
                raise  # the queue tries again
            return  # the run was removed by hand

    return do


def _curves(row: Mapping[str, float]) -> dict[str, float]:
    """Points of one epoch; `train_loss` becomes `train/loss`, because the UI makes a section of charts of every prefix."""
    values = {name: float(value) for name, value in row.items() if name not in ("epoch", "moment_ms")}
    for side in ("train", "validation"):
        values = {name.replace(f"{side}_", f"{side}/", 1) if name.startswith(f"{side}_") else name: value for name, value in values.items()}
    return values


def _figures(record: Record) -> dict[str, float]:
    """Final figures; `macro_f1` is the objective (validation tracks, the best epoch's model)."""
    figures = shown_figures(record.metrics)
    figures["duration_s"] = record.duration_s
    if record.state == "complete":
        figures |= {"fit_s": record.fit_s, "n_parameters": float(record.n_parameters)}
        if record.cost is not None:
            figures["cost"] = record.cost
    return figures


def shown_figures(metrics: Mapping[str, float]) -> dict[str, float]:
    """The few figures that make columns in the UI; `evaluate` reports all of them."""
    return {name: metrics[name] for name in _COLUMNS if name in metrics}


def _outcome(record: Record) -> dict[str, str]:
    tags = {STATE: record.state, "epochs": str(len(record.history))}
    return tags | ({REASON: short(record.reason)} if record.reason else {})


def datasets(layout: Layout, lineage: Lineage, counts: Mapping[str, Mapping[str, int]]) -> tuple[Dataset, ...]:
    """Training and validation rows as data-set inputs; `counts[split][genre]` is the number of tracks."""
    found = []
    for split in ("train", "validation"):
        genres = counts.get(split, {})
        profile = {"tracks": sum(genres.values()), "genres": len(genres), "per_genre": dict(genres)}
        context = "training" if split == "train" else "validation"
        name = f"{lineage.data_source or 'tracks'}-{split}"
        digest = (lineage.split_id or "unsplit")[:8] + context[0]
        found.append(Dataset(name, digest, layout.splits.as_posix(), context, json.dumps(profile, sort_keys=True)))
    return tuple(found)


__all__ = ["INDEX", "STUDY", "StudyRuns", "datasets", "shown_figures"]
