"""When a study ends, and what the end of an attempt makes of a trial."""

from __future__ import annotations

import time
from typing import Any

import pytest

from musicgenre.models.base import Float, Space
from musicgenre.params import FamilySearch, SearchCommon
from musicgenre.search.attempt import Attempt
from musicgenre.search.budget import Budget
from musicgenre.search.records import Record
from musicgenre.search.sampling import propose


def trials(*values: float | None) -> dict[int, Record]:
    """Complete trials of these scores; None: one that still runs."""
    done = {"state": "complete"}
    return {index: Record(index, {}, value=value, **(done if value is not None else {})) for index, value in enumerate(values)}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "stale"),
    [
        ((), False),
        ((0.5, 0.4), False),
        ((0.5, 0.4, 0.5), True),
        ((0.5, 0.4, 0.6), False),
        ((0.5, None, 0.4, 0.4), False),  # what runs may still be better
        ((0.5, 0.4, 0.4, None), True),
    ],
)
def test_patience_counts_trials_without_a_gap(values: tuple[float | None, ...], stale: bool) -> None:
    assert Budget(10, patience=2).stale(trials(*values)) is stale
    assert not Budget(10, patience=0).stale(trials(*values))


def test_the_grace_is_a_share_of_the_time_and_seconds_at_least() -> None:
    now = time.monotonic()
    assert Budget(9).left_s is None
    assert not Budget(9).out_of_time
    assert not Budget(9).out_of_grace
    short = Budget(9, timeout_s=10.0, started=now - 12.0)
    assert short.out_of_time
    assert not short.out_of_grace, "a short budget still gives seconds"
    assert Budget(9, timeout_s=10.0, started=now - 16.0).out_of_grace
    assert not Budget(9, timeout_s=3600.0, started=now - 3700.0).out_of_grace
    assert Budget(9, timeout_s=3600.0, started=now - 3800.0).out_of_grace


def test_the_end_is_told_in_words() -> None:
    late = time.monotonic() - 100
    assert Budget(2).ended(trials(0.1, 0.2)) == "all trials done"
    assert Budget(9, timeout_s=60.0, started=late).ended(trials(0.1)) == "the time budget of 60 s ended"
    assert Budget(9, patience=3).ended(trials(0.1)) == "no better trial among the last 3"


def attempt(attempts: int = 1) -> Attempt:
    space, block = Space({"x": Float(0.0, 1.0)}), FamilySearch(epochs=4)
    proposal = propose(0, [], space, block, SearchCommon(pruner="none"), name="s")
    return Attempt(Record(0, proposal.config, attempts=attempts), proposal)


def epoch(number: int, score: float) -> dict[str, Any]:
    return {"event": "epoch", "epoch": number, "moment_ms": 1, "metrics": {"validation_macro_f1": score}}


def test_a_first_death_is_lost_and_a_second_failed() -> None:
    died = {"event": "died", "reason": "its process was killed by SIGKILL"}
    first, second = attempt().end(died), attempt(attempts=2).end(died)
    assert (first.state, first.reason) == ("lost", "its process was killed by SIGKILL")
    assert (second.state, second.reason) == ("failed", "twice, its process was killed by SIGKILL")


def test_a_trial_that_we_ended_is_pruned_with_its_last_score_however_it_ended() -> None:
    for event in ("stopped", "died"):
        busy = attempt()
        busy.epoch(epoch(1, 0.25))
        busy.stop = "the time budget of 60 s ended"
        record = busy.end({"event": event, "reason": "its process was killed by SIGKILL"})
        assert (record.state, record.value, record.reason) == ("pruned", 0.25, "the time budget of 60 s ended")
        assert len(record.history) == 1


def test_a_score_that_is_no_number_fails_the_trial() -> None:
    busy = attempt()
    busy.epoch(epoch(1, float("nan")))
    record = busy.end({"event": "stopped"})
    assert (record.state, record.value) == ("failed", None)
    assert "nan after epoch 1" in record.reason
