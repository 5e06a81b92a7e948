"""One family's study, from `params.yaml` to `models/<family>/`."""

from __future__ import annotations

import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from musicgenre.compute import cores
from musicgenre.errors import SearchError
from musicgenre.layout import Layout
from musicgenre.lineage import Lineage, collect
from musicgenre.models.base import Family, Space
from musicgenre.params import FamilySearch, Params, SearchCommon
from musicgenre.search import outputs
from musicgenre.search.choice import winner
from musicgenre.search.driver import Driver
from musicgenre.search.identity import study_id
from musicgenre.search.live import view
from musicgenre.search.outputs import StudySummary
from musicgenre.search.pool import LocalPool, Pool
from musicgenre.search.published import Selection, select
from musicgenre.search.records import Record, table
from musicgenre.search.runs import StudyRuns, datasets, shown_figures
from musicgenre.search.sampling import STARTUP, directions, study_view
from musicgenre.search.session import MEMBER, load_family
from musicgenre.search.spaces import check, single, words
from musicgenre.search.store import StudyStore, folder, locked
from musicgenre.tracking import Tracker, ensure_available, resolve
from musicgenre.tracking.model import save_bundle_model

if TYPE_CHECKING:
    from musicgenre.models.corpus import Corpus

_ABOUT = (
    "A run is a study, the runs below it are its trials. `macro_f1` is the objective: validation tracks, the model as it was kept. "
    "`train/*` and `validation/*` are curves, a point an epoch. The study's artifacts hold `study.html`; the run tagged `winner` "
    "holds the model."
)


@dataclass(frozen=True)
class _Study:
    """Everything about a study that is settled before it starts."""

    name: str
    family: Family
    reference: str
    space: Space
    block: FamilySearch
    common: SearchCommon
    selection: Selection
    corpus: Corpus
    lineage: Lineage
    params: Params
    layout: Layout


def run_search(family_name: str, params: Params, layout: Layout, *, family: str | None = None, quiet: bool = False) -> StudySummary:
    """Search one family and write `models/<family>/`.

    Goes on where an earlier run of the same study (space, data, split, features, code) ended.

    Parameters
    ----------
    family
        `module:attribute` of a family to use instead of the built-in one of that name.
    quiet
        Show nothing while it runs.

    Raises
    ------
    SearchError
        If the space is empty, the storage unusable, or no trial succeeded (with the commonest reason).
    TrackingUnavailable
        If the experiment store does not answer; before any work.
    MissingInput
        If an earlier stage has not run.
    """
    block = params.search.family(family_name)
    if not block.enabled:
        return outputs.write_disabled(layout, family_name)
    ensure_available(resolve(params.tracking, layout))
    study = _settle(family_name, family or family_name, block, params, layout)
    with locked(layout, study.name), _terminable():
        return _run(study, quiet=quiet)


def _settle(name: str, reference: str, block: FamilySearch, params: Params, layout: Layout) -> _Study:
    from musicgenre.models.corpus import Corpus

    family, common = load_family(reference), params.search.common
    space = family.space(block)
    check(space, family=name, trials=block.trials)
    selection = select(family, block, layout)
    lineage = collect(layout)
    identity = study_id(family, space, block, common, lineage, layout, [system.name for system in selection.systems])
    corpus = Corpus.open(layout, splits=("train", "validation"))
    return _Study(identity, family, reference, space, block, common, selection, corpus, lineage, params, layout)


