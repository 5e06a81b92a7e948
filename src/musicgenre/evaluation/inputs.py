"""What the evaluation reads: the families' folders and the split, never more than it needs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicgenre.errors import MissingInput
from musicgenre.layout import Layout
from musicgenre.params import FAMILIES

if TYPE_CHECKING:
    import pandas as pd

ORDER = (*FAMILIES, "ensemble")
_NOT_FAMILIES = frozenset({"champion"})


@dataclass(frozen=True)
class FamilyInput:
    """One folder below `models/`.

    Attributes
    ----------
    failure
        Why it cannot be evaluated, in words; empty when it can.
    skipped
        Why it was left out on purpose (`search.<family>.enabled: false`); empty otherwise.
    """

    name: str
    directory: Path
    summary: Mapping[str, Any] = field(default_factory=dict)
    failure: str = ""
    skipped: str = ""

    @property
    def bundle(self) -> Path:
        return self.directory / "bundle"

    def history(self) -> pd.DataFrame | None:
        """The winner's curves, one row an epoch; None for a family without epochs."""
        return self.table("history")

    def table(self, name: str) -> pd.DataFrame | None:
        """`<name>.parquet` of the family, or None."""
        import pandas as pd

        path = self.directory / f"{name}.parquet"
        return pd.read_parquet(path) if path.is_file() else None


def _read(directory: Path) -> FamilyInput:
    path = directory / "summary.json"
    try:
        summary = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        return FamilyInput(directory.name, directory, failure=f"{path} is not JSON ({error})")
    if summary.get("skipped") or summary.get("enabled") is False:
        return FamilyInput(directory.name, directory, summary, skipped=str(summary.get("skipped") or "switched off"))
    failure = ""
    if summary.get("failed") or summary.get("error"):
        failure = str(summary.get("failed") or summary.get("error"))
    elif not (directory / "bundle" / "bundle.json").is_file():
        failure = f"no bundle in {directory}: its search left none"
    return FamilyInput(directory.name, directory, summary, failure=failure)


def read_families(layout: Layout) -> list[FamilyInput]:
    """Every family below `models/`, the known ones first, in a fixed order.

    Raises
    ------
    MissingInput
        If there is none.
    """
    models = layout.root / "models"
    names = [entry.name for entry in models.iterdir() if entry.is_dir()] if models.is_dir() else []
    found = sorted(
        (name for name in names if name not in _NOT_FAMILIES and not name.startswith(".")),
        key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name),
    )
    if not found:
        raise MissingInput(f"{models} holds no family. Run `musicgenre search FAMILY` (or `dvc repro`) first.")
    return [_read(models / name) for name in found]


def read_split(layout: Layout) -> pd.DataFrame:
    """`data/splits.parquet`: track_id, genre, group, recording, split.

    Raises
    ------
    MissingInput
        If it is not there.
    """
    import pandas as pd

    if not layout.splits.is_file():
        raise MissingInput(f"{layout.splits} is not there. Run `musicgenre split` first.")
    return pd.read_parquet(layout.splits)


__all__ = ["ORDER", "FamilyInput", "read_families", "read_split"]
