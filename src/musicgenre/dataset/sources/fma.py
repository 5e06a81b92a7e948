"""FMA (Defferrard et al. 2017): Creative Commons music with artists, in two balanced-to-unbalanced subsets."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar

from musicgenre.dataset.sources.base import Remote, Source, SourceFile
from musicgenre.dataset.sources.folder import require_folder
from musicgenre.errors import DatasetError

_HOST = "https://os.unil.cloud.switch.ch/fma"
_METADATA = Remote("fma_metadata.zip", (f"{_HOST}/fma_metadata.zip",), "sha1", "f0df49ffe5f2a6008d7dc83c6915b31835dfe733")
_COLUMNS = {"subset": ("set", "subset"), "genre": ("track", "genre_top"), "artist": ("artist", "name"), "artist_id": ("artist", "id")}


@dataclass(frozen=True)
class Row:
    """A line of `tracks.csv`, as far as it matters here."""

    subset: str
    genre: str
    group: str


def read_tracks(path: Path, subsets: tuple[str, ...]) -> dict[int, Row]:
    """Track number → row, for the tracks of `subsets` that have a top genre.

    Raises
    ------
    DatasetError
        If the file is not FMA's table (two header lines of a column each, then the index's name).
    """
    before = csv.field_size_limit(1 << 24)  # biographies are long
    try:
        with path.open(newline="", encoding="utf-8") as handle:
            reader = csv.reader(handle)
            heads = list(zip(next(reader, []), next(reader, []), strict=False))
            try:
                place = {name: heads.index(column) for name, column in _COLUMNS.items()}
            except ValueError as error:
                raise DatasetError(f"{path} is not FMA's tracks.csv ({error}). Unpack fma_metadata.zip again.") from None
            rows = {}
            for line in reader:
                if len(line) == len(heads) and line[0].isdigit() and line[place["subset"]] in subsets and line[place["genre"]]:
                    group = f"{line[place['artist']]} [{line[place['artist_id']]}]"
                    rows[int(line[0])] = Row(line[place["subset"]], line[place["genre"]], group)
            return rows
    except (csv.Error, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read ({error}). Unpack fma_metadata.zip again.") from error
    finally:
        csv.field_size_limit(before)


class Fma(Source):
    """`<root>/fma_small/000/000002.mp3` and `<root>/fma_metadata/tracks.csv`; the artist is the group."""

    subsets: ClassVar[tuple[str, ...]]
    citation: ClassVar[str] = (
        "M. Defferrard, K. Benzi, P. Vandergheynst and X. Bresson, FMA: a dataset for music analysis, ISMIR 2017, arXiv:1612.01840."
    )
    licence: ClassVar[str] = (
        "Metadata: CC BY 4.0. Audio: each track under the Creative Commons licence that its artist chose (see tracks.csv); research use."
    )

    @property
    def _next(self) -> str:
        return f"Run `musicgenre fetch {self.name}`, or give it what is already here with --from ARCHIVE_OR_FOLDER."

    def _audio(self, root: Path) -> Path:
        for folder in (root / self.name, root):
            if any(entry.is_dir() and entry.name.isdigit() and len(entry.name) == 3 for entry in folder.glob("*")):
                return folder
        raise DatasetError(f"{root}: no folders 000, 001, … with tracks, neither here nor in {self.name}/. {self._next}")

    def _tracks(self, root: Path) -> dict[int, Row]:
        for folder in (root / "fma_metadata", root, root.parent / "fma_metadata"):
            if (folder / "tracks.csv").is_file():
                return read_tracks(folder / "tracks.csv", self.subsets)
        raise DatasetError(f"{root}: fma_metadata/tracks.csv is not there; without it no track has a genre. {self._next}")

    def index(self, root: Path) -> tuple[str, ...]:
        return tuple(f"{number // 1000:03d}/{number:06d}" for number in sorted(self._tracks(root)))

    def checksums(self, root: Path) -> dict[str, tuple[str, str]]:
        path = self._audio(root) / "checksums"  # part of the archive: `<sha1>  000/000002.mp3` a line
        if not path.is_file():
            return {}
        pairs = (line.split(maxsplit=1) for line in path.read_text(encoding="utf-8").splitlines())
        return {pair[1].strip(): ("sha1", pair[0]) for pair in pairs if len(pair) == 2}

    def wanted(self, path: PurePosixPath) -> bool:
        """All audio, but of the metadata only the table of tracks: the rest is gigabytes of features."""
        return path.parts[0] != "fma_metadata" or path.suffix in (".txt", "") or path.name in ("tracks.csv", "genres.csv")

    def files(self, root: Path) -> tuple[SourceFile, ...]:
        require_folder(root, self._next)
        audio, rows = self._audio(root), self._tracks(root)
        files = []
        for path in sorted(audio.glob("[0-9][0-9][0-9]/*.mp3")):
            row = rows.get(int(path.stem)) if path.stem.isdigit() else None
            if row is not None:
                files.append(SourceFile(path, f"{path.parent.name}/{path.stem}", row.genre, row.group))
        if len({file.genre for file in files}) < 2:
            raise DatasetError(f"{audio}: {len(files)} tracks that tracks.csv knows, of fewer than two genres. {self._next}")
        return tuple(files)


class FmaSmall(Fma):
    """8,000 tracks of 30 s in eight balanced genres."""

    name: ClassVar[str] = "fma_small"
    title: ClassVar[str] = "FMA small (8 genres, 8,000 tracks, 7.2 GiB)"
    subsets: ClassVar[tuple[str, ...]] = ("small",)
    remotes: ClassVar[tuple[Remote, ...]] = (
        Remote("fma_small.zip", (f"{_HOST}/fma_small.zip",), "sha1", "ade154f733639d52e35e32f5593efe5be76c6d70"),
        _METADATA,
    )


class FmaMedium(Fma):
    """25,000 tracks of 30 s in sixteen unbalanced genres; holds the small one."""

    name: ClassVar[str] = "fma_medium"
    title: ClassVar[str] = "FMA medium (16 genres, 25,000 tracks, 22 GiB)"
    subsets: ClassVar[tuple[str, ...]] = ("small", "medium")
    remotes: ClassVar[tuple[Remote, ...]] = (
        Remote("fma_medium.zip", (f"{_HOST}/fma_medium.zip",), "sha1", "c67b69ea232021025fca9231fc1c7c1a063ab50b"),
        _METADATA,
    )


__all__ = ["Fma", "FmaMedium", "FmaSmall", "read_tracks"]
