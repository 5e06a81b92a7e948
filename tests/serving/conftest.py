"""A real bundle, real sounds, the service in this process and the service as people start it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from serving_bundles import make_bundle
from serving_harness import Running, Service, Wav, make_wav, start_service, stop_service


@pytest.fixture(scope="session")
def wav() -> Wav:
    return make_wav


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle over mel with four genres."""
    return make_bundle(tmp_path_factory.mktemp("serving") / "bundle")


@pytest.fixture(scope="session")
def service(bundle: Path) -> Iterator[Service]:
    """One service with the default limits for all tests that do not change them."""
    made = Service(bundle)
    yield made
    made.close()


@pytest.fixture
def make_service(bundle: Path) -> Iterator[Callable[..., Service]]:
    """Services with settings of their own."""
    made: list[Service] = []

    def make(**settings: object) -> Service:
        made.append(Service(bundle, **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="session")
def running(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One running service for the tests that need the real thing."""
    started = start_service(tmp_path_factory.mktemp("run"), bundle)
    yield started
    stop_service(started)
