"""Everything about a study that is known before its first trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from musicgenre.layout import Layout
from musicgenre.lineage import Lineage, collect
from musicgenre.models.base import Family, Space
from musicgenre.params import FamilySearch, Params, SearchCommon
from musicgenre.search.identity import study_id
from musicgenre.search.published import Selection, select
from musicgenre.search.reach import within_reach
from musicgenre.search.session import load_family
from musicgenre.search.spaces import check

if TYPE_CHECKING:
    from musicgenre.models.corpus import Corpus


@dataclass(frozen=True)
class Settled:
    """A study: `name` is its identity, `reference` how a worker loads the family, `left_out` what `reach.within_reach` narrowed away."""

    name: str
    family: Family
    reference: str
    space: Space
    block: FamilySearch
    common: SearchCommon
    selection: Selection
    left_out: Mapping[str, str]
    corpus: Corpus
    lineage: Lineage
    params: Params
    layout: Layout


def settle(name: str, reference: str, block: FamilySearch, params: Params, layout: Layout) -> Settled:
    """Check the space, select published systems, open the data, and give the study its name.

    Raises
    ------
    SearchError
        If there is nothing to search, or a dimension makes no sense.
    ParamsError
        If a published system is not the family's.
    MissingInput
        If an earlier stage has not run.
    """
    from musicgenre.models.corpus import Corpus

    family, common = load_family(reference), params.search.common
    block, left_out = within_reach(family, block, layout)
    space = family.space(block)
    check(space, family=name, trials=block.trials)
    selection = select(family, block, layout)
    lineage = collect(layout)
    identity = study_id(family, space, block, common, lineage, layout, [system.name for system in selection.systems])
    corpus = Corpus.open(layout, splits=("train", "validation"))
    return Settled(identity, family, reference, space, block, common, selection, left_out, corpus, lineage, params, layout)


__all__ = ["Settled", "settle"]
