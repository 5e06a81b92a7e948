"""The features stage: every valid track through the front end, once a content.

What has been computed stays in the work cache by content of the audio file and id
of the kind, so a run computes only what is new: added tracks, or a kind whose
parameters changed. The stage's outputs are then assembled as a stream.
"""

from __future__ import annotations

import shutil
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musicgenre.atomic import sweep
from musicgenre.audio import PlainLimits, decode_file
from musicgenre.compute import run, worker_count
from musicgenre.errors import DatasetError, FeatureError, MissingInput
from musicgenre.features.frontend import FrontEnd
from musicgenre.features.packs import PackWriter, Place, read_packs, read_rows
from musicgenre.features.store import FeatureStore, StoreWriter
from musicgenre.lineage import file_sha256
from musicgenre.progress import progress
from musicgenre.quiet import quiet_native

if TYPE_CHECKING:
    import pandas as pd

    from musicgenre.layout import Layout
    from musicgenre.params import ComputeParams, DatasetParams, FeaturesParams

_PACK = 32  # most tracks a pack: what a kill can cost each worker


@dataclass(frozen=True)
class Track:
    """One audio file to read."""

    track_id: str
    path: str
    sha256: str


@dataclass(frozen=True)
class Task:
    """What a worker does at once: all `kinds` of a few tracks, into one pack a kind."""

    front_end: FrontEnd
    kinds: tuple[str, ...]
    tracks: tuple[Track, ...]
    work: Path
    limits: PlainLimits

    def __str__(self) -> str:
        return f"tracks {self.tracks[0].track_id} to {self.tracks[-1].track_id}"


@dataclass(frozen=True)
class ExtractSummary:
    """What the stage did.

    Attributes
    ----------
    computed
        Tracks computed, by kind.
    rows
        Total rows stored, by kind.
    """

    feature_id: str
    tracks: int
    computed: Mapping[str, int]
    rows: Mapping[str, int]
    bands: Mapping[str, int]
    bytes: Mapping[str, int]
    seconds: float


def compute_pack(task: Task) -> int:
    """Decode and compute the tracks of `task`; returns how many. Memory does not grow with their number.

    Raises
    ------
    FeatureError
        If a file is not the one that the manifest describes.
    """
    members = [track.sha256 for track in task.tracks]
    with ExitStack() as stack:
        packs = {kind: stack.enter_context(PackWriter(task.work / task.front_end.kind_id(kind), members)) for kind in task.kinds}
        for track in task.tracks:
            if file_sha256(Path(track.path)) != track.sha256:
                raise FeatureError(f"{track.path} has changed since the manifest was made. Run `dvc repro` again.")
            with quiet_native():
                signal = decode_file(track.path, rate=task.front_end.sample_rate, limits=task.limits)
            duration_s = len(signal.samples) / task.front_end.sample_rate
            for kind, values in task.front_end.compute(signal.samples, task.kinds).items():
                packs[kind].add(track.sha256, values, duration_s)
    return len(task.tracks)


def extract(
    features: FeaturesParams, dataset: DatasetParams, layout: Layout, compute: ComputeParams, *, quiet: bool = False
) -> ExtractSummary:
    """Compute what is missing and write ``data/features/<kind>/`` of every kind in `features.kinds`.

    Killed at any moment, the next run goes on from the packs that were finished and
    writes the same bytes.

    Raises
    ------
    MissingInput
        If ``data/valid.parquet`` or an audio file in it is not there.
    FeatureError
        If a kind is unknown, or a file has changed since the manifest was made.
    """
    started = time.perf_counter()
    front_end = FrontEnd.from_params(features)
    ids = {kind: front_end.kind_id(kind) for kind in dict.fromkeys(features.kinds)}
    work = layout.work / "features"
    tracks = read_tracks(layout)
    for folder in (work / kind_id for kind_id in ids.values()):
        sweep(folder)
    tasks = list(_plan(front_end, ids, tracks, work, PlainLimits.of(dataset.audio), worker_count(compute)))
    total = sum(len(task.tracks) for task in tasks)
    done = (1 for count in run(compute_pack, tasks, params=compute, ordered=False) for _ in range(count))
    for _ in progress(done, total=total, description="features", quiet=quiet):
        pass
    sizes = {kind: _assemble(front_end, kind, tracks, read_packs(work / kind_id), layout) for kind, kind_id in ids.items()}
    _remove_others(layout, set(ids))
    bands = {kind: front_end.bands(kind) for kind in ids}
    return ExtractSummary(
        feature_id=front_end.feature_id,
        tracks=len(tracks),
        computed={kind: sum(len(task.tracks) for task in tasks if kind in task.kinds) for kind in ids},
        rows=sizes,
        bands=bands,
        bytes={kind: sizes[kind] * bands[kind] * front_end.dtype(kind).itemsize for kind in ids},
        seconds=time.perf_counter() - started,
    )


