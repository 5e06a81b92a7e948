"""Giving memory back while the service runs."""

from __future__ import annotations

import asyncio

from musicgenre.bundle.allocator import trim


class Trimmer:
    """Trims the heap, at most every `seconds`: bodies and buffers of many connections leave gaps. Used from one event loop only."""

    def __init__(self, seconds: float = 3.0) -> None:
        self.seconds = seconds
        self._planned = False

    def soon(self) -> None:
        """Trim in `seconds`, unless that is planned already: so the last request of a crowd is followed by one."""
        if not self._planned:
            self._planned = True
            asyncio.get_running_loop().call_later(self.seconds, self._start)

    def _start(self) -> None:
        self._planned = False
        asyncio.get_running_loop().run_in_executor(None, trim)


__all__ = ["Trimmer"]
