"""Who may come in, who works, and when to come back: a bounded queue before a few workers.

A request is *admitted* before its body is read (at most ``slots + max_queue`` at
once, else 429), and holds a *slot* only while a core works for it. Used from one
event loop only.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from musicgenre.serving import problems

# Weight of the newest duration in the running mean of work time.
_SMOOTHING = 0.2


class Admission:
    """A bounded queue.

    Parameters
    ----------
    slots
        Clips worked on at once.
    max_queue
        Requests that may wait beside them.
    timeout_s
        Longest wait for a slot, in seconds; after that the request ends with 503.
    """

    def __init__(self, slots: int, max_queue: int, timeout_s: float) -> None:
        self.slots = slots
        self.max_queue = max_queue
        self.timeout_s = timeout_s
        self.admitted = 0
        self.working = 0
        self._semaphore = asyncio.Semaphore(slots)
        self._mean_s = 0.1

    @property
    def waiting(self) -> int:
        return max(0, self.admitted - self.working)

    def retry_after_s(self) -> int:
        """Whole seconds after which the queue of now will probably be empty, 1 to 60."""
        return min(60, max(1, math.ceil(self.waiting * self._mean_s / self.slots)))

    def observe(self, seconds: float) -> None:
        """Tell how long one clip took; feeds `retry_after_s`."""
        self._mean_s += _SMOOTHING * (seconds - self._mean_s)

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Hold a place in the service.

        Raises
        ------
        Problem
            429 with `Retry-After` where none is free.
        """
        if self.admitted >= self.slots + self.max_queue:
            raise problems.overloaded(self.retry_after_s())
        self.admitted += 1
        try:
            yield
        finally:
            self.admitted -= 1

    @asynccontextmanager
    async def slot(self, deadline: float) -> AsyncIterator[None]:
        """Wait for a slot until `deadline` (of the loop's clock).

        Raises
        ------
        Problem
            503 with `Retry-After` where the deadline comes first.
        """
        try:
            async with asyncio.timeout_at(deadline):
                await self._semaphore.acquire()
        except TimeoutError:
            raise problems.queue_timeout(self.timeout_s, self.retry_after_s()) from None
        self.working += 1
        try:
            yield
        finally:
            self.working -= 1
            self._semaphore.release()


__all__ = ["Admission"]
