"""Suggestions and pruning: the same whatever the number of workers, and across a resume."""

from __future__ import annotations

import math
from dataclasses import replace

from musicgenre.models.base import Choice, Float, Space
from musicgenre.params import FamilySearch, SearchCommon
from musicgenre.search.records import Record
from musicgenre.search.sampling import derived_seed, propose, pruner, study_view

SPACE = Space({"x": Float(0.0, 1.0), "kind": Choice(("a", "b")), "y": Float(0.0, 1.0)}, {"y": {"kind": ("b",)}})
BLOCK = FamilySearch(epochs=8)


def curve(value: float, epochs: int = 8) -> tuple[dict[str, float], ...]:
    return tuple({"epoch": epoch, "moment_ms": 0, "validation_macro_f1": value * epoch / epochs} for epoch in range(1, epochs + 1))


def done(index: int, config: dict[str, object]) -> Record:
    value = 1 - (float(str(config["x"])) - 0.3) ** 2
    return Record(index, config, state="complete", value=value, history=curve(value))


def simulate(trials: int, common: SearchCommon, *, unfinished: int = 0) -> list[dict[str, object]]:
    """Configurations when the last `unfinished` (≤ concurrent - 1) trials before each one still run."""
    records: list[Record] = []
    configs = []
    for index in range(trials):
        first = index - unfinished
        seen = [replace(record, state="running", value=None, history=()) if record.index >= first else record for record in records]
        config = propose(index, seen, SPACE, BLOCK, common, name="s").config
        configs.append(config)
        records.append(done(index, config))
    return configs


def test_suggestions_do_not_depend_on_what_still_runs_within_the_window() -> None:
    common = SearchCommon(seed=3, concurrent=4)
    one_worker = simulate(16, common)
    assert one_worker == simulate(16, common, unfinished=3) == simulate(16, common, unfinished=1)
    assert len({str(config) for config in one_worker}) == 16
    assert one_worker != simulate(16, SearchCommon(seed=4, concurrent=4))


def test_the_sampler_learns() -> None:
    configs = simulate(40, SearchCommon(seed=1, concurrent=2))
    late = [abs(float(str(config["x"])) - 0.3) for config in configs[-15:]]
    early = [abs(float(str(config["x"])) - 0.3) for config in configs[:6]]
    assert sum(late) / len(late) < 0.5 * sum(early) / len(early)


def test_a_published_point_is_given_as_it_is() -> None:
    given = {"x": 7.0, "kind": "a", "filters": [1, 2]}
    found = propose(0, [], SPACE, BLOCK, SearchCommon(), name="s", given=given)
    assert found.config == given
    record = Record(0, given, published="p", state="complete", value=0.5, history=curve(0.5))
    after = propose(1, [record], SPACE, BLOCK, SearchCommon(), name="s")
    assert 0 <= after.config["x"] <= 1


def test_median_pruning_ends_the_worse_and_spares_the_better() -> None:
    records = [Record(index, {"x": 0.1 * index, "kind": "a"}, state="complete", value=0.8, history=curve(0.8)) for index in range(4)]
    common = SearchCommon(pruner="median", concurrent=1)

    def first_stop(value: float) -> int | None:
        proposal = propose(4, records, SPACE, BLOCK, common, name="s")
        return next((int(row["epoch"]) for row in curve(value) if proposal.verdict(int(row["epoch"]), row["validation_macro_f1"])), None)

    assert first_stop(0.9) is None
    assert first_stop(0.3) == 2, "not before a quarter of the epochs"
    assert "not" not in propose(4, records, SPACE, BLOCK, common, name="s").verdict(1, 0.9)
    assert "nan" in propose(4, records, SPACE, BLOCK, common, name="s").verdict(1, math.nan)


def test_hyperband_holds_a_trial_against_those_before_it() -> None:
    common = SearchCommon(pruner="hyperband", concurrent=1, sampler="random")

    def stops(values: list[float], *, carry: bool) -> list[int]:
        """The epoch at which each trial of these final scores is ended; 0: never."""
        records: list[Record] = []
        found = []
        for index, value in enumerate(values):
            proposal = propose(index, records, SPACE, FamilySearch(epochs=9), common, name="s")
            rows = curve(value, 9)
            last = next((n for n, row in enumerate(rows, 1) if proposal.verdict(n, row["validation_macro_f1"])), 0)
            marks = proposal.marks if carry else {}
            state = "pruned" if last else "complete"
            records.append(Record(index, proposal.config, state=state, value=value, history=rows[: last or 9], marks=marks))  # type: ignore[arg-type]
            found.append(last)
        return found

    falling = [0.9 - 0.05 * index for index in range(12)]
    assert sum(map(bool, stops(falling, carry=True))) >= 8, "each is worse than the first of its bracket"
    assert {last for last in stops(falling, carry=True) if last} <= {1, 3, 9}, "at Hyperband's rungs"
    assert not any(stops(falling[::-1], carry=True)), "each is better than all before it"
    assert not any(stops(falling, carry=False)), "without the marks there is nothing to compare with"


def test_with_two_objectives_nothing_is_pruned() -> None:
    common = SearchCommon(pruner="median", objective2="latency", concurrent=1)
    records = [Record(i, {"x": 0.1, "kind": "a"}, state="complete", value=0.8, cost=3.0, history=curve(0.8)) for i in range(4)]
    proposal = propose(4, records, SPACE, BLOCK, common, name="s")
    assert not any(proposal.verdict(epoch, 0.0) for epoch in range(1, 9))
    assert len(study_view(records, SPACE, common, name="s", epochs=8).best_trials) == 4
    assert type(pruner(common, 8)).__name__ == "NopPruner"
    assert type(pruner(SearchCommon(pruner="hyperband"), 8)).__name__ == "HyperbandPruner"


def test_seeds_differ_by_purpose_and_trial() -> None:
    seeds = {derived_seed(what, seed, index) for what in ("sampler", "trial") for seed in range(3) for index in range(50)}
    assert len(seeds) == 300
    assert max(seeds) < 2**31
