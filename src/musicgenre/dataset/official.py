"""Published split lists: verified by hash, matched by track, with everything that does not match named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from musicgenre.dataset.assignment import Side
from musicgenre.errors import SplitError
from musicgenre.lineage import file_sha256

# What publishers call the three lists; the first complete set of names in the folder is used.
_NAMES: tuple[dict[Side, str], ...] = (
    {"train": "train_filtered.txt", "validation": "valid_filtered.txt", "test": "test_filtered.txt"},
    {"train": "train_stratified.txt", "validation": "valid_stratified.txt", "test": "test_stratified.txt"},
    {"train": "train.txt", "validation": "validation.txt", "test": "test.txt"},
    {"train": "train.txt", "validation": "valid.txt", "test": "test.txt"},
)
# The random split of the same source (Kereliuk, Sturm and Larsen 2015): the control that leaks.
_STRATIFIED = {
    "train_stratified.txt": "e4d9be9546793e222b4d7915db0af8fb9683d980b10ac4f915453e62333c2368",
    "valid_stratified.txt": "60e0fd1ce2a16df77fae312b64153fd717716387094203e504e83bfd472b2a6c",
    "test_stratified.txt": "8fe4c4d159c61bebf64470b178d094773a051c67d675f1f61abc7957758e6821",
}


@dataclass(frozen=True)
class OfficialLists:
    """Track ids of each side, in the order published, and whether the hashes are those published."""

    sides: Mapping[Side, tuple[str, ...]]
    verified: bool

    def by_track(self) -> dict[str, Side]:
        return {track: side for side, tracks in self.sides.items() for track in tracks}


def _track_id(line: str) -> str:
    path = PurePosixPath(line.strip().replace("\\", "/"))
    known = {".wav", ".au", ".mp3", ".flac", ".ogg", ".aiff", ".m4a"}
    return path.with_suffix("").as_posix() if path.suffix.lower() in known else path.as_posix()


def read_lists(folder: Path) -> OfficialLists:
    """Read and verify the three lists in `folder`.

    Raises
    ------
    SplitError
        If they are not there, differ from what was published, or put a track on two sides.
    """
    from musicgenre.dataset.sources.gtzan import OFFICIAL_LISTS

    folder = Path(folder)
    names = next((names for names in _NAMES if all((folder / name).is_file() for name in names.values())), None)
    if names is None:
        raise SplitError(
            f"split.lists: {folder} holds no split lists (train_filtered.txt, valid_filtered.txt, test_filtered.txt; or train.txt, "
            "validation.txt, test.txt). `musicgenre fetch gtzan` brings GTZAN's."
        )
    published = {**OFFICIAL_LISTS, **_STRATIFIED}
    sides: dict[Side, tuple[str, ...]] = {}
    for side, name in names.items():
        found = file_sha256(folder / name)
        if name in published and found != published[name]:
            raise SplitError(f"{folder / name}: its SHA-256 is {found}, published is {published[name]}. Fetch the list again.")
        lines = (folder / name).read_text(encoding="utf-8").splitlines()
        sides[side] = tuple(_track_id(line) for line in lines if line.strip())
    everything = [track for tracks in sides.values() for track in tracks]
    if len(set(everything)) != len(everything):
        twice = sorted({track for track in everything if everything.count(track) > 1})
        raise SplitError(f"{folder}: listed more than once: {', '.join(twice[:5])}. A track can stand on one side only.")
    return OfficialLists(sides, all(name in published for name in names.values()))


@dataclass(frozen=True)
class Matched:
    """Lists held against the tracks there are.

    Attributes
    ----------
    sides
        Of each track, None where it is on no list.
    missing
        Listed tracks that are not among them.
    extra
        Tracks on no list; the split leaves them out.
    """

    sides: tuple[Side | None, ...]
    missing: tuple[str, ...]
    extra: tuple[str, ...]


def match(lists: OfficialLists, track_ids: Sequence[str]) -> Matched:
    """Match by track id; a suffix in either is ignored, and so is any folder above the genre."""
    wanted = lists.by_track()
    tails = _tails(track_ids)
    found: dict[str, Side] = {}
    missing = []
    for track, side in wanted.items():
        actual = tails.get(track)
        if actual is None:
            missing.append(track)
        else:
            found[actual] = side
    sides = tuple(found.get(track) for track in track_ids)
    return Matched(sides, tuple(missing), tuple(track for track, side in zip(track_ids, sides, strict=True) if side is None))


def _tails(track_ids: Iterable[str]) -> dict[str, str]:
    """``genre/name`` → the track id that ends so."""
    return {"/".join(_track_id(track).split("/")[-2:]): track for track in track_ids}


__all__ = ["Matched", "OfficialLists", "match", "read_lists"]
