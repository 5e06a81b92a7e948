"""Compose file, Prometheus and the dashboard speak of figures and files that exist."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import yaml
from serving_harness import Service, Wav, start_service, stop_service

from musicgenre.serving.packaging.smoke import free_port

# Figures that are zero in a quiet moment; the others must move.
_QUIET = ("musicgenre_waiting", "musicgenre_working", "musicgenre_upload_bytes")


def test_every_mounted_file_exists_and_the_service_is_confined(repository: Path) -> None:
    compose = yaml.safe_load((repository / "compose.yaml").read_text())
    for name, service in compose["services"].items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert not source.startswith("./") or (repository / source).is_file(), (name, source)
    service = compose["services"]["service"]
    assert service["read_only"] and service["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"]), "only this machine by default"
    scrape = yaml.safe_load((repository / "deploy/prometheus.yml").read_text())["scrape_configs"][0]
    assert scrape["static_configs"][0]["targets"] == ["service:3000"]


def test_the_dashboard_asks_for_figures_that_the_service_has(repository: Path, service: Service, wav: Wav) -> None:
    service.client.post("/classify", files={"file": ("a", wav(2))})
    service.client.post("/classify", files={"file": ("a", b"text")})
    text = service.client.get("/metrics").text
    offered = {re.match(r"\w+", line).group() for line in text.splitlines() if line.startswith("musicgenre_")}  # type: ignore[union-attr]
    board = json.loads((repository / "deploy/grafana/musicgenre.json").read_text())
    asked = {name for panel in board["panels"] for target in panel["targets"] for name in re.findall(r"musicgenre_\w+", target["expr"])}
    assert len(asked) > 8
    assert asked <= offered
    source = yaml.safe_load((repository / "deploy/grafana/datasource.yml").read_text())["datasources"][0]["uid"]
    assert {panel["datasource"]["uid"] for panel in board["panels"]} == {source}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("prometheus") is None, reason="Prometheus is not installed")
def test_prometheus_itself_answers_every_panel(repository: Path, bundle: Path, tmp_path: Path, wav: Wav) -> None:
    """The scrape configuration as it is shipped (another target, more often) and every query of the dashboard."""
    running = start_service(tmp_path, bundle, max_queue=1, concurrency=1)
    config = yaml.safe_load((repository / "deploy/prometheus.yml").read_text())
    config["global"]["scrape_interval"] = "1s"
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [running.url.removeprefix("http://")]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    prometheus = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={tmp_path}/prometheus.yml",
            f"--storage.tsdb.path={tmp_path}/data",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stderr=subprocess.DEVNULL,
    )
    board = json.loads((repository / "deploy/grafana/musicgenre.json").read_text())
    wanted = {target["expr"].replace("$__rate_interval", "1m") for panel in board["panels"] for target in panel["targets"]}

    def answered(query: str) -> bool:
        try:
            answer = httpx.get(f"http://127.0.0.1:{port}/api/v1/query", params={"query": query}, timeout=5).json()
        except httpx.HTTPError:
            return False
        return any(sample["value"][1] not in ("NaN", "0") for sample in answer["data"]["result"])

    missing, until, seed = set(wanted), time.monotonic() + 60, 0
    try:
        while missing and time.monotonic() < until:
            with ThreadPoolExecutor(6) as crowd:  # one is worked on, one may wait: the others are refused

                def send(number: int) -> int:
                    return httpx.post(
                        f"{running.url}/classify", content=wav(2, seed=number), headers={"content-type": "audio/wav"}
                    ).status_code

                codes = set(crowd.map(send, [1, *range(seed + 2, seed + 7)]))
            assert codes <= {200, 429}
            seed += 5
            # What is nothing in a quiet moment (who waits, bytes under way) has a series all the same.
            missing = {query for query in missing if not (answered(query) or (query in _QUIET and answered(f"{query} + 1")))}
            time.sleep(1)
    finally:
        prometheus.terminate()
        prometheus.wait(20)
        stop_service(running)
    assert not missing
