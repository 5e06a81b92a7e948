"""A study's store: an Optuna journal in the work cache, or any database that Optuna knows.

The store holds finished and running trials; suggestions and pruning are worked
out on a view of it in memory (`sampling`), so an epoch costs no disk write.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from musicgenre.errors import SearchError, StorageFull
from musicgenre.layout import Layout
from musicgenre.models.base import Space
from musicgenre.search.identity import SCHEMA
from musicgenre.search.records import Record
from musicgenre.search.spaces import inside

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


def _mend(journal: Path) -> None:
    """Cut a line that a kill left unfinished, and remove the lock of a writer that is no more (the study is ours)."""
    for stale in journal.parent.glob(f"{journal.name}.lock*"):
        with suppress(FileNotFoundError):
            stale.unlink()
    if not journal.is_file():
        return
    data = journal.read_bytes()
    end = data.rfind(b"\n") + 1
    if end != len(data):
        with journal.open("r+b") as handle:
            handle.truncate(end)


class StudyStore:
    """Trials of one study. Hold `locked` while it is open.

    Raises
    ------
    SearchError
        If the storage cannot be reached, or has a schema of another version.
    """

    def __init__(self, layout: Layout, study: str, *, storage: str | None, directions: tuple[str, ...] = ("maximize",)) -> None:
        import optuna
        from optuna.study import StudyDirection

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.name = study
        self.folder = folder(layout, study)
        self.folder.mkdir(parents=True, exist_ok=True)
        where = storage or str(self.folder / "journal.log")
        try:
            self._storage: BaseStorage = self._open(storage)
            wanted = [StudyDirection.MAXIMIZE if item == "maximize" else StudyDirection.MINIMIZE for item in directions]
            try:
                self._study = self._storage.create_new_study(wanted, study)
                self._storage.set_study_user_attr(self._study, _SCHEMA, SCHEMA)
            except optuna.exceptions.DuplicatedStudyError:
                self._study = self._storage.get_study_id_from_name(study)
            found = self._storage.get_study_user_attrs(self._study).get(_SCHEMA)
        except Exception as error:  # SQLAlchemy's, Optuna's and the journal's own errors
            if isinstance(error, OSError) and error.errno == 28:
                raise StorageFull(f"No space left while opening {where}.") from error
            line = str(error).splitlines()[0] if str(error) else type(error).__name__
            remedy = (
                "Check search.common.storage; a database of an older Optuna needs `optuna storage upgrade`."
                if storage
                else f"Remove {self.folder} to begin the study anew."
            )
            raise SearchError(f"the study's storage {_shown(where)} cannot be used: {line} {remedy}") from error
        if found != SCHEMA:
            raise SearchError(f"{_shown(where)} holds the study in schema {found!r}, this version writes {SCHEMA}. Use another storage.")
        self._ids = {record.index: trial for trial, record in self._all() if record.state != "lost"}

    def _open(self, url: str | None) -> BaseStorage:
        if url is not None:
            from optuna.storages import RDBStorage

            return RDBStorage(url)
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        journal = self.folder / "journal.log"
        _mend(journal)
        return JournalStorage(JournalFileBackend(str(journal)))

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
        self._ids[record.index] = self._storage.create_new_trial(self._study, template_trial=template)

    def finish(self, record: Record) -> None:
        """A trial has ended: complete, pruned, failed or lost."""
        from optuna.trial import TrialState

        trial = self._ids[record.index]
        states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED}
        for epoch in record.history:
            if "validation_macro_f1" in epoch:
                self._storage.set_trial_intermediate_value(trial, int(epoch["epoch"]), float(epoch["validation_macro_f1"]))
        self._storage.set_trial_user_attr(trial, _RECORD, self._text(record))
        if record.reason:
            self._storage.set_trial_user_attr(trial, "reason", record.reason)
        values = [value for value in (record.value, record.cost) if value is not None]
        complete = len(values) == len(self._storage.get_study_directions(self._study))
        self._storage.set_trial_state_values(trial, states.get(record.state, TrialState.FAIL), values if complete else None)
        if record.state == "lost":
            del self._ids[record.index]

    @staticmethod
    def _text(record: Record) -> str:
        return json.dumps(record.to_dict(), separators=(",", ":"), default=list)


def _shown(where: str) -> str:
    """`where` without a password."""
    from urllib.parse import urlsplit

    parts = urlsplit(where)
    return parts._replace(netloc=f"…@{parts.hostname}").geturl() if parts.password else where


__all__ = ["StudyStore", "folder", "is_locked", "locked"]
