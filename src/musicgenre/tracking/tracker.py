"""Runs written beside the work: queued, batched, repeated when the store is away.

The caller never waits for MLflow. Calls become operations in a queue; one thread
imports MLflow, connects, and writes them in order, metrics of one run joined into
one request. While a server is away the operations wait; what it still had not
taken when the tracker closes is reported, and a search writes it again from its
own records the next time it runs (see `search.runs`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from musicgenre.layout import Layout
from musicgenre.params import TrackingParams
from musicgenre.tracking.client import Dataset, Point, Runs
from musicgenre.tracking.store import Store, ensure_available, resolve

log = logging.getLogger(__name__)

BATCH_S = 0.4  # operations are gathered this long
_PAUSES_S = (0.5, 1.0, 2.0, 5.0)  # between attempts while the store is away; the last one repeats
_TEMPORARY = (
    *("locked", "connection", "timed out", "timeout", "max retries", "unavailable", "refused", "reset by peer"),
    *("api request", "502", "503", "504", "disk is full", "no space left"),
)

_LINE = 160  # characters of an error in a warning

Operation = Callable[["Tracker", Runs], None]


def now_ms() -> int:
    """Milliseconds since the epoch, MLflow's clock."""
    return time.time_ns() // 1_000_000


def is_temporary(error: BaseException) -> bool:
    """Whether trying again may help: the store is away, locked, overloaded or out of space."""
    if isinstance(error, ConnectionError | TimeoutError):
        return True
    text = f"{type(error).__name__} {error}".lower()
    return any(word in text for word in _TEMPORARY)


