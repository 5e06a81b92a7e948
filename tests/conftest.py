"""Fixtures for every room."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opened_page import chromium

# Child processes and libraries of the tests stay silent and off the network.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
for _name, _value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "1",
    "BENTOML_DO_NOT_TRACK": "True",
    "GX_ANALYTICS_ENABLED": "false",
    "DVC_NO_ANALYTICS": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}.items():
    os.environ.setdefault(_name, _value)

REPOSITORY = Path(__file__).resolve().parents[1]
RESEARCH = REPOSITORY.parent / "shared"


def _research(*parts: str) -> Path:
    path = RESEARCH.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"research data {'/'.join(parts)} is not on this machine")
    return path


@pytest.fixture(scope="session")
def gtzan_mini() -> Path:
    """199 real clips in ten genres; the test skips where they are not."""
    return _research("data", "gtzan_mini")


@pytest.fixture(scope="session")
def gtzan_index() -> Path:
    """The official split lists and the catalogue of repetitions."""
    return _research("data", "gtzan_index")


@pytest.fixture(scope="session")
def research_weights() -> Path:
    """Real pretrained weights."""
    return _research("weights")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A Chromium; the test skips where there is none."""
    yield from chromium()
