"""The loop that feeds workers with trials and writes down what becomes of them.

One thread, one writer: workers say something, the driver decides, remembers it in
the study's store and tells the tracker. Which trial may start, and what it is, is
`sampling`'s business; who wins is `choice`'s.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from musicgenre.errors import SearchError, TrackingUnavailable
from musicgenre.models.base import PublishedSystem, Space
from musicgenre.params import FamilySearch, SearchCommon
from musicgenre.search.choice import candidates
from musicgenre.search.live import View
from musicgenre.search.pool import Pool
from musicgenre.search.records import Record
from musicgenre.search.runs import StudyRuns
from musicgenre.search.sampling import OBJECTIVE, Proposal, derived_seed, propose
from musicgenre.search.session import Message
from musicgenre.search.store import StudyStore
from musicgenre.tracking.tracker import now_ms

_TICK_S = 0.5
_GRACE = 0.25  # a trial that never reports may outlive the time budget by this share of it …
_LEAST_GRACE_S = 10.0  # … and by this at least, before its process is ended
_GROWTH = 0.08  # a worker that has grown by this share since its second trial is replaced …
_LEAST_GROWTH_MB = 64.0  # … and by this at least: TensorFlow keeps some 6 MB of every trial's graphs


@dataclass
class _Busy:
    """What a worker is at."""

    record: Record
    proposal: Proposal
    history: list[dict[str, float]] = field(default_factory=list)
    stop: str = ""  # why it was told to stop
    state: str = "pruned"  # what that makes of it


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
        self._busy: dict[int, _Busy] = {}
        self._idle: set[int] = set()
        self._early_rss: dict[int, list[float]] = {}
        self._stillborn: dict[int, int] = {}  # deaths of a worker before its first trial
        self._recycled: set[int] = set()
        self._started = time.monotonic()

    # --- budget ---

    @property
    def left_s(self) -> float | None:
        """Seconds of the time budget that remain."""
        return None if self.block.timeout_s is None else self.block.timeout_s - (time.monotonic() - self._started)

    @property
    def _out_of_time(self) -> bool:
        return self.left_s is not None and self.left_s <= 0

    @property
    def _has_result(self) -> bool:
        return any(record.state == "complete" for record in self.records.values())

    def _stale(self) -> bool:
        """Whether the last `patience` trials, of those finished without a gap, brought nothing better."""
        if not self.common.patience:
            return False
        best, since = -1.0, 0
        for index in range(len(self.records)):
            record = self.records[index]
            if not record.finished:
                break
            if record.state == "complete" and (record.value or 0.0) > best:
                best, since = record.value or 0.0, 0
            else:
                since += 1
        return best >= 0 and since >= self.common.patience

    # --- what comes next ---

    def _next(self) -> int | None:
        """The trial to start now, or None: a lost one first, else the next whose predecessors have ended."""
        if self._out_of_time and self._has_result:
            return None
        if self.retries:
            return min(self.retries)
        index = len(self.records)
        if index >= self.block.trials or self._stale() or (self._out_of_time and self._busy):
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
        self._busy[worker] = _Busy(record, proposal)
        self._idle.discard(worker)
        self.pool.send(worker, self._task(record))

    def _task(self, record: Record) -> Message:
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
        busy = self._busy[worker]
        row = {"epoch": int(message["epoch"]), "moment_ms": int(message["moment_ms"]), **message["metrics"]}
        busy.history.append(row)
        self.runs.epoch(busy.record.index, row)
        value = message["metrics"].get(OBJECTIVE, float("nan"))
        busy.stop = busy.proposal.verdict(message["epoch"], value)
        if busy.stop and value != value:
            busy.state = "failed"
        if not busy.stop and self._out_of_time and self._has_result:
            busy.stop = f"the time budget of {self.block.timeout_s:.0f} s ended"
        self.records[busy.record.index] = replace(busy.record, history=tuple(busy.history))
        self.pool.send(worker, {"stop": busy.stop})

    def _fitted(self, worker: int, message: Message) -> None:
        busy = self._busy[worker]
        done = replace(busy.record, state="complete", value=message["value"])
        rest = [record for record in self.records.values() if record.index != done.index]
        self.pool.send(worker, {"keep": any(record.index == done.index for record in candidates([*rest, done]))})

    def _end(self, worker: int, message: Message) -> None:
        busy = self._busy.pop(worker)
        event = message["event"]
        changes: dict[str, Any] = {"ended_ms": now_ms(), "history": tuple(busy.history), "rss_mb": message.get("rss_mb", 0.0)}
        if event == "done":
            changes |= {name: message[name] for name in ("value", "metrics", "fit_s", "n_parameters")}
            changes |= {"state": "complete", "cost": message.get("cost")}
        elif event == "stopped":
            last = busy.history[-1].get(OBJECTIVE) if busy.history else None
            changes |= {"state": busy.state, "reason": busy.stop, "value": last if busy.state == "pruned" else None}
        elif event == "died" and busy.stop:  # ended by us, over the time budget
            changes |= {"state": "pruned", "reason": busy.stop}
        elif event == "died" and busy.record.attempts == 1:
            changes |= {"state": "lost", "reason": message["reason"]}
        elif event == "died":
            changes |= {"state": "failed", "reason": f"twice, {message['reason']}"}
        else:
            changes |= {"state": "failed", "reason": message["reason"]}
        record = replace(busy.record, **changes)
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
        alive |= {busy.record.index for busy in self._busy.values()}
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
            if self._stillborn[worker] > 2:
                raise SearchError(f"a worker of {self.family} cannot start: {message['reason']}.")
        self._early_rss.pop(worker, None)
        if self.pending:
            self.pool.start(worker)

    def _after(self, worker: int, rss_mb: float) -> None:
        """A worker is free again, or is replaced when it has grown too much."""
        early = self._early_rss.setdefault(worker, [])
        if len(early) < 2:  # the second may import what the first had no need of
            early.append(rss_mb)
        if rss_mb > max(early) + max(_LEAST_GROWTH_MB, _GROWTH * max(early)):
            self._recycled.add(worker)
            self.pool.kill(worker)  # `wait` tells of its end, and it is started again
        else:
            self._idle.add(worker)

    @property
    def pending(self) -> bool:
        """Whether trials are still to be run."""
        return bool(self.retries) or len(self.records) < self.block.trials

    def _overdue(self) -> None:
        """End trials that have not reported since the time budget ended, once there is a result."""
        if self.left_s is None or not self._has_result:
            return
        assert self.block.timeout_s is not None
        if -self.left_s > max(_LEAST_GRACE_S, _GRACE * self.block.timeout_s):
            for worker, busy in self._busy.items():
                if not busy.stop:
                    busy.stop = f"the time budget of {self.block.timeout_s:.0f} s ended"
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
            self.view.update(self._in_order(), left=self.left_s)
            if not self._busy and self._next() is None:
                return
            for worker, message in self.pool.wait(_TICK_S):
                self._hear(worker, message)
            self._overdue()
            if self.runs.tracker.failure:
                raise TrackingUnavailable(f"{self.runs.tracker.store.uri}: {self.runs.tracker.failure} See `tracking.uri` in params.yaml.")

    def _in_order(self) -> list[Record]:
        return [self.records[index] for index in sorted(self.records)]

    def refit(self, record: Record) -> None:
        """Fit a finished trial once more, whose kept model was removed with the work cache. The same seed gives the same model.

        Raises
        ------
        SearchError
            If that fails, although it worked before.
        """
        self.view.note(f"{record.name}: its model is no longer in the work cache; it is fitted again")
        self.pool.close()
        self.pool.start(0)
        while True:
            for _, message in self.pool.wait(_TICK_S):
                event = message["event"]
                if event == "ready":
                    self.pool.send(0, {**self._task(record), "objective2": "none"})
                elif event in ("epoch", "fitted"):
                    self.pool.send(0, {"stop": "", "keep": True})
                elif event == "done":
                    self.pool.collect(message, self.kept(record.index))
                    return
                else:
                    raise SearchError(f"{record.name} could not be fitted again: {message.get('reason', event)}.")

    def interrupt(self, reason: str) -> None:
        """Give up what is running; the next run repeats it."""
        for worker in list(self._busy):
            busy = self._busy.pop(worker)
            record = replace(busy.record, state="lost", reason=reason, ended_ms=now_ms(), attempts=busy.record.attempts - 1)
            self.store.finish(record)
            self.runs.end(record)


__all__ = ["Driver"]
