"""The MLflow UI on the project's store."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from musicgenre.errors import TrackingUnavailable
from musicgenre.layout import Layout
from musicgenre.params import TrackingParams
from musicgenre.tracking.columns import VIEW, VIEW_TAG
from musicgenre.tracking.store import client, resolve

if TYPE_CHECKING:
    from mlflow import MlflowClient


def ui_command(params: TrackingParams, layout: Layout, *, host: str, port: int) -> list[str]:
    """The command that serves the UI: one worker, no job runner, the project's database and artifacts."""
    store = resolve(params, layout)
    words = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store.uri]
    words += ["--host", host, "--port", str(port), "--workers", "1"]
    if store.artifacts is not None:
        words += ["--default-artifact-root", store.artifacts]
    return words


def addresses(found: MlflowClient, *, host: str, port: int) -> list[str]:
    """A line an experiment, with the address of its runs (of its trials, best first, where a search has said which columns matter).

    The UI starts in its view for language models (usage, traces), also behind a link in its own list of
    experiments, unless the address says otherwise or the switch at the top left is set to "Model training".
    """
    base, kind = f"http://{host}:{port}/#/experiments", "workflowType=machine_learning"
    made = sorted((item for item in found.search_experiments() if item.name != "Default"), key=lambda item: str(item.name))
    width = max((len(item.name) for item in made), default=0)
    lines = []
    for item in made:
        view = f"&viewStateShareKey={VIEW}" if VIEW_TAG in item.tags else ""
        lines.append(f"{item.name:<{width}}  {base}/{item.experiment_id}/runs?{kind}{view}")
    return lines or [f"no experiment yet  {base}?{kind}"]


def open_ui(params: TrackingParams, layout: Layout, *, host: str = "127.0.0.1", port: int = 5000) -> int:
    """Serve the UI until it is stopped; returns the server's exit code.

    Raises
    ------
    TrackingUnavailable
        If the store cannot be opened, or `tracking.uri` is a server that has a UI of its own.
    """
    store = resolve(params, layout)
    if store.remote:
        raise TrackingUnavailable(f"tracking.uri is the server {store.uri}; open that address in a browser.")
    found = client(params, layout)  # makes or migrates the database once, before several server processes want to
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    lines = addresses(found, host=host, port=port)
    print("MLflow's UI (Ctrl-C stops it):", *lines, sep="\n  ", file=sys.stderr, flush=True)
    process = subprocess.Popen(ui_command(params, layout, host=host, port=port), env=environment, cwd=layout.root)
    before = signal.signal(signal.SIGTERM, lambda number, frame: process.terminate())  # the server must not outlive the command
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.terminate()
        process.wait(timeout=15)
        return 0
    finally:
        signal.signal(signal.SIGTERM, before)


__all__ = ["addresses", "open_ui", "ui_command"]
