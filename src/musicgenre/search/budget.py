"""When a study ends: so many trials, so many seconds, or so many trials without a better one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from musicgenre.search.records import Record

_GRACE = 0.05  # a trial that does not report may outlive the time budget by this share of it …
_LEAST_GRACE_S = 5.0  # … and by this at least, before its process is ended in the middle of an epoch


@dataclass(frozen=True)
class Budget:
    """Counts from when it is made.

    Parameters
    ----------
    trials
        In total, over all runs of the study.
    timeout_s
        Of this run; None: no limit.
    patience
        Trials without a better one; 0: no limit.
    """

    trials: int
    timeout_s: float | None = None
    patience: int = 0
    started: float = field(default_factory=time.monotonic)

    @property
    def left_s(self) -> float | None:
        """Seconds that remain, below zero when over; None without a limit."""
        return None if self.timeout_s is None else self.timeout_s - (time.monotonic() - self.started)

    @property
    def out_of_time(self) -> bool:
        return self.left_s is not None and self.left_s <= 0

    @property
    def out_of_grace(self) -> bool:
        """Whether even a trial in the middle of an epoch is to be ended."""
        if self.timeout_s is None or self.left_s is None:
            return False
        return -self.left_s > max(_LEAST_GRACE_S, _GRACE * self.timeout_s)

    @property
    def time_ended(self) -> str:
        """The reason of a trial or a study that ran out of time."""
        return f"the time budget of {self.timeout_s:g} s ended"

    def stale(self, records: Mapping[int, Record]) -> bool:
        """Whether the last `patience` trials, of those finished without a gap, brought nothing better."""
        if not self.patience:
            return False
        best, since = -1.0, 0
        for index in range(len(records)):
            record = records[index]
            if not record.finished:
                break
            if record.state == "complete" and (record.value or 0.0) > best:
                best, since = record.value or 0.0, 0
            else:
                since += 1
        return best >= 0 and since >= self.patience

    def ended(self, records: Mapping[int, Record]) -> str:
        """Why a study of these trials is over, in words."""
        if len(records) >= self.trials:
            return "all trials done"
        return self.time_ended if self.out_of_time else f"no better trial among the last {self.patience}"


__all__ = ["Budget"]
