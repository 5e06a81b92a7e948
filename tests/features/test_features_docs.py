"""What docs/features.md says about descriptors is generated from the code."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from musicgenre.features.frontend import FrontEnd
from musicgenre.features.kinds import KINDS
from musicgenre.features.table import markdown, names, quantities


def test_the_table_in_the_docs_is_the_codes(repository: Path) -> None:
    text = (repository / "docs" / "features.md").read_text(encoding="utf-8")
    assert text.endswith(markdown(replace(FrontEnd(), hpss=True))), "write the output of `musicgenre features describe` (hpss: true) there"
    assert all(f"`{kind}`" in text for kind in KINDS)


def test_every_column_has_a_unit_a_source_and_a_meaning() -> None:
    spec = replace(FrontEnd(), hpss=True)
    assert all(quantity.unit and quantity.source and quantity.meaning for quantity in quantities(spec))
    columns = names(spec)
    assert len(columns) == len(set(columns)) == 191
    assert names(FrontEnd()) == columns[:187]
