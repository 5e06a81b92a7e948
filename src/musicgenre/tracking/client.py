"""The one place that calls MLflow."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicgenre.tracking.columns import VIEW_TAG
from musicgenre.tracking.store import Store
from musicgenre.tracking.store import experiment as find_experiment
from musicgenre.tracking.tags import KEY, PARENT

if TYPE_CHECKING:
    from mlflow import MlflowClient

# A request that fails is repeated by our own queue, which does not hold up anything meanwhile.
_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
MAX_METRICS = 1000  # a batch, MLflow's limit
MAX_PARAMS = 100

Point = tuple[str, float, int, int]
"""(metric, value, step, milliseconds since the epoch)"""


@dataclass(frozen=True)
class Dataset:
    """A data-set input as the UI shows it. `context` is training or validation."""

    name: str
    digest: str
    source: str
    context: str
    profile: str = "{}"


@dataclass(frozen=True)
class RunState:
    """What the store holds of a run."""

    run_id: str
    status: str
    tags: Mapping[str, str] = field(default_factory=dict)


class Runs:
    """Runs of one experiment. Every call may raise what MLflow raises."""

    def __init__(self, store: Store, experiment: str) -> None:
        for name, value in _SETTINGS.items():
            os.environ.setdefault(name, value)
        os.environ.pop("MLFLOW_RUN_ID", None)
        import logging

        from mlflow import MlflowClient

        for name in ("alembic", "mlflow.store.db.utils"):
            logging.getLogger(name).setLevel(logging.WARNING)
        with store.exclusive():  # two processes that migrate one new database would both fail
            self.client: MlflowClient = MlflowClient(tracking_uri=store.uri, registry_uri=store.uri)
            self.experiment_id = find_experiment(self.client, experiment, store)

    def describe(self, text: str, view: str = "") -> None:
        """The experiment's description, the kind that makes the UI show runs (not traces and prompts), and a view (see `columns`)."""
        known = self.client.get_experiment(self.experiment_id).tags
        wanted = {"mlflow.note.content": text, "mlflow.experimentKind": "custom_model_development"}
        for name, value in (wanted | ({VIEW_TAG: view} if view else {})).items():
            if known.get(name) != value:
                self.client.set_experiment_tag(self.experiment_id, name, value)

    def find(self, key: str) -> RunState | None:
        """The run of our own name `key`."""
        found = self.client.search_runs([self.experiment_id], filter_string=f"tags.`{KEY}` = '{key}'", max_results=1)
        return self._state(found[0]) if found else None

    def children(self, parent: str) -> list[RunState]:
        """All runs below `parent`."""
        token, found = None, []
        while True:
            page = self.client.search_runs(
                [self.experiment_id], filter_string=f"tags.`{PARENT}` = '{parent}'", max_results=500, page_token=token
            )
            found += [self._state(run) for run in page]
            token = page.token
            if not token:
                return found

    def running(self) -> list[RunState]:
        """All runs of the experiment that say they are running."""
        found = self.client.search_runs([self.experiment_id], filter_string="attributes.status = 'RUNNING'", max_results=1000)
        return [self._state(run) for run in found]

    @staticmethod
    def _state(run: Any) -> RunState:
        return RunState(run_id=run.info.run_id, status=run.info.status, tags=dict(run.data.tags))

    def create(self, key: str, name: str, tags: Mapping[str, str], start_ms: int) -> str:
        """Make a run, or find the one of this key (its answer may have been lost on the way)."""
        known = self.find(key)
        if known is not None:
            return known.run_id
        run = self.client.create_run(self.experiment_id, start_time=start_ms, tags={**tags, KEY: key}, run_name=name)
        return str(run.info.run_id)

    def reopen(self, run_id: str) -> None:
        self.client.update_run(run_id, status="RUNNING")

    def params(self, run_id: str, values: Mapping[str, str]) -> None:
        from mlflow.entities import Param

        items = [Param(name, value) for name, value in values.items()]
        for start in range(0, len(items), MAX_PARAMS):
            self.client.log_batch(run_id, params=items[start : start + MAX_PARAMS])

    def metrics(self, run_id: str, points: Sequence[Point]) -> None:
        from mlflow.entities import Metric

        items = [Metric(name, value, moment, step) for name, value, step, moment in points]
        for start in range(0, len(items), MAX_METRICS):
            self.client.log_batch(run_id, metrics=items[start : start + MAX_METRICS])

    def tags(self, run_id: str, values: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        self.client.log_batch(run_id, tags=[RunTag(name, value) for name, value in values.items()])

    def inputs(self, run_id: str, datasets: Sequence[Dataset]) -> None:
        from mlflow.entities import Dataset as Entity
        from mlflow.entities import DatasetInput, InputTag

        found = []
        for item in datasets:
            entity = Entity(name=item.name, digest=item.digest, source_type="local", source=item.source, profile=item.profile)
            found.append(DatasetInput(entity, [InputTag("mlflow.data.context", item.context)]))
        self.client.log_inputs(run_id, found)

    def artifact(self, run_id: str, path: Path, folder: str | None) -> None:
        """A file, or a folder's content, under `folder` of the run's artifacts."""
        if path.is_dir():
            self.client.log_artifacts(run_id, str(path), folder)
        else:
            self.client.log_artifact(run_id, str(path), folder)

    def end(self, run_id: str, status: str, end_ms: int) -> None:
        self.client.set_terminated(run_id, status=status, end_time=end_ms)

    def drop(self, run_id: str, reason: str) -> None:
        """End a run whose work was lost and take it out of the lists (it stays among the deleted ones)."""
        self.tags(run_id, {"state": "lost", "reason": reason})
        self.client.set_terminated(run_id, status="KILLED")
        self.client.delete_run(run_id)


__all__ = ["Dataset", "Point", "RunState", "Runs"]
