"""Native libraries print straight to standard error.

A damaged MP3 yields hundreds of lines there, and TensorFlow announces its build at import,
before its log level counts.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_inside = 0
_kept = -1


@contextmanager
def quiet_native() -> Iterator[None]:
    """Send file descriptor 2 to nowhere until the last thread has left.

    Process-wide: lines that other threads print meanwhile are lost too, so this
    is for stages, not for the service (which decodes in processes of their own).
    What Python raises is not affected.
    """
    global _inside, _kept
    with _lock:
        if _inside == 0:
            sys.stderr.flush()
            _kept = os.dup(2)
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 2)
            os.close(null)
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                os.dup2(_kept, 2)
                os.close(_kept)


__all__ = ["quiet_native"]
