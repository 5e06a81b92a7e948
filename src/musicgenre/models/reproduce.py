"""Published systems run again: under their own way of splitting, and under the honest one.

Each system is fitted twice with the same configuration and seed. *Own* is the
publication's protocol (see `models.protocols`). *Honest* is
`data/splits.parquet`, where no artist or recording crosses. Both are scored on
their test side, with 95 % intervals over tracks and over groups. These test
scores are reports of old systems; nothing is selected by them.

Every finished training is written at once: a killed run goes on where it stopped.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from musicgenre.atomic import atomic_path, write_json, write_text
from musicgenre.errors import ModelError, MusicGenreError
from musicgenre.layout import Layout
from musicgenre.lineage import canonical_hash, file_sha256
from musicgenre.models import families, protocols
from musicgenre.models.classical_model import ClassicalModel
from musicgenre.models.corpus import Corpus
from musicgenre.models.reproduction_table import markdown
from musicgenre.models.systems import Listed, find, systems
from musicgenre.params import FamilySearch, Params

WAYS = ("own", "honest")


def reproduce(
    name: str, params: Params, layout: Layout, *, epochs: int | None = None, seed: int = 1, again: bool = False, stand_in: str = ""
) -> dict[str, Any]:
    """Fit and score one system both ways; `reports/reproduction/<name>.json`, its predictions and its training curves.

    Parameters
    ----------
    epochs
        A limit below the publication's own number, for a quick look; recorded with the result.
    again
        Do it even where a result of the same data, features, configuration and seed is there.
    stand_in
        Name of a backbone to use in place of the published one, whose weights cannot be had; recorded with the result.
    """
    item = find(name, stand_in=stand_in)
    members = item.members
    for member in members:
        if member.protocol != item.protocol:
            raise ModelError(f"{item.name}: {member.name} splits otherwise ({member.protocol}, not {item.protocol}); no average of both.")
    parts = [reproduce(m.system.name, params, layout, epochs=epochs, seed=seed, again=again, stand_in=m.stand_in) for m in members]
    block = _block(item, params, epochs) if not members else None
    identity = [item.name, epochs, seed, str(item.protocol), file_sha256(layout.splits), *(part["identity"] for part in parts)]
    if block is not None:
        identity += [json.loads(json.dumps(dict(item.config))), block.segment_s, block.hop_s, *_read_stores(item, block, layout)]
    path = _result(item, layout)
    result: dict[str, Any] = {
        "name": item.name,
        "family": item.family,
        "title": item.system.title,
        "source": item.system.source,
        "published": dict(item.system.figures),
        "protocol": str(item.protocol),
        "notes": item.system.notes,
        "stand_in": item.stand_in,
        "epochs_limit": epochs,
        "seed": seed,
        "split": file_sha256(layout.splits),
        "identity": canonical_hash(identity),
    }
    known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() and not again else {}
    if known.get("identity") == result["identity"]:
        result |= {way: known[way] for way in WAYS if way in known}
    for way in WAYS:
        if way not in result:
            result[way] = _average(item, members, way, layout, seed) if block is None else _run(item, way, layout, block, seed)
            write_json(path, result)
    return result


def _block(item: Listed, params: Params, epochs: int | None) -> FamilySearch:
    return params.search.family(item.family).model_copy(update={"epochs": epochs or 10_000, "fixed": {}, "space": {}})


def _read_stores(item: Listed, block: FamilySearch, layout: Layout) -> list[str]:
    """Identities of the stored features and embeddings that the system reads."""
    kinds, backbones = families.get(item.family).needs(block.model_copy(update={"fixed": dict(item.config)}))
    places = [*(layout.features(kind) for kind in sorted(kinds)), *(layout.embeddings(name) for name in sorted(backbones))]
    specs = [json.loads((place / "spec.json").read_text(encoding="utf-8")) for place in places if (place / "spec.json").is_file()]
    return [str(spec["kind_id"]) for spec in specs]


def _run(item: Listed, way: str, layout: Layout, block: FamilySearch, seed: int) -> dict[str, Any]:
    started, worked = time.perf_counter(), time.process_time()
    training, testing = _corpora(item, way, layout, block, seed)
    fitted = families.get(item.family).fit(item.config, training, block=block, seed=seed, report=lambda epoch, metrics: None)
    cost = {"seconds": round(time.perf_counter() - started, 1), "cpu_seconds": round(time.process_time() - worked, 1)}
    with atomic_path(_beside(item, way, "history", layout)) as temporary:
        fitted.history.to_parquet(temporary)
    if isinstance(fitted, ClassicalModel):
        with atomic_path(_beside(item, way, "descriptors", layout)) as temporary:
            fitted.descriptors().to_parquet(temporary)
    p = np.asarray(fitted.predict(testing, "test"), dtype=np.float64)
    return {**cost, "epochs": len(fitted.history), **_score(item, way, testing, p, layout, seed)}


def _average(item: Listed, members: Sequence[Listed], way: str, layout: Layout, seed: int) -> dict[str, Any]:
    """The members' predictions of the same test tracks, averaged with equal weights; they were trained on the same tracks."""
    import pandas as pd

    worked = time.process_time()
    _, testing = protocols.honest(layout) if way == "honest" else protocols.own(item.protocol, layout, segment_s=0.0, seed=seed)
    tables = [pd.read_parquet(_beside(member, way, "predictions", layout)) for member in members]
    rows = testing.rows("test")
    if any(not table["track_id"].equals(rows["track_id"]) for table in tables):
        raise ModelError(f"{item.name}: its members were tested on different tracks. Run it with --again.")
    columns = [f"p_{label}" for label in testing.classes]
    p = np.mean([table[columns].to_numpy(np.float64) for table in tables], axis=0)
    parts = [json.loads(_result(member, layout).read_text(encoding="utf-8"))[way] for member in members]
    cost = {key: round(sum(part[key] for part in parts), 1) for key in ("seconds", "cpu_seconds")}
    cost["cpu_seconds"] = round(cost["cpu_seconds"] + time.process_time() - worked, 1)
    return {**cost, "epochs": sum(part["epochs"] for part in parts), **_score(item, way, testing, p, layout, seed)}


