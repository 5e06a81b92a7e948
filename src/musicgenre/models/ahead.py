"""One item made ahead of its use, in a thread of its own."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """The same items in the same order; while one is used, the next is being made.

    The iterator runs in one thread, one step at a time, so what it draws from a random
    generator of its own does not depend on timing. What it raises comes out at its place.
    A consumer that stops early waits for the item under way and no further.
    """
    end = object()
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as pool:
        waiting = pool.submit(next, items, end)
        while True:
            item = waiting.result()
            if item is end:
                return
            waiting = pool.submit(next, items, end)
            yield item  # type: ignore[misc]  # not `end`, hence an Item


__all__ = ["ahead"]
