"""Versions and aliases in MLflow's model registry; the only module of this room that talks to MLflow.

A version is registered in an order that leaves nothing half-done: the bundle and its
evidence are uploaded as a logged model of a run first, and only then a version that points
at it is created, tags included. A process that dies before leaves an unused upload.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicgenre.bundle import BundleSpec
from musicgenre.errors import RegistryError
from musicgenre.layout import Layout
from musicgenre.params import Params
from musicgenre.tracking import store as tracking

if TYPE_CHECKING:
    from mlflow import MlflowClient

ALIASES = ("candidate", "champion", "previous")
_SERVED = Path(__file__).with_name("served_model.py")
DIGEST, ANSWERS, FAMILY, DECISION, ABSENT, WITHDRAWN = "digest", "answers", "family", "decision", "absent", "withdrawn"


@dataclass(frozen=True)
class Version:
    """One version as the store has it."""

    number: str
    run_id: str
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    description: str = ""
    created_ms: int = 0

    @property
    def digest(self) -> str:
        return self.tags.get(DIGEST, "")

    @property
    def absent(self) -> str:
        """Why the store has no bundle of it; empty when it has."""
        return self.tags.get(ABSENT, "")

    @property
    def withdrawn(self) -> str:
        """When, by whom and why it was rolled back; empty when it was not, or was forced since."""
        return self.tags.get(WITHDRAWN, "")


class Versions:
    """The registered model of a project.

    Raises
    ------
    TrackingUnavailable
        If the store does not answer.
    """

    def __init__(self, params: Params, layout: Layout) -> None:
        self.name = params.promote.name
        self._work = layout.work
        self.store = tracking.resolve(params.tracking, layout)
        self._experiment = f"{params.tracking.prefix}/registry"
        self.client: MlflowClient = tracking.client(params.tracking, layout)

    def _scratch(self) -> tempfile.TemporaryDirectory[str]:
        """A temporary folder in the work cache, where what a kill leaves behind is swept with the rest."""
        self._work.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix="registry-", dir=self._work)

    # --- reading ---

    def _version(self, found: Any) -> Version:
        return Version(
            number=str(found.version),
            run_id=str(found.run_id or ""),
            tags={str(key): str(value) for key, value in found.tags.items()},
            aliases=tuple(sorted(str(name) for name in found.aliases)),
            description=str(found.description or ""),
            created_ms=int(found.creation_timestamp or 0),
        )

    def aliases(self) -> dict[str, str]:
        """Alias → version number; empty when the model is not registered."""
        from mlflow.exceptions import MlflowException

        try:
            found = self.client.get_registered_model(self.name)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return {}
            raise
        return {str(name): str(number) for name, number in found.aliases.items()}

    def all(self) -> list[Version]:
        """Every version, oldest first."""
        by_number: dict[str, list[str]] = {}
        for alias, number in self.aliases().items():
            by_number.setdefault(number, []).append(alias)
        found, token = [], None
        while True:
            page = self.client.search_model_versions(f"name = '{self.name}'", max_results=200, page_token=token)
            found += [self._version(item) for item in page]
            token = page.token
            if not token:
                break
        found = [Version(**{**item.__dict__, "aliases": tuple(sorted(by_number.get(item.number, ())))}) for item in found]
        return sorted(found, key=lambda item: int(item.number))

    def get(self, number: str) -> Version | None:
        """One version, or None."""
        return next((item for item in self.all() if item.number == number), None)

    def at(self, alias: str) -> Version | None:
        """The version that an alias names, or None."""
        number = self.aliases().get(alias)
        return self.get(number) if number else None

    def of_digest(self, digest: str) -> Version | None:
        """The newest version of a bundle that the store really holds."""
        return next((item for item in reversed(self.all()) if item.digest == digest and not item.absent), None)

    @contextmanager
    def bundle(self, version: Version) -> Iterator[Path]:
        """The folder of a version's bundle: the store's own where that is a disk of this machine, else a copy.

        Raises
        ------
        RegistryError
            If the store has lost it; the message names the version.
        """
        import mlflow
        from mlflow.exceptions import MlflowException

        if version.absent:
            raise RegistryError(f"version {version.number}: its bundle is not in this store ({version.absent}).")
        with self._scratch() as folder:
            try:
                uri = self.client.get_model_version_download_uri(self.name, version.number)
                local = mlflow.artifacts.download_artifacts(
                    artifact_uri=f"{uri.rstrip('/')}/artifacts/bundle", dst_path=None if uri.startswith(("file:", "/")) else folder
                )
            except (MlflowException, OSError) as error:
                reason = str(error).splitlines()[0]
                raise RegistryError(f"version {version.number}: the store {self.store.uri} has lost its bundle ({reason}).") from error
            yield Path(local)

    # --- writing ---

    def ensure(self) -> None:
        """Make the registered model unless it is there."""
        from mlflow.exceptions import MlflowException

        try:
            self.client.create_registered_model(self.name, description="Music genres from audio. Every version is a bundle; see its card.")
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def register(
        self,
        directory: Path,
        spec: BundleSpec,
        *,
        family: str,
        card: str,
        tags: Mapping[str, str],
        evidence: Mapping[str, Any],
        pages: Mapping[str, str] | None = None,
    ) -> Version:
        """Upload a bundle and create its version.

        Parameters
        ----------
        card
            Markdown; the version's description, and the artifact ``card.md`` of its run.
        evidence
            JSON-able; the artifact ``evidence.json``.
        pages
            Further texts, by their names as artifacts.
        """
        import mlflow

        self.ensure()
        experiment = tracking.experiment(self.client, self._experiment, self.store)
        labels = {DIGEST: spec.digest, ANSWERS: spec.answers, FAMILY: family, **tags}
        run = self.client.create_run(experiment, run_name=f"{family or 'model'} {spec.model_id}", tags=labels)
        run_id = str(run.info.run_id)
        with self._scratch() as folder:
            # The name of the folder becomes the name in the store.
            bundle = Path(shutil.copytree(directory, Path(folder) / "bundle"))
            with _quiet(), mlflow.start_run(run_id=run_id):
                logged = mlflow.pyfunc.log_model(
                    name="bundle",
                    python_model=str(_SERVED),
                    artifacts={"bundle": str(bundle)},
                    pip_requirements=["musicgenre", "mlflow"],  # named, because guessing them takes ten seconds
                )
            self.client.log_text(run_id, json.dumps(evidence, indent=2), "evidence.json")
            for name, text in {"card.md": card, **(pages or {})}.items():
                self.client.log_text(run_id, text, name)
        self.client.log_batch(run_id, metrics=_metrics(evidence))
        self.client.set_terminated(run_id)
        created = self.client.create_model_version(
            self.name, source=logged.model_uri, run_id=run_id, tags=labels, description=card, model_id=logged.model_id
        )
        return self._version(created)

    def register_absent(self, entry: Mapping[str, Any], tags: Mapping[str, str], *, card: str) -> Version:
        """A version that keeps its number and history in a store that does not hold its bundle."""
        self.ensure()
        experiment = tracking.experiment(self.client, self._experiment, self.store)
        run = self.client.create_run(experiment, run_name=f"version {entry['version']} (absent)", tags=dict(tags))
        run_id = str(run.info.run_id)
        self.client.log_text(run_id, json.dumps(dict(entry), indent=2), "entry.json")
        self.client.set_terminated(run_id)
        source = f"{run.info.artifact_uri}/entry.json"
        created = self.client.create_model_version(self.name, source=source, run_id=run_id, tags=dict(tags), description=card)
        return self._version(created)

    def point(self, alias: str, number: str) -> None:
        """Move an alias in one step; it always names one version or, before its first move, none."""
        if self.aliases().get(alias) != number:
            self.client.set_registered_model_alias(self.name, alias, number)

    def unpoint(self, alias: str) -> None:
        """Take an alias away."""
        if alias in self.aliases():
            self.client.delete_registered_model_alias(self.name, alias)

    def tag(self, number: str, tags: Mapping[str, str]) -> None:
        """Set tags of a version that differ from what it has."""
        known = self.get(number)
        for key, value in tags.items():
            if known is None or known.tags.get(key) != value:
                self.client.set_model_version_tag(self.name, number, key, value)

    def untag(self, number: str, key: str) -> None:
        """Take a tag away from a version that has it."""
        self.client.delete_model_version_tag(self.name, number, key)

    def describe(self, version: Version, card: str, pages: Mapping[str, str]) -> None:
        """Replace a version's description and the pages of its run."""
        self.client.update_model_version(self.name, version.number, description=card)
        for name, text in {"card.md": card, **pages}.items():
            self.client.log_text(version.run_id, text, name)


