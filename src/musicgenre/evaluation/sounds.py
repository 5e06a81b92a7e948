"""Where a track's sound is, and the sound itself."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from musicgenre.audio import Signal, decode_file
from musicgenre.errors import MissingInput
from musicgenre.layout import Layout
from musicgenre.params import DatasetParams
from musicgenre.quiet import quiet_native


class Sounds:
    """Decodes tracks by id, through the same door as training and service.

    Parameters
    ----------
    rate
        Hz of the samples given.
    """

    def __init__(self, layout: Layout, dataset: DatasetParams, rate: int) -> None:
        import pandas as pd

        source = layout.valid if layout.valid.is_file() else layout.manifest
        if not source.is_file():
            raise MissingInput(f"{layout.valid} is not there. Run `musicgenre validate` first.")
        table = pd.read_parquet(source, columns=["track_id", "path"])
        # The manifest's paths start at the project's root (or are absolute).
        self._paths = {track: layout.root / path for track, path in zip(table["track_id"], table["path"], strict=True)}
        self._limits = dataset.audio
        self.rate = rate
        self.signal = lru_cache(maxsize=8)(self._decode)

    def path(self, track_id: str) -> Path:
        """The file of a track.

        Raises
        ------
        MissingInput
            If the manifest has no such track.
        """
        try:
            return Path(self._paths[track_id])
        except KeyError:
            raise MissingInput(f"data/valid.parquet has no track {track_id!r}. Run `dvc repro`.") from None

    def _decode(self, track_id: str) -> Signal:
        """The sound of a track (raises the `AudioError` that says why there is none)."""
        with quiet_native():
            return decode_file(self.path(track_id), rate=self.rate, limits=self._limits)


__all__ = ["Sounds"]
