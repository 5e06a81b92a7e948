"""Work on untrusted bytes in child processes that may crash, hang or eat memory without harm.

Each worker is a fresh interpreter (never a fork, so a parent full of threads or
TensorFlow is safe) that imports little, serves many inputs, and is replaced
when it dies or is killed at its deadline.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar, cast

from musicgenre import errors
from musicgenre.audio.wire import Blob, receive, send
from musicgenre.errors import AudioError, DecoderCrashed

Item = TypeVar("Item")
Result = TypeVar("Result")

MEMORY_BYTES = 3 << 30
# A worker runs the code of its parent, which need not be installed: a bento's lies in a folder that only `sys.path` names.
_ROOT = str(Path(__file__).resolve().parents[2])
_START = """
import runpy, sys
if sys.argv[1] not in sys.path:
    sys.path.insert(0, sys.argv[1])
del sys.argv[1]
runpy.run_module(sys.argv.pop(1), run_name="__main__")
"""
_STARTUP_S = 60.0
# One thread a worker: there is a worker for each core, and BLAS reserves address space for each of its threads.
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def _widen(pipe: Any) -> None:
    """A pipe of a megabyte, where the system lets us: a clip then passes in few switches between the processes."""
    with contextlib.suppress(OSError, AttributeError):
        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, 1 << 20)


class _Worker:
    """One child process and its two pipes."""

    def __init__(self, task: str, memory_bytes: int, environment: Mapping[str, str]) -> None:
        # -P: a file of the user's folder that is called like a module must not become one.
        command = [sys.executable, "-P", "-c", _START, _ROOT, "musicgenre.audio.worker", task, str(memory_bytes)]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=1 << 20,
            start_new_session=True,  # a group of its own, so that a kill reaches its ffmpeg too
            env={**os.environ, **_ENVIRONMENT, **environment},
        )
        for pipe in (self.process.stdin, self.process.stdout):
            _widen(pipe)
        self.started = False

    def call(self, request: Mapping[str, Any], blobs: Mapping[str, Blob], deadline_s: float) -> tuple[dict[str, Any], dict[str, Any]]:
        """Send, wait, receive. The worker is killed at the deadline; EOFError or OSError then, or if it died."""
        assert self.process.stdin is not None and self.process.stdout is not None
        if not self.started:
            with self._deadline(_STARTUP_S):
                receive(cast(Any, self.process.stdout))
            self.started = True
        with self._deadline(deadline_s):
            send(cast(Any, self.process.stdin), request, blobs)
            return receive(cast(Any, self.process.stdout))

    @contextlib.contextmanager
    def _deadline(self, seconds: float) -> Iterator[None]:
        timer = threading.Timer(seconds, self.kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def kill(self) -> None:
        """End the worker and its children at once."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def end(self) -> None:
        """Kill, reap and close."""
        self.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


class IsolatedWorkers:
    """A pool of workers that run one task; safe to call from many threads.

    Parameters
    ----------
    task
        ``"module:function"``, see `audio.worker`.
    workers
        How many processes; each is started when first needed.
    deadline_s
        Wall-clock seconds for one call.
    memory_bytes
        Address space of a worker (Linux), 0 for no bound.
    environment
        Variables that a worker has beside those of this process.
    """

    def __init__(
        self,
        task: str,
        *,
        workers: int = 1,
        deadline_s: float = 60.0,
        memory_bytes: int = MEMORY_BYTES,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.task = task
        self.workers = max(1, workers)
        self.deadline_s = deadline_s
        self.memory_bytes = memory_bytes
        self._environment = dict(environment or {})
        self._idle: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        self._live: set[_Worker] = set()
        self._lock = threading.Lock()
        self._closed = False
        for _ in range(self.workers):
            self._idle.put(None)

    def __enter__(self) -> IsolatedWorkers:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End all workers; calls under way fail with `DecoderCrashed`."""
        self._closed = True
        with self._lock:
            live, self._live = list(self._live), set()
        for worker in live:
            worker.end()

    def start(self) -> None:
        """Start every worker now, so that the first calls do not wait for it."""
        fresh = [self._spawn() if worker is None else worker for worker in [self._idle.get() for _ in range(self.workers)]]
        for worker in fresh:
            self._idle.put(worker)

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the living workers."""
        with self._lock:
            return tuple(worker.process.pid for worker in self._live)

    def _spawn(self) -> _Worker:
        worker = _Worker(self.task, self.memory_bytes, self._environment)
        with self._lock:
            self._live.add(worker)
        return worker

    def call(self, request: Mapping[str, Any], blobs: Mapping[str, Blob] | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """Run the task once in a free worker (waits for one).

        Raises
        ------
        DecoderCrashed
            If the worker died of this input or outlived the deadline; the next call gets a fresh one.
        AudioError
            What the task raised, by its class.
        """
        name = str(request.get("name", "the input"))
        if self._closed:
            raise DecoderCrashed(f"{name}: the decoder is closed.")
        worker = self._idle.get()
        try:
            if worker is None or worker.process.poll() is not None:
                if worker is not None:
                    self._discard(worker)
                worker = None  # stays so if there is no memory for a process
                worker = self._spawn()
            try:
                head, arrays = worker.call(request, blobs or {}, self.deadline_s)
            except (EOFError, OSError, ValueError) as error:
                self._discard(worker)
                code, worker = worker.process.returncode, None
                why = f"ran longer than {self.deadline_s:g} s" if code == -signal.SIGKILL else f"died with status {code}"
                raise DecoderCrashed(f"{name}: its decoder {why}. The file is damaged or hostile.") from error
            except BaseException:
                # Interrupted in the middle of a message: the pipes are out of step.
                self._discard(worker)
                worker = None
                raise
        finally:
            self._idle.put(worker)
        if "error" in head:
            kind = getattr(errors, head["error"], AudioError)
            raise kind(head["message"])
        return head["reply"], arrays

    def _discard(self, worker: _Worker) -> None:
        with self._lock:
            self._live.discard(worker)
        worker.end()

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """``function(item)`` for each item in order, `workers` at a time, reading ahead only a little (flat memory)."""
        with ThreadPoolExecutor(self.workers, thread_name_prefix="decode") as pool:
            pending: deque[Future[Result]] = deque()
            try:
                for item in items:
                    pending.append(pool.submit(function, item))
                    if len(pending) >= 4 * self.workers:
                        yield pending.popleft().result()
                while pending:
                    yield pending.popleft().result()
            finally:
                for future in pending:
                    future.cancel()


__all__ = ["IsolatedWorkers"]
