"""The child process of `IsolatedWorkers`: imports one task, bounds its own memory, answers until its input closes.

Run as the module it is, with ``module:function MEMORY_BYTES``. The
task is ``f(request: dict, blobs: dict[str, bytes]) -> (reply: dict, blobs: dict)``.
"""

from __future__ import annotations

import importlib
import os
import resource
import signal
import sys

from musicgenre.audio.wire import receive, send
from musicgenre.errors import AudioError, MusicGenreError


def main(arguments: list[str]) -> None:
    # The parent decides when work ends, by closing the pipe or by a kill. A supervisor that stops a
    # service sends SIGTERM to the children too, while the service still finishes what is in flight.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    source, out = os.fdopen(os.dup(0), "rb", 1 << 20), os.fdopen(os.dup(1), "wb", 1 << 20)
    # Decoders print; nothing of that may get between the messages.
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    module, _, function = arguments[0].partition(":")
    task = getattr(importlib.import_module(module), function)
    memory = int(arguments[1])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory and sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    send(out, {"ready": os.getpid()})
    while True:
        try:
            request, blobs = receive(source)
        except EOFError:
            return
        try:
            reply, arrays = task(request, blobs)
            send(out, {"reply": reply}, arrays)
        except MusicGenreError as error:
            send(out, {"error": type(error).__name__, "message": str(error)})
        except MemoryError:
            send(out, {"error": "TooLarge", "message": f"{request.get('name', 'the input')}: needs more memory than a decoder is given."})
        except Exception as error:
            send(out, {"error": AudioError.__name__, "message": f"{request.get('name', 'the input')}: {type(error).__name__}: {error}"})


if __name__ == "__main__":
    main(sys.argv[1:])