def _score(item: Listed, way: str, testing: Corpus, p: np.ndarray[Any, Any], layout: Layout, seed: int) -> dict[str, Any]:
    """Figures with intervals; the predictions are kept."""
    from musicgenre.evaluation.bootstrap import headline_intervals

    rows = testing.rows("test")
    found = headline_intervals(rows["label"].to_numpy(), p, rows["group"].to_numpy(), seed=seed)
    table = rows[["track_id", "genre"]].copy()
    for index, label in enumerate(testing.classes):
        table[f"p_{label}"] = p[:, index]
    with atomic_path(_beside(item, way, "predictions", layout)) as temporary:
        table.to_parquet(temporary, index=False)
    return {"tested": len(rows), "figures": {key: interval.to_dict() for key, interval in found.items() if np.isfinite(interval.value)}}


def _result(item: Listed, layout: Layout) -> Path:
    return layout.reports / "reproduction" / f"{item.name}.json"


def _beside(item: Listed, way: str, what: str, layout: Layout) -> Path:
    path = layout.reports / "reproduction" / f"{item.name}-{way}-{what}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _corpora(item: Listed, way: str, layout: Layout, block: FamilySearch, seed: int) -> tuple[Corpus, Corpus]:
    """(train and validation, test) under one way of splitting."""
    if way == "honest":
        return protocols.honest(layout)
    return protocols.own(item.protocol, layout, segment_s=float(item.config.get("segment_s") or block.segment_s), seed=seed)


def reproduce_all(
    params: Params,
    layout: Layout,
    *,
    names: Sequence[str] = (),
    epochs: int | None = None,
    seed: int = 1,
    again: bool = False,
    stand_in: str = "",
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Every system (or `names`) that can run here; (results, why the others were skipped).

    `table.md`, written after each, and `report.html` (see `reproduction_page`), at the end, show all that was run on this split so far.

    Raises
    ------
    EvaluationError
        If `evaluate.max_report_mb` is too small for the page, sounds and pictures left out.
    """
    from musicgenre.evaluation.report.shell import frame_size, room_for_media
    from musicgenre.models.reproduction_page import write_page

    room_for_media(params.evaluate.max_report_mb, frame_size({}))  # a cap that no page can keep: now, not after hours of training
    folder = layout.reports / "reproduction"
    results: list[dict[str, Any]] = []
    skipped: dict[str, str] = {}
    for name in names or [item.system.name for item in systems()]:
        item = find(name, stand_in=stand_in)
        missing = [need for need in item.needs if not _stored(layout, need)]
        if missing:
            skipped[item.name] = f"needs {' and '.join(missing)}, which is not stored (features.kinds, embed.backbones; weights permitting)"
        else:
            try:
                results.append(reproduce(name, params, layout, epochs=epochs, seed=seed, again=again, stand_in=stand_in))
            except MusicGenreError as error:
                skipped[item.name] = str(error)
        write_text(folder / "table.md", markdown(_finished(layout), skipped))
    write_page(folder, _finished(layout), skipped, params, layout)
    return results, skipped


def _finished(layout: Layout) -> list[dict[str, Any]]:
    """Complete results of the present split, in the order of the systems."""
    order = [item.system.name for item in systems()]
    split = file_sha256(layout.splits)
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((layout.reports / "reproduction").glob("*.json"))]
    complete = [item for item in found if item.get("split") == split and all(way in item for way in WAYS)]
    return sorted(complete, key=lambda item: (order.index(item["name"].removesuffix(f"-{item['stand_in']}")), item["name"]))


def _stored(layout: Layout, need: str) -> bool:
    return any((place / "spec.json").is_file() for place in (layout.features(need), layout.embeddings(need)))


__all__ = ["Listed", "find", "reproduce", "reproduce_all", "systems"]