def _metrics(evidence: Mapping[str, Any]) -> list[Any]:
    """The gate's figures as run metrics, so that MLflow's lists can sort by them."""
    import time

    from mlflow.entities import Metric

    moment = time.time_ns() // 1_000_000
    figures = evidence.get("figures") or {}
    values = {f"test_{name}": figures.get(name) for name in ("macro_f1", "accuracy", "calibration_error")}
    values |= {"latency_ms": evidence.get("latency_ms"), "size_mb": evidence.get("size_mb")}
    return [Metric(name, float(value), moment, 0) for name, value in values.items() if value is not None]


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what MLflow prints about requirements and progress; its errors still come."""
    import logging
    import os

    # The lock file of whatever folder the command runs in is not the model's.
    os.environ.setdefault("MLFLOW_UV_AUTO_DETECT", "false")
    os.environ.setdefault("MLFLOW_LOG_UV_FILES", "false")
    names = ("mlflow.utils.requirements_utils", "mlflow.utils.environment", "mlflow.models.model", "mlflow.pyfunc")
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def find_version(versions: Versions, wanted: str) -> Version:
    """A version by number, alias, or the (shortened) digest of a served answer.

    Raises
    ------
    RegistryError
        If there is none, or a short digest is ambiguous; the message lists what there is.
    """
    known = versions.all()
    text = wanted.strip().removeprefix("v")
    if found := [item for item in known if item.number == text or wanted in item.aliases]:
        return found[0]
    if len(text) >= 6:
        matches = [item for item in known if item.digest.startswith(text.lower())]
        held = [item for item in matches if not item.absent] or matches
        if len({item.digest for item in held}) == 1:
            return held[-1]
        if held:
            raise RegistryError(f"{wanted!r} is the beginning of {len(held)} models' digests; give more digits.")
    there = ", ".join([item.number for item in known]) or "none"
    raise RegistryError(f"There is no version {wanted!r} of {versions.name} in {versions.store.uri}. Versions: {there}.")


__all__ = ["ABSENT", "ALIASES", "ANSWERS", "DECISION", "DIGEST", "FAMILY", "WITHDRAWN", "Version", "Versions", "find_version"]
