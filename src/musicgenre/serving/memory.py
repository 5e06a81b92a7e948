"""Giving memory back: glibc's allocator, told that this process makes large arrays for a moment.

By default glibc keeps a heap for each thread and, after the first large free,
serves ever larger blocks from them; two threads that each classify a 30 s clip
with a small network then hold 400 to 500 MB for good. With one heap, blocks above
8 MB mapped by themselves and the top of the heap trimmed at 32 MB it is a quarter of
that. Lower limits hold a little less and cost more: with 1 MB, the arrays of a clip
are mapped and faulted in page by page each time, 3 ms of 20. See mallopt(3).
Elsewhere nothing is done.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
from collections.abc import Callable

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
MEGABYTE = 1 << 20


def return_memory() -> bool:
    """Set the allocator for the life of this process; true where it could be."""
    with contextlib.suppress(OSError, AttributeError):
        set_option = ctypes.CDLL(None).mallopt
        options = {_ARENA_MAX: 1, _MMAP_THRESHOLD: 8 * MEGABYTE, _TRIM_THRESHOLD: 32 * MEGABYTE}
        return all(set_option(name, value) == 1 for name, value in options.items())
    return False


class Trimmer:
    """Hands free pages from inside the heap back, at most every `seconds`: bodies and buffers of many connections leave gaps.

    Used from one event loop only.
    """

    def __init__(self, seconds: float = 3.0) -> None:
        self.seconds = seconds
        self._planned = False
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)

    def soon(self) -> None:
        """Trim in `seconds`, unless that is planned already: so the last request of a crowd is followed by one."""
        if self._trim is not None and not self._planned:
            self._planned = True
            asyncio.get_running_loop().call_later(self.seconds, self._start, self._trim)

    def _start(self, trim: Callable[[int], int]) -> None:
        self._planned = False
        # Milliseconds, outside the interpreter's lock.
        asyncio.get_running_loop().run_in_executor(None, trim, 0)


__all__ = ["Trimmer", "return_memory"]
