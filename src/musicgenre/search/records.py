"""One trial as it is remembered: the study's store holds these, MLflow and the tables are made from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

State = Literal["running", "complete", "pruned", "failed", "lost"]
FINISHED: frozenset[str] = frozenset({"complete", "pruned", "failed"})
_SECONDS = 1000.0


@dataclass(frozen=True)
class Record:
    """A trial.

    Attributes
    ----------
    index
        Its place in the study, from 0; a repeated trial keeps it.
    state
        `lost`: its process ended under it; it is run again under the same index.
    value
        Validation macro F1 (tracks) of the finished model; of the last epoch for a pruned one; None for a failed one.
    cost
        The second objective (ms or bytes), where the study has one.
    reason
        Why it was pruned, failed or lost, in one line.
    metrics
        All figures of the finished model on validation.
    history
        A row an epoch: `epoch`, `moment_ms` and what the family reported.
    attempts
        How many processes it has taken.
    marks
        What the pruner noted about it, for judging later trials (Hyperband: its value at each rung that it reached).
    """

    index: int
    config: Mapping[str, Any]
    published: str = ""
    state: State = "running"
    value: float | None = None
    cost: float | None = None
    reason: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    history: tuple[Mapping[str, float], ...] = ()
    started_ms: int = 0
    ended_ms: int = 0
    fit_s: float = 0.0
    n_parameters: int = 0
    rss_mb: float = 0.0
    seed: int = 0
    attempts: int = 1
    marks: Mapping[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What people see: `trial 03 mfcc_cnn`."""
        return f"trial {self.index:02d}" + (f" {self.published}" if self.published else "")

    @property
    def duration_s(self) -> float:
        return max(0, self.ended_ms - self.started_ms) / _SECONDS

    @property
    def finished(self) -> bool:
        return self.state in FINISHED

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Record:
        fields = dict(value)
        fields["history"] = tuple(fields.get("history", ()))
        return cls(**fields)


def table(records: Iterable[Record]) -> pd.DataFrame:
    """One row a trial, best first: index, state, published, macro_f1, cost, epochs, seconds, …, `config` (JSON) and every parameter."""
    import json

    import pandas as pd

    from musicgenre.tracking.tags import flat

    rows = []
    for item in records:
        row: dict[str, Any] = {
            "index": item.index,
            "state": item.state,
            "published": item.published,
            "macro_f1": item.value,
            "cost": item.cost,
            "epochs": len(item.history),
            "duration_s": item.duration_s,
            "fit_s": item.fit_s,
            "n_parameters": item.n_parameters,
            "attempts": item.attempts,
            "reason": item.reason,
            "config": json.dumps(dict(item.config), sort_keys=True, default=list),
        }
        rows.append(row | {f"param.{name}": text for name, text in flat(item.config).items()})
    frame = pd.DataFrame(rows)
    if frame.empty:
        return frame
    order = {"complete": 0, "pruned": 1, "failed": 2}
    frame["_order"] = frame["state"].map(order).fillna(3)
    frame = frame.astype({"macro_f1": "float64", "cost": "float64"})
    frame = frame.sort_values(["_order", "macro_f1", "index"], ascending=[True, False, True], kind="stable")
    return frame.drop(columns="_order").reset_index(drop=True)


__all__ = ["FINISHED", "Record", "State", "table"]
