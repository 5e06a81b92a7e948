"""How runs are named and tagged: one vocabulary for everything that writes or reads them."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from musicgenre.lineage import Lineage

PARENT = "mlflow.parentRunId"
KEY = "musicgenre.key"  # our own name of a run, unique in its experiment; makes creation repeatable
ROLE = "role"  # study, trial or ensemble
STATE = "state"  # complete, pruned, failed, running, lost
REASON = "reason"
PUBLISHED = "published"
WINNER = "winner"
_MAX_TAG = 5000  # characters; MLflow refuses longer tags
_MAX_PARAM = 6000


def lineage_tags(lineage: Lineage) -> dict[str, str]:
    """A tag `lineage.<field>` for every field that has a value."""
    found = {}
    for name, value in lineage.to_dict().items():
        if name != "mlflow_run" and value != "":
            found[f"lineage.{name}"] = str(value).lower() if isinstance(value, bool) else str(value)
    return found


def source_tags(command: str, lineage: Lineage) -> dict[str, str]:
    """What the UI shows as user, source and version."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container without an entry for this user id
        user = "unknown"
    tags = {"mlflow.user": user, "mlflow.source.name": command, "mlflow.source.type": "JOB"}
    if lineage.git_commit:
        tags["mlflow.source.git.commit"] = lineage.git_commit
    return tags


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested values as readable strings: mappings joined by dots, floats in at most six digits, None as `none`.

    >>> flat({"rate": 0.0012345678, "head": {"units": [64, 32]}, "decay": None})
    {'rate': '0.00123457', 'head.units': '64, 32', 'decay': 'none'}
    """
    found: dict[str, str] = {}
    for name, value in values.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping):
            found.update(flat(value, f"{key}."))
        else:
            found[key] = _readable(value)[:_MAX_PARAM]
    return found


def _readable(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(_readable(item) for item in value) or "none"
    if isinstance(value, Path):
        return value.as_posix()
    return str(value)


def short(text: str) -> str:
    """`text` within what a tag may hold."""
    return text if len(text) <= _MAX_TAG else text[: _MAX_TAG - 1] + "…"


__all__ = ["KEY", "PARENT", "PUBLISHED", "REASON", "ROLE", "STATE", "WINNER", "flat", "lineage_tags", "short", "source_tags"]
