"""From an answer back to the bytes it came from: bento, version, run, parameters, metrics, data, split, features, code, lock."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import asdict, dataclass, field
from typing import Any

import yaml

from musicgenre.layout import Layout
from musicgenre.params import Params
from musicgenre.registry.book import Book
from musicgenre.registry.versions import Version, Versions, find_version


@dataclass(frozen=True)
class Run:
    """An MLflow run as far as it explains a model."""

    run_id: str
    name: str
    experiment: str
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Trace:
    """The whole line behind a version.

    Attributes
    ----------
    bentos
        Tags of the bentos in this project's store that carry the model.
    registration, training
        The run that registered it, and the trial that trained it (None where the store has none).
    committed
        The first git commit whose `models/registry.json` lists the model: data, parameters and
        outputs stand in that commit's `dvc.lock`. Empty when it was never committed.
    lock
        What `dvc.lock` says in that commit: the SHA-256 of the file itself under ``dvc.lock``, and the
        hash of every output by its path. Empty when nothing was committed.
    log
        The book's entries about this version.
    """

    model: str
    version: str
    digest: str
    aliases: tuple[str, ...]
    family: str
    decision: str
    words: str
    bentos: tuple[str, ...]
    registration: Run | None
    training: Run | None
    lineage: dict[str, str]
    committed: str
    lock: dict[str, str]
    log: tuple[dict[str, Any], ...]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def checkout(self) -> list[str]:
        """Shell commands that bring the state back in a folder of its own."""
        commit = self.committed or self.lineage.get("git_commit", "")
        folder = f"../{self.model}-v{self.version}"
        if not commit:
            return ["# Trained outside a git repository: there is no commit to go back to."]
        lines = []
        if not self.committed:
            lines.append("# Its results were never committed: the code comes back, dvc computes the rest again.")
        if self.lineage.get("git_dirty") == "True":
            lines.append("# It was trained with uncommitted changes, which no command brings back.")
        return [
            *lines,
            f"git worktree add {folder} {commit}",
            f"cd {folder}",
            'dvc cache dir --local "$(cd "$OLDPWD" && dvc cache dir)"',
            "# The code of that commit, not what is installed; `make env` there if its uv.lock is another.",
            'export PYTHONPATH="$PWD/src${PYTHONPATH:+:$PYTHONPATH}"',
            "dvc checkout || dvc pull || true  # what is in the cache or the remote; the rest is computed",
            "dvc repro",
        ]


def _run(versions: Versions, run_id: str) -> Run | None:
    from mlflow.exceptions import MlflowException

    if not run_id:
        return None
    try:
        found = versions.client.get_run(run_id)
        experiment = versions.client.get_experiment(found.info.experiment_id)
    except MlflowException:
        return None
    return Run(
        run_id=run_id,
        name=str(found.info.run_name or ""),
        experiment=str(experiment.name),
        params={str(key): str(value) for key, value in sorted(found.data.params.items())},
        metrics={str(key): float(value) for key, value in sorted(found.data.metrics.items())},
    )


def bentos_of(digest: str, layout: Layout) -> tuple[str, ...]:
    """Tags of all bentos in the project's store that are labelled with this model."""
    from musicgenre.serving.packaging import bentoml_home

    found = []
    for path in sorted(bentoml_home(layout).glob("bentos/*/*/bento.yaml")):
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError):
            continue
        if isinstance(content, dict) and (content.get("labels") or {}).get("model_digest") == digest:
            found.append(f"{path.parents[1].name}:{path.parent.name}")
    return tuple(found)


def first_commit(digest: str, layout: Layout) -> str:
    """The first commit whose `models/registry.json` names the digest; empty when there is none or no git."""
    path = "models/registry.json"
    words = ["git", "-C", str(layout.root), "log", "--reverse", f"-S{digest}", "--format=%H", "--", path]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = done.stdout.split()
    return lines[0] if done.returncode == 0 and lines else ""


def lock_of(commit: str, layout: Layout) -> dict[str, str]:
    """The outputs in a commit's `dvc.lock`, path → hash, and the file's own SHA-256; empty when there is none."""
    if not commit:
        return {}
    words = ["git", "-C", str(layout.root), "show", f"{commit}:./dvc.lock"]
    done = subprocess.run(words, capture_output=True, timeout=60, check=False)
    if done.returncode != 0:
        return {}
    stages = (yaml.safe_load(done.stdout) or {}).get("stages") or {}
    outputs = {str(out["path"]): str(out.get("md5", "")) for stage in stages.values() for out in stage.get("outs", [])}
    return {"dvc.lock": hashlib.sha256(done.stdout).hexdigest(), **outputs}


def _lineage(version: Version, entry: dict[str, Any] | None) -> dict[str, str]:
    names = ("data_source", "data_id", "split_policy", "split_id", "feature_id", "git_commit", "git_dirty", "dvc_lock", "mlflow_run")
    known = {**((entry or {}).get("lineage") or {}), **version.tags}
    return {name: str(known[name]) for name in names if known.get(name) not in (None, "")}


def trace(params: Params, layout: Layout, wanted: str) -> Trace:
    """Trace a version by number, alias, or the (shortened) digest in a served answer.

    Raises
    ------
    RegistryError
        If there is no such version.
    """
    versions = Versions(params, layout)
    version = find_version(versions, wanted)
    book = Book.read(layout.registry, params.promote.name)
    entry = book.entry(version.number)
    lineage = _lineage(version, entry)
    committed = first_commit(version.digest, layout) if version.digest else ""
    log = tuple(item for item in book.log if version.number in (item["version"], item.get("withdrawn"), item.get("against")))
    return Trace(
        model=versions.name,
        version=version.number,
        digest=version.digest,
        aliases=version.aliases,
        family=version.tags.get("family", ""),
        decision=version.tags.get("decision", ""),
        words=version.tags.get("words", (entry or {}).get("words", "")),
        bentos=bentos_of(version.digest, layout),
        registration=_run(versions, version.run_id),
        training=_run(versions, lineage.get("mlflow_run", "")),
        lineage=lineage,
        committed=committed,
        lock=lock_of(committed, layout),
        log=log,
    )


__all__ = ["Run", "Trace", "bentos_of", "first_commit", "lock_of", "trace"]
