"""One row a file, decodable or not: what it is, how it sounds in figures, and which recording it is."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musicgenre.atomic import atomic_path
from musicgenre.audio import IsolatedWorkers, PlainLimits
from musicgenre.dataset import fingerprint, measure
from musicgenre.dataset.measure_cache import MeasureCache
from musicgenre.dataset.recordings import find_matches, recordings
from musicgenre.errors import AudioError, DatasetError
from musicgenre.lineage import canonical_hash, file_sha256
from musicgenre.progress import progress

if TYPE_CHECKING:
    import pandas as pd

    from musicgenre.dataset.sources.base import SourceFile
    from musicgenre.layout import Layout
    from musicgenre.params import ComputeParams, DatasetParams

log = logging.getLogger(__name__)

COLUMNS: dict[str, str] = {
    "track_id": "string",
    "path": "string",
    "genre": "string",
    "group": "string",
    "format": "string",
    "sample_rate": "Int64",
    "channels": "Int64",
    "duration_s": "float64",
    "bytes": "Int64",
    "sha256": "string",
    "pcm_sha256": "string",
    "truncated": "boolean",
    "peak": "float64",
    "rms_db": "float64",
    "silence_fraction": "float64",
    "clipped_fraction": "float64",
    "dc_offset": "float64",
    "fingerprint": "string",
    "recording": "string",
    "error": "string",
    "error_text": "string",
}


@dataclass(frozen=True)
class ManifestSummary:
    """What `build` found. `measured` files were decoded now, the others were known."""

    files: int
    genres: int
    measured: int
    faulty: int
    duplicates: int
    hours: float


@dataclass(frozen=True)
class _Job:
    file: SourceFile
    path: Path
    size: int
    mtime_ns: int
    sha256: str | None  # as far as the cache knew


def _settings(limits: PlainLimits) -> str:
    return canonical_hash({"limits": limits.to_dict(), "measure": measure.VERSION, "fingerprint": fingerprint.VERSION})


def _located(path: Path, root: Path) -> Path:
    return path if path.is_absolute() else root / path


def build(params: DatasetParams, layout: Layout, compute: ComputeParams, *, quiet: bool = False) -> ManifestSummary:
    """Write `data/manifest.parquet`.

    Parameters
    ----------
    params
        The `dataset` block.
    layout
        Where the project is.
    compute
        How many workers decode.

    Raises
    ------
    DatasetError
        If there is no file at all.
    """
    from musicgenre.dataset.sources.base import list_files

    files = sorted(list_files(params, layout), key=lambda file: file.track_id)
    if not files:
        raise DatasetError(f"{params.path}: no audio files in genre folders. Put them at <genre>/<track>.<wav|flac|ogg|mp3|au|aiff>.")
    return build_from(files, PlainLimits.of(params.audio), layout, workers=_workers(compute, len(files)), quiet=quiet)


def _workers(compute: ComputeParams, files: int) -> int:
    from musicgenre.compute import cores

    # A worker costs a quarter of a second to start: no more of them than have work to do.
    return max(1, min(compute.workers or cores(), 1 + files // 8))


def build_from(files: Sequence[SourceFile], limits: PlainLimits, layout: Layout, *, workers: int, quiet: bool = False) -> ManifestSummary:
    """As `build`, for files already listed (sorted by track id)."""
    with MeasureCache(layout.work / "manifest.sqlite", _settings(limits)) as cache:
        rows, measured = _measure_all(files, limits, layout, cache, workers=workers, quiet=quiet)
        cache.commit()
        _name_recordings(rows, cache)
    frame = _frame(rows)
    with atomic_path(layout.manifest) as temporary:
        frame.to_parquet(temporary, index=False)
    usable = frame[frame["error"].isna()]
    return ManifestSummary(
        files=len(frame),
        genres=int(frame["genre"].nunique()),
        measured=measured,
        faulty=int(frame["error"].notna().sum()),
        duplicates=len(usable) - int(usable["recording"].nunique()),
        hours=round(float(usable["duration_s"].sum()) / 3600, 3),
    )


def _measure_all(
    files: Sequence[SourceFile], limits: PlainLimits, layout: Layout, cache: MeasureCache, *, workers: int, quiet: bool
) -> tuple[list[dict[str, Any]], int]:
    rows: list[dict[str, Any]] = []
    measured = 0

    def jobs() -> Iterator[tuple[_Job, dict[str, Any] | None]]:
        # Runs in the calling thread, so the cache is asked from one thread alone.
        for file in files:
            path = _located(Path(file.path), layout.root)
            try:
                status = path.stat()
            except OSError as error:
                yield _Job(file, path, 0, 0, None), {"error": "undecodable", "error_text": error.strerror or "cannot be read"}
                continue
            sha256 = cache.sha256(str(file.path), status.st_size, status.st_mtime_ns)
            yield _Job(file, path, status.st_size, status.st_mtime_ns, sha256), cache.figures(sha256) if sha256 else None

    with IsolatedWorkers(measure.TASK, workers=workers, deadline_s=limits.decode_timeout_s) as pool:

        def work(item: tuple[_Job, dict[str, Any] | None]) -> tuple[_Job, str, dict[str, Any], NDArray[np.uint32] | None, bool]:
            job, known = item
            if known is not None:
                return job, job.sha256 or "", known, None, False
            try:
                sha256 = job.sha256 or file_sha256(job.path)
                request = {"path": str(job.path), "name": str(job.file.path), "limits": limits.to_dict()}
                reply, arrays = pool.call(request)
                return job, sha256, reply["figures"], arrays.get("words"), True
            except AudioError as error:
                text = str(error).removeprefix(f"{job.file.path}: ")
                return job, sha256, {"error": error.code, "error_text": text}, None, True
            except OSError as error:
                return job, "", {"error": "undecodable", "error_text": error.strerror or "cannot be read"}, None, False

        done = pool.map(work, jobs())
        for job, sha256, figures, words, fresh in progress(done, total=len(files), description="manifest", quiet=quiet):
            if fresh:
                measured += 1
                cache.remember_place(str(job.file.path), job.size, job.mtime_ns, sha256)
                # A crash may be the machine's fault (memory, load); it is tried again next time.
                if figures.get("error") != "decoder_crashed":
                    cache.remember_figures(sha256, figures, words)
            rows.append(_row(job, sha256, figures))
    return rows, measured


def _row(job: _Job, sha256: str, figures: dict[str, Any]) -> dict[str, Any]:
    file = job.file
    identity = {"track_id": file.track_id, "path": Path(file.path).as_posix(), "genre": file.genre, "group": file.group or file.track_id}
    return {**identity, "bytes": job.size, "sha256": sha256 or None, **{name: figures.get(name) for name in measure.FIELDS}}


def _name_recordings(rows: list[dict[str, Any]], cache: MeasureCache) -> None:
    """Fill `recording`: equal bytes, equal samples, or fingerprints that match."""
    usable = [number for number, row in enumerate(rows) if row["error"] is None]
    words = [cache.words(rows[number]["sha256"]) for number in usable]
    equal: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for position, number in enumerate(usable):
        for kind in ("sha256", "pcm_sha256"):
            equal[kind, rows[number][kind]].append(position)
    groups = [group for group in equal.values() if len(group) > 1]
    names = recordings([rows[number]["track_id"] for number in usable], find_matches(words), groups)
    for row in rows:
        row["recording"] = row["track_id"]
    for number, name in zip(usable, names, strict=True):
        rows[number]["recording"] = name


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame({name: [row.get(name) for row in rows] for name in COLUMNS}, dtype=object)
    return frame.astype(COLUMNS).sort_values("track_id", ignore_index=True)


def read_manifest(layout: Layout) -> pd.DataFrame:
    """The manifest, sorted by track id.

    Raises
    ------
    MissingInput
        If the stage `manifest` has not run.
    """
    import pandas as pd

    from musicgenre.errors import MissingInput

    if not layout.manifest.is_file():
        raise MissingInput(f"{layout.manifest} is not there. Run `musicgenre manifest` first.")
    return pd.read_parquet(layout.manifest)


__all__ = ["COLUMNS", "ManifestSummary", "build", "build_from", "read_manifest"]
