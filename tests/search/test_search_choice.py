"""Who wins, and whose model must be kept until then."""

from __future__ import annotations

import itertools
import random

from musicgenre.search.choice import SLACK, candidates, front, winner
from musicgenre.search.records import Record, table


def record(index: int, value: float | None, cost: float | None = None, state: str = "complete") -> Record:
    return Record(index, {"x": index}, state=state, value=value, cost=cost)  # type: ignore[arg-type]  # a state's name


def test_the_best_wins_and_the_earlier_on_a_tie() -> None:
    records = [record(0, 0.5), record(1, 0.7), record(2, 0.7), record(3, 0.9, state="pruned"), record(4, None, state="failed")]
    found = winner(records)
    assert found is not None
    assert found.index == 1
    assert [item.index for item in candidates(records)] == [1]
    assert winner([record(0, 0.9, state="pruned")]) is None


def test_with_a_cost_the_cheapest_of_the_front_near_the_best_wins() -> None:
    records = [record(0, 0.80, 50.0), record(1, 0.80 - SLACK / 2, 10.0), record(2, 0.6, 1.0), record(3, 0.79, 60.0)]
    assert [item.index for item in front(records)] == [0, 1, 2]
    found = winner(records)
    assert found is not None
    assert found.index == 1, "trial 2 is cheaper and much worse, trial 0 hardly better and five times as dear"


def test_whoever_wins_in_the_end_was_a_candidate_when_it_ended() -> None:
    rng = random.Random(0)
    for with_cost in (False, True):
        for _ in range(200):
            records = [record(index, round(rng.random(), 2), round(rng.random(), 1) if with_cost else None) for index in range(6)]
            final = winner(records)
            assert final is not None
            for order in itertools.islice(itertools.permutations(records), 0, 720, 97):
                done: list[Record] = []
                kept: set[int] = set()
                for item in order:
                    done.append(item)
                    alive = {found.index for found in candidates(done)}
                    kept = (kept | {item.index}) & alive
                assert final.index in kept


def test_the_table_is_best_first_and_readable() -> None:
    records = [record(0, 0.5), record(1, None, state="failed"), record(2, 0.9), record(3, 0.95, state="pruned")]
    frame = table(records)
    assert frame["index"].tolist() == [2, 0, 3, 1]
    assert frame["param.x"].tolist() == ["2", "0", "3", "1"]
    assert Record.from_dict(records[0].to_dict()) == records[0]
