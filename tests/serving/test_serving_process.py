"""The service as people start it: a process, over a socket."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving_harness import BIN, Running, Wav, start_service, stop_service

FORBIDDEN = (
    "tensorflow",
    "keras",
    "librosa",
    "mlflow",
    "pandas",
    "sklearn",
    "optuna",
    "dvc",
    "great_expectations",
    "matplotlib",
    "numba",
    "onnx",
)


def test_the_service_imports_nothing_that_trains(bundle: Path, tmp_path: Path) -> None:
    code = f"""
import sys
from musicgenre.serving.service import MusicGenre, application
from musicgenre.serving.packaging.smoke import golden_wav
service = MusicGenre()
assert service.engine.ready, service.engine.reason
service.engine._work(golden_wav(service.engine.predictor.sample_rate))
service.close()
print([name for name in {FORBIDDEN!r} if name in sys.modules])
"""
    environment = {"MUSICGENRE_BUNDLE": str(bundle), "BENTOML_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_probes_metrics_and_openapi_answer(running: Running, wav: Wav) -> None:
    with httpx.Client(base_url=running.url) as client:
        assert client.get("/livez").status_code == client.get("/readyz").status_code == 200
        assert client.post("/classify", files={"file": ("a", wav(2))}).status_code == 200
        assert 'musicgenre_requests_total{route="/classify",status="200"}' in client.get("/metrics").text
        assert client.get("/openapi.json").json() == client.get("/docs.json").json()
        assert client.get("/nothing").json()["error"]["code"] == "not_found"
        assert client.put("/readyz").json()["error"]["code"] == "method_not_allowed"


def test_a_refused_upload_gets_its_answer_over_a_real_socket(running: Running) -> None:
    with httpx.Client(base_url=running.url, timeout=60) as client:
        for _ in range(3):
            answer = client.post("/classify", content=iter([bytes(1_000_000)] * 40), headers={"content-type": "audio/wav"})
            assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
        assert client.get("/readyz").status_code == 200


def test_memory_stays_inside_the_promise(running: Running, wav: Wav) -> None:
    with httpx.Client(base_url=running.url, timeout=60) as client:
        for seed in range(6):
            assert client.post("/classify", files={"file": ("a", wav(30, seed=100 + seed))}).status_code == 200
    worker = max(process.memory_info().rss for process in running.family() if "worker.service" in " ".join(process.cmdline()))
    assert worker / 1e6 <= 300


def test_the_log_has_one_json_object_a_request(running: Running, wav: Wav) -> None:
    with httpx.Client(base_url=running.url, timeout=60) as client:
        client.post("/classify", files={"file": ("name-of-a-song.wav", wav(2))}, headers={"x-request-id": "log-test"})
    time.sleep(0.3)
    text = running.log.read_text()
    (line,) = [json.loads(line) for line in text.splitlines() if "log-test" in line]
    assert line["route"] == "/classify" and line["status"] == 200
    assert "name-of-a-song" not in text


def test_sigterm_finishes_what_is_in_flight(bundle: Path, tmp_path: Path, wav: Wav) -> None:
    service = start_service(tmp_path, bundle, concurrency=1)

    async def scenario() -> list[Any]:
        async with httpx.AsyncClient(base_url=service.url, timeout=60) as client:
            waiting = [asyncio.ensure_future(client.post("/classify", files={"file": ("a", wav(40, seed=200 + n))})) for n in range(6)]
            while True:  # until all six are inside
                figures = (await client.get("/metrics")).text
                if sum(float(line.split()[1]) for line in figures.splitlines() if re.match(r"musicgenre_(waiting|working) ", line)) == 6:
                    break
            service.process.terminate()
            return await asyncio.gather(*waiting, return_exceptions=True)

    answers = asyncio.run(scenario())
    assert service.process.wait(timeout=60) == 0
    statuses = [answer.status_code if isinstance(answer, httpx.Response) else 0 for answer in answers]
    assert statuses == [200] * 6, (statuses, service.log.read_text()[-2000:])


def test_no_process_is_left_behind(bundle: Path, tmp_path: Path) -> None:
    service = start_service(tmp_path, bundle)
    family = service.family()
    assert len(family) >= 3
    assert stop_service(service) == 0
    deadline = time.monotonic() + 10
    while any(process.is_running() and process.status() != "zombie" for process in family) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [process for process in family if process.is_running() and process.status() != "zombie"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"port": "nonsense"}, "port"), ({"unheard_of": "1"}, "unheard_of"), ({"max_upload_mb": "-3"}, "max_upload_mb")],
)
def test_bad_settings_are_named(bundle: Path, tmp_path: Path, settings: dict[str, str], words: str) -> None:
    code = "from musicgenre.serving.settings import load_settings; load_settings()"
    environment = {f"MUSICGENRE_SERVE_{name.upper()}": value for name, value in settings.items()} | {"PATH": "/usr/bin"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    assert done.returncode != 0
    assert "ParamsError" in done.stderr and words in done.stderr
    (tmp_path / "params.yaml").write_text("serve:\n  top_k: 3\n")
    served = subprocess.run(
        [BIN / "musicgenre", "serve"], capture_output=True, text=True, env={**os.environ, **environment}, cwd=tmp_path, check=False
    )
    assert served.returncode == 2
    assert served.stderr.startswith("error: ") and words in served.stderr and len(served.stderr.splitlines()) == 1


def _blocks(repository: Path, language: str) -> list[str]:
    text = (repository / "docs" / "service.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def test_the_documented_curl_line_works(running: Running, repository: Path, tmp_path: Path, wav: Wav) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    (tmp_path / "clip.wav").write_bytes(wav(3))
    lines = [line for block in _blocks(repository, "sh") for line in block.splitlines() if line.startswith("curl ") and "clip.wav" in line]
    assert lines, "docs/service.md has no curl line"
    for line in lines:
        done = subprocess.run(
            ["sh", "-c", line.replace("http://127.0.0.1:3000", running.url)], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert json.loads(done.stdout)["genre"], line


def test_the_documented_python_client_works(running: Running, repository: Path, tmp_path: Path, wav: Wav) -> None:
    (tmp_path / "clip.wav").write_bytes(wav(3))
    (block,) = [block for block in _blocks(repository, "python") if "urllib" in block]
    code = block.replace("http://127.0.0.1:3000", running.url)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"\d\.\d{3}", done.stdout), done.stdout


def test_readiness_waits_for_the_model(running: Running) -> None:
    with urllib.request.urlopen(f"{running.url}/model") as answer:
        assert json.load(answer)["service"]["pid"] in {process.pid for process in running.family()}


@pytest.mark.slow
def test_restart_under_load_loses_no_answer(bundle: Path, tmp_path: Path, wav: Wav) -> None:
    """Clients that retry a refused connection get every answer right across three restarts."""
    bodies = [wav(3, seed=300 + n) for n in range(4)]
    service = start_service(tmp_path, bundle)
    with httpx.Client(base_url=service.url, timeout=60) as client:
        wanted = [client.post("/classify", files={"file": ("a", body)}).json()["probabilities"] for body in bodies]
    stop_service(service)

    async def load(url: str, stop: asyncio.Event, seen: list[bool]) -> None:
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            number = 0
            while not stop.is_set():
                number = (number + 1) % len(bodies)
                try:
                    answer = await client.post("/classify", files={"file": ("a", bodies[number])})
                except httpx.ConnectError:
                    return
                except httpx.TransportError as error:
                    pytest.fail(f"a request in flight was cut: {error!r}")
                assert answer.status_code in (200, 429), answer.text
                if answer.status_code == 200:
                    seen.append(answer.json()["probabilities"] == wanted[number])

    async def scenario() -> list[bool]:
        seen: list[bool] = []
        for _ in range(3):
            service = start_service(tmp_path, bundle, cache_entries=0)
            stop = asyncio.Event()
            tasks = [asyncio.ensure_future(load(service.url, stop, seen)) for _ in range(6)]
            await asyncio.sleep(3)
            service.process.terminate()
            await asyncio.wait_for(asyncio.gather(*tasks), 60)
            assert await asyncio.to_thread(service.process.wait, 60) == 0
        return seen

    seen = asyncio.run(scenario())
    assert len(seen) > 30
    assert all(seen)
