"""Spaces: what is refused, what is asked, and which part of a published system the sampler may learn from."""

from __future__ import annotations

import optuna
import pytest

from musicgenre.errors import SearchError
from musicgenre.models.base import Choice, Float, Int, Space
from musicgenre.search.spaces import check, describe, distribution, inside, suggest

SPACE = Space(
    {
        "beta": Float(0.5, 0.9),
        "rate": Float(1e-4, 1e-1, log=True),
        "units": Int(8, 30, step=4),
        "kind": Choice(("a", "b")),
        "drop": Choice((0, 0.5)),
    },
    {"beta": {"kind": ("b",)}},
)


@pytest.mark.parametrize(
    ("dimension", "words"),
    [
        (Choice(()), "no options"),
        (Choice(((1, 2),)), r"\(1, 2\)"),
        (Float(2.0, 1.0), "low .2.0. is above high .1.0."),
        (Float(0.0, 1.0, log=True), "above 0"),
        (Int(0, 8, log=True), "above 0"),
    ],
)
def test_a_bad_dimension_is_named(dimension: Choice | Float | Int, words: str) -> None:
    with pytest.raises(SearchError, match=f"search.cnn.space.x.*{words}"):
        check(Space({"x": dimension, "y": Float(0, 1)}), family="cnn", trials=3)


def test_nothing_to_search_is_refused_unless_one_trial_was_asked_for() -> None:
    fixed = Space({"x": Choice((1,)), "y": Int(3, 3)})
    check(fixed, family="cnn", trials=1)
    for space in (fixed, Space({})):
        with pytest.raises(SearchError, match="leaves one configuration; 4 trials"):
            check(space, family="cnn", trials=4)


def test_a_condition_on_nothing_is_refused() -> None:
    with pytest.raises(SearchError, match="'x' depends on 'z'"):
        check(Space({"x": Float(0, 1)}, {"x": {"z": (1,)}}), family="cnn", trials=2)


def test_children_are_asked_after_their_parents_and_only_where_they_apply() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    seen = [suggest(study.ask(), SPACE) for _ in range(30)]
    assert {config["kind"] for config in seen} == {"a", "b"}
    assert all(("beta" in config) == (config["kind"] == "b") for config in seen)
    assert {config["units"] for config in seen} <= {8, 12, 16, 20, 24, 28}
    circle = Space({"x": Choice((1, 2)), "y": Choice((1, 2))}, {"x": {"y": (1,)}, "y": {"x": (1,)}})
    with pytest.raises(SearchError, match="circle"):
        suggest(study.ask(), circle)


def test_only_points_of_the_space_are_learnt_from() -> None:
    config = {"rate": 1.0, "units": 12, "kind": "a", "beta": 0.7, "drop": 0, "filters": (1, 2)}
    # rate is out of range, beta does not apply to kind a, filters is no dimension
    assert set(inside(config, SPACE)) == {"units", "kind", "drop"}
    assert set(inside({"units": 13, "drop": False, "kind": "c"}, SPACE)) == set(), "off the grid, another type, not an option"
    assert set(inside({"kind": "b", "beta": 0.7}, SPACE)) == {"kind", "beta"}


def test_the_description_does_not_depend_on_order() -> None:
    turned = Space(dict(reversed(SPACE.dimensions.items())), SPACE.conditions)
    assert describe(turned) == describe(SPACE)
    assert describe(SPACE) != describe(Space({**SPACE.dimensions, "rate": Float(1e-4, 2e-1, log=True)}, SPACE.conditions))
    assert distribution(Int(8, 30, step=4)).high == 28  # type: ignore[attr-defined]  # an IntDistribution
