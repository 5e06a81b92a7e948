"""What a study leaves behind: `models/<family>/`, exactly as later stages read it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicgenre.atomic import atomic_directory, write_json
from musicgenre.errors import SearchError
from musicgenre.layout import Layout
from musicgenre.lineage import Lineage
from musicgenre.models.base import PublishedSystem
from musicgenre.search.records import Record, table
from musicgenre.search.session import MEMBER, VALIDATION

if TYPE_CHECKING:
    from musicgenre.models.corpus import Corpus


@dataclass(frozen=True)
class StudySummary:
    """`summary.json` of a family.

    `published` has an entry for every system of the literature that the block asked
    for: its own figures beside ours, or why it was skipped.
    """

    family: str
    enabled: bool = True
    study: str = ""
    best_trial: int = -1
    best_config: Mapping[str, Any] = field(default_factory=dict)
    best_published: str = ""
    validation_macro_f1: float = 0.0
    validation: Mapping[str, float] = field(default_factory=dict)
    cost: float | None = None
    n_parameters: int = 0
    fit_s: float = 0.0
    trials: Mapping[str, int] = field(default_factory=dict)
    published: Sequence[Mapping[str, Any]] = ()
    ended: str = ""
    duration_s: float = 0.0
    mlflow_parent_run: str = ""
    mlflow_winner_run: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def counts(records: Sequence[Record]) -> dict[str, int]:
    """Trials by how they ended, and in total."""
    found = {state: sum(record.state == state for record in records) for state in ("complete", "pruned", "failed")}
    return {"total": sum(found.values()), **found}


def commonest_failure(family: str, records: Sequence[Record]) -> SearchError:
    """The error of a study in which no trial succeeded."""
    reasons = [record.reason for record in records if record.reason]
    if not reasons:
        return SearchError(f"search {family}: no trial was run. Raise search.{family}.trials or search.{family}.timeout_s.")
    most = max(sorted(set(reasons)), key=reasons.count)
    share = f"{reasons.count(most)} of {len(records)} times"
    return SearchError(f"search {family}: no trial succeeded. The commonest reason, {share}: {most}")


def published_table(systems: Sequence[PublishedSystem], skipped: Mapping[str, str], records: Sequence[Record]) -> list[dict[str, Any]]:
    """Each published system: what its authors report, and what the same configuration reached here (on validation)."""
    found: list[dict[str, Any]] = []
    by_name = {record.published: record for record in records if record.published}
    for system in systems:
        record = by_name.get(system.name)
        entry: dict[str, Any] = {"name": system.name, "title": system.title, "source": system.source, "figures": dict(system.figures)}
        if record is None:
            entry |= {"state": "not reached", "reason": "a budget ended first"}
        else:
            entry |= {"state": record.state, "trial": record.index, "validation_macro_f1": record.value, "reason": record.reason}
        found.append(entry)
    return found + [{"name": name, "state": "skipped", "reason": reason} for name, reason in skipped.items()]


def write_disabled(layout: Layout, family: str) -> StudySummary:
    """A family that is switched off leaves a summary that says so, and nothing else."""
    summary = StudySummary(family=family, enabled=False)
    with atomic_directory(layout.model(family)) as temporary:
        write_json(temporary / "summary.json", {"family": family, "enabled": False})
    return summary


def write_model(layout: Layout, summary: StudySummary, records: Sequence[Record], kept: Path, corpus: Corpus, lineage: Lineage) -> None:
    """Replace `models/<family>/` by the winner's files, its bundle and the study's tables, as a whole."""
    from musicgenre.bundle.files import write_bundle
    from musicgenre.bundle.reference import build_reference
    from musicgenre.bundle.spec import MemberSpec

    member = MemberSpec.from_dict(json.loads((kept / MEMBER).read_text(encoding="utf-8")))
    with atomic_directory(layout.model(summary.family)) as temporary:
        for path in sorted(kept.iterdir()):
            if path.name not in (MEMBER, member.file):
                copy = shutil.copytree if path.is_dir() else shutil.copyfile
                copy(path, temporary / path.name)
        table(records).to_parquet(temporary / "trials.parquet")
        write_bundle(
            temporary / "bundle",
            classes=corpus.classes,
            front_end=corpus.front_end,
            members=[(member, kept)],
            lineage=lineage,
            reference=build_reference(corpus, {item.kind for item in member.inputs}),
        )
        write_json(temporary / "summary.json", summary.to_dict())


def winner_figures(kept: Path, folder: Path) -> None:
    """Plots and tables of the winner on validation, into `folder` (see `search.plots`); of a classical model its columns as well."""
    import pandas as pd

    from musicgenre.search.plots import model_figures

    frame = pd.read_parquet(kept / VALIDATION)
    classes = [name.removeprefix("p_") for name in frame.columns if name.startswith("p_")]
    labels = frame["genre"].map({name: index for index, name in enumerate(classes)}).to_numpy()
    model_figures(folder, labels, frame[[f"p_{name}" for name in classes]].to_numpy("float64"), classes)
    if (kept / "descriptors.parquet").is_file():
        pd.read_parquet(kept / "descriptors.parquet").to_csv(folder / "descriptors.csv", index=False)


__all__ = [
    "StudySummary",
    "commonest_failure",
    "counts",
    "published_table",
    "winner_figures",
    "write_disabled",
    "write_model",
]
