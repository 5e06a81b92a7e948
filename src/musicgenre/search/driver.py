"""The loop that feeds workers with trials and writes down what becomes of them.

One thread, one writer: workers say something, the driver decides, remembers it in
the study's store and tells the tracker. Which trial may start, and what it is, is
`sampling`'s business; who wins is `choice`'s.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from musicgenre.errors import MusicGenreError, SearchError, TrackingUnavailable
from musicgenre.models.base import PublishedSystem, Space
from musicgenre.params import FamilySearch, SearchCommon
from musicgenre.search.attempt import Attempt
from musicgenre.search.budget import Budget
from musicgenre.search.choice import candidates
from musicgenre.search.live import View
from musicgenre.search.pool import Growth, Pool
from musicgenre.search.records import Record
from musicgenre.search.runs import StudyRuns
from musicgenre.search.sampling import derived_seed, propose
from musicgenre.search.session import Message
from musicgenre.search.store import StudyStore
from musicgenre.tracking.tracker import now_ms

TICK_S = 0.5  # the loop looks at its budget this often
_STILLBORN = 2  # so often a worker may die before its first trial


@dataclass
class Driver:
    """See the module. `run` may be called once."""

    family: str
    space: Space
    block: FamilySearch
    common: SearchCommon
    published: tuple[PublishedSystem, ...]
    store: StudyStore
    runs: StudyRuns
    pool: Pool
    view: View
    records: dict[int, Record] = field(default_factory=dict)
    retries: dict[int, Record] = field(default_factory=dict)  # lost attempts to repeat, by index

    def __post_init__(self) -> None:
        self._budget = Budget(self.block.trials, self.block.timeout_s, self.common.patience)
        self._busy: dict[int, Attempt] = {}
        self._idle: set[int] = set()
        self._growth = Growth()
        self._stillborn: dict[int, int] = {}  # deaths of a worker before its first trial
        self._recycled: set[int] = set()

    @property
    def ended(self) -> str:
        """Why there are no more trials, in words."""
        return self._budget.ended(self.records)

    @property
    def _has_result(self) -> bool:
        return any(record.state == "complete" for record in self.records.values())

    # --- what comes next ---

    def _next(self) -> int | None:
        """The trial to start now, or None: a lost one first, else the next whose predecessors have ended."""
        over = self._budget.out_of_time
        if over and self._has_result:
            return None
        if self.retries:
            return min(self.retries)
        index = len(self.records)
        if index >= self.block.trials or self._budget.stale(self.records) or (over and self._busy):
            return None
        known = range(max(0, index - self.common.concurrent + 1))
        return index if all(self.records[item].finished for item in known) else None

    def _begin(self, worker: int, index: int) -> None:
        lost = self.retries.pop(index, None)
        system = self.published[index] if index < len(self.published) else None
        given: Mapping[str, Any] | None = lost.config if lost else system.config if system else None
        earlier = [self.records[item] for item in range(index)]
        proposal = propose(index, earlier, self.space, self.block, self.common, name=self.store.name, given=given)
        record = Record(
            index=index,
            config=proposal.config,
            published=system.name if system else "",
            started_ms=now_ms(),
            seed=derived_seed("trial", self.common.seed, index),
            attempts=lost.attempts + 1 if lost else 1,
        )
        self.store.begin(record, self.space)
        self.records[index] = record
        self.runs.begin(record)
        self._busy[worker] = Attempt(record, proposal)
        self._idle.discard(worker)
        self.pool.send(worker, self.task(record))

    def task(self, record: Record) -> Message:
        """What a worker is told of a trial."""
        return {
            "do": "trial",
            "index": record.index,
            "config": dict(record.config),
            "seed": record.seed,
            "block": self.block.model_dump(mode="json"),
            "objective2": self.common.objective2,
            "keep": str(self.kept(record.index)),
        }

    def kept(self, index: int) -> Path:
        """Where a trial's model lies while it may still win."""
        return self.store.folder / "models" / f"{index:04d}"

    # --- what workers say ---

    def _epoch(self, worker: int, message: Message) -> None:
        attempt = self._busy[worker]
        self.runs.epoch(attempt.record.index, attempt.epoch(message))
        if not attempt.stop and self._budget.out_of_time and self._has_result:
            attempt.stop = self._budget.time_ended
        self.records[attempt.record.index] = attempt.so_far
        self.pool.send(worker, {"stop": attempt.stop})

    def _fitted(self, worker: int, message: Message) -> None:
        attempt = self._busy[worker]
        attempt.fitted = True
        done = replace(attempt.record, state="complete", value=message["value"])
        rest = [record for record in self.records.values() if record.index != done.index]
        self.pool.send(worker, {"keep": any(record.index == done.index for record in candidates([*rest, done]))})

    def _end(self, worker: int, message: Message) -> None:
        record = self._busy.pop(worker).end(message)
        if record.state == "complete":
            self.pool.collect(message, self.kept(record.index))
        self.store.finish(record)
        self.records[record.index] = record
        self.runs.end(record)
        if record.state == "lost":
            self.retries[record.index] = record
            self.view.note(f"{record.name}: {record.reason}; it is run again")
        self._purge()

    def _purge(self) -> None:
        """Remove models that can no longer win."""
        alive = {record.index for record in candidates(list(self.records.values()))}
        alive |= {attempt.record.index for attempt in self._busy.values()}
        for place in (self.store.folder / "models").glob("[0-9]*"):
            if int(place.name) not in alive:
                shutil.rmtree(place, ignore_errors=True)

    def _hear(self, worker: int, message: Message) -> None:
        event = message["event"]
        if event == "ready":
            self._stillborn.pop(worker, None)
            self._idle.add(worker)
        elif event == "broken":
            raise SearchError(f"no trial of {self.family} can start: {message['reason']}")
        elif event == "epoch":
            self._epoch(worker, message)
        elif event == "fitted":
            self._fitted(worker, message)
        elif event == "died":
            self._died(worker, message)
        else:
            self._end(worker, message)
            self._after(worker, message.get("rss_mb", 0.0))

    def _died(self, worker: int, message: Message) -> None:
        self._idle.discard(worker)
        if worker in self._busy:
            self._end(worker, message)
        elif worker in self._recycled:
            self._recycled.discard(worker)
        else:
            self._stillborn[worker] = self._stillborn.get(worker, 0) + 1
            if self._stillborn[worker] > _STILLBORN:
                raise SearchError(f"a worker of {self.family} cannot start: {message['reason']}.")
        self._growth.forget(worker)
        if self.pending and not (self._has_result and self._budget.out_of_time):
            self.pool.start(worker)

    def _after(self, worker: int, rss_mb: float) -> None:
        """A worker is free again, or is replaced when it has grown too much."""
        if self._growth.too_much(worker, rss_mb):
            self._recycled.add(worker)
            self.pool.kill(worker)  # `wait` tells of its end, and it is started again
        else:
            self._idle.add(worker)

    @property
    def pending(self) -> bool:
        """Whether trials are still to be run."""
        return bool(self.retries) or len(self.records) < self.block.trials

    def _overdue(self) -> None:
        """End trials in the middle of an epoch that outlive the time budget's grace, once there is a result."""
        if not (self._has_result and self._budget.out_of_grace):
            return
        for worker, attempt in self._busy.items():
            if not attempt.stop and not attempt.fitted:
                attempt.stop = self._budget.time_ended
                self.pool.kill(worker)

    # --- the loop ---

    def run(self) -> None:
        """Until the trials are done or a budget ends.

        Raises
        ------
        SearchError
            If no worker can start.
        TrackingUnavailable
            If the experiment store turns out to be unusable.
        """
        for worker in range(self.pool.size):
            self.pool.start(worker)
        while True:
            for worker in sorted(self._idle):
                index = self._next()
                if index is None:
                    break
                self._begin(worker, index)
            self.view.update(self._in_order(), left=self._budget.left_s)
            if not self._busy and self._next() is None:
                return
            for worker, message in self.pool.wait(TICK_S):
                self._hear(worker, message)
            self._overdue()
            if self.runs.tracker.failure:
                raise TrackingUnavailable(f"{self.runs.tracker.store.uri}: {self.runs.tracker.failure} See `tracking.uri` in params.yaml.")

    def _in_order(self) -> list[Record]:
        return [self.records[index] for index in sorted(self.records)]

    def interrupt(self, reason: str) -> None:
        """Give up what is running; the next run repeats it, also where the storage cannot be told any more."""
        for worker in list(self._busy):
            attempt = self._busy.pop(worker)
            record = replace(attempt.record, state="lost", reason=reason, ended_ms=now_ms(), attempts=attempt.record.attempts - 1)
            with suppress(MusicGenreError):
                self.store.finish(record)
            self.runs.end(record)


__all__ = ["TICK_S", "Driver"]
