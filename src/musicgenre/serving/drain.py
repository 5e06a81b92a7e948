"""Stopping without cutting a kept connection under a client's hands.

On SIGTERM uvicorn closes connections that are idle at that instant; a client that
has just sent its next request on one sees a reset. So the signal first makes every
answer say ``Connection: close`` for a moment, which lets busy clients go, and is
handed on to uvicorn afterwards. The supervisor holds the listening socket a little
longer than this process lives: whoever connected in between would be reset, so the
socket is made to refuse first.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import Any

_LATECOMERS_S = 0.5
_QUEUE_S = 0.002
_QUEUE_AT = 24  # of `tcpi_unacked` in struct tcp_info: for a listening socket, connections that nobody has accepted yet

Handler = Callable[[int, FrameType | None], Any]


def descriptors() -> list[int]:
    """The open file descriptors of this process; none but on Linux."""
    with contextlib.suppress(OSError):
        return [int(path.name) for path in Path("/proc/self/fd").iterdir()]
    return []


def refuse_connections(candidates: Iterable[int] | None = None, *, patient: bool = False) -> bool:
    """Stop the sockets that listen, in every process that shares them; true when none is left.

    A process that is started with such a socket later listens again.

    Parameters
    ----------
    candidates
        File descriptors to look at; all of this process by default.
    patient
        Leave a socket alone while connections wait to be accepted: they would be reset.
    """
    none_left = True
    for descriptor in descriptors() if candidates is None else candidates:
        with contextlib.suppress(OSError):
            found = socket.socket(fileno=descriptor)  # raises where it is something else
            try:
                if found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    if patient and struct.unpack_from("I", found.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), _QUEUE_AT)[0]:
                        none_left = False
                        continue
                    found.shutdown(socket.SHUT_RDWR)
            finally:
                found.detach()
    return none_left


class Drain:
    """`active` is true from the first SIGTERM or SIGINT on.

    Parameters
    ----------
    seconds
        Between the signal and what uvicorn does about it. A second Ctrl-C is handed on at once. A SIGTERM in between adds
        nothing: after a Ctrl-C the supervisor sends one too, and to uvicorn two signals mean to drop what is in flight.
    """

    def __init__(self, seconds: float = 0.5) -> None:
        self.seconds = seconds
        self.active = False
        self._handed_on = False

    def install(self) -> None:
        """Stand before the handlers that are there; from the event loop's thread, nothing elsewhere than in the main one."""
        if threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            before = signal.getsignal(number)
            if callable(before):
                signal.signal(number, self._handler(before, loop))

    def _handler(self, before: Handler, loop: asyncio.AbstractEventLoop) -> Handler:
        def handle(number: int, frame: FrameType | None) -> None:
            if self._handed_on or (self.active and number == signal.SIGINT):
                self._handed_on = True
                before(number, frame)
                return
            if self.active:
                return
            self.active = True
            loop.call_soon_threadsafe(lambda: loop.call_later(self.seconds, end, number))

        def end(number: int, patience: int = 200) -> None:
            if not refuse_connections(patient=patience > 0):
                loop.call_later(_QUEUE_S, end, number, patience - 1)
                return
            # Who was let in at the last moment gets to send a request: only then is the connection not idle.
            loop.call_later(_LATECOMERS_S, hand_on, number)

        def hand_on(number: int) -> None:
            if not self._handed_on:
                self._handed_on = True
                before(number, None)

        return handle


__all__ = ["Drain", "descriptors", "refuse_connections"]
