"""Published systems run again: under their own way of splitting, and under the honest one.

Each system is fitted twice with the same configuration and seed. *Own* is the
publication's protocol (its shares; tracks or segments drawn at random, blind to
artists and copies). *Honest* is `data/splits.parquet`, where no artist or
recording crosses. Both are scored on their test side, with 95 % intervals over
tracks and over groups. These test scores are reports of old systems; nothing is selected by them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from musicgenre.atomic import atomic_path, write_json, write_text
from musicgenre.errors import ModelError, MusicGenreError
from musicgenre.layout import Layout
from musicgenre.lineage import canonical_hash, file_sha256
from musicgenre.models import families
from musicgenre.models.base import PublishedSystem
from musicgenre.models.corpus import Corpus
from musicgenre.params import FAMILIES, FamilySearch, Params

if TYPE_CHECKING:
    import pandas as pd

FIGURES = ("accuracy", "macro_f1", "roc_auc")
_SHORT = {"accuracy": "acc", "macro_f1": "F1", "roc_auc": "AUC", "f1": "F1"}


@dataclass(frozen=True)
class Protocol:
    """How a publication splits: what is drawn, and the shares of validation and test (its own early stopping set where it has one)."""

    unit: Literal["tracks", "segments"]
    validation: float
    test: float

    def __str__(self) -> str:
        return f"{self.unit}, {1 - self.test:.0%}/{self.test:.0%}"


# What a description says of its split; where it gives one share only, validation is taken from the training side.
_SIXTY_FORTY = Protocol("tracks", 0.1, 0.4)
PROTOCOLS: Mapping[str, Protocol] = {
    "spectrogram_cnn": _SIXTY_FORTY,
    "mobilenet": _SIXTY_FORTY,
    "late_fusion": _SIXTY_FORTY,
    "mfcc_cnn": Protocol("segments", 0.15, 0.25),
    "folder_cnn": Protocol("segments", 0.1, 0.2),
}
OTHERWISE = Protocol("tracks", 0.1, 0.2)


@dataclass(frozen=True)
class Listed:
    """A published system and its family's name."""

    family: str
    system: PublishedSystem

    @property
    def protocol(self) -> Protocol:
        return PROTOCOLS.get(self.system.name, OTHERWISE)


def systems() -> tuple[Listed, ...]:
    """Every published system of every family (our own starting points are none)."""
    found = [Listed(name, system) for name in FAMILIES for system in families.get(name).published()]
    return tuple(item for item in found if item.system.source != "this project")


def find(name: str) -> Listed:
    """The system `name`.

    Raises
    ------
    ModelError
        If there is none; the message lists all.
    """
    for item in systems():
        if item.system.name == name:
            return item
    raise ModelError(f"no published system {name!r}; there are {', '.join(item.system.name for item in systems())}.")


def reproduce(
    name: str, params: Params, layout: Layout, *, epochs: int | None = None, seed: int = 1, again: bool = False
) -> dict[str, Any]:
    """Fit and score one system both ways; `reports/reproduction/<name>.json` and its training curves.

    Parameters
    ----------
    epochs
        A limit below the publication's own number, for a quick look; recorded with the result.
    again
        Do it even where a result of the same data, configuration and seed is there.
    """
    item = find(name)
    folder = layout.reports / "reproduction"
    block = params.search.family(item.family).model_copy(update={"epochs": epochs or 10_000, "fixed": {}, "space": {}})
    tracks = Corpus.open(layout, splits=("train", "validation", "test")).tracks
    identity = canonical_hash(
        [
            name,
            json.loads(json.dumps(dict(item.system.config))),
            epochs,
            seed,
            str(item.protocol),
            file_sha256(layout.splits),
            block.segment_s,
        ]
    )
    path = folder / f"{name}.json"
    if path.is_file() and not again:
        known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if known.get("identity") == identity:
            return known
    result: dict[str, Any] = {
        "name": name,
        "family": item.family,
        "title": item.system.title,
        "source": item.system.source,
        "published": dict(item.system.figures),
        "protocol": str(item.protocol),
        "notes": item.system.notes,
        "epochs_limit": epochs,
        "seed": seed,
        "identity": identity,
    }
    for way in ("own", "honest"):
        result[way] = _run(item, way, tracks, layout, block, seed, folder)
    write_json(path, result)
    return result