def read_tracks(layout: Layout) -> list[Track]:
    """The valid tracks, in ascending order of `track_id`.

    Raises
    ------
    MissingInput
        If the stage before has not run.
    DatasetError
        If no track is valid.
    """
    import pandas as pd

    if not layout.valid.is_file():
        raise MissingInput(f"{layout.valid} is not there. Run `musicgenre validate` (or `dvc repro`).")
    table: pd.DataFrame = pd.read_parquet(layout.valid, columns=["track_id", "path", "sha256"])
    if table.empty:
        raise DatasetError(f"{layout.valid} has no track; see {layout.quarantine} for the reasons.")
    table = table.sort_values("track_id")
    columns = (table[name].astype(str).tolist() for name in ("track_id", "path", "sha256"))
    return [Track(track_id, str(layout.root / path), sha256) for track_id, path, sha256 in zip(*columns, strict=True)]


def _plan(
    front_end: FrontEnd, ids: Mapping[str, str], tracks: list[Track], work: Path, limits: PlainLimits, workers: int
) -> Iterator[Task]:
    """Tasks for what no pack has yet, a content once however many files share it."""
    known = {kind: read_packs(work / kind_id).keys() for kind, kind_id in ids.items()}
    missing: dict[tuple[str, ...], dict[str, Track]] = defaultdict(dict)
    for track in tracks:
        kinds = tuple(kind for kind in ids if track.sha256 not in known[kind])
        if kinds:
            missing[kinds].setdefault(track.sha256, track)
    for kinds, wanted in missing.items():
        rows = list(wanted.values())
        size = min(_PACK, max(1, -(-len(rows) // (workers * 4))))
        for first in range(0, len(rows), size):
            yield Task(front_end, kinds, tuple(rows[first : first + size]), work, limits)


def _assemble(front_end: FrontEnd, kind: str, tracks: list[Track], places: Mapping[str, Place], layout: Layout) -> int:
    """Write one kind's store from its packs, unless it is there already; returns its rows."""
    path = layout.features(kind)
    spec = store_spec(front_end, kind)
    rows = sum(places[track.sha256].frames for track in tracks)
    if _is_current(path, spec, tracks):
        return rows
    dtype, bands = front_end.dtype(kind), front_end.bands(kind)
    with StoreWriter(path, spec) as store:
        for track in tracks:
            place = places[track.sha256]
            store.add(track.track_id, read_rows(place, bands=bands, dtype=dtype), duration_s=place.duration_s, sha256=track.sha256)
    return rows


def store_spec(front_end: FrontEnd, kind: str) -> dict[str, Any]:
    """The content of a feature store's `spec.json`."""
    return {
        "kind": kind,
        "feature_id": front_end.feature_id,
        "kind_id": front_end.kind_id(kind),
        "rate": front_end.rate(kind),
        "bands": front_end.bands(kind),
        "dtype": str(np.dtype(front_end.dtype(kind))),
        "names": list(front_end.names(kind)),
        "front_end": front_end.to_dict(),
    }


def _is_current(path: Path, spec: Mapping[str, Any], tracks: list[Track]) -> bool:
    """Whether the store at `path` is of this spec and these contents already."""
    try:
        store = FeatureStore.open(path)
    except FeatureError:
        return False
    pairs = zip(store.index["track_id"], store.index["sha256"], strict=True)
    return dict(store.spec) == dict(spec) and list(pairs) == [(track.track_id, track.sha256) for track in tracks]


def _remove_others(layout: Layout, kinds: set[str]) -> None:
    """Drop stores of kinds that `params.yaml` no longer names: a stale array must not pass for a current one."""
    for folder in layout.features("mel").parent.iterdir():
        if folder.name not in kinds and (folder / "spec.json").is_file():
            shutil.rmtree(folder)


__all__ = ["ExtractSummary", "Task", "Track", "compute_pack", "extract", "read_tracks", "store_spec"]
