"""One family's study, from `params.yaml` to `models/<family>/`."""

from __future__ import annotations

import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType

from musicgenre.compute import cores
from musicgenre.errors import SearchError
from musicgenre.layout import Layout
from musicgenre.params import Params
from musicgenre.search import outputs, study_run
from musicgenre.search.choice import winner
from musicgenre.search.driver import Driver
from musicgenre.search.live import view
from musicgenre.search.outputs import StudySummary
from musicgenre.search.pool import LocalPool, Pool
from musicgenre.search.records import Record
from musicgenre.search.refit import refit
from musicgenre.search.runs import StudyRuns
from musicgenre.search.sampling import directions
from musicgenre.search.session import MEMBER, one_line
from musicgenre.search.settled import Settled, settle
from musicgenre.search.store import StudyStore, folder, locked
from musicgenre.tracking import Tracker, ensure_available, resolve


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
    study = settle(family_name, family or family_name, block, params, layout)
    with locked(layout, study.name), _terminable():
        return _run(study, quiet=quiet)


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


def _pool(study: Settled, trials: int) -> Pool:
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


def _run(study: Settled, *, quiet: bool) -> StudySummary:
    started = time.monotonic()
    store = StudyStore(study.layout, study.name, storage=study.common.storage, directions=directions(study.common))
    records, retries = recovered(store)
    left = study.block.trials - sum(record.finished for record in records.values())
    pool = _pool(study, max(1, left))
    experiment = f"{study.params.tracking.prefix}/{study.family.name}"
    tracker = Tracker(study.params.tracking, study.layout, experiment, about=study_run.ABOUT, view=study_run.view(study))
    runs = StudyRuns(tracker, study.layout, study.name, study.family.name, study.lineage, study_run.inputs(study))
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
            if study.left_out:
                shown.note(f"not searched, because what they read is not stored: {', '.join(study.left_out)}")
            budget = {"budget.trials": str(study.block.trials), "budget.timeout_s": f"{study.block.timeout_s or 0:g}"}
            runs.open(
                title=study_run.title(study),
                params=study_run.parameters(study),
                note=study_run.note(study),
                records=list(records.values()),
                tags=budget,
            )
            try:
                if driver.pending:
                    driver.run()
                return _conclude(study, driver, runs, time.monotonic() - started)
            except BaseException as error:
                driver.interrupt("interrupted")
                state = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
                reason = state if state == "interrupted" else one_line(error)
                runs.close(status="KILLED" if state == "interrupted" else "FAILED", state=state, figures={}, tags={"reason": reason})
                raise
    finally:
        pool.close()
        shown.close()
        store.close()


def _conclude(study: Settled, driver: Driver, runs: StudyRuns, duration_s: float) -> StudySummary:
    """Pick the winner, log it, write the outputs."""
    records = [driver.records[index] for index in sorted(driver.records)]
    best = winner(records)
    if best is None or best.value is None:
        raise outputs.commonest_failure(study.family.name, records)
    kept = driver.kept(best.index)
    if not (kept / MEMBER).is_file():
        refit(driver, best)
    driver.pool.close()
    answers = runs.tracker.flush(timeout_s=20)
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
        ended=driver.ended,
        duration_s=duration_s,
        mlflow_parent_run=runs.tracker.run_id(runs.parent),
        mlflow_winner_run=runs.tracker.run_id(runs.key(best.index)),
    )
    lineage = replace(study.lineage, mlflow_run=summary.mlflow_winner_run)
    outputs.write_model(study.layout, summary, records, kept, study.corpus, lineage)
    with tempfile.TemporaryDirectory(prefix="musicgenre-") as place:
        study_run.log(study, Path(place), summary, records, kept, runs)
        runs.tracker.flush(timeout_s=60 if answers else 5)  # the files are gone after this; the next run logs them
    return summary


__all__ = ["SearchError", "StudySummary", "recovered", "run_search", "workers"]