@contextmanager
def _terminable() -> Iterator[None]:
    """Turn SIGTERM into KeyboardInterrupt, so that a polite end is as clean as Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def workers(params: Params, trials: int) -> int:
    """How many trials are run at once: never more than the study's `concurrent`, the machine's workers or the trials left."""
    wanted = params.compute.workers or cores()
    return max(1, min(wanted, params.search.common.concurrent, trials))


def _pool(study: _Study, trials: int) -> Pool:
    size = workers(study.params, trials)
    if study.params.compute.engine == "ray":
        from musicgenre.search.ray_pool import RayPool

        return RayPool(study.layout.root, study.reference, size=size, compute=study.params.compute)
    return LocalPool(study.layout.root, study.reference, size=size, threads=1, logs=folder(study.layout, study.name))


def recovered(store: StudyStore) -> tuple[dict[int, Record], dict[int, Record]]:
    """Trials by index, and those to repeat: the ones that were running when an earlier process was killed.

    A trial is repeated once; one that was under way in two kills is failed.
    """
    records, retries = {}, {}
    for record in store.records():
        if record.state == "running":
            reason = "the process ended before the trial did"
            again = record.attempts == 1
            record = replace(record, state="lost" if again else "failed", reason=reason if again else f"twice, {reason}")
            store.finish(record)
        records[record.index] = record
    for record in store.lost():
        known = records.get(record.index)
        if known is None or known.state == "lost":
            records[record.index] = retries[record.index] = record
    return records, retries


def _run(study: _Study, *, quiet: bool) -> StudySummary:
    started = time.monotonic()
    store = StudyStore(study.layout, study.name, storage=study.common.storage, directions=directions(study.common))
    records, retries = recovered(store)
    left = study.block.trials - sum(record.finished for record in records.values())
    pool = _pool(study, max(1, left))
    tracker = Tracker(study.params.tracking, study.layout, f"{study.params.tracking.prefix}/{study.family.name}", about=_ABOUT)
    runs = StudyRuns(tracker, study.layout, study.name, study.family.name, study.lineage, _inputs(study))
    shown = view(f"search {study.family.name}", study.block.trials, quiet=quiet)
    driver = Driver(
        family=study.family.name,
        space=study.space,
        block=study.block,
        common=study.common,
        published=study.selection.systems,
        store=store,
        runs=runs,
        pool=pool,
        view=shown,
        records=records,
        retries=retries,
    )
    try:
        with tracker:
            for name, reason in study.selection.skipped.items():
                shown.note(f"published system {name} skipped: {reason}")
            budget = {"budget.trials": str(study.block.trials), "budget.timeout_s": f"{study.block.timeout_s or 0:g}"}
            runs.open(title=_title(study), params=_params(study), note=_note(study), records=list(records.values()), tags=budget)
            try:
                if driver.pending:
                    driver.run()
                return _conclude(study, driver, runs, time.monotonic() - started)
            except BaseException as error:
                driver.interrupt("interrupted")
                state = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
                reason = str(error) or type(error).__name__
                runs.close(status="KILLED" if state == "interrupted" else "FAILED", state=state, figures={}, tags={"reason": reason})
                raise
    finally:
        pool.close()
        shown.close()


def _ended(study: _Study, driver: Driver) -> str:
    if len(driver.records) >= study.block.trials:
        return "all trials done"
    if driver.left_s is not None and driver.left_s <= 0:
        return f"the time budget of {study.block.timeout_s:g} s ended"
    return f"no better trial among the last {study.common.patience}"


def _conclude(study: _Study, driver: Driver, runs: StudyRuns, duration_s: float) -> StudySummary:
    """Pick the winner, log it, write the outputs."""
    records = [driver.records[index] for index in sorted(driver.records)]
    best = winner(records)
    if best is None or best.value is None:
        raise outputs.commonest_failure(study.family.name, records)
    kept = driver.kept(best.index)
    if not (kept / MEMBER).is_file():
        driver.refit(best)
    driver.pool.close()
    runs.tracker.flush(timeout_s=20)
    summary = StudySummary(
        family=study.family.name,
        study=study.name,
        best_trial=best.index,
        best_config=dict(best.config),
        best_published=best.published,
        validation_macro_f1=best.value,
        validation=dict(best.metrics),
        cost=best.cost,
        n_parameters=best.n_parameters,
        fit_s=best.fit_s,
        trials=outputs.counts(records),
        published=outputs.published_table(study.selection.systems, study.selection.skipped, records),
        ended=_ended(study, driver),
        duration_s=duration_s,
        mlflow_parent_run=runs.tracker.run_id(runs.parent),
        mlflow_winner_run=runs.tracker.run_id(runs.key(best.index)),
    )
    lineage = replace(study.lineage, mlflow_run=summary.mlflow_winner_run)
    kinds, _ = study.family.needs(study.block)
    outputs.write_model(study.layout, summary, records, kept, study.corpus, lineage, sorted(kinds))
    with tempfile.TemporaryDirectory(prefix="musicgenre-") as place:
        _log(study, Path(place), summary, records, kept, runs)
        runs.tracker.flush(timeout_s=60)
    return summary


def _log(study: _Study, place: Path, summary: StudySummary, records: list[Record], kept: Path, runs: StudyRuns) -> None:
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


def _inputs(study: _Study) -> Any:
    counts: dict[str, dict[str, int]] = {}
    for split, genre in zip(study.corpus.tracks["split"], study.corpus.tracks["genre"], strict=True):
        genres = counts.setdefault(str(split), {})
        genres[str(genre)] = genres.get(str(genre), 0) + 1
    return datasets(study.layout, study.lineage, counts)


def _title(study: _Study) -> str:
    return f"study {study.name.rsplit('-', 1)[-1][:8]}"


def _params(study: _Study) -> dict[str, Any]:
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


def _note(study: _Study) -> str:
    lines = [f"Search of the **{study.family.name}** family: trials are nested below; the winner's run carries the model."]
    if study.selection.systems:
        lines.append("Starts from " + ", ".join(f"{system.title} (`{system.name}`)" for system in study.selection.systems) + ".")
    lines += [f"Skipped `{name}`: {reason}." for name, reason in study.selection.skipped.items()]
    return "\n\n".join(lines)


__all__ = ["SearchError", "StudySummary", "recovered", "run_search", "workers"]
