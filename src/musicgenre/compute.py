"""Run a function over many items: in local processes, or on a Ray cluster.

Local workers are fresh interpreters with one BLAS/FFT thread each, so that N
workers use N cores and no more. Results do not depend on how many there are.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import socket
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import TYPE_CHECKING, Any, TypeVar

from musicgenre.errors import ParamsError, WorkerDied

if TYPE_CHECKING:
    from musicgenre.params import ComputeParams

Item = TypeVar("Item")
Result = TypeVar("Result")

_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "VECLIB_MAXIMUM_THREADS": "1"}
_KNOCK_S = 10.0
_AHEAD = 4  # ordered: items a worker may be ahead of the one waited for, which bounds what is held in memory


def cores() -> int:
    """Cores this process may use: its affinity, and its control group's quota where there is one."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        with open("/sys/fs/cgroup/cpu.max", encoding="ascii") as handle:  # noqa: PTH123 (a pseudo-file, read once)
            quota, period = handle.read().split()
        return count if quota == "max" else max(1, min(count, int(quota) // int(period)))
    except (OSError, ValueError):
        return count


def worker_count(params: ComputeParams, items: Iterable[Any] = ()) -> int:
    """How many workers `run` would start for `items`."""
    wanted = params.workers or cores()
    return max(1, min(wanted, len(items))) if isinstance(items, Sized) and len(items) else wanted


def run(function: Callable[[Item], Result], items: Iterable[Item], *, params: ComputeParams, ordered: bool = True) -> Iterator[Result]:
    """Yield ``function(item)`` of every item.

    Parameters
    ----------
    function
        Importable by name (or a `functools.partial` of such); items and results must be picklable.
    params
        Engine and number of workers; one local worker means this process.
    ordered
        In the order of `items`; otherwise as they finish.

    Raises
    ------
    WorkerDied
        If a worker is killed or crashes; names the item it was at.
    Exception
        What `function` raises, with the worker's traceback as a note. The other workers are stopped.
    """
    if params.engine == "ray":
        return _ray(function, items, params, ordered)
    workers = worker_count(params, items)
    return map(function, items) if workers == 1 else _local(function, items, workers, ordered)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set variables for children started inside the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Start children with SIGINT blocked: Ctrl-C reaches the whole group, and one that is still importing would print a traceback."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _portable(error: BaseException) -> BaseException:
    """`error` itself if it survives pickling, otherwise a RuntimeError that says the same."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _serve(connection: Connection) -> None:
    """A worker's life: one function, then items until the other end is closed (which a killed parent's is)."""
    try:
        function = connection.recv()
        while True:
            item = connection.recv()
            try:
                answer: tuple[bool, Any] = (True, function(item))
            except Exception as error:
                error.add_note("In a worker:\n" + traceback.format_exc())
                answer = (False, _portable(error))
            connection.send(answer)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


class _Worker:
    """One child process and the pipe to it."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process: SpawnProcess = context.Process(target=_serve, args=(theirs,), daemon=True)
        with _environment(_ONE_THREAD), _interrupts_held():
            self.process.start()
        theirs.close()
        self.connection.send(function)
        self.item: Any = None
        self.index = -1

    def give(self, index: int, item: Any) -> None:
        self.index, self.item = index, item
        try:
            self.connection.send(item)
        except (BrokenPipeError, ConnectionResetError):
            raise self._death() from None

    def take(self) -> Any:
        """The result of the item it was given."""
        try:
            good, value = self.connection.recv()
        except (EOFError, ConnectionResetError):
            raise self._death() from None
        if not good:
            raise value
        return value

    def _death(self) -> WorkerDied:
        self.process.join(5)
        return WorkerDied(
            f"A worker process died (exit code {self.process.exitcode}) at {str(self.item)[:300]}. "
            "Out of memory? Lower compute.workers; what was finished is kept."
        )

    def stop(self) -> None:
        self.connection.close()
        if self.index >= 0:  # busy: nobody waits for what it is doing
            self.process.terminate()
        self.process.join(5)


def _local(function: Callable[[Item], Result], items: Iterable[Item], count: int, ordered: bool) -> Iterator[Result]:
    source = enumerate(items)
    pool: list[_Worker] = []
    ready: dict[int, Result] = {}
    order: deque[int] = deque()

    def feed(worker: _Worker) -> bool:
        task = next(source, None)
        if task is None:
            worker.index = -1
            return False
        worker.give(*task)
        order.append(task[0])
        return True

    try:
        idle: list[_Worker] = []
        exhausted = False
        while True:
            while not exhausted and (not ordered or len(order) < count * _AHEAD) and (idle or len(pool) < count):
                if not idle:
                    pool.append(_Worker(function))
                    idle.append(pool[-1])
                if feed(idle[-1]):
                    idle.pop()
                else:
                    exhausted = True
            busy = {worker.connection: worker for worker in pool if worker.index >= 0}
            for connection in wait(list(busy)) if busy else []:
                worker = busy[connection]  # type: ignore[index]  # wait() returns what it was given
                ready[worker.index] = worker.take()
                worker.index = -1
                idle.append(worker)
            if ordered:
                while order and order[0] in ready:
                    yield ready.pop(order.popleft())
            else:
                order.clear()
                for index in list(ready):
                    yield ready.pop(index)
            if exhausted and not ready and not any(worker.index >= 0 for worker in pool):
                return
    finally:
        for worker in pool:
            worker.stop()


def connect_ray(params: ComputeParams, cpus: int) -> Any:
    """The `ray` module, connected to the cluster at `params.address`, or to a local one of `cpus` CPUs.

    Raises
    ------
    ParamsError
        If Ray is not installed, or no cluster answers.
    """
    try:
        import ray
    except ImportError:
        remedy = "Install the extra `ray` (`uv sync --extra train --extra ray`), or set it to local."
        raise ParamsError(f"compute.engine is 'ray', but Ray is not installed. {remedy}") from None
    if not ray.is_initialized():
        try:
            _knock(params.address)
            ray.init(address=params.address, num_cpus=None if params.address else cpus, log_to_driver=False, logging_level="WARNING")
        except (OSError, RuntimeError) as error:
            line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise ParamsError(f"compute.address {params.address!r}: no Ray cluster answers ({line}). Start it, or correct it.") from error
    return ray


def _knock(address: str | None) -> None:
    """Raise OSError where nobody listens at ``[ray://]host:port``; Ray itself would try for minutes."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=_KNOCK_S).close()


def _ray(function: Callable[[Item], Result], items: Iterable[Item], params: ComputeParams, ordered: bool) -> Iterator[Result]:
    ray = connect_ray(params, worker_count(params))
    place = os.getcwd()  # noqa: PTH109 (a plain string travels to other machines)

    def call(item: Item) -> Result:  # `remote` takes functions only, `function` may be a partial
        os.chdir(place)  # a node may have been started anywhere, and items may hold paths relative to the project
        return function(item)

    task = ray.remote(num_cpus=1, max_retries=3)(call)  # a lost node's items are computed again on another
    limit = _AHEAD * (params.workers or int(ray.cluster_resources().get("CPU", 1)))
    source = iter(items)
    pending: list[Any] = []
    while True:
        while len(pending) < limit:
            try:
                pending.append(task.remote(next(source)))
            except StopIteration:
                break
        if not pending:
            return
        done = pending[0] if ordered else ray.wait(pending, num_returns=1)[0][0]
        pending.remove(done)
        try:
            yield ray.get(done)
        except ray.exceptions.RayTaskError as error:
            cause = error.cause if isinstance(error.cause, Exception) else error
            cause.add_note(f"On the cluster:\n{error}")
            raise cause from None
        except ray.exceptions.RayError as error:
            raise WorkerDied(f"A node or process of the cluster was lost, three times over ({type(error).__name__}).") from error


__all__ = ["connect_ray", "cores", "run", "worker_count"]
