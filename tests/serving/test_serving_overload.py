"""Queue, deadline, memory budget, cache: what happens when more comes than can be done."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from serving_harness import Service, Wav

from musicgenre.serving.admission import Admission
from musicgenre.serving.cache import AnswerCache
from musicgenre.serving.problems import Problem
from musicgenre.serving.uploads import ByteBudget, Lease


def _slow(service: Service, seconds: float, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Make each clip take `seconds` more; returns when each began."""
    began: list[float] = []
    work = service.engine._work

    def slower(data: bytes) -> Any:
        began.append(time.monotonic())
        time.sleep(seconds)
        return work(data)

    monkeypatch.setattr(service.engine, "_work", slower)
    return began


async def _all(service: Service, bodies: list[bytes]) -> list[httpx.Response]:
    transport = httpx.ASGITransport(app=service.asgi)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://x", timeout=60) as client:
        return list(await asyncio.gather(*(client.post("/classify", files={"file": ("a", body)}) for body in bodies)))


def test_a_full_queue_answers_429_with_retry_after(make_service: Callable[..., Service], wav: Wav, monkeypatch: pytest.MonkeyPatch) -> None:
    service = make_service(concurrency=1, max_queue=2)
    _slow(service, 0.2, monkeypatch)
    answers = asyncio.run(_all(service, [wav(1.5, seed=20 + index) for index in range(8)]))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] * 3 + [429] * 5
    for answer in answers:
        if answer.status_code == 429:
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.json()["error"]["code"] == "overloaded"
    assert service.engine.admission.admitted == service.engine.admission.working == service.engine.budget.used == 0


