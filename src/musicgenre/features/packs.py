"""The work cache of extraction: packs of a few dozen tracks, found again by content.

``<work>/features/<kind_id>/<pack>.bin`` holds rows of several tracks one after
another, ``<pack>.json`` which file content (SHA-256) each belongs to. A pack
counts once its JSON is there, and that is renamed into place last: a killed run
leaves whole packs and ignorable scraps. Deleting the folder costs only time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from musicgenre.atomic import temporary_sibling, write_json
from musicgenre.errors import FeatureError
from musicgenre.lineage import canonical_hash


@dataclass(frozen=True)
class Place:
    """Where a track's rows are: bytes `start`.. of `pack`, [frames, bands]."""

    pack: Path
    start: int
    frames: int
    duration_s: float


def read_packs(folder: Path) -> dict[str, Place]:
    """Everything that `folder` holds, by SHA-256 of the audio file."""
    places: dict[str, Place] = {}
    if not folder.is_dir():
        return places
    for listing in sorted(folder.glob("*.json")):
        try:
            content = json.loads(listing.read_text(encoding="utf-8"))
            pack = listing.with_suffix(".bin")
            if pack.stat().st_size != content["bytes"]:
                continue  # cut short by a crash of the machine; computed again
            for sha256, start, frames, duration_s in content["tracks"]:
                places[sha256] = Place(pack, start, frames, duration_s)
        except (OSError, ValueError, KeyError):
            continue
    return places


def read_rows(place: Place, *, bands: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """A track's rows as a fresh array [frames, bands].

    Raises
    ------
    FeatureError
        If the pack has been cut short since it was listed.
    """
    values = np.fromfile(place.pack, dtype=dtype, count=place.frames * bands, offset=place.start)
    if values.size != place.frames * bands:
        raise FeatureError(f"{place.pack} is shorter than its listing says. Delete it and run `musicgenre features` again.")
    return values.reshape(place.frames, bands)


class PackWriter:
    """Streams the tracks of one pack to disk; the pack appears when the `with` block ends well."""

    def __init__(self, folder: Path, members: list[str]) -> None:
        self.folder = folder
        self.name = canonical_hash(members)
        self._tracks: list[tuple[str, int, int, float]] = []
        self._scrap = temporary_sibling(folder / f"{self.name}.bin")
        self._handle: BinaryIO | None = None

    def __enter__(self) -> PackWriter:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._handle = self._scrap.open("wb")
        return self

    def add(self, sha256: str, values: NDArray[Any], duration_s: float) -> None:
        """Append a track's rows."""
        assert self._handle is not None, "use the writer in a with block"
        self._tracks.append((sha256, self._handle.tell(), len(values), duration_s))
        self._handle.write(np.ascontiguousarray(values).data)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._handle is not None
        try:
            if kind is None:
                self._handle.flush()
                os.fsync(self._handle.fileno())
                size = self._handle.tell()
                self._handle.close()
                self._scrap.replace(self.folder / f"{self.name}.bin")
                listing: Mapping[str, Any] = {"bytes": size, "tracks": self._tracks}
                write_json(self.folder / f"{self.name}.json", listing)
        finally:
            self._handle.close()
            self._scrap.unlink(missing_ok=True)


__all__ = ["PackWriter", "Place", "read_packs", "read_rows"]
