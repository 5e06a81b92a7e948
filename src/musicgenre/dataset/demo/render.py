"""Render the demo set: in parallel, resumable, the same bytes for the same seed whatever the number of workers.

Finished tracks live in the work cache under the hash of what decides their content, so that a killed run
goes on, a second one copies, and more artists or tracks render only what is new.
"""

from __future__ import annotations

import csv
import hashlib
import io
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from musicgenre import compute as engine
from musicgenre.atomic import atomic_directory, atomic_path
from musicgenre.dataset.demo.artist import generator, make_artist
from musicgenre.dataset.demo.encode import encode
from musicgenre.dataset.demo.faults import FAULTS, fault_bytes
from musicgenre.dataset.demo.styles import STYLES
from musicgenre.dataset.demo.track import render_track
from musicgenre.lineage import canonical_hash
from musicgenre.progress import progress

if TYPE_CHECKING:
    from musicgenre.layout import Layout
    from musicgenre.params import ComputeParams, DemoParams

_FORMATS = ("flac", "flac", "flac", "flac", "flac", "wav", "wav", "ogg", "ogg", "mp3")  # drawn a track
_README = """Synthetic music, composed and rendered by musicgenre (seed {seed}). No recording, no musician, no licence to mind: CC0-1.0.

Ten styles named after GTZAN's genres, {artists} artists a style who keep their instruments, room and habits, {tracks} tracks
of {duration:g} s each; metadata.csv names the artist and album of each. {faults}
Figures on this set say that the pipeline works; they say nothing about real genres.
"""


@dataclass(frozen=True)
class Work:
    """One artist's tracks, as a worker gets it."""

    genre: str
    artist: int
    tracks: int


def renderer_id() -> str:
    """Hash of the code that decides how the demo sounds: an edit renders anew."""
    digest = hashlib.sha256()
    here = Path(__file__).parent
    code = [*here.rglob("*.py"), *(here.parents[1] / "synth").glob("*.py")]
    for name, path in sorted((f"{path.parent.name}/{path.name}", path) for path in code):
        if path.name not in ("corpus.py", "render.py"):  # another product; and the order of work, not its content
            digest.update(name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def track_path(params: DemoParams, genre: str, artist: int, track: int) -> str:
    """Where a track stands under `data/demo`: <genre>/<genre>.<artist, 3 digits><track, 2 digits>.<format>."""
    draw = generator(params.seed, list(STYLES).index(genre), artist, 5000 + track).integers(len(_FORMATS))
    return f"{genre}/{genre}.{artist:03d}{track:02d}.{_FORMATS[int(draw)]}"


def _missing(work: Work, params: DemoParams, cache: Path) -> dict[int, Path]:
    """The artist's tracks that the cache lacks, and where they will stand."""
    wanted = {track: cache / track_path(params, work.genre, work.artist, track) for track in range(work.tracks)}
    return {track: path for track, path in wanted.items() if not path.is_file()}


def _render_artist(work: Work, params: DemoParams, cache: Path) -> int:
    """Render what of an artist's tracks the cache lacks; how many those were."""
    missing = _missing(work, params, cache)
    artist = make_artist(params.seed, work.genre, work.artist)
    place = list(STYLES).index(work.genre)
    for track, path in missing.items():
        sound = render_track(artist, params.seed, place, work.artist, track, params.duration_s)
        with atomic_path(path) as temporary:
            temporary.write_bytes(encode(sound, path.suffix[1:]))
    return len(missing)


def _render_faults(params: DemoParams, cache: Path) -> None:
    if all((cache / fault.path).is_file() for fault in FAULTS):
        return
    jazz = list(STYLES).index("jazz")
    original = render_track(make_artist(params.seed, "jazz", 0), params.seed, jazz, 0, 0, params.duration_s)
    for fault in FAULTS:
        content = fault_bytes(fault, original, params.seed)
        with atomic_path(cache / fault.path) as temporary:
            temporary.write_bytes(content)


def _rows(params: DemoParams) -> Iterator[tuple[str, str, str]]:
    """(path, artist, album) of every file."""
    for genre in STYLES:
        for artist in range(params.artists_per_genre):
            name = f"{genre}-{artist:02d}"
            for track in range(params.tracks_per_artist):
                yield track_path(params, genre, artist, track), name, f"{name}-{'abcdefghijkl'[track // 3 % 12]}"
    if params.faults:
        for fault in FAULTS:
            yield fault.path, fault.artist, fault.artist


def _table(rows: list[tuple[str, str, str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("path", "artist", "album"))
    writer.writerows(sorted(rows))
    return text.getvalue()


def render(params: DemoParams, layout: Layout, compute: ComputeParams | None = None, *, quiet: bool = False) -> tuple[int, int]:
    """Write `data/demo` as a whole.

    Parameters
    ----------
    params
        The `dataset.demo` block.
    layout
        Where the project is.
    compute
        Engine and workers; all cores by default.
    quiet
        No progress on standard error.

    Returns
    -------
    Tracks rendered now, and tracks that the work cache had.
    """
    from musicgenre.atomic import write_json
    from musicgenre.params import ComputeParams

    renderer = renderer_id()
    key = canonical_hash({"seed": params.seed, "duration_s": params.duration_s, "renderer": renderer})[:16]
    cache = (layout.work / "demo" / key).absolute()
    artists = [Work(genre, number, params.tracks_per_artist) for number in range(params.artists_per_genre) for genre in STYLES]
    waiting = [work for work in artists if _missing(work, params, cache)]
    task = partial(_render_artist, params=params, cache=cache)
    done = engine.run(task, waiting, params=compute or ComputeParams(), ordered=False) if waiting else iter(())
    rendered = sum(progress(done, total=len(waiting), description="rendering artists", quiet=quiet))
    if params.faults:
        _render_faults(params, cache)
    rows = list(_rows(params))
    with atomic_directory(layout.demo) as folder:
        for genre in STYLES:
            (folder / genre).mkdir()
        for path, _, _ in rows:
            shutil.copyfile(cache / path, folder / path)
        (folder / "metadata.csv").write_text(_table(rows), encoding="utf-8")
        planted = {fault.path: fault.what for fault in FAULTS} if params.faults else {}
        words = f"{len(planted)} files are faulty on purpose (see source.json)." if planted else "No fault is planted."
        readme = _README.format(
            seed=params.seed, artists=params.artists_per_genre, tracks=params.tracks_per_artist, duration=params.duration_s, faults=words
        )
        (folder / "README.txt").write_text(readme, encoding="utf-8")
        about = {"synthetic": True, "licence": "CC0-1.0", "renderer": renderer, "demo": params.model_dump(), "faults": planted}
        write_json(folder / "source.json", about)
    return rendered, len(artists) * params.tracks_per_artist - rendered


__all__ = ["Work", "render", "renderer_id", "track_path"]
