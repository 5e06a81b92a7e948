"""Workers on a Ray cluster: an actor a trial at a time, on whatever node has the CPUs or GPUs.

The same messages as `pool`'s processes, so a study is the same study: the driver
asks each actor for its next message and sends the answer. Nodes need the project's
folder (a shared file system) for its features; what a trial saved comes back through
Ray's object store, so nothing else has to be shared.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicgenre.compute import connect_ray
from musicgenre.search.pool import thread_settings
from musicgenre.search.session import Message, Session, one_line

if TYPE_CHECKING:
    from musicgenre.params import ComputeParams


class TrialActor:
    """Runs trials in a thread of its own; `hear` and `answer` talk to it meanwhile."""

    def __init__(self, root: str, reference: str, paths: list[str]) -> None:
        import queue
        import sys
        import threading

        sys.path[:0] = [path for path in paths if path not in sys.path]
        self._said: queue.Queue[Message] = queue.Queue()
        self._heard: queue.Queue[Message] = queue.Queue()
        threading.Thread(target=self._serve, args=(root, reference), daemon=True).start()

    def _serve(self, root: str, reference: str) -> None:
        try:
            session = Session(Path(root), reference)
        except Exception as error:  # said to the driver, which stops the study with it
            self._said.put({"event": "broken", "reason": one_line(error)})
            return
        self._said.put({"event": "ready"})

        def ask(message: Message) -> Message:
            self._said.put(message)
            return self._heard.get()

        while True:
            task = self._heard.get()
            with tempfile.TemporaryDirectory(prefix="musicgenre-trial-") as place:
                keep = Path(place) / "kept"
                result = session.run({**task, "keep": str(keep)}, ask)
                files = {path.relative_to(keep).as_posix(): path.read_bytes() for path in keep.rglob("*") if path.is_file()}
                self._said.put({**result, "files": files})

    def hear(self) -> Message:
        """The next message; waits for it."""
        return self._said.get()

    def answer(self, message: Message) -> None:
        """A task, or the answer that the trial waits for."""
        self._heard.put(message)


class RayPool:
    """See `pool.Pool`.

    Parameters
    ----------
    root, reference
        The project's folder (on every node) and the family.
    size
        How many trials at once.
    compute
        `address` of the cluster; without one a local Ray is started.

    Raises
    ------
    ParamsError
        If Ray is not installed, or no cluster answers at the address.
    """

    def __init__(self, root: Path, reference: str, *, size: int, compute: ComputeParams) -> None:
        import sys

        self._ray = ray = connect_ray(compute, size)
        self.size = size
        self._arguments = (str(root.resolve()), reference, list(sys.path))
        gpus = float(ray.cluster_resources().get("GPU", 0.0))
        self._resources = {"num_cpus": 1, "num_gpus": min(1.0, gpus / size) if gpus else 0}
        self._actors: dict[int, Any] = {}
        self._pending: dict[Any, int] = {}

    def start(self, worker: int) -> None:
        # max_concurrency: `hear` waits in one thread while `answer` comes in another.
        made = self._ray.remote(TrialActor).options(
            **self._resources, max_concurrency=4, max_restarts=0, runtime_env={"env_vars": thread_settings(1)}
        )
        self._actors[worker] = made.remote(*self._arguments)
        self._listen(worker)

    def _listen(self, worker: int) -> None:
        self._pending[self._actors[worker].hear.remote()] = worker

    def send(self, worker: int, message: Message) -> None:
        if worker in self._actors:
            self._actors[worker].answer.remote(message)  # to a dead actor: `wait` says so

    def wait(self, timeout_s: float) -> list[tuple[int, Message]]:
        if not self._pending:
            return []
        ready, _ = self._ray.wait(list(self._pending), num_returns=1, timeout=timeout_s)
        said: list[tuple[int, Message]] = []
        for item in ready:
            worker = self._pending.pop(item)
            try:
                message = self._ray.get(item)
            except self._ray.exceptions.RayError as error:
                self._actors.pop(worker, None)
                said.append((worker, {"event": "died", "reason": f"its node or process was lost ({type(error).__name__})"}))
                continue
            said.append((worker, message))
            self._listen(worker)
        return said

    def collect(self, message: Message, directory: Path) -> None:
        """Write the files that came with a finished trial."""
        from musicgenre.atomic import atomic_directory

        files: dict[str, bytes] = message.get("files", {})
        if files:
            with atomic_directory(directory) as temporary:
                for name, data in files.items():
                    (temporary / name).parent.mkdir(parents=True, exist_ok=True)
                    (temporary / name).write_bytes(data)

    def kill(self, worker: int) -> None:
        if worker in self._actors:
            self._ray.kill(self._actors[worker], no_restart=True)

    def close(self) -> None:
        for actor in self._actors.values():
            self._ray.kill(actor, no_restart=True)
        self._actors.clear()
        self._pending.clear()


__all__ = ["RayPool", "TrialActor"]
