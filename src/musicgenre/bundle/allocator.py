"""glibc's allocator, for processes that make large arrays for a moment, clip after clip.

By default glibc keeps a heap for each thread and, after the first large free, serves ever larger blocks from
them; two threads that each classify a 30 s clip with a small network then hold 400 to 500 MB for good. With one
heap, blocks above 8 MB mapped by themselves and the top of the heap trimmed at 32 MB it is a quarter of that.
Lower limits hold a little less and cost more: with 1 MB, the arrays of a clip are mapped and faulted in page by
page each time, 3 ms of 20. See mallopt(3). Elsewhere nothing is done.
"""

from __future__ import annotations

import contextlib
import ctypes

_ARENAS, _MAPPED_BYTES, _TRIMMED_BYTES = 1, 8 << 20, 32 << 20
# Of a process that is yet to start.
ENVIRONMENT = {
    "MALLOC_ARENA_MAX": str(_ARENAS),
    "MALLOC_MMAP_THRESHOLD_": str(_MAPPED_BYTES),
    "MALLOC_TRIM_THRESHOLD_": str(_TRIMMED_BYTES),
}
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8


def return_memory() -> bool:
    """Set the allocator of this process for its life; true where it could be."""
    with contextlib.suppress(OSError, AttributeError):
        set_option = ctypes.CDLL(None).mallopt
        options = {_ARENA_MAX: _ARENAS, _MMAP_THRESHOLD: _MAPPED_BYTES, _TRIM_THRESHOLD: _TRIMMED_BYTES}
        return all(set_option(name, value) == 1 for name, value in options.items())
    return False


def trim() -> None:
    """Hand free pages from inside the heap back; milliseconds, outside the interpreter's lock."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


__all__ = ["ENVIRONMENT", "return_memory", "trim"]
