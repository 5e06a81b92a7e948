"""The moment between a stop signal and the end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket

import pytest
from serving_harness import Running

from musicgenre.serving.drain import Drain, descriptors, refuse_connections
from musicgenre.serving.packaging.smoke import free_port


@pytest.mark.parametrize(
    ("sent", "at_once", "in_the_end"),
    [
        ([signal.SIGTERM], [], [signal.SIGTERM]),
        ([signal.SIGINT, signal.SIGTERM], [], [signal.SIGINT]),  # Ctrl-C, and the supervisor's own word
        ([signal.SIGINT, signal.SIGINT], [signal.SIGINT], [signal.SIGINT]),
        ([signal.SIGINT, signal.SIGINT, signal.SIGTERM], [signal.SIGINT, signal.SIGTERM], [signal.SIGINT, signal.SIGTERM]),
    ],
)
def test_a_signal_is_handed_on_once_and_after_a_moment(
    monkeypatch: pytest.MonkeyPatch, sent: list[int], at_once: list[int], in_the_end: list[int]
) -> None:
    monkeypatch.setattr("musicgenre.serving.drain.refuse_connections", lambda **_: True)  # this process is not a service
    monkeypatch.setattr("musicgenre.serving.drain._LATECOMERS_S", 0.05)
    told: list[int] = []
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in kept:
        signal.signal(number, lambda number, frame: told.append(number))

    async def scenario() -> None:
        drain = Drain(seconds=0.3)
        drain.install()
        for number in sent:
            os.kill(os.getpid(), number)
            await asyncio.sleep(0)
        assert drain.active and told == at_once
        await asyncio.sleep(0.8)
        assert told == in_the_end

    try:
        asyncio.run(scenario())
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def test_a_socket_that_others_hold_too_refuses_and_can_listen_again() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", free_port()))  # a port given, not drawn: such a socket keeps it, as a service's does
        listening.listen()
        address = listening.getsockname()
        with socket.create_connection(address, timeout=5):
            pass
        assert listening.fileno() in descriptors()
        with socket.socket() as other:
            ours = [other.fileno(), listening.fileno()]
            assert not refuse_connections(ours, patient=True)  # the connection made above was never accepted
            listening.accept()[0].close()
            assert refuse_connections(ours, patient=True)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=5)
        listening.listen()
        with socket.create_connection(address, timeout=5):
            pass


def test_a_running_service_keeps_connections_open(running: Running) -> None:
    import httpx

    answer = httpx.get(f"{running.url}/livez")
    assert answer.headers.get("connection") != "close"
