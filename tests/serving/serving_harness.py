"""The service in this process, the service as people start it, and sounds to send."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile
from starlette.testclient import TestClient

from musicgenre.params import ServeParams
from musicgenre.serving.app import Application
from musicgenre.serving.engine import Engine
from musicgenre.serving.envelope import Envelope
from musicgenre.serving.locate import Located
from musicgenre.serving.packaging.smoke import free_port

BIN = Path(sys.executable).parent
Wav = Callable[..., bytes]


def make_wav(
    seconds: float = 4.0, *, rate: int = 22050, seed: int = 0, level: float = 0.3, kind: str = "WAV", subtype: str | None = None
) -> bytes:
    """A gliding tone over noise, encoded."""
    generator = np.random.default_rng(seed)
    time_ = np.arange(int(seconds * rate)) / rate
    sound = level * np.sin(2 * np.pi * (220 + 20 * seed) * time_ * (1 + 0.1 * np.sin(time_))) + 0.1 * level * generator.standard_normal(
        len(time_)
    )
    buffer = io.BytesIO()
    soundfile.write(buffer, sound.astype(np.float32), rate, format=kind, subtype=subtype)
    return buffer.getvalue()


class Service:
    """The application in this process, without BentoML's server around it."""

    def __init__(self, bundle: Path, **settings: object) -> None:
        self.application = Application(ServeParams.model_validate({"request_timeout_s": 20, "concurrency": 2, **settings}))
        self.engine = Engine(Located(bundle, version="7"), self.application.settings, self.application.metrics)
        self.engine.load()
        assert self.engine.ready, self.engine.reason
        self.application.engine = self.engine
        self.asgi = Envelope(self.application, lambda: self.application.metrics, self.application.not_ready)
        self.client = TestClient(self.asgi, raise_server_exceptions=False)

    def close(self) -> None:
        self.engine.close()


class Running:
    """`musicgenre serve` as a process."""

    def __init__(self, url: str, process: subprocess.Popen[bytes], log: Path, ready_s: float) -> None:
        self.url, self.process, self.log, self.ready_s = url, process, log, ready_s

    def family(self) -> list[psutil.Process]:
        root = psutil.Process(self.process.pid)
        return [root, *root.children(recursive=True)]

    def resident_mb(self) -> float:
        total = 0.0
        for process in self.family():
            try:
                total += process.memory_info().rss / 1e6
            except psutil.Error:
                continue
        return total


def start_service(root: Path, bundle: Path, *, timeout_s: float = 120, **settings: object) -> Running:
    """Run `musicgenre serve` in `root` and wait until it is ready."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MUSICGENRE_")}
    environment |= {"MUSICGENRE_BUNDLE": str(bundle), "BENTOML_HOME": str(root / "bentoml"), "PYTHONUNBUFFERED": "1"}
    environment |= {f"MUSICGENRE_SERVE_{name.upper()}": str(value) for name, value in settings.items()}
    (root / "params.yaml").write_text("serve:\n  top_k: 3\n")
    log = root / f"serve-{port}.log"
    began = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [BIN / "musicgenre", "serve", "--port", str(port)], cwd=root, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    url = f"http://127.0.0.1:{port}"
    while True:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5):
                return Running(url, process, log, time.perf_counter() - began)
        except OSError:
            if process.poll() is not None or time.perf_counter() - began > timeout_s:
                process.kill()
                pytest.fail(log.read_text()[-3000:])
            time.sleep(0.05)


def stop_service(running: Running) -> int:
    """SIGTERM; the exit status."""
    running.process.send_signal(signal.SIGTERM)
    return running.process.wait(timeout=60)
