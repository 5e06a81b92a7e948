"""A pool of threads in this process: the driver's logic without the seconds a fresh interpreter takes."""

from __future__ import annotations

import queue
import threading
from pathlib import Path
from typing import Any

from musicgenre.search.session import Session


class ThreadPool:
    def __init__(self, root: Path, reference: str, *, size: int) -> None:
        self.size = size
        self._root, self._reference = root, reference
        self._said: queue.Queue[tuple[int, dict[str, Any]]] = queue.Queue()
        self._heard: dict[int, queue.Queue[dict[str, Any]]] = {}

    def start(self, worker: int) -> None:
        self._heard[worker] = queue.Queue()
        threading.Thread(target=self._serve, args=(worker, self._heard[worker]), daemon=True).start()

    def _serve(self, worker: int, heard: queue.Queue[dict[str, Any]]) -> None:
        session = Session(self._root, self._reference)
        self._said.put((worker, {"event": "ready"}))

        def ask(message: dict[str, Any]) -> dict[str, Any]:
            self._said.put((worker, message))
            return heard.get()

        while (task := heard.get()).get("do") == "trial":
            self._said.put((worker, session.run(task, ask)))

    def send(self, worker: int, message: dict[str, Any]) -> None:
        self._heard[worker].put(message)

    def wait(self, timeout_s: float) -> list[tuple[int, dict[str, Any]]]:
        try:
            return [self._said.get(timeout=timeout_s)]
        except queue.Empty:
            return []

    def collect(self, message: dict[str, Any], directory: Path) -> None: ...

    def kill(self, worker: int) -> None:
        raise NotImplementedError("a thread cannot be killed; use processes in this test")

    def close(self) -> None:
        for heard in self._heard.values():
            heard.put({"do": "end"})
