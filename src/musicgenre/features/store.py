"""The feature store: all tracks of one kind in one memory-mapped array.

``values.npy`` [total rows, bands] holds the tracks one after another,
``index.parquet`` says where each begins (`track_id, offset, frames, duration_s,
sha256`), ``spec.json`` what made it. A store is written as a stream and appears as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from musicgenre.atomic import atomic_directory, write_json
from musicgenre.errors import FeatureError

if TYPE_CHECKING:
    import pandas as pd

_HEADER = 128  # bytes of a version 1.0 .npy header, room for any shape of ours
COLUMNS = ("track_id", "offset", "frames", "duration_s", "sha256")


def _header(shape: tuple[int, int], dtype: np.dtype[Any]) -> bytes:
    """A .npy header of exactly `_HEADER` bytes (NEP 1), so that it can be written last."""
    text = f"{{'descr': {np.lib.format.dtype_to_descr(dtype)!r}, 'fortran_order': False, 'shape': {shape!r}, }}"
    body = text.encode("latin1").ljust(_HEADER - 11) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body


@dataclass(frozen=True)
class FeatureStore:
    """A store opened for reading.

    Attributes
    ----------
    values
        Memory map, [total rows, bands].
    index
        One row a track, sorted by `track_id`.
    spec
        The content of `spec.json`.
    """

    path: Path
    values: NDArray[Any]
    index: pd.DataFrame
    spec: Mapping[str, Any]

    @classmethod
    def open(cls, path: Path) -> FeatureStore:
        """Open the store at `path`.

        Raises
        ------
        FeatureError
            If it is absent, or its parts contradict each other.
        """
        import pandas as pd

        path = Path(path)
        try:
            spec = json.loads((path / "spec.json").read_text(encoding="utf-8"))
            index = pd.read_parquet(path / "index.parquet")
            values = np.load(path / "values.npy", mmap_mode="r", allow_pickle=False)
        except FileNotFoundError as error:
            raise FeatureError(f"{error.filename} is not there. Run `musicgenre features` (or `dvc repro`).") from None
        except (ValueError, OSError) as error:
            raise FeatureError(f"{path} is damaged ({error}). Delete it and run `musicgenre features` again.") from error
        rows = int(index["frames"].sum())
        if values.shape != (rows, spec["bands"]) or str(values.dtype) != spec["dtype"]:
            raise FeatureError(
                f"{path}: values.npy is {values.dtype} {list(values.shape)}, its index and spec say {spec['dtype']} "
                f"[{rows}, {spec['bands']}]. Delete the folder and run `musicgenre features` again."
            )
        return cls(path=path, values=values, index=index, spec=spec)

    def __len__(self) -> int:
        return len(self.index)

    def rows(self, track_id: str) -> slice:
        """Where a track's rows are in `values`.

        Raises
        ------
        FeatureError
            If the store has no such track.
        """
        found = self._places().get(track_id)
        if found is None:
            raise FeatureError(f"{self.path} has no track {track_id!r}. Run `musicgenre features` after adding it.")
        return slice(found[0], found[0] + found[1])

    def track(self, track_id: str) -> NDArray[Any]:
        """A track's rows, a view of `values`: [frames, bands]."""
        return self.values[self.rows(track_id)]

    def _places(self) -> dict[str, tuple[int, int]]:
        cached: dict[str, tuple[int, int]] | None = self.__dict__.get("_cached_places")
        if cached is None:
            columns = (self.index[name].tolist() for name in ("track_id", "offset", "frames"))
            cached = {track: (offset, frames) for track, offset, frames in zip(*columns, strict=True)}
            object.__setattr__(self, "_cached_places", cached)
        return cached


class StoreWriter:
    """Writes a store as a stream; nothing is at `path` until the `with` block ends well.

    Parameters
    ----------
    path
        The store's folder; replaced as a whole.
    spec
        What `spec.json` shall say; must have `bands` and `dtype`.
    """

    def __init__(self, path: Path, spec: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self.spec = dict(spec)
        self._dtype = np.dtype(str(spec["dtype"]))
        self._bands = int(spec["bands"])
        self._index: dict[str, list[Any]] = {name: [] for name in COLUMNS}
        self._rows = 0
        self._replacing = atomic_directory(self.path)
        self._folder: Path | None = None
        self._values: BinaryIO | None = None

    def __enter__(self) -> StoreWriter:
        self._folder = self._replacing.__enter__()
        self._values = (self._folder / "values.npy").open("wb")
        self._values.write(b"\0" * _HEADER)
        return self

    def add(self, track_id: str, values: NDArray[Any], *, duration_s: float, sha256: str = "") -> None:
        """Append a track: `values` [frames ≥ 1, bands]; tracks must come in ascending order of `track_id`.

        Raises
        ------
        FeatureError
            If the shape or dtype is not the store's, a value is not finite, or the order is broken.
        """
        assert self._values is not None, "use the writer in a with block"
        if values.ndim != 2 or values.shape[1] != self._bands or len(values) == 0 or values.dtype != self._dtype:
            raise FeatureError(
                f"{track_id}: expected {self._dtype} [≥1, {self._bands}] for {self.path.name}, found {values.dtype} {list(values.shape)}."
            )
        if not np.isfinite(values).all():
            raise FeatureError(f"{track_id}: {self.path.name} has values that are not finite.")
        if self._index["track_id"] and self._index["track_id"][-1] >= track_id:
            raise FeatureError(f"{track_id} comes after {self._index['track_id'][-1]}; a store is written in ascending order.")
        self._values.write(np.ascontiguousarray(values).data)
        row = (track_id, self._rows, len(values), float(duration_s), sha256)
        for name, value in zip(COLUMNS, row, strict=True):
            self._index[name].append(value)
        self._rows += len(values)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._values is not None and self._folder is not None
        try:
            if kind is None:
                self._finish(self._folder, self._values)
        except BaseException as fault:
            self._values.close()
            self._replacing.__exit__(type(fault), fault, fault.__traceback__)
            raise
        self._values.close()
        self._replacing.__exit__(kind, error, trace)

    def _finish(self, folder: Path, values: BinaryIO) -> None:
        import pandas as pd

        values.seek(0)
        values.write(_header((self._rows, self._bands), self._dtype))
        values.flush()
        pd.DataFrame(self._index).to_parquet(folder / "index.parquet", index=False)
        write_json(folder / "spec.json", self.spec)


__all__ = ["COLUMNS", "FeatureStore", "StoreWriter"]
