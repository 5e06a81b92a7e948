"""Which trial wins. With one objective: the highest validation macro F1, the earlier trial on a tie.

With a second one (latency or size): among the Pareto front, the cheapest whose
macro F1 is within `SLACK` of the best; then the higher F1, then the earlier.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from musicgenre.search.records import Record

SLACK = 0.01  # macro F1: less than validation sets of this size can tell apart


def _complete(records: Iterable[Record]) -> list[Record]:
    return [record for record in records if record.state == "complete" and record.value is not None]


def front(records: Iterable[Record]) -> list[Record]:
    """Complete trials that no other one beats in both objectives, by index. Without a second objective: the best trial."""
    done = _complete(records)

    def beaten(one: Record) -> bool:
        return any(_beats(other, one) for other in done if other.index != one.index)

    return sorted((record for record in done if not beaten(record)), key=lambda record: record.index)


def _beats(one: Record, other: Record) -> bool:
    if one.cost is None or other.cost is None:
        return (one.value or 0.0, -one.index) > (other.value or 0.0, -other.index)
    no_worse = (one.value or 0.0) >= (other.value or 0.0) and one.cost <= other.cost
    better = (one.value or 0.0) > (other.value or 0.0) or one.cost < other.cost
    return no_worse and (better or one.index < other.index)


def candidates(records: Sequence[Record]) -> list[Record]:
    """Trials that can still win whatever is found later; only their models need keeping."""
    done = _complete(records)
    if not done:
        return []
    best = max(record.value or 0.0 for record in done)
    return [record for record in front(done) if (record.value or 0.0) >= best - SLACK]


def winner(records: Sequence[Record]) -> Record | None:
    """The trial that the study chooses, or None when none is complete."""
    found = candidates(records)
    if not found:
        return None
    return min(found, key=lambda record: (record.cost if record.cost is not None else 0.0, -(record.value or 0.0), record.index))


__all__ = ["SLACK", "candidates", "front", "winner"]
