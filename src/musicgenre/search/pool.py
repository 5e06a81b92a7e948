"""Worker processes: spawned once, fed with trials, replaced when they die.

A message is JSON over a pipe. A worker says something and waits for the answer,
so it never runs ahead of a decision to prune. It ignores Ctrl-C (the parent
decides) and ends when its parent is gone.
"""

from __future__ import annotations

import json
import multiprocessing as mp
import os
import signal
import threading
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Protocol

from musicgenre.search.session import Message, Session, one_line


class Pool(Protocol):
    """Workers somewhere. Numbers below `size` name them."""

    size: int

    def start(self, worker: int) -> None:
        """Begin (again); the worker says `ready`, `broken` or dies."""
        ...

    def send(self, worker: int, message: Message) -> None:
        """Give a task, or the answer that the worker waits for."""
        ...

    def wait(self, timeout_s: float) -> list[tuple[int, Message]]:
        """What workers said meanwhile; a death is the message `{"event": "died", "reason": …}`."""
        ...

    def collect(self, message: Message, directory: Path) -> None:
        """Make sure that what a finished trial saved lies in `directory` on this machine."""
        ...

    def kill(self, worker: int) -> None:
        """End a worker at once."""
        ...

    def close(self) -> None:
        """End all workers."""
        ...


class Growth:
    """Tells when a worker holds so much more memory than after its first trials that a fresh one should take its place."""

    SHARE = 0.08
    LEAST_MB = 64.0  # TensorFlow keeps some 6 MB of every trial's graphs

    def __init__(self) -> None:
        self._early: dict[int, list[float]] = {}

    def too_much(self, worker: int, rss_mb: float) -> bool:
        """Whether `rss_mb`, its resident memory after a trial, is too much."""
        early = self._early.setdefault(worker, [])
        if len(early) < 2:  # the second may import what the first had no need of
            early.append(rss_mb)
        return rss_mb > max(early) + max(self.LEAST_MB, self.SHARE * max(early))

    def forget(self, worker: int) -> None:
        """A fresh process goes by that number."""
        self._early.pop(worker, None)


def _end_with_parent() -> None:
    parent = mp.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def serve(pipe: Connection, root: str, reference: str, environment: Mapping[str, str], log: str) -> None:
    """A worker's life. What libraries print goes to the file `log`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.environ.update(environment)
    with open(log, "ab", buffering=0) as handle:  # noqa: PTH123 (a raw descriptor for C libraries)
        os.dup2(handle.fileno(), 1)
        os.dup2(handle.fileno(), 2)
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def say(message: Message) -> None:
        pipe.send_bytes(json.dumps(message).encode())

    def ask(message: Message) -> Message:
        say(message)
        answer: Message = json.loads(pipe.recv_bytes())
        return answer

    try:
        session = Session(Path(root), reference)
    except Exception as error:  # said to the parent, which stops the study with it
        say({"event": "broken", "reason": one_line(error)})
        return
    say({"event": "ready"})
    while True:
        try:
            task = json.loads(pipe.recv_bytes())
        except (EOFError, OSError):
            return
        if task.get("do") == "end":
            return
        say(session.run(task, ask))


def thread_settings(threads: int) -> dict[str, str]:
    """Environment that keeps the numerical libraries of one worker to `threads` threads."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
    return {**dict.fromkeys(names, str(threads)), "TF_NUM_INTEROP_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "2", "KERAS_BACKEND": "tensorflow"}


class LocalPool:
    """Processes of this machine.

    Parameters
    ----------
    root
        The project's folder.
    reference
        The family (see `session.load_family`).
    size
        How many workers.
    threads
        Numerical threads of each.
    logs
        The folder for `worker-<n>.log`: what TensorFlow and others print, and a crash's last words.
    """

    def __init__(self, root: Path, reference: str, *, size: int, threads: int, logs: Path) -> None:
        self.size = size
        self.logs = logs
        self._arguments = (str(root.resolve()), reference, thread_settings(threads))
        self._context = mp.get_context("spawn")
        self._pipes: dict[int, Connection] = {}
        self._processes: dict[int, SpawnProcess] = {}

    def pid(self, worker: int) -> int:
        """The worker's process id."""
        return self._processes[worker].pid or 0

    def start(self, worker: int) -> None:
        ours, theirs = self._context.Pipe()
        # The environment must hold before the child imports anything that reads it.
        before = {name: os.environ.get(name) for name in self._arguments[2]}
        os.environ.update(self._arguments[2])
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            arguments = (theirs, *self._arguments, str(self._log(worker)))
            process = self._context.Process(target=serve, args=arguments, name=f"trial-worker-{worker}", daemon=True)
            process.start()
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
        theirs.close()
        self._pipes[worker], self._processes[worker] = ours, process

    def _log(self, worker: int) -> Path:
        return self.logs / f"worker-{worker}.log"

    def send(self, worker: int, message: Message) -> None:
        with suppress(KeyError, OSError):  # it has died; `wait` says so
            self._pipes[worker].send_bytes(json.dumps(message).encode())

    def wait(self, timeout_s: float) -> list[tuple[int, Message]]:
        owners: dict[Any, int] = {pipe: worker for worker, pipe in self._pipes.items()}
        said: list[tuple[int, Message]] = []
        for ready in wait(list(owners), timeout_s):
            worker = owners[ready]
            try:
                said.append((worker, json.loads(self._pipes[worker].recv_bytes())))
            except (EOFError, OSError):
                said.append((worker, {"event": "died", "reason": self._bury(worker)}))
        return sorted(said, key=lambda item: item[0])

    def _bury(self, worker: int) -> str:
        process = self._processes.pop(worker)
        self._pipes.pop(worker).close()
        process.join(timeout=10)
        code = process.exitcode
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            return f"its process was killed by {name} ({'out of memory?' if -code == signal.SIGKILL else f'see {self._log(worker)}'})"
        return f"its process ended with exit code {code} (see {self._log(worker)})"

    def collect(self, message: Message, directory: Path) -> None:
        """Nothing to do: the worker wrote to this machine's disk."""

    def kill(self, worker: int) -> None:
        if worker in self._processes:
            self._processes[worker].kill()

    def close(self) -> None:
        for worker in list(self._pipes):
            self.send(worker, {"do": "end"})
        for worker, process in list(self._processes.items()):
            process.join(timeout=0.5)
            if process.is_alive():
                process.kill()
                process.join(timeout=10)
            self._pipes[worker].close()
        self._pipes.clear()
        self._processes.clear()


__all__ = ["Growth", "LocalPool", "Pool", "serve", "thread_settings"]
