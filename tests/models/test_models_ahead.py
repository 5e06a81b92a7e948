"""Making one item ahead changes when it is made, and nothing else."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from musicgenre.models.ahead import ahead


def drawn(seed: int, count: int) -> Iterator[float]:
    generator = np.random.default_rng(seed)
    for _ in range(count):
        yield float(generator.random())


def test_order_and_random_draws_are_those_of_the_iterator() -> None:
    assert list(ahead(drawn(3, 200))) == list(drawn(3, 200))
    assert list(ahead(iter(()))) == []


def test_the_next_is_made_while_one_is_used() -> None:
    made: list[int] = []

    def source() -> Iterator[int]:
        for number in range(5):
            made.append(number)
            yield number

    seen = ahead(source())
    assert next(seen) == 0
    deadline = time.monotonic() + 5
    while len(made) < 2 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert made == [0, 1]  # one ahead, not more


def test_an_error_comes_out_at_its_place() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise ValueError("the second")

    seen = ahead(source())
    assert next(seen) == 1
    with pytest.raises(ValueError, match="the second"):
        next(seen)


def test_stopping_early_leaves_no_thread() -> None:
    seen = ahead(drawn(1, 100))
    next(seen)
    seen.close()  # type: ignore[attr-defined]  # a generator
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]
