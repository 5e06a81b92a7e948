"""`models/registry.json`: the registry's memory outside MLflow, kept by git and DVC.

It lists every version and, append-only, every decision and move. Each log entry carries
the hash of the one before (`after`), so that a changed or removed entry shows. From this
file and the bundles below `models/` an empty MLflow store can be filled again.
"""

from __future__ import annotations

import getpass
import json
import socket
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from musicgenre.atomic import write_json
from musicgenre.errors import RegistryError
from musicgenre.lineage import canonical_hash

SCHEMA = 1


def now() -> str:
    """The time as stored: UTC, ISO 8601, whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def who() -> str:
    """The person and machine that act, as ``user@host``."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container without a user database
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


@dataclass
class Book:
    """The content of `models/registry.json`.

    Attributes
    ----------
    champion, previous, candidate
        Versions that the aliases name; empty where there is none.
    versions
        One mapping a version: version, digest, answers, family, run_id, registered, lineage, figures, decision, words, withdrawn,
        card (Markdown).
    decision
        The latest verdict: version, decision, words, time, criteria.
    log
        Entries: time, who, action, version, and what the action says; oldest first.
    """

    name: str
    champion: str = ""
    previous: str = ""
    candidate: str = ""
    versions: list[dict[str, Any]] = field(default_factory=list)
    decision: dict[str, Any] = field(default_factory=dict)
    log: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path, name: str) -> Book:
        """The book at `path`, an empty one if there is none.

        Raises
        ------
        RegistryError
            If the file is not a registry's, or of another schema.
        """
        if not path.is_file():
            return cls(name)
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            if found.pop("schema") != SCHEMA:
                raise ValueError("another schema")
            return cls(**found)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RegistryError(f"{path} is not a registry's file ({error}). Restore it with `git checkout -- {path}`.") from error

    def write(self, path: Path) -> None:
        """Write atomically, and only if something changed (a rewrite would look like a change to DVC)."""
        content = {"schema": SCHEMA, **self.__dict__}
        if path.is_file() and json.loads(path.read_text(encoding="utf-8")) == json.loads(json.dumps(content)):
            return
        write_json(path, content)

    def entry(self, version: str) -> dict[str, Any] | None:
        """What is known of a version."""
        return next((item for item in self.versions if item["version"] == version), None)

    def of_digest(self, digest: str) -> dict[str, Any] | None:
        """The version of a bundle, by its digest."""
        return next((item for item in self.versions if item["digest"] == digest), None)

    def note(self, action: str, version: str, **facts: Any) -> dict[str, Any]:
        """Append an entry; one that says the same as the last one is not repeated."""
        if self.log:
            last = {key: value for key, value in self.log[-1].items() if key not in ("time", "who", "after")}
            if last == json.loads(json.dumps({"action": action, "version": version, **facts})):
                return self.log[-1]
        after = canonical_hash(self.log[-1]) if self.log else ""
        entry = {"time": now(), "who": who(), "action": action, "version": version, **facts, "after": after}
        self.log.append(json.loads(json.dumps(entry)))
        return self.log[-1]

    def broken_at(self) -> int | None:
        """Index of the first log entry that does not follow from the one before; None when the log is whole."""
        before = ""
        for index, entry in enumerate(self.log):
            if entry.get("after") != before:
                return index
            before = canonical_hash(entry)
        return None

    def champions(self) -> list[str]:
        """Every version that was ever made champion, oldest first."""
        return [str(entry["version"]) for entry in self.log if entry["action"] in ("promoted", "forced", "rolled back", "restored")]

    def withdrawn(self, answers: str) -> str:
        """When and why a bundle with these answers was rolled back and not forced since; empty if it was not."""
        found = next((item for item in reversed(self.versions) if item.get("answers") == answers and item.get("withdrawn")), None)
        return str(found["withdrawn"]) if found else ""


__all__ = ["SCHEMA", "Book", "now", "who"]