class Tracker:
    """Writes the runs of one experiment.

    Runs have names of our own (`key`); an operation may name a run whose creation
    still waits in the queue. Use as a context manager: leaving flushes.

    Parameters
    ----------
    experiment
        Its name; made when it is not there.
    about
        Its description in the UI.
    view
        What its list of runs shows (see `columns`).
    patience_s
        How long closing waits for a store that is away.

    Raises
    ------
    TrackingUnavailable
        On entering, if the store does not answer now.
    """

    def __init__(
        self, params: TrackingParams, layout: Layout, experiment: str, *, about: str = "", view: str = "", patience_s: float = 15.0
    ) -> None:
        self.store: Store = resolve(params, layout)
        self.experiment, self.about, self.view = experiment, about, view
        self.patience_s = patience_s
        self.unwritten = 0  # operations given up when closing
        self.refused = 0  # operations that MLflow refused for good
        self.failure = ""  # why the store can't be used at all (an older schema, no permission), once that is known
        self.logging_s = 0.0  # CPU seconds of writing, without the import of MLflow and the connection
        self._ids: dict[str, str] = {}
        self._queue: deque[tuple[str, Operation | list[Point]]] = deque()
        self._wake = threading.Condition()
        self._closing_since: float | None = None
        self._abandoned = False
        self._working = False
        self._thread = threading.Thread(target=self._write, name="tracking", daemon=True)

    def __enter__(self) -> Tracker:
        ensure_available(self.store)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- what a caller says; none of these waits ---

    def _put(self, key: str, operation: Operation | list[Point]) -> None:
        with self._wake:
            self._queue.append((key, operation))
            self._wake.notify_all()

    def call(self, operation: Operation) -> None:
        """Run `operation(tracker, runs)` in its turn, in the writing thread."""
        self._put("", operation)

    def start(self, key: str, name: str, tags: Mapping[str, str], *, start_ms: int | None = None, parent: str | None = None) -> None:
        """Make the run `key` (below `parent`, a key too) unless there is one; an existing one is opened again."""
        fixed, moment = dict(tags), start_ms or now_ms()

        def do(tracker: Tracker, runs: Runs) -> None:
            if parent is not None:
                fixed["mlflow.parentRunId"] = tracker._ids[parent]
            known = runs.find(key)
            if known is not None:
                tracker.bind(key, known.run_id)
                runs.reopen(known.run_id)
                runs.tags(known.run_id, fixed)
            else:
                tracker.bind(key, runs.create(key, name, fixed, moment))

        self._put(key, do)

    def params(self, key: str, values: Mapping[str, str]) -> None:
        fixed = dict(values)
        self._put(key, lambda tracker, runs: runs.params(tracker._ids[key], fixed))

    def metrics(self, key: str, values: Mapping[str, float], *, step: int = 0, moment_ms: int | None = None) -> None:
        """One point of each metric; those of one run that wait together travel together. Values that are not finite are left out."""
        moment = moment_ms or now_ms()
        points = [(name, float(value), step, moment) for name, value in values.items() if abs(float(value)) < float("inf")]
        if points:
            self._put(key, points)

    def tags(self, key: str, values: Mapping[str, str]) -> None:
        fixed = dict(values)
        self._put(key, lambda tracker, runs: runs.tags(tracker._ids[key], fixed))

    def inputs(self, key: str, datasets: Sequence[Dataset]) -> None:
        fixed = list(datasets)
        self._put(key, lambda tracker, runs: runs.inputs(tracker._ids[key], fixed))

    def artifact(self, key: str, path: Path, folder: str | None = None) -> None:
        """The file or folder must stay where it is until the tracker has been flushed."""
        self._put(key, lambda tracker, runs: runs.artifact(tracker._ids[key], path, folder))

    def end(self, key: str, status: str = "FINISHED", *, end_ms: int | None = None) -> None:
        moment = end_ms or now_ms()
        self._put(key, lambda tracker, runs: runs.end(tracker._ids[key], status, moment))

    def drop(self, key: str, reason: str) -> None:
        """The run's work was lost: end it as KILLED and take it out of the lists."""

        def do(tracker: Tracker, runs: Runs) -> None:
            runs.drop(tracker._ids.pop(key), reason)

        self._put(key, do)

    # --- what a caller may ask ---

    def bind(self, key: str, run_id: str) -> None:
        """Remember the store's id of `key`."""
        self._ids[key] = run_id

    def run_id(self, key: str) -> str:
        """The store's id of a run, or an empty string while it is not known."""
        return self._ids.get(key, "")

    def flush(self, timeout_s: float | None = None) -> bool:
        """Wait until all that was said has been written; False when time ran out first."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        with self._wake:
            while (self._queue or self._working) and self._thread.is_alive():
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return False
                self._wake.wait(min(left, 0.2) if left is not None else 0.2)
        return not self._queue

    def close(self) -> None:
        """Write what is left, for `patience_s` at most when the store is away."""
        with self._wake:
            if self._closing_since is None:
                self._closing_since = time.monotonic()
            self._wake.notify_all()
        if self._thread.ident is not None:
            self._thread.join()
        if self.unwritten:
            log.warning(
                "%s: the store went away; %d operations were not written. Run the same command again to write them.",
                self.store.uri,
                self.unwritten,
            )

    # --- the writing thread ---

    def _gave_up(self) -> bool:
        return self._closing_since is not None and time.monotonic() - self._closing_since > self.patience_s

    def _attempt(self, action: Callable[[], None], *, vital: bool = False) -> bool:
        """Do `action`, again and again while the store is away; False when closing ran out of patience."""
        for attempt in range(1_000_000):
            try:
                action()
                return True
            except Exception as error:  # MLflow raises its own, SQLAlchemy's, requests' and the system's errors
                line = str(error).splitlines()[0] if str(error) else type(error).__name__
                if not is_temporary(error):
                    if vital:
                        self.failure = line
                        return False
                    self.refused += 1
                    log.warning("not logged: %s", line)
                    return True
                if attempt == 0:
                    log.warning("%s takes nothing (%s); runs are kept in memory until it does", self.store.uri, line[:_LINE])
                if self._gave_up():
                    return False
                time.sleep(_PAUSES_S[min(attempt, len(_PAUSES_S) - 1)])
        return False

    def _next(self) -> tuple[str, Operation | list[Point]] | None:
        """The next operation, with later points of the same run joined to points; None when closed and empty."""
        with self._wake:
            self._working = False
            self._wake.notify_all()
            while not self._queue:
                if self._closing_since is not None:
                    return None
                self._wake.wait(BATCH_S)
            self._working = True
            key, operation = self._queue.popleft()
            if isinstance(operation, list):
                joined, kept = list(operation), deque[tuple[str, Operation | list[Point]]]()
                blocked = False
                while self._queue:
                    other, later = self._queue.popleft()
                    if other == key and isinstance(later, list) and not blocked:
                        joined += later
                    else:
                        blocked = blocked or other in (key, "")
                        kept.append((other, later))
                self._queue = kept
                return key, joined
            return key, operation

    def _write(self) -> None:
        runs: Runs | None = None

        def connect() -> None:
            nonlocal runs
            runs = Runs(self.store, self.experiment)
            runs.describe(self.about, self.view)

        connected = self._attempt(connect, vital=True) and runs is not None
        began = time.thread_time()
        while connected and runs is not None:
            item = self._next()
            if item is None:
                self.logging_s = time.thread_time() - began
                return
            key, operation = item
            here = runs

            def action(key: str = key, operation: Operation | list[Point] = operation, here: Runs = here) -> None:
                if isinstance(operation, list):
                    here.metrics(self._ids[key], operation)
                else:
                    operation(self, here)

            if not self._attempt(action):
                self.unwritten += 1
                break
            if isinstance(operation, list) and self._closing_since is None:
                time.sleep(BATCH_S)  # let more points gather; starts and ends are not held up by it for long
        with self._wake:
            self.unwritten += len(self._queue)
            self._queue.clear()
            self._working = False
            self._wake.notify_all()


__all__ = ["BATCH_S", "Tracker", "is_temporary", "now_ms"]
