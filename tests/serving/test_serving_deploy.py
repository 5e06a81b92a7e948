"""Compose file, Prometheus and the dashboard speak of figures and files that exist."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml
from serving_harness import Service, Wav


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
