"""Where the MLflow store is, as seen from a project: one answer for runs and for the registry.

Nothing here imports MLflow before `client` is called.
"""

from __future__ import annotations

import os
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from musicgenre.errors import TrackingUnavailable
from musicgenre.layout import Layout

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from musicgenre.params import TrackingParams

_SQLITE = "sqlite:///"
_ANSWER_S = 5.0  # a server that takes longer to say that it is well counts as away


@dataclass(frozen=True)
class Store:
    """The store's address.

    Attributes
    ----------
    uri
        For MLflow, absolute.
    artifacts
        A URI without a trailing slash, or None where a server decides.
    database
        The SQLite file, if it is one.
    """

    uri: str
    artifacts: str | None
    database: Path | None = None

    @property
    def remote(self) -> bool:
        """Whether a server answers (and other machines may be at it)."""
        return self.uri.startswith(("http://", "https://"))

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the embedded database alone among the processes of this machine (no-op for a server).

        For creating and migrating it: two processes that do so at once would both fail.
        """
        if self.database is None:
            yield
            return
        from filelock import FileLock

        self.database.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self.database}.lock"):
            yield


def resolve(params: TrackingParams, layout: Layout) -> Store:
    """The address in `tracking.uri` and `tracking.artifacts`; relative paths are relative to the project's root.

    The same project gives the same address from whatever folder a command is started in.
    """
    root = Path(layout.root).resolve()
    uri, database = params.uri, None
    if uri.startswith(_SQLITE):
        path = uri.removeprefix(_SQLITE)
        database = Path(path) if path.startswith("/") else root / path
        uri = f"{_SQLITE}{database}"
    elif "://" not in uri:
        uri = (root / uri).as_uri()
    artifacts: str | None = params.artifacts.rstrip("/")
    if uri.startswith(("http://", "https://")):
        artifacts = None
    elif artifacts is not None and "://" not in artifacts:
        artifacts = (root / artifacts).as_uri()
    return Store(uri=uri, artifacts=artifacts, database=database)


def ensure_available(store: Store) -> None:
    """Ask the store whether it is there, within seconds.

    Raises
    ------
    TrackingUnavailable
        If the server does not answer, or the database file cannot be opened; the message names the address.
    """
    hint = "See `tracking.uri` in params.yaml."
    if store.remote:
        try:
            with urllib.request.urlopen(f"{store.uri.rstrip('/')}/health", timeout=_ANSWER_S):
                return
        except urllib.error.HTTPError:
            return  # it answers; whether it lets us in is said by the first call
        except (OSError, ValueError) as error:
            raise TrackingUnavailable(f"The MLflow server {store.uri} does not answer ({error}). Start it. {hint}") from error
    if store.database is not None:
        try:
            store.database.parent.mkdir(parents=True, exist_ok=True)
            with sqlite3.connect(store.database, timeout=_ANSWER_S) as connection:
                connection.execute("PRAGMA schema_version")
            connection.close()
        except (OSError, sqlite3.Error) as error:
            raise TrackingUnavailable(f"The MLflow store {store.database} cannot be opened ({error}). {hint}") from error


def client(params: TrackingParams, layout: Layout) -> MlflowClient:
    """A client of the project's store, made the process's default store as well (`mlflow.*` functions use that).

    Raises
    ------
    TrackingUnavailable
        If the store does not answer.
    """
    store = resolve(params, layout)
    ensure_available(store)
    for name, value in {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # MLflow retries a dead server for minutes by default; a person should hear within seconds.
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    }.items():
        os.environ.setdefault(name, value)
    os.environ.pop("MLFLOW_RUN_ID", None)
    import logging

    import mlflow
    from mlflow.exceptions import MlflowException

    for name in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(name).setLevel(logging.WARNING)
    mlflow.set_tracking_uri(store.uri)
    mlflow.set_registry_uri(store.uri)
    try:
        with store.exclusive():
            found = mlflow.MlflowClient(tracking_uri=store.uri, registry_uri=store.uri)
            found.search_experiments(max_results=1)  # the first call makes and migrates the database
    except (MlflowException, OSError) as error:
        raise TrackingUnavailable(f"The MLflow store {store.uri} does not answer: {error}. See `tracking.uri` in params.yaml.") from error
    return found


def experiment(found: MlflowClient, name: str, store: Store) -> str:
    """The id of experiment `name`, created on first use with the project's artifact location."""
    from mlflow.exceptions import MlflowException

    known = found.get_experiment_by_name(name)
    if known is None:
        try:
            return str(found.create_experiment(name, artifact_location=f"{store.artifacts}/{name}" if store.artifacts else None))
        except MlflowException:  # another process was first
            known = found.get_experiment_by_name(name)
    if known is None:
        raise TrackingUnavailable(f"The MLflow store {store.uri} can neither find nor create the experiment {name!r}.")
    if known.lifecycle_stage == "deleted":
        found.restore_experiment(known.experiment_id)
    return str(known.experiment_id)


__all__ = ["Store", "client", "ensure_available", "experiment", "resolve"]
