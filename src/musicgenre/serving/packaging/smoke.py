"""Serve a built bento and hold its answer against `Predictor`, bit by bit."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from musicgenre.errors import PackagingError
from musicgenre.serving.packaging.build import environment

_GRACE_S = 20.0


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Served:
    """A running service: its address, its first process, seconds from start to ready."""

    url: str
    process: psutil.Process
    ready_s: float

    def resident_mb(self) -> dict[str, float]:
        """Resident memory in MB of the supervisor, the worker and the worker's listening processes."""
        figures = {"supervisor": self.process.memory_info().rss / 1e6, "worker": 0.0, "listeners": 0.0}
        for child in self.process.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                kind = "listeners" if "musicgenre.audio.worker" in child.cmdline() else "worker"
                figures[kind] += child.memory_info().rss / 1e6
        return {name: round(value, 1) for name, value in figures.items()}


@contextlib.contextmanager
def serving(
    target: str, *, python: Path, variables: Mapping[str, str], timeout_s: float, cwd: Path | None = None, log: Path | None = None
) -> Iterator[Served]:
    """Run ``bentoml serve target`` on a free port until the block ends.

    Raises
    ------
    PackagingError
        If it is not ready in time, with the last lines of its log.
    """
    port = free_port()
    command = [str(python), "-m", "bentoml", "serve", target, "--host", "127.0.0.1", "--port", str(port)]
    with tempfile.TemporaryDirectory(prefix="musicgenre-serve-") as scratch:
        path = log or Path(scratch) / "log.txt"
        began = time.perf_counter()
        with path.open("wb") as output:
            process = psutil.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=dict(variables), cwd=cwd or scratch)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url, process, path, timeout_s, began)
            yield Served(url, process, time.perf_counter() - began)
        finally:
            _end(process)


def _wait(url: str, process: psutil.Popen, log: Path, timeout_s: float, began: float) -> None:
    while True:
        unusable = False
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5):
                return
        except urllib.error.HTTPError as error:
            unusable = b"model_unusable" in error.read()
        except OSError:
            pass  # nobody listens yet
        words = _words(log)
        if unusable:
            raise PackagingError(f"The service cannot use its model:\n{words}")
        if process.poll() is not None:
            raise PackagingError(f"The service ended with status {process.returncode} before it was ready:\n{words}")
        if time.perf_counter() - began > timeout_s:
            raise PackagingError(f"The service was not ready within {timeout_s:g} s:\n{words}")
        time.sleep(0.05)


def _words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(line for line in lines if '"event": "request"' not in line)[-1500:]


def _end(process: psutil.Popen) -> None:
    """SIGTERM, then whatever is left of the family."""
    family = []
    with contextlib.suppress(psutil.Error):
        family = process.children(recursive=True)
    with contextlib.suppress(psutil.Error):
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(_GRACE_S)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait()
    for child in family:
        with contextlib.suppress(psutil.Error):
            child.kill()


def golden_wav(rate: int) -> bytes:
    """The golden clip as a 16-bit WAV file."""
    import soundfile

    from musicgenre.bundle.golden import clip

    buffer = io.BytesIO()
    soundfile.write(buffer, clip(rate), rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def _ask(url: str, data: bytes | None = None) -> dict[str, Any]:
    request = urllib.request.Request(url, data=data, headers={"content-type": "audio/wav"} if data else {})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            content: dict[str, Any] = json.loads(answer.read())
    except urllib.error.HTTPError as error:
        raise PackagingError(f"{url} answered {error.code}: {error.read()[:500]!r}") from error
    return content


def smoke(tag: str, bundle: Path, digest: str, *, home: Path, python: Path, timeout_s: float) -> dict[str, Any]:
    """Serve `tag` and check who answers and what.

    Parameters
    ----------
    tag
        The bento.
    bundle
        The champion's folder, loaded here for the comparison.
    digest
        The model that must answer.
    python
        The interpreter to serve with: this one, or that of a clean environment.

    Raises
    ------
    PackagingError
        If another process, bento or model answers, or any probability differs in any bit.
    """
    from musicgenre.bundle.predictor import Predictor

    predictor = Predictor.load(bundle)
    data = golden_wav(predictor.sample_rate)
    wanted = dict(predictor.classify_bytes(data).ranked())
    with serving(tag, python=python, variables=environment(home), timeout_s=timeout_s) as served:
        about = _ask(f"{served.url}/model")
        family = {served.process.pid, *(child.pid for child in served.process.children(recursive=True))}
        if about["service"]["pid"] not in family:
            raise PackagingError(f"Process {about['service']['pid']} answered, which is none of the service just started.")
        if (about["service"]["bento"], about["model"]["digest"]) != (tag, digest):
            raise PackagingError(f"{about['service']['bento']} with model {about['model']['digest'][:12]} answered; asked for {tag}.")
        _ask(f"{served.url}/classify?top_k=1000", data)
        began = time.perf_counter()
        answer = _ask(f"{served.url}/classify?top_k=1000", data + b"\0")  # a trailing byte: not the cached answer
        latency = time.perf_counter() - began
        found = {item["genre"]: item["probability"] for item in answer["probabilities"]}
        if found != wanted:
            worst = max(abs(found.get(name, 0.0) - value) for name, value in wanted.items())
            raise PackagingError(f"{tag} and `predict` differ by up to {worst:.3g} on the same bytes.")
        return {
            "identical": True,
            "ready_s": round(served.ready_s, 2),
            "latency_ms": round(1000 * latency, 1),
            "resident_mb": served.resident_mb(),
            "genre": answer["genre"],
            "python": str(python),
        }


def process_environment() -> dict[str, str]:
    """This process's variables, for a service started from sources."""
    return dict(os.environ)


__all__ = ["Served", "free_port", "golden_wav", "process_environment", "serving", "smoke"]
