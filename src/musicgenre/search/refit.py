"""A finished trial's model once more, after the work cache that kept it was removed."""

from __future__ import annotations

from musicgenre.errors import SearchError
from musicgenre.search.driver import TICK_S, Driver
from musicgenre.search.records import Record


def refit(driver: Driver, record: Record) -> None:
    """Fit `record` again on a worker of its own. The same seed gives the same model.

    Raises
    ------
    SearchError
        If that fails, although it worked before.
    """
    driver.view.note(f"{record.name}: its model is no longer in the work cache; it is fitted again")
    pool = driver.pool
    pool.close()
    pool.start(0)
    while True:
        for _, message in pool.wait(TICK_S):
            event = message["event"]
            if event == "ready":
                pool.send(0, {**driver.task(record), "objective2": "none"})
            elif event in ("epoch", "fitted"):
                pool.send(0, {"stop": "", "keep": True})
            elif event == "done":
                pool.collect(message, driver.kept(record.index))
                return
            else:
                raise SearchError(f"{record.name} could not be fitted again: {message.get('reason', event)}.")


__all__ = ["refit"]
