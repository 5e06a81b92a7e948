"""Ctrl-C that is never lost."""

from __future__ import annotations

import signal
from types import FrameType

_AGAIN_S = 0.05


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, a moment later if the import machinery is at work.

    Its locks are freed by weak-reference callbacks, and what is raised in such a callback
    is printed and forgotten: the command would run on as if nobody had asked it to stop.
    """
    if frame is not None and frame.f_code.co_filename.startswith("<frozen importlib"):
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)
        return
    raise KeyboardInterrupt


def heed_interrupts() -> None:
    """Handle SIGINT for the rest of this process, unless whoever started it had SIGINT ignored or handled."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
        signal.signal(signal.SIGALRM, _interrupt)


__all__ = ["heed_interrupts"]
