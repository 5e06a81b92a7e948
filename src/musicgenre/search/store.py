"""The trials of a study as Optuna's storage holds them (see `storages`).

The store holds finished and running trials; suggestions and pruning are worked
out on a view of it in memory (`sampling`), so an epoch costs no disk write.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from musicgenre.errors import MusicGenreError, SearchError
from musicgenre.layout import Layout
from musicgenre.models.base import Space
from musicgenre.search.identity import SCHEMA
from musicgenre.search.records import Record
from musicgenre.search.spaces import inside
from musicgenre.search.storages import explained, hold, open_storage, release, shown

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

_RECORD = "record"  # the trial's attribute that holds all of `Record` as JSON text
_SCHEMA = "musicgenre_schema"


def folder(layout: Layout, study: str) -> Path:
    """The study's part of the work cache."""
    return layout.work / "search" / study


@contextmanager
def locked(layout: Layout, study: str) -> Iterator[None]:
    """Hold the study: two processes at once would compute the same trials twice.

    Raises
    ------
    SearchError
        If another process holds it.
    """
    from filelock import FileLock, Timeout

    place = folder(layout, study)
    place.mkdir(parents=True, exist_ok=True)
    lock = FileLock(str(place / "lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise SearchError(f"another process is working on {study} ({place / 'lock'} is held). Wait for it, or stop it.") from None
    try:
        yield
    finally:
        lock.release()


def is_locked(layout: Layout, study: str) -> bool:
    """Whether a living process works on the study."""
    from filelock import FileLock, Timeout

    path = folder(layout, study) / "lock"
    if not path.is_file():
        return False
    lock = FileLock(str(path))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


class StudyStore:
    """Trials of one study. Hold `locked` while it is open, and `close` it.

    Raises
    ------
    SearchError
        If the storage cannot be reached, has a schema of another version, or fails later on.
    StorageFull
        If the disk is full; what was written before stays readable.
    """

    def __init__(self, layout: Layout, study: str, *, storage: str | None, directions: tuple[str, ...] = ("maximize",)) -> None:
        import optuna
        from optuna.study import StudyDirection

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.name = study
        self.folder = folder(layout, study)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._url = storage
        self._failure: MusicGenreError | None = None
        with self._explaining(opening=True):
            self._storage: BaseStorage = open_storage(storage, self.folder)
            self._held = hold(self._storage, study)
            wanted = [StudyDirection.MAXIMIZE if item == "maximize" else StudyDirection.MINIMIZE for item in directions]
            try:
                self._study = self._storage.create_new_study(wanted, study)
            except optuna.exceptions.DuplicatedStudyError:
                self._study = self._storage.get_study_id_from_name(study)
            found = self._storage.get_study_user_attrs(self._study).get(_SCHEMA)
            if found is None and not self._storage.get_all_trials(self._study, deepcopy=False):  # a kill came between making and marking it
                self._storage.set_study_user_attr(self._study, _SCHEMA, found := SCHEMA)
            if found != SCHEMA:
                where = shown(storage) if storage else self.folder
                raise SearchError(f"{where} holds the study in schema {found!r}, this version writes {SCHEMA}. Use another storage.")
            self._ids = {record.index: trial for trial, record in self._all() if record.state != "lost"}

    @contextmanager
    def _explaining(self, *, opening: bool = False) -> Iterator[None]:
        """Say in one line what the storage raises, and never write again: the last line may be half written."""
        if self._failure is not None:
            raise self._failure
        try:
            yield
        except Exception as error:  # SQLAlchemy's, the driver's, Optuna's and the journal's own errors
            self._failure = explained(error, url=self._url, place=self.folder, opening=opening)
            raise self._failure from error

    def close(self) -> None:
        """Let go of the study; another process may go on with it."""
        release(self._storage, self._held)

    def _all(self) -> Iterator[tuple[int, Record]]:
        for trial in self._storage.get_all_trials(self._study, deepcopy=False):
            text = trial.user_attrs.get(_RECORD)
            if text is not None:
                yield trial._trial_id, Record.from_dict(json.loads(text))

    def records(self) -> list[Record]:
        """Every trial but the lost attempts, by index."""
        return sorted((record for _, record in self._all() if record.state != "lost"), key=lambda record: record.index)

    def lost(self) -> list[Record]:
        """Attempts whose process ended under them."""
        return [record for _, record in self._all() if record.state == "lost"]

    def begin(self, record: Record, space: Space) -> None:
        """A trial has started."""
        from optuna.trial import TrialState, create_trial

        distributions = inside(record.config, space)
        template: FrozenTrial = create_trial(
            state=TrialState.RUNNING,
            params={name: record.config[name] for name in distributions},
            distributions=distributions,
            user_attrs={"index": record.index, "published": record.published, _RECORD: self._text(record)},
        )
        with self._explaining():
            self._ids[record.index] = self._storage.create_new_trial(self._study, template_trial=template)

    def finish(self, record: Record) -> None:
        """A trial has ended: complete, pruned, failed or lost."""
        from optuna.trial import TrialState

        trial = self._ids[record.index]
        states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED}
        values = [value for value in (record.value, record.cost) if value is not None]
        with self._explaining():
            for epoch in record.history:
                if "validation_macro_f1" in epoch:
                    self._storage.set_trial_intermediate_value(trial, int(epoch["epoch"]), float(epoch["validation_macro_f1"]))
            self._storage.set_trial_user_attr(trial, _RECORD, self._text(record))
            if record.reason:
                self._storage.set_trial_user_attr(trial, "reason", record.reason)
            complete = len(values) == len(self._storage.get_study_directions(self._study))
            self._storage.set_trial_state_values(trial, states.get(record.state, TrialState.FAIL), values if complete else None)
        if record.state == "lost":
            del self._ids[record.index]

    @staticmethod
    def _text(record: Record) -> str:
        return json.dumps(record.to_dict(), separators=(",", ":"), default=list)


__all__ = ["StudyStore", "folder", "is_locked", "locked"]
