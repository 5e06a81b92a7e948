"""The champion as a bento: staged, built, served once, compared."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from musicgenre.atomic import write_json
from musicgenre.layout import Layout
from musicgenre.params import Params


@dataclass(frozen=True)
class Packaged:
    """What `package` did; the content of `reports/bento.json`.

    Attributes
    ----------
    tag, model_tag
        Of the bento and of its model in BentoML's stores, ``name:version``.
    model_version, model_digest
        The champion's version in the registry and the seal of its bundle.
    bento_mb
        Size of the bento with its model, without an environment.
    requirements
        Packages that the service installs.
    smoke
        Figures of the smoke test, empty where `package.smoke` is off.
    clean_env_mb
        Size of the clean environment, null where none was made.
    """

    tag: str
    model_tag: str
    model_version: str
    model_digest: str
    labels: dict[str, str]
    bento_mb: float
    requirements: int
    python: str
    smoke: dict[str, Any] = field(default_factory=dict)
    clean_env_mb: float | None = None


def bentoml_home(layout: Layout) -> Path:
    """`$BENTOML_HOME` where it is set, else `.bentoml` in the project, so that a project is self-contained."""
    return Path(os.environ.get("BENTOML_HOME") or layout.root / ".bentoml").resolve()


def package(params: Params, layout: Layout, *, clean_env: bool = False) -> tuple[Packaged, float]:
    """Build the champion's bento, ask it once, write `reports/bento.json`.

    Parameters
    ----------
    clean_env
        Serve it for the smoke test from a new environment of its own with nothing but the locked requirements.

    Returns
    -------
    Packaged, seconds

    Raises
    ------
    PackagingError
        If there is no champion, BentoML cannot build, or the smoke test finds a difference.
    """
    from musicgenre.serving.packaging import build, clean, smoke
    from musicgenre.serving.packaging.staging import stage

    began = time.perf_counter()
    home = bentoml_home(layout)
    with tempfile.TemporaryDirectory(prefix="musicgenre-bento-") as scratch:
        staged = stage(layout, params.serve, Path(scratch))
        made = build.build(staged, home)
    python, size = Path(sys.executable), None
    if clean_env:
        folder = layout.work.resolve() / "service-env"
        python = clean.make(folder, Path(made["path"]) / "src" / "requirements.txt", root=layout.root)
        size = round(clean.size_mb(folder), 1)
    figures: dict[str, Any] = {}
    if params.package.smoke or clean_env:
        figures = smoke.smoke(staged.tag, staged.bundle, staged.digest, home=home, python=python, timeout_s=params.package.smoke_timeout_s)
        figures["environment"] = "clean" if clean_env else "current"
        del figures["python"]
    result = Packaged(
        tag=staged.tag,
        model_tag=staged.model_tag,
        model_version=staged.model_version,
        model_digest=staged.digest,
        labels=dict(staged.labels),
        bento_mb=round(clean.size_mb(Path(made["path"])) + clean.size_mb(Path(made["model_path"])), 2),
        requirements=staged.requirements,
        python=".".join(map(str, sys.version_info[:3])),
        smoke=figures,
        clean_env_mb=size,
    )
    write_json(layout.bento_report, asdict(result))
    return result, time.perf_counter() - began


__all__ = ["Packaged", "bentoml_home", "package"]
