"""The service's own requirements out of `uv.lock`: the base dependencies, exact versions, hashes.

The lock holds the whole project (TensorFlow, MLflow, …); what the service needs is
reached from the project's base dependencies alone. Markers are evaluated for the
interpreter that runs this, the one whose version the bento records.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packaging.markers import Marker, default_environment
from packaging.specifiers import SpecifierSet

from musicgenre.errors import PackagingError

PROJECT = "musicgenre"
# Of the packages that must never be in the service's environment.
FORBIDDEN = frozenset({"tensorflow", "keras", "librosa", "mlflow", "dvc", "great-expectations", "optuna", "pandas", "scikit-learn"})

Package = Mapping[str, Any]


def _applies(marker: str | None, extra: str, environment: Mapping[str, str]) -> bool:
    return marker is None or Marker(marker).evaluate({**environment, "extra": extra})


def _chosen(candidates: list[Package], wanted: Mapping[str, Any], environment: Mapping[str, str]) -> Package | None:
    """The one of several locked versions that this edge and this interpreter mean."""
    for package in candidates:
        if "version" in wanted and package["version"] != wanted["version"]:
            continue
        markers = package.get("resolution-markers")
        if markers and not any(_applies(marker, "", environment) for marker in markers):
            continue
        return package
    return None


def locked(lock: Path, *, environment: Mapping[str, str] | None = None) -> list[Package]:
    """Packages of the lock that the service needs, sorted by name.

    Parameters
    ----------
    lock
        `uv.lock`.
    environment
        Marker variables; those of this interpreter by default.

    Raises
    ------
    PackagingError
        If the lock is absent, is not one of this project, or would bring a training library along.
    """
    environment = environment or {key: str(value) for key, value in default_environment().items()}
    try:
        content = tomllib.loads(lock.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PackagingError(f"{lock} is not there; it pins what the service installs. Restore it, or run `uv lock`.") from None
    except tomllib.TOMLDecodeError as error:
        raise PackagingError(f"{lock} is not a lock file: {error}") from error
    packages: dict[str, list[Package]] = {}
    for package in content.get("package", []):
        packages.setdefault(package["name"], []).append(package)
    if PROJECT not in packages:
        raise PackagingError(f"{lock} does not lock {PROJECT}. Run `uv lock`.")
    python = content.get("requires-python", "")
    if python and environment["python_full_version"] not in SpecifierSet(python, prereleases=True):
        raise PackagingError(f"{lock} is for Python {python}; this is {environment['python_full_version']}.")

    found: dict[str, Package] = {}
    waiting: list[tuple[Package, tuple[str, ...]]] = [(packages[PROJECT][0], ())]
    seen: set[tuple[str, tuple[str, ...]]] = set()
    while waiting:
        package, extras = waiting.pop()
        edges = [(edge, "") for edge in package.get("dependencies", [])]
        for extra in extras:
            edges += [(edge, extra) for edge in package.get("optional-dependencies", {}).get(extra, [])]
        for edge, extra in edges:
            if not _applies(edge.get("marker"), extra, environment):
                continue
            chosen = _chosen(packages.get(edge["name"], []), edge, environment)
            if chosen is None:
                raise PackagingError(f"{lock}: no version of {edge['name']} fits this interpreter. Run `uv lock`.")
            wanted = tuple(edge.get("extra", ()))
            if (chosen["name"], wanted) not in seen:
                seen.add((chosen["name"], wanted))
                found[chosen["name"]] = chosen
                waiting.append((chosen, wanted))
    if unwanted := sorted(FORBIDDEN & set(found)):
        raise PackagingError(f"{lock}: the base dependencies bring {', '.join(unwanted)} into the service. Move them to the `train` extra.")
    return [found[name] for name in sorted(found)]


def render(packages: list[Package]) -> str:
    """`requirements.txt` with a hash for every file of every package; installs the same bytes or nothing."""
    lines = ["# From uv.lock: what the service needs and nothing more. Written by `musicgenre package`."]
    for package in packages:
        files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        hashes = sorted({file["hash"] for file in files if "hash" in file})
        lines.append(" \\\n    ".join([f"{package['name']}=={package['version']}", *(f"--hash={value}" for value in hashes)]))
    return "\n".join(lines) + "\n"


__all__ = ["FORBIDDEN", "PROJECT", "locked", "render"]
