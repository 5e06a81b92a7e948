"""Work over processes: order, errors, deaths."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from musicgenre.compute import cores, run, worker_count
from musicgenre.errors import FeatureError, ParamsError, WorkerDied
from musicgenre.params import ComputeParams

TWO = ComputeParams(workers=2)


def square(number: int) -> int:
    return number * number


def slow_first(number: int, *, mark: Path) -> int:
    """Item 0 waits for any other to be done."""
    for _ in range(3000):
        if number or mark.exists():
            break
        time.sleep(0.01)
    mark.touch()
    return number


def refuse(number: int, *, bad: int) -> int:
    if number == bad:
        raise FeatureError(f"no {number}")
    return number


def die(number: int) -> int:
    if number == 3:
        os._exit(9)
    return number


def threads(_: int) -> tuple[str | None, int]:
    return os.environ.get("OMP_NUM_THREADS"), os.getpid()


def test_results_come_in_order_or_as_they_finish(tmp_path: Path) -> None:
    assert list(run(partial(slow_first, mark=tmp_path / "a"), range(12), params=TWO)) == list(range(12))
    loose = list(run(partial(slow_first, mark=tmp_path / "b"), range(12), params=TWO, ordered=False))
    assert sorted(loose) == list(range(12))
    assert loose[0] != 0


def test_generators_are_taken_as_they_come() -> None:
    assert list(run(square, (n for n in range(30)), params=TWO)) == [n * n for n in range(30)]
    assert list(run(square, [], params=TWO)) == []


def test_one_worker_is_this_process() -> None:
    assert {pid for _, pid in run(threads, range(3), params=ComputeParams(workers=1))} == {os.getpid()}


def test_workers_have_one_thread_each() -> None:
    found = list(run(threads, range(6), params=TWO))
    assert {count for count, _ in found} == {"1"}
    assert os.getpid() not in {pid for _, pid in found}
    assert worker_count(ComputeParams(), range(1000)) == cores()
    assert worker_count(TWO, [1]) == 1


def test_errors_keep_their_type_and_tell_where_they_arose() -> None:
    with pytest.raises(FeatureError, match="no 4") as caught:
        list(run(partial(refuse, bad=4), range(20), params=TWO))
    assert "In a worker" in "".join(caught.value.__notes__)


def test_a_dead_worker_is_an_error_that_names_the_item() -> None:
    with pytest.raises(WorkerDied, match=r"exit code 9\) at 3"):
        list(run(die, range(8), params=TWO))


def interrupt_myself(number: int) -> int:
    os.kill(os.getpid(), signal.SIGINT)
    return number


def test_ctrl_c_is_the_parents_business() -> None:
    """The terminal sends it to the whole group; a worker that is importing must not print a traceback."""
    assert list(run(interrupt_myself, range(4), params=TWO)) == list(range(4))


def test_an_abandoned_run_stops_its_workers() -> None:
    results = run(threads, range(1000), params=TWO)
    _, pid = next(results)
    results.close()  # type: ignore[attr-defined]  # a generator when there are several workers
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_ray_without_ray_is_an_error_that_names_the_way_out() -> None:
    try:
        import ray  # noqa: F401  # only whether it is there
    except ImportError:
        with pytest.raises(ParamsError, match="extra `ray`"):
            list(run(square, range(2), params=ComputeParams(engine="ray")))
    else:
        pytest.skip("Ray is installed")
