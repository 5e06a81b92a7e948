"""What goes into a bento, laid out in one folder; its digest is the bento's version.

The rooms that serve are copied, the ones that train are not. The same code,
model, requirements and settings give the same digest, so building again changes nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import musicgenre
from musicgenre.atomic import write_json, write_text
from musicgenre.bundle.files import load_bundle
from musicgenre.errors import PackagingError
from musicgenre.layout import Layout
from musicgenre.lineage import canonical_hash, file_sha256
from musicgenre.params import ServeParams
from musicgenre.serving.locate import CHAMPION, MODEL_FILE, Located, with_registry
from musicgenre.serving.packaging.requirements import locked, render
from musicgenre.serving.settings import FILE_NAME

ROOMS = ("audio", "bundle", "features", "serving")
TEMPLATE = "Dockerfile.template"
# A place, not a property of the service: where it listens, and secrets, come from the environment.
_NOT_BAKED = frozenset({"host", "port", "api_key", "prediction_log"})


@dataclass(frozen=True)
class Staged:
    """A folder ready for `bentoml build`.

    `tag` and `model_tag` are ``name:version``; `bundle` the champion's folder,
    `digest` its seal, `requirements` how many packages the service installs.
    """

    directory: Path
    tag: str
    model_tag: str
    bundle: Path
    digest: str
    model_version: str
    labels: Mapping[str, str]
    requirements: int


def _bentofile(root: Path) -> dict[str, Any]:
    path = root / "bentofile.yaml"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PackagingError(f"{path} is not there. Restore it from git.") from None
    except yaml.YAMLError as error:
        raise PackagingError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(content, dict) or "service" not in content:
        raise PackagingError(f"{path}: `service` is missing.")
    return content


def _copy_code(target: Path) -> None:
    source = Path(musicgenre.__file__).parent
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
    target.mkdir()
    for file in sorted(source.glob("*.py")):
        shutil.copyfile(file, target / file.name)
    for room in ROOMS:
        shutil.copytree(source / room, target / room, ignore=ignore)


def _content_digest(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return canonical_hash({path.relative_to(folder).as_posix(): file_sha256(path) for path in files})


def _labels(spec_lineage: Mapping[str, Any], version: str, digest: str) -> dict[str, str]:
    labels = {key: str(value) for key, value in spec_lineage.items() if value not in ("", None)}
    return {**labels, "model_version": version, "model_digest": digest}


def stage(layout: Layout, settings: ServeParams, directory: Path) -> Staged:
    """Lay out the bento of the champion in `directory`.

    Parameters
    ----------
    directory
        An empty folder. BentoML refuses paths with a hidden part, so it cannot be in the work cache.

    Raises
    ------
    PackagingError
        If there is no champion, no `bentofile.yaml` or no usable lock.
    TamperedBundle
        If the champion differs from its digests.
    """
    bundle = layout.root / CHAMPION
    if not (bundle / "bundle.json").is_file():
        raise PackagingError(f"{bundle} is not there: no model has been promoted. Run `musicgenre promote` (or `dvc repro`).")
    spec = load_bundle(bundle)
    known = with_registry(Located(bundle), layout.registry, spec.digest)
    name, version = known.name, known.version
    definition = _bentofile(layout.root)
    packages = locked(layout.root / "uv.lock")
    labels = _labels(spec.lineage, version, spec.digest)
    model_tag = f"{name}:{spec.model_id}"
    _copy_code(directory / "musicgenre")
    write_text(directory / "requirements.txt", render(packages))
    write_json(directory / FILE_NAME, {key: value for key, value in settings.model_dump(mode="json").items() if key not in _NOT_BAKED})
    definition["models"] = [model_tag]
    definition["labels"] = {**{key: str(value) for key, value in (definition.get("labels") or {}).items()}, **labels}
    shutil.copyfile(Path(__file__).with_name(TEMPLATE), directory / TEMPLATE)
    write_text(directory / "bentofile.yaml", yaml.safe_dump(definition, sort_keys=False))
    tag = f"{definition.get('name', 'musicgenre')}:{_content_digest(directory)}"
    about = {"tag": model_tag, "name": name, "version": version, "digest": spec.digest, "figures": known.figures, "bento": tag}
    write_json(directory / MODEL_FILE, about)
    return Staged(directory, tag, model_tag, bundle, spec.digest, version, labels, len(packages))


__all__ = ["ROOMS", "Staged", "stage"]
