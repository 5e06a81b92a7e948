"""One progress bar for all long work: rate and time left on a terminal, quiet elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def progress(items: Iterable[Item], *, total: int | None, description: str, quiet: bool = False) -> Iterator[Item]:
    """Yield from `items` while a bar on standard error shows count, rate and time left.

    Without a terminal (CI, `dvc repro` into a file) one line every ten seconds is
    printed instead, so that logs stay readable and silence never means "hung".
    """
    if quiet:
        yield from items
        return
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            yield from bar.track(items, total=total, description=description)
        return
    started = last = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - last > 10:
            rate = done / (now - started)
            left = f", {(total - done) / rate:.0f} s left" if total else ""
            print(f"{description}: {done}{f'/{total}' if total else ''}, {rate:.1f}/s{left}", file=sys.stderr, flush=True)
            last = now


__all__ = ["progress"]
