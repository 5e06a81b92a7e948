"""Answers by content hash: the same bytes under the same model are worked out once.

Requests for the same bytes that arrive while the first is under way wait for its
answer. Used from one event loop only.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class AnswerCache(Generic[Value]):
    """Least-recently-used answers.

    Parameters
    ----------
    entries
        How many are kept; 0 keeps none (requests under way are still shared).
    keeps
        Which exceptions count as answers: what the content itself causes is
        remembered like a result, what the moment causes (a deadline, a full
        queue) is not.
    """

    def __init__(self, entries: int, keeps: Callable[[BaseException], bool]) -> None:
        self.entries = entries
        self.hits = 0
        self.misses = 0
        self._keeps = keeps
        self._done: OrderedDict[str, Value | BaseException] = OrderedDict()
        self._under_way: dict[str, asyncio.Task[Value]] = {}

    def __len__(self) -> int:
        return len(self._done)

    def lookup(self, key: str) -> Value | None:
        """The answer kept for `key`, or None; a kept exception is raised again."""
        kept = self._done.get(key)
        if kept is None:
            return None
        self._done.move_to_end(key)
        self.hits += 1
        if isinstance(kept, BaseException):
            raise kept.with_traceback(None)
        return kept

    def _keep(self, key: str, value: Value | BaseException) -> None:
        if self.entries == 0:
            return
        self._done[key] = value
        self._done.move_to_end(key)
        while len(self._done) > self.entries:
            self._done.popitem(last=False)

    def _finished(self, key: str, task: asyncio.Task[Value]) -> None:
        if self._under_way.get(key) is task:
            del self._under_way[key]
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            self._keep(key, task.result())
        elif self._keeps(error):
            self._keep(key, error)

    async def get(self, key: str, work: Callable[[], Awaitable[Value]]) -> tuple[Value, bool]:
        """(the answer for `key`, whether it was there or under way already); `work` makes it otherwise.

        A waiter that is cancelled does not cancel the work: others may wait for it.
        """
        kept = self.lookup(key)
        if kept is not None:
            return kept, True
        task = self._under_way.get(key)
        if task is None:
            self.misses += 1
            task = asyncio.ensure_future(_run(work))
            self._under_way[key] = task
            task.add_done_callback(lambda done: self._finished(key, done))
        else:
            self.hits += 1
            return await asyncio.shield(task), True
        return await asyncio.shield(task), False


async def _run(work: Callable[[], Awaitable[Value]]) -> Value:
    return await work()


__all__ = ["AnswerCache"]