def _run(item: Listed, way: str, tracks: pd.DataFrame, layout: Layout, block: FamilySearch, seed: int, folder: Path) -> dict[str, Any]:
    from musicgenre.evaluation.bootstrap import headline_intervals

    started = time.perf_counter()
    training, testing = _corpora(item, way, tracks, layout, seed, block)
    fitted = families.get(item.family).fit(item.system.config, training, block=block, seed=seed, report=lambda epoch, metrics: None)
    seconds = time.perf_counter() - started
    rows = testing.rows("test")
    p = np.asarray(fitted.predict(testing, "test"), dtype=np.float64)
    found = headline_intervals(rows["label"].to_numpy(), p, rows["group"].to_numpy(), seed=seed)
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder / f"{item.system.name}-{way}-history.parquet") as temporary:
        fitted.history.to_parquet(temporary)
    table = rows[["track_id", "genre"]].copy()
    for index, label in enumerate(testing.classes):
        table[f"p_{label}"] = p[:, index]
    with atomic_path(folder / f"{item.system.name}-{way}-predictions.parquet") as temporary:
        table.to_parquet(temporary, index=False)
    figures = {key: interval.to_dict() for key, interval in found.items() if np.isfinite(interval.value)}
    return {"seconds": round(seconds, 1), "tested": len(rows), "epochs": len(fitted.history), "figures": figures}


def _corpora(item: Listed, way: str, tracks: pd.DataFrame, layout: Layout, seed: int, block: FamilySearch) -> tuple[Corpus, Corpus]:
    """(train and validation, test) under one way of splitting."""
    from musicgenre.dataset.assignment import leaky_sides

    train = ("train", "validation")
    if way == "honest":
        return Corpus.open(layout, train), Corpus.open(layout, ("test",))
    protocol = item.protocol
    if protocol.unit == "segments":
        everything = Corpus.open(layout, ("train", "validation", "test"))
        piece = float(item.system.config.get("segment_s") or block.segment_s)
        from musicgenre.models.pieces import pieces_of

        made = [
            pieces_of(everything, piece, validation=protocol.validation, test=protocol.test, seed=seed, splits=splits)
            for splits in (train, ("test",))
        ]
        return made[0], made[1]
    sides = leaky_sides(
        tracks["track_id"].tolist(), tracks["genre"].tolist(), validation=protocol.validation, test=protocol.test, seed=seed
    )
    assignment = tracks[["track_id", "genre", "group", "recording"]].assign(split=sides)
    assignment["group"] = assignment["track_id"]
    return Corpus.open(layout, train, assignment=assignment), Corpus.open(layout, ("test",), assignment=assignment)


def reproduce_all(
    params: Params, layout: Layout, *, names: Sequence[str] = (), epochs: int | None = None, seed: int = 1, again: bool = False
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Every system (or `names`) that can run here; (results, why the others were skipped). Writes the table as well."""
    results, skipped = [], {}
    for name in names or [item.system.name for item in systems()]:
        missing = [need for need in find(name).system.needs if not _stored(layout, need)]
        if missing:
            skipped[name] = f"needs {' and '.join(missing)}, which is not stored (features.kinds, embed.backbones; weights permitting)"
            continue
        try:
            results.append(reproduce(name, params, layout, epochs=epochs, seed=seed, again=again))
        except MusicGenreError as error:
            skipped[name] = str(error)
    write_text(layout.reports / "reproduction" / "table.md", markdown(results, skipped))
    return results, skipped


def _stored(layout: Layout, need: str) -> bool:
    return any((place / "spec.json").is_file() for place in (layout.features(need), layout.embeddings(need)))


def cell(figures: Mapping[str, Mapping[str, float | None]]) -> str:
    """`acc .52 [.43, .61] · F1 …` for a table."""
    parts = []
    for name in FIGURES:
        found = figures.get(name)
        if found is None:
            continue
        bounds = "" if found["low"] is None or found["high"] is None else f" [{found['low']:.2f}, {found['high']:.2f}]"
        parts.append(f"{_SHORT[name]} {found['value']:.2f}{bounds}")
    return " · ".join(parts)


def published_cell(figures: Mapping[str, float]) -> str:
    """Published figures for a table."""
    return " · ".join(f"{_SHORT.get(name, name)} {value:.2f}" for name, value in figures.items()) or "–"


def markdown(results: Sequence[Mapping[str, Any]], skipped: Mapping[str, str]) -> str:
    """The table *published / own split / honest split*, and what was left out."""
    lines = ["| system | published | own split | re-run under its own split | honest split | seconds |", "|---|---|---|---|---|---|"]
    for item in results:
        seconds = f"{item['own']['seconds']:.0f} + {item['honest']['seconds']:.0f}"
        limit = f" (at most {item['epochs_limit']} epochs)" if item["epochs_limit"] else ""
        own, honest = cell(item["own"]["figures"]), cell(item["honest"]["figures"])
        lines.append(f"| {item['name']}{limit} | {published_cell(item['published'])} | {item['protocol']} | {own} | {honest} | {seconds} |")
    lines += ["", *(f"- skipped {name}: {reason}" for name, reason in skipped.items())]
    return "\n".join(lines).rstrip() + "\n"


__all__ = ["PROTOCOLS", "Listed", "Protocol", "find", "markdown", "reproduce", "reproduce_all", "systems"]