def test_deadline_answers_504_and_frees_the_slot_when_work_ends(
    make_service: Callable[..., Service], wav: Wav, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = make_service(concurrency=1, request_timeout_s=0.5)
    _slow(service, 1.0, monkeypatch)

    async def scenario() -> tuple[int, str, int]:
        (late,) = await _all(service, [wav(1.5, seed=30)])
        working = service.engine.admission.working
        await asyncio.sleep(1.2)
        assert service.engine.admission.working == 0
        return late.status_code, late.json()["error"]["code"], working

    assert asyncio.run(scenario()) == (504, "deadline", 1)


def test_a_turn_that_never_comes_is_503(make_service: Callable[..., Service], wav: Wav, monkeypatch: pytest.MonkeyPatch) -> None:
    service = make_service(concurrency=1, request_timeout_s=2)
    _slow(service, 3.0, monkeypatch)
    answers = asyncio.run(_all(service, [wav(1.5, seed=40 + index) for index in range(3)]))
    assert {answer.status_code for answer in answers} <= {503, 504}
    late = [answer for answer in answers if answer.status_code == 503]
    assert late, "the clip that works is late (504), those behind it never had their turn"
    assert late[0].json()["error"]["code"] == "queue_timeout"
    assert int(late[0].headers["retry-after"]) >= 1


def test_the_same_bytes_at_once_cost_one_run(make_service: Callable[..., Service], wav: Wav, monkeypatch: pytest.MonkeyPatch) -> None:
    service = make_service(concurrency=2)
    began = _slow(service, 0.2, monkeypatch)
    answers = asyncio.run(_all(service, [wav(1.5, seed=50)] * 6))
    assert [answer.status_code for answer in answers] == [200] * 6
    assert len(began) == 1
    assert sum(not answer.json()["cached"] for answer in answers) == 1


def test_work_never_runs_wider_than_the_slots(make_service: Callable[..., Service], wav: Wav, monkeypatch: pytest.MonkeyPatch) -> None:
    service = make_service(concurrency=2, max_queue=20)
    live, most, lock, work = 0, 0, threading.Lock(), service.engine._work

    def counted(data: bytes) -> Any:
        nonlocal live, most
        with lock:
            live += 1
            most = max(most, live)
        try:
            time.sleep(0.02)
            return work(data)
        finally:
            with lock:
                live -= 1

    monkeypatch.setattr(service.engine, "_work", counted)
    answers = asyncio.run(_all(service, [wav(1.5, seed=60 + index) for index in range(8)]))
    assert {answer.status_code for answer in answers} == {200}
    # Two are heard and two go through the model or are handed over; never more processes than asked for.
    assert most == 4
    assert service.engine._listener is not None and len(service.engine._listener.pids) == 2


def test_uploads_together_stay_inside_their_memory(make_service: Callable[..., Service], wav: Wav) -> None:
    service = make_service(max_inflight_mb=0.15, max_queue=50)
    answers = asyncio.run(_all(service, [wav(3, seed=70 + index) for index in range(4)]))  # 132 kB each
    codes = sorted(answer.status_code for answer in answers)
    assert codes[0] == 200 and codes[-1] == 429
    assert service.engine.budget.used == 0


def test_a_dead_listener_is_one_error_and_the_next_clip_is_fine(make_service: Callable[..., Service], wav: Wav) -> None:
    import os
    import signal

    service = make_service(concurrency=1)
    assert service.engine._listener is not None
    for pid in service.engine._listener.pids:
        os.kill(pid, signal.SIGKILL)
    time.sleep(0.1)
    answers = [service.client.post("/classify", files={"file": ("a", wav(1.5, seed=80 + index))}) for index in range(2)]
    assert answers[0].status_code in (200, 422)
    assert answers[1].status_code == 200


def test_retry_after_follows_the_queue() -> None:
    async def scenario() -> None:
        admission = Admission(slots=2, max_queue=100, timeout_s=10)
        for _ in range(50):
            admission.observe(2.0)
        assert admission.retry_after_s() == 1
        admission.admitted = 20
        assert 18 <= admission.retry_after_s() <= 20
        admission.admitted = 500
        assert admission.retry_after_s() == 60

    asyncio.run(scenario())


def test_budget_is_returned_even_by_a_failure() -> None:
    budget = ByteBudget(100)
    with pytest.raises(Problem) as caught, Lease(budget, 3) as lease:
        lease.take(60)
        lease.take(60)
    assert caught.value.status == 429
    assert caught.value.headers == {"retry-after": "3"}
    assert budget.used == 0


def test_cache_keeps_the_latest_and_forgets_the_moments_faults() -> None:
    async def scenario() -> None:
        cache: AnswerCache[int] = AnswerCache(2, keeps=lambda error: isinstance(error, KeyError))
        calls: list[str] = []

        def work(name: str, outcome: int | Exception) -> Callable[[], Any]:
            async def run() -> int:
                calls.append(name)
                if isinstance(outcome, Exception):
                    raise outcome
                return outcome

            return run

        assert await cache.get("a", work("a", 1)) == (1, False)
        assert await cache.get("a", work("a", 2)) == (1, True)
        with pytest.raises(KeyError):
            await cache.get("b", work("b", KeyError("content")))
        with pytest.raises(KeyError):
            await cache.get("b", work("b", 5))
        with pytest.raises(OSError):
            await cache.get("c", work("c", OSError("moment")))
        assert await cache.get("c", work("c", 3)) == (3, False)
        assert len(cache) == 2
        assert calls == ["a", "b", "c", "c"]
        assert await cache.get("a", work("a", 9)) == (9, False)  # was pushed out

    asyncio.run(scenario())


def test_a_waiter_that_leaves_does_not_stop_the_others() -> None:
    async def scenario() -> None:
        cache: AnswerCache[int] = AnswerCache(2, keeps=lambda error: False)

        async def work() -> int:
            await asyncio.sleep(0.1)
            return 4

        first = asyncio.ensure_future(cache.get("a", work))
        second = asyncio.ensure_future(cache.get("a", work))
        await asyncio.sleep(0.02)
        first.cancel()
        assert await second == (4, True)

    asyncio.run(scenario())
