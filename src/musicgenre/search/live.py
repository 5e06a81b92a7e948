"""What a person sees while a study runs: a live table on a terminal, nothing elsewhere (a line a trial with `--debug`)."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from musicgenre.search.records import Record

if TYPE_CHECKING:
    from rich.console import Group
    from rich.live import Live

log = logging.getLogger(__name__)

_ROWS = 14  # of the table; the best trial is always among them
_STYLE = {"running": "cyan", "complete": "green", "pruned": "yellow", "failed": "red"}


class View(Protocol):
    """Told of every change; shows what it likes."""

    def update(self, records: Sequence[Record], *, left: float | None) -> None:
        """`left`: seconds of the time budget that remain, None without a budget."""
        ...

    def note(self, text: str) -> None: ...

    def close(self) -> None: ...


class Quiet:
    """Shows nothing."""

    def update(self, records: Sequence[Record], *, left: float | None) -> None: ...

    def note(self, text: str) -> None: ...

    def close(self) -> None: ...


def best_of(records: Sequence[Record]) -> Record | None:
    """The complete trial of highest macro F1, the earlier on a tie."""
    done = [record for record in records if record.state == "complete" and record.value is not None]
    return max(done, key=lambda record: (record.value or 0.0, -record.index), default=None)


class Log(Quiet):
    """For runs without a terminal: a line a trial in the debug log (`--debug`), nothing otherwise."""

    def __init__(self, title: str, total: int) -> None:
        self.title, self.total = title, total
        self._said: set[int] | None = None

    def update(self, records: Sequence[Record], *, left: float | None) -> None:
        finished = {record.index for record in records if record.finished}
        if self._said is None:
            self._said = finished
            if finished:
                self.note(f"{len(finished)} of {self.total} trials are there already")
        for record in records:
            if record.index in finished - self._said:
                self._said.add(record.index)
                best = best_of(records)
                parts = [f"{record.name}: {record.state}"]
                if record.value is not None:
                    parts.append(f"macro F1 {record.value:.3f}")
                parts.append(f"{record.duration_s:.1f} s")
                if record.reason:
                    parts.append(record.reason)
                if best is not None:
                    parts.append(f"best {best.value:.3f} (trial {best.index:02d})")
                if left is not None:
                    parts.append(f"{max(left, 0):.0f} s of the budget left")
                self.note(", ".join(parts))

    def note(self, text: str) -> None:
        log.debug("%s: %s", self.title, text)


class Table:
    """For terminals: a table that is drawn anew."""

    def __init__(self, title: str, total: int) -> None:
        from rich.console import Console
        from rich.live import Live

        self.title, self.total = title, total
        self._records: Sequence[Record] = ()
        self._left: float | None = None
        self._notes: list[str] = []
        self._live: Live = Live(console=Console(stderr=True), refresh_per_second=4, get_renderable=self._render)
        self._live.start()

    def update(self, records: Sequence[Record], *, left: float | None) -> None:
        self._records, self._left = tuple(records), left

    def note(self, text: str) -> None:
        self._notes = [*self._notes, text][-4:]

    def close(self) -> None:
        self._live.stop()

    def _render(self) -> Group:
        from rich.console import Group
        from rich.table import Table as Grid
        from rich.text import Text

        grid = Grid(title=self.title, title_justify="left", title_style="bold", expand=False)
        for name, justify in (("trial", "left"), ("state", "left"), ("epoch", "right"), ("macro F1", "right"), ("time", "right")):
            grid.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]  # rich's literal of the two words
        grid.add_column("what")  # alone gives way on a narrow terminal
        best = best_of(self._records)
        shown = list(self._records)[-_ROWS:]
        if best is not None and best not in shown:
            shown = [best, *shown[1:]]
        for record in shown:
            cells = (record.name, record.state, str(len(record.history) or ""), _score(record), _clock(record))
            # A configuration is cut where the line ends; a reason is not.
            what = Text(record.reason) if record.reason else Text(_gist(record), overflow="ellipsis", no_wrap=True)
            style = "bold green" if record is best else _STYLE.get(record.state, "")
            grid.add_row(*(Text(cell) for cell in cells), what, style=style)
        finished = sum(record.finished for record in self._records)
        line = f"{finished} of {self.total} trials"
        if best is not None:
            line += f" · best macro F1 {best.value:.3f} ({best.name})"
        if self._left is not None:
            line += f" · {max(0, self._left):.0f} s of the time budget left"
        return Group(grid, Text(line), *(Text(note, style="yellow") for note in self._notes))


def _score(record: Record) -> str:
    if record.value is not None:
        return f"{record.value:.3f}"
    last: dict[str, Any] = dict(record.history[-1]) if record.history else {}
    return f"{last['validation_macro_f1']:.3f}" if "validation_macro_f1" in last else ""


def _clock(record: Record) -> str:
    seconds = record.duration_s if record.finished else time.time() - record.started_ms / 1000
    return f"{seconds:.1f} s"


def _gist(record: Record) -> str:
    from musicgenre.tracking.tags import flat

    return " ".join(f"{name}={value}" for name, value in flat(record.config).items())


def view(title: str, total: int, *, quiet: bool) -> View:
    """The form that fits where standard error goes."""
    if quiet:
        return Quiet()
    return Table(title, total) if sys.stderr.isatty() else Log(title, total)


__all__ = ["Log", "Quiet", "Table", "View", "best_of", "view"]
