"""Which bundle to serve: named, the project's champion, or the bento's own model."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from musicgenre.errors import BundleError
from musicgenre.serving.settings import FILE_NAME

BUNDLE_VARIABLE = "MUSICGENRE_BUNDLE"
CHAMPION = Path("models/champion")
STORED = "bundle"  # the folder inside a model of BentoML's store: BentoML adds a file of its own beside it
MODEL_FILE = "model.json"  # in a bento's source folder: {"tag": …, "version": …, "digest": …}


@dataclass(frozen=True)
class Located:
    """A bundle's folder and what is known about it: `version` and `figures` in the registry, `bento` tag where one is served."""

    path: Path
    name: str = "musicgenre"
    version: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)
    bento: str = ""


def with_registry(located: Located, registry: Path, digest: str) -> Located:
    """`located` with the name, version and test figures that `models/registry.json` has for this digest, where it has any."""
    try:
        content: Any = json.loads(registry.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return located
    for entry in content.get("versions", []):
        if entry.get("digest") == digest:
            return replace(
                located,
                name=str(content.get("name", located.name)),
                version=str(entry.get("version", "")),
                figures=dict(entry.get("figures") or {}),
            )
    return located


def champion_version(registry: Path, digest: str) -> tuple[str, str]:
    """(model name, version) of the bundle with this digest; the version is empty where the registry does not know it."""
    found = with_registry(Located(Path()), registry, digest)
    return found.name, found.version


def _of_bento(directory: Path) -> Located:
    import bentoml

    model = json.loads((directory / MODEL_FILE).read_text(encoding="utf-8"))
    path = Path(bentoml.models.get(model["tag"]).path_of(STORED))
    return Located(path, model["name"], model["version"], model["figures"], model["bento"])


def locate(directory: Path = Path(), environment: Mapping[str, str] | None = None) -> Located:
    """Find the bundle: `MUSICGENRE_BUNDLE`, else the bento's model, else `models/champion` under `directory`, else the model store.

    Raises
    ------
    BundleError
        Naming where it was looked for and how to get one.
    """
    environment = os.environ if environment is None else environment
    named = environment.get(BUNDLE_VARIABLE)
    if named:
        return Located(Path(named))
    if (directory / MODEL_FILE).is_file():
        return _of_bento(directory)
    if (directory / CHAMPION / "bundle.json").is_file():
        return Located(directory / CHAMPION)
    import bentoml

    try:
        model = bentoml.models.get("musicgenre:latest")
    except bentoml.exceptions.BentoMLException:
        raise BundleError(
            f"No model to serve: {BUNDLE_VARIABLE} is not set, {directory / CHAMPION} is not there and the model store has none. "
            "Run `make repro` or `musicgenre promote`, or name a bundle."
        ) from None
    return Located(Path(model.path_of(STORED)), version=str(model.info.labels.get("version", "")))


__all__ = ["BUNDLE_VARIABLE", "CHAMPION", "FILE_NAME", "MODEL_FILE", "STORED", "Located", "champion_version", "locate", "with_registry"]
