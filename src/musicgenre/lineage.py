"""Which data, parameters and code made something: small, canonical identifiers."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from musicgenre.layout import Layout

# What a pipeline run itself writes; a change there does not make the code "dirty".
_GENERATED = ("dvc.lock", "reports/", "models/", "data/", "dvclive/")


def canonical_hash(value: Any, *, length: int = 16) -> str:
    """SHA-256 of `value` as canonical JSON (sorted keys, no spaces), in `length` hex digits.

    The same value gives the same hash on any machine; NaN is refused.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex, read in blocks."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@dataclass(frozen=True)
class GitState:
    """`commit` is empty outside a repository; `dirty` ignores what the pipeline writes."""

    commit: str
    dirty: bool


def git_state(root: Path) -> GitState:
    """The commit that the work tree at `root` stands on, and whether code or parameters differ from it."""

    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, timeout=20, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    status = git("status", "--porcelain", "--untracked-files=no")
    if commit is None or status is None:
        return GitState(commit="", dirty=True)
    changed = [line[3:].strip('"') for line in status.splitlines()]
    return GitState(commit=commit.strip(), dirty=any(not name.startswith(_GENERATED) for name in changed))


@dataclass(frozen=True)
class Lineage:
    """What stands in every bundle, MLflow run and registry version.

    data_id, split_id, feature_id are canonical hashes of the valid rows, of the
    split assignment and of the front-end spec; `dvc_lock` is the SHA-256 of the
    lock file (empty when absent).
    """

    data_id: str = ""
    split_id: str = ""
    feature_id: str = ""
    split_policy: str = ""
    git_commit: str = ""
    git_dirty: bool = True
    dvc_lock: str = ""
    mlflow_run: str = ""
    data_source: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def dvc_lock_hash(root: Path) -> str:
    """SHA-256 of `dvc.lock` under `root`, or an empty string when there is none."""
    path = Path(root) / "dvc.lock"
    return file_sha256(path) if path.is_file() else ""


def rows_hash(path: Path, columns: Sequence[str]) -> str:
    """Canonical hash of some columns of a Parquet table, whatever the order of its rows; empty when the file is absent."""
    if not Path(path).is_file():
        return ""
    import pandas as pd

    table = pd.read_parquet(path, columns=list(columns)).astype("string").fillna("")
    return canonical_hash(sorted(table.itertuples(index=False, name=None)))


def feature_identity(layout: Layout) -> str:
    """The `feature_id` in the stores' `spec.json`; a hash of all of them if the stores disagree; empty without any."""
    specs = layout.features("mel").parent.glob("*/spec.json")
    found = sorted({json.loads(path.read_text(encoding="utf-8"))["feature_id"] for path in specs})
    return (found[0] if len(found) == 1 else canonical_hash(found)) if found else ""


def collect(layout: Layout, *, mlflow_run: str = "") -> Lineage:
    """The lineage of the project as it stands on disk.

    `data_id` covers track_id, sha256 and genre of the valid rows, `split_id` track_id,
    genre, group and split of the assignment. What an earlier stage has not written yet
    stays an empty string; nothing is raised for it.
    """
    from musicgenre.params import load_params

    parameters = layout.root / "params.yaml"
    params = load_params(parameters) if parameters.is_file() else None
    git = git_state(layout.root)
    return Lineage(
        data_id=rows_hash(layout.valid, ("track_id", "sha256", "genre")),
        split_id=rows_hash(layout.splits, ("track_id", "genre", "group", "split")),
        feature_id=feature_identity(layout),
        split_policy=params.split.policy if params else "",
        git_commit=git.commit,
        git_dirty=git.dirty,
        dvc_lock=dvc_lock_hash(layout.root),
        mlflow_run=mlflow_run,
        data_source=params.dataset.source if params else "",
    )


__all__ = [
    "GitState",
    "Lineage",
    "canonical_hash",
    "collect",
    "dvc_lock_hash",
    "feature_identity",
    "file_sha256",
    "git_state",
    "rows_hash",
]
