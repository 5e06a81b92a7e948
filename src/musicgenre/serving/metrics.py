"""Prometheus figures with labels that a caller cannot multiply.

BentoML's own middleware labels by path as sent, so that a scan of a million paths
makes a million series; here a route is one of a fixed list.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from musicgenre.serving.engine import Engine

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.4, 0.75, 1.5, 3.0, 7.5, 15.0, 30.0)


def _own_directory() -> None:
    """Give the workers of one supervisor a folder of their own.

    BentoML's is one for all services with the same `BENTOML_HOME` and is emptied
    whenever one of them starts; a second service would wipe the figures of the first.
    """
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        folder = Path(tempfile.gettempdir()) / f"musicgenre-metrics-{os.getuid()}-{os.getppid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


class Metrics:
    """Counters and histograms of one process; with `PROMETHEUS_MULTIPROC_DIR` set they add up over all workers."""

    def __init__(self) -> None:
        _own_directory()
        # Imported here: the library chooses its storage when it is first imported.
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.registry = registry = CollectorRegistry()
        self.requests = Counter("musicgenre_requests", "Requests answered.", ["route", "status"], registry=registry)
        self.request_seconds = Histogram(
            "musicgenre_request_seconds", "From the request's headers to its last byte.", ["route"], buckets=_SECONDS, registry=registry
        )
        self.stage_seconds = Histogram(
            "musicgenre_stage_seconds",
            "Time a clip spends in upload, queue, decode and model.",
            ["stage"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.problems = Counter("musicgenre_problems", "Error answers by code.", ["code"], registry=registry)
        self.predictions = Counter("musicgenre_predictions", "Clips classified, by genre answered.", ["genre"], registry=registry)
        self.cache = Counter("musicgenre_cache", "Clips looked up in the answer cache.", ["result"], registry=registry)
        self.audio_seconds = Counter("musicgenre_audio_seconds", "Seconds of audio classified.", registry=registry)

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"musicgenre_{name}", text, registry=registry, multiprocess_mode="livesum")

        self.waiting = gauge("waiting", "Requests admitted and not yet worked on.")
        self.working = gauge("working", "Clips being worked on.")
        self.upload_bytes = gauge("upload_bytes", "Bytes of uploads in memory.")
        self.resident = gauge("resident_bytes", "Resident memory of the workers, listening processes included.")
        self.ready = gauge("ready", "Workers whose model has answered its golden clip right.")
        self._process = psutil.Process()

    def _resident(self) -> int:
        total = int(self._process.memory_info().rss)
        for child in self._process.children():
            with contextlib.suppress(psutil.Error):
                total += int(child.memory_info().rss)
        return total

    def close(self) -> None:
        """Forget this process's gauges; the last worker to leave takes the folder along."""
        folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        if folder is None:
            return
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(os.getpid())  # type: ignore[no-untyped-call]  # the library has no annotations here
        with contextlib.suppress(psutil.Error, OSError):
            siblings = psutil.Process(os.getppid()).children()
            if not any(sibling.pid != os.getpid() for sibling in siblings):
                shutil.rmtree(folder, ignore_errors=True)

    def render(self, engine: Engine | None) -> tuple[bytes, str]:
        """(exposition text, its content type) of all workers."""
        from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        self.resident.set(self._resident())
        self.ready.set(int(engine is not None and engine.ready))
        if engine is not None:
            self.waiting.set(engine.admission.waiting)
            self.working.set(engine.admission.working)
            self.upload_bytes.set(engine.budget.used)
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library has no annotations here
            return generate_latest(registry), CONTENT_TYPE_LATEST
        return generate_latest(self.registry), CONTENT_TYPE_LATEST


__all__ = ["Metrics"]
