"""One attempt at a trial: what its worker said so far, and what its end makes of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from musicgenre.search.records import Record
from musicgenre.search.sampling import OBJECTIVE, Proposal
from musicgenre.search.session import Message
from musicgenre.tracking.tracker import now_ms


@dataclass
class Attempt:
    """What a worker is at.

    Attributes
    ----------
    stop
        Why it was told to stop, or an empty string.
    state
        What that makes of the trial.
    fitted
        It has trained to its end and is saving its model.
    """

    record: Record
    proposal: Proposal
    history: list[dict[str, float]] = field(default_factory=list)
    stop: str = ""
    state: Literal["pruned", "failed"] = "pruned"
    fitted: bool = False

    def epoch(self, message: Message) -> dict[str, float]:
        """Take in an epoch, decide whether to go on (`stop`), and return its row of the history."""
        row = {"epoch": int(message["epoch"]), "moment_ms": int(message["moment_ms"]), **message["metrics"]}
        self.history.append(row)
        value = message["metrics"].get(OBJECTIVE, float("nan"))
        self.stop = self.proposal.verdict(message["epoch"], value)
        if self.stop and value != value:
            self.state = "failed"
        return row

    @property
    def so_far(self) -> Record:
        return replace(self.record, history=tuple(self.history))

    def end(self, message: Message) -> Record:
        """The trial as its last message (done, stopped, failed, died) leaves it; the first death of all makes it `lost`."""
        event, reason = message["event"], message.get("reason", "")
        changes: dict[str, Any] = {"ended_ms": now_ms(), "rss_mb": message.get("rss_mb", 0.0), "marks": self.proposal.marks}
        if event == "done":
            changes |= {name: message[name] for name in ("value", "metrics", "fit_s", "n_parameters")}
            changes |= {"state": "complete", "cost": message.get("cost")}
        elif self.stop and event in ("stopped", "died"):  # died: we ended its process
            last = self.history[-1].get(OBJECTIVE) if self.history else None
            changes |= {"state": self.state, "reason": self.stop, "value": last if self.state == "pruned" else None}
        elif event == "died" and self.record.attempts == 1:
            changes |= {"state": "lost", "reason": reason}
        else:
            changes |= {"state": "failed", "reason": f"twice, {reason}" if event == "died" else reason}
        return replace(self.so_far, **changes)


__all__ = ["Attempt"]
