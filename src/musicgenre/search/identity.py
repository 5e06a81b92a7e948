"""What makes a study the same study: change any of it and a fresh one begins."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from musicgenre.layout import Layout
from musicgenre.lineage import Lineage, canonical_hash
from musicgenre.models.base import Family, Space
from musicgenre.params import FamilySearch, SearchCommon
from musicgenre.search.spaces import describe

SCHEMA = 1
_BUDGET = {"enabled", "trials", "timeout_s", "published", "space"}  # a larger budget goes on with the same study


@cache
def code_version(*parts: str) -> str:
    """Hash of the sources that decide what a configuration means: the models' room and the way segments are cut."""
    import musicgenre

    root = Path(musicgenre.__file__).parent
    digest = hashlib.sha256()
    for part in parts or ("models", "features/segments.py"):
        place = root / part
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _spec(path: Path) -> dict[str, Any]:
    file = path / "spec.json"
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}


def input_ids(layout: Layout, kinds: Iterable[str], backbones: Iterable[str]) -> dict[str, str]:
    """The identity of every stored input that a family reads; an absent one is an empty string."""
    found = {}
    for kind in sorted(kinds):
        spec = _spec(layout.features(kind))
        found[f"features/{kind}"] = str(spec.get("kind_id") or spec.get("feature_id") or "")
    for backbone in sorted(backbones):
        spec = _spec(layout.embeddings(backbone))
        parts = {name: spec.get(name) for name in ("weights_sha256", "segmenting", "input", "kind_id", "feature_id")}
        found[f"embeddings/{backbone}"] = canonical_hash(parts) if spec else ""
    return found


def study_id(
    family: Family, space: Space, block: FamilySearch, common: SearchCommon, lineage: Lineage, layout: Layout, published: Sequence[str]
) -> str:
    """`<family>-<16 hex digits>`: space, fixed values, epochs, seed, sampler, pruner, data, split, inputs and code."""
    kinds, backbones = family.needs(block)
    content = {
        "schema": SCHEMA,
        "family": family.name,
        "space": describe(space),
        "block": {name: value for name, value in block.model_dump(mode="json").items() if name not in _BUDGET},
        "common": {name: value for name, value in common.model_dump(mode="json").items() if name not in ("storage", "patience")},
        "published": list(published),
        "data": lineage.data_id,
        "split": lineage.split_id,
        "inputs": input_ids(layout, kinds, backbones),
        "code": code_version(),
    }
    return f"{family.name}-{canonical_hash(content)}"


__all__ = ["SCHEMA", "code_version", "input_ids", "study_id"]
