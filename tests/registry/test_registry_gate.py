"""The gate as a table: one change of the evidence, one criterion, one verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from musicgenre.params import PromoteParams
from musicgenre.registry.gate import Comparison, Evidence, Figures, judge

LIMITS = PromoteParams(
    margin=0.02,
    max_recall_drop=0.2,
    max_calibration_error=0.1,
    max_latency_ms=100,
    max_size_mb=10,
    max_robustness_drop=0.3,
    min_above_chance=0.1,
    allow_dirty=False,
)
NAN = float("nan")
OLD = Figures(macro_f1=0.60, accuracy=0.60, calibration_error=0.08, recall={"jazz": 0.8, "rock": 0.4})
NEW = Figures(macro_f1=0.65, accuracy=0.65, calibration_error=0.05, recall={"jazz": 0.7, "rock": 0.6})
BOTH = Comparison(genres=("jazz", "rock"), tracks=40, candidate=NEW, champion=OLD, low=-0.01, high=0.11)
FIRST = Evidence(classes=("jazz", "rock"), tracks=40, figures=NEW, latency_ms=50, size_mb=5)
SECOND = replace(FIRST, champion="3", comparison=BOTH)


def _both(**changes: Any) -> Evidence:
    return replace(SECOND, comparison=replace(BOTH, **changes))


ACCEPTED = {
    "the first model, above chance": FIRST,
    "exactly the floor": replace(FIRST, figures=replace(NEW, macro_f1=0.6)),
    "a better one": SECOND,
    "recall at the limit": _both(candidate=replace(NEW, recall={"jazz": 0.6, "rock": 0.6})),
    "a genre that only one has tracks of": _both(candidate=replace(NEW, recall={"rock": 0.6})),
    "a champion of other genres": replace(_both(tracks=9), classes=("jazz", "rock", "folk")),
    "robust enough": replace(SECOND, robustness_drop=0.3),
    "budgets at their limits": replace(SECOND, latency_ms=100.0, size_mb=10.0, figures=replace(NEW, calibration_error=0.1)),
}
REFUSED = {
    "below chance": (replace(FIRST, figures=replace(NEW, macro_f1=0.599)), "better than chance"),
    "no better": (_both(candidate=replace(NEW, macro_f1=0.60), low=-0.001), "better"),
    "not shown to be no worse": (_both(low=-0.021), "not worse"),
    "the bound on the margin": (_both(low=-0.02), "not worse"),
    "no interval": (_both(low=None), "not worse"),
    "a genre lost": (_both(candidate=replace(NEW, recall={"jazz": 0.59, "rock": 0.9})), "recall of every genre"),
    "badly calibrated": (replace(SECOND, figures=replace(NEW, calibration_error=0.11)), "calibration error"),
    "first figure not a number": (replace(FIRST, figures=replace(NEW, macro_f1=NAN)), "better than chance"),
    "gain not a number": (_both(candidate=replace(NEW, macro_f1=NAN)), "better"),
    "champion not a number": (_both(champion=replace(OLD, macro_f1=NAN)), "better"),
    "bound not a number": (_both(low=NAN), "not worse"),
    "recall not a number": (_both(candidate=replace(NEW, recall={"rock": 0.6, "jazz": NAN})), "recall of every genre"),
    "calibration not a number": (replace(SECOND, figures=replace(NEW, calibration_error=NAN)), "calibration error"),
    "latency not a number": (replace(SECOND, latency_ms=NAN), "latency"),
    "size not a number": (replace(SECOND, size_mb=NAN), "size"),
    "robustness not a number": (replace(SECOND, robustness_drop=NAN), "robustness"),
    "slow": (replace(SECOND, latency_ms=101.0), "latency"),
    "large": (replace(SECOND, size_mb=10.1), "size"),
    "fragile": (replace(SECOND, robustness_drop=0.31), "robustness"),
    "leaky split": (replace(SECOND, split_policy="segments"), "split policy"),
    "leaky split, first model": (replace(FIRST, split_policy="segments"), "split policy"),
    "another split": (replace(SECOND, other_split=True), "same split"),
    "dirty tree": (replace(SECOND, dirty=True), "clean work tree"),
    "failed validation": (replace(SECOND, validation="The data failed its validation."), "data validation"),
    "does not load": (replace(SECOND, loads="It does not load."), "loads and answers"),
    "rolled back": (replace(SECOND, withdrawn="yesterday by a person"), "not withdrawn"),
    "a genre unknown": (replace(SECOND, missing_genres=("folk",)), "every genre"),
    "first model, dirty tree": (replace(FIRST, dirty=True), "clean work tree"),
    "first model, failed validation": (replace(FIRST, validation="The data failed its validation."), "data validation"),
    "a champion of other genres, beaten on the common ones only in part": (
        replace(
            _both(tracks=9, candidate=replace(NEW, recall={"jazz": 0.5, "rock": 0.9}), champion=replace(OLD, recall={"jazz": 0.9})),
            classes=("jazz", "rock", "folk"),
        ),
        "recall of every genre",
    ),
    "a champion of another front end without its audio": (
        replace(FIRST, champion="3", incomparable="the champion cannot be scored: its front end differs from the stored features."),
        "comparable",
    ),
    "incomparable": (replace(FIRST, champion="3", incomparable="they share no genre."), "comparable"),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(name: str) -> None:
    verdict = judge(ACCEPTED[name], LIMITS)
    assert verdict.passed, verdict.words
    assert not verdict.failed


@pytest.mark.parametrize("name", REFUSED)
def test_refused_for_one_reason_and_in_words(name: str) -> None:
    evidence, criterion = REFUSED[name]
    verdict = judge(evidence, LIMITS)
    assert not verdict.passed
    assert [item.name for item in verdict.failed] == [criterion]
    assert verdict.words == f"Refused: {verdict.failed[0].words}"


def test_what_is_compared_with_other_classes_is_said() -> None:
    verdict = judge(ACCEPTED["a champion of other genres"], LIMITS)
    assert "on 9 test tracks of 2 genres" in next(item.words for item in verdict.criteria if item.name == "not worse")
    assert judge(REFUSED["a champion of another front end without its audio"][0], LIMITS).words.count("front end differs") == 1


def test_robustness_that_was_not_measured_is_said() -> None:
    found = next(item for item in judge(SECOND, LIMITS).criteria if item.name == "robustness")
    assert found.passed and "not measured" in found.words


def test_a_refusal_names_all_its_reasons() -> None:
    verdict = judge(replace(SECOND, latency_ms=999.0, dirty=True, withdrawn="x"), LIMITS)
    assert {item.name for item in verdict.failed} == {"latency", "clean work tree", "not withdrawn"}


def test_dirty_trees_pass_where_allowed() -> None:
    verdict = judge(replace(SECOND, dirty=True), LIMITS.model_copy(update={"allow_dirty": True}))
    assert verdict.passed
    assert "allow_dirty" in next(item.words for item in verdict.criteria if item.name == "clean work tree")


def test_every_criterion_has_words_and_numbers_come_with_limits() -> None:
    for item in judge(replace(SECOND, robustness_drop=0.1), LIMITS).criteria:
        assert item.words.endswith(".")
        assert (item.value is None) == (item.limit is None)


def test_the_gate_is_pure() -> None:
    assert judge(SECOND, LIMITS) == judge(SECOND, LIMITS)
