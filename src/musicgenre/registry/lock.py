"""One promotion or rollback at a time: on this machine by a file, on a shared server by a name in the registry itself.

MLflow cannot compare and set an alias, but it refuses to create a registered model whose
name is taken, and does so atomically. The model ``<name>.lock`` is that name: who created
it holds the lock, and a holder that died loses it after `LEASE_S`. Under the lock the
champion is read again and compared with the one that was judged against.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from musicgenre.errors import RegistryError
from musicgenre.layout import Layout
from musicgenre.registry.book import who

if TYPE_CHECKING:
    from musicgenre.registry.versions import Versions

LEASE_S = 60.0  # alias moves take a second or two
WAIT_S = 120.0
_PAUSE_S = 0.25


def _lock_file(versions: Versions, layout: Layout) -> Path:
    database = versions.store.database
    return Path(f"{database}.registry.lock") if database is not None else layout.work / "registry.lock"


@contextmanager
def exclusive(versions: Versions, layout: Layout, *, wait_s: float = WAIT_S) -> Iterator[None]:
    """Hold the registry.

    Raises
    ------
    RegistryError
        If another holds it for longer than `wait_s`; the message says who.
    """
    from filelock import FileLock, Timeout

    path = _lock_file(versions, layout)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path, timeout=wait_s):
            if versions.store.remote:
                with _named(versions, wait_s):
                    yield
            else:
                yield
    except Timeout as error:
        raise RegistryError(f"Another promotion holds {path} for more than {wait_s:.0f} s. Wait for it, or end it.") from error


@contextmanager
def _named(versions: Versions, wait_s: float) -> Iterator[None]:
    from mlflow.exceptions import MlflowException

    name, mine = f"{versions.name}.lock", uuid.uuid4().hex
    client, deadline = versions.client, time.monotonic() + wait_s
    while True:
        try:
            client.create_registered_model(name, tags={"holder": mine, "who": who(), "until": json.dumps(time.time() + LEASE_S)})
            break
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        holder = _holder(versions, name)
        if holder is not None and float(holder.get("until", "0")) < time.time():
            _release(versions, name, holder["holder"])
            continue
        if time.monotonic() > deadline:
            raise RegistryError(
                f"{(holder or {}).get('who', 'Another')} holds the registry's lock {name!r} in {versions.store.uri}. Try again."
            )
        time.sleep(_PAUSE_S)
    try:
        yield
    finally:
        _release(versions, name, mine)


def _holder(versions: Versions, name: str) -> dict[str, str] | None:
    from mlflow.exceptions import MlflowException

    try:
        return dict(versions.client.get_registered_model(name).tags)
    except MlflowException:
        return None


def _release(versions: Versions, name: str, holder: str) -> None:
    """Give the lock back if it is still that holder's."""
    from mlflow.exceptions import MlflowException

    found = _holder(versions, name)
    if found is not None and found.get("holder") == holder:
        try:
            versions.client.delete_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise


__all__ = ["LEASE_S", "exclusive"]
