"""GTZAN (Tzanetakis and Cook 2002): ten genres of a hundred 30 s excerpts, as mirrors have it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

from musicgenre.dataset.sources.base import Remote, Source, SourceFile
from musicgenre.dataset.sources.folder import genre_files, require_folder

GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
# Where the archives and mirrors in circulation put the ten folders.
LAYOUTS = ("", "genres", "genres_original", "Data/genres_original", "gtzan/genres", "gtzan")
_NEXT = "Run `musicgenre fetch gtzan`, or `musicgenre fetch gtzan --from ARCHIVE_OR_FOLDER`, and set dataset.path to the folder it names."

# The published lists of Kereliuk, Sturm and Larsen 2015 (arXiv:1507.04761): 443, 197 and 290 tracks
# without repetitions and with artists apart. `split.lists` names a folder with files of these contents.
OFFICIAL_LISTS: dict[str, str] = {
    "train_filtered.txt": "2b04966cef1486f1a7767b74271533fa23e220388db804a1937835e1fc4fa3fa",
    "valid_filtered.txt": "f8fbee7c52397a0e0f3a91dc54fedecb2e27f5bdc9a9daeab8cb10d077e26956",
    "test_filtered.txt": "09cafa6a89ce0a27f30ed250d56ecb4d03c22fffb5a693f96c7ae655ee02ac72",
}
_LISTS = "https://raw.githubusercontent.com/jordipons/sklearn-audio-transfer-learning/master/data/index/GTZAN"

INDEX = "gtzan_genre_index_1.0.json"  # mirdata's list of checksums, of the archive's content as .wav


def genre_root(root: Path) -> Path | None:
    """The folder under `root` that holds genre folders of GTZAN; None if no known layout fits."""
    for layout in LAYOUTS:
        if sum((root / layout / genre).is_dir() for genre in GENRES) >= 2:
            return root / layout
    return None


class Gtzan(Source):
    """Names, lists and hashes of GTZAN. Artists are not part of it; the published lists keep them apart."""

    name: ClassVar[str] = "gtzan"
    title: ClassVar[str] = "GTZAN genre collection"
    citation: ClassVar[str] = (
        "G. Tzanetakis and P. Cook, Musical genre classification of audio signals, IEEE Transactions on Speech and Audio "
        "Processing 10(5), 2002. Its faults: B. L. Sturm, The GTZAN dataset, arXiv:1306.1461. Filtered split: "
        "C. Kereliuk, B. L. Sturm and J. Larsen, Deep learning and music adversaries, arXiv:1507.04761."
    )
    licence: ClassVar[str] = (
        "None: the author collected the excerpts without copyright permission. Research use at your own judgement; never redistribute."
    )
    remotes: ClassVar[tuple[Remote, ...]] = (
        Remote(
            "genres.tar.gz",
            (
                "https://huggingface.co/datasets/marsyas/gtzan/resolve/main/data/genres.tar.gz",
                "http://opihi.cs.uvic.ca/sound/genres.tar.gz",
            ),
            "md5",
            "5b3d6dddb579ab49814ab86dba69e7c7",
        ),
        Remote(
            INDEX,
            (f"https://zenodo.org/records/13993311/files/{INDEX}?download=1",),
            "md5",
            "533ca050855f22acf2feb283d9957fe3",
            optional=True,
        ),
        *(Remote(name, (f"{_LISTS}/{name}",), "sha256", digest, optional=True) for name, digest in OFFICIAL_LISTS.items()),
    )

    def index(self, root: Path) -> tuple[str, ...]:
        return tuple(f"{genre}/{genre}.{number:05d}" for genre in GENRES for number in range(100))

    def files(self, root: Path) -> tuple[SourceFile, ...]:
        require_folder(root, _NEXT)
        return genre_files(genre_root(root) or root, next_step=_NEXT, genres=GENRES)

    def checksums(self, root: Path) -> dict[str, tuple[str, str]]:
        path = root / "lists" / INDEX
        if not path.is_file():
            return {}
        tracks = json.loads(path.read_text(encoding="utf-8"))["tracks"]
        audio = [track["audio"] for track in tracks.values()]
        return {"/".join(name.split("/")[-2:]): ("md5", digest) for name, digest in audio}


__all__ = ["GENRES", "LAYOUTS", "OFFICIAL_LISTS", "Gtzan", "genre_root"]
