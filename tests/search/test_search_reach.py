"""A default space asks only for what is stored; what the parameters name stays, stored or not."""

from __future__ import annotations

from pathlib import Path

import pytest
from search_project import write_project

from musicgenre.layout import Layout
from musicgenre.models import families
from musicgenre.models.base import Choice
from musicgenre.params import FamilySearch
from musicgenre.search.reach import within_reach


def _store(layout: Layout, *, kinds: tuple[str, ...] = (), backbones: tuple[str, ...] = ()) -> None:
    for place in (*map(layout.features, kinds), *map(layout.embeddings, backbones)):
        place.mkdir(parents=True)
        (place / "spec.json").write_text("{}")


def _options(family: str, name: str, block: FamilySearch) -> tuple[object, ...]:
    dimension = families.get(family).space(block).dimensions[name]
    assert isinstance(dimension, Choice)
    return dimension.options


def test_options_without_their_inputs_are_left_out_by_name(tmp_path: Path) -> None:
    layout = write_project(tmp_path)  # mfcc alone
    block, left_out = within_reach(families.get("cnn"), FamilySearch(), layout)
    assert _options("cnn", "kind", block) == ("mfcc",)
    assert list(left_out) == ["kind mel"] and "features.kinds" in left_out["kind mel"]
    before = families.get("cnn").space(FamilySearch()).dimensions
    after = families.get("cnn").space(block).dimensions
    assert {name for name in before if before[name] != after[name]} == {"kind"}


def test_a_backbone_that_is_not_stored_costs_its_own_options_alone(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    _store(layout, kinds=("mel", "scalogram", "descriptors"))
    block, left_out = within_reach(families.get("multimodal"), FamilySearch(), layout)
    assert _options("multimodal", "kinds", block) == ("mel+scalogram", "mel+scalogram+descriptors")
    assert all(name.startswith("kinds ") and "melnet" in reason for name, reason in left_out.items()) and len(left_out) == 4
    assert _options("classical", "source", within_reach(families.get("classical"), FamilySearch(), layout)[0]) == ("descriptors",)
    _store(layout, backbones=("melnet",))
    for family in ("multimodal", "classical", "transfer"):
        assert within_reach(families.get(family), FamilySearch(), layout) == (FamilySearch(), {})


@pytest.mark.parametrize("block", [FamilySearch(space={"kind": ["mel", "mfcc"]}), FamilySearch(fixed={"kind": "mel"})])
def test_what_the_parameters_name_stays(block: FamilySearch, tmp_path: Path) -> None:
    assert within_reach(families.get("cnn"), block, write_project(tmp_path)) == (block, {})


def test_where_nothing_is_stored_the_trials_say_so(tmp_path: Path) -> None:
    for family in ("cnn", "classical"):
        assert within_reach(families.get(family), FamilySearch(), Layout(tmp_path)) == (FamilySearch(), {})
