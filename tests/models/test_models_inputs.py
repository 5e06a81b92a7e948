"""What feeds training: batches from memory and from the memory map are the segments that the service cuts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from musicgenre.features.segments import InputSpec, Segmenting, cut, segment_times
from musicgenre.features.store import FeatureStore, StoreWriter
from musicgenre.layout import Layout
from musicgenre.models.corpus import Corpus
from musicgenre.models.inputs import Cutter, input_spec, load_segments, widened


def test_every_finite_half_widens_to_the_same_bits() -> None:
    halves = np.arange(1 << 16, dtype=np.uint32).astype(np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)]
    assert np.array_equal(widened(halves).view(np.int32), halves.astype(np.float32).view(np.int32))
    double = np.linspace(-1, 1, 7)
    assert widened(double).dtype == np.float32 and np.array_equal(widened(double), double.astype(np.float32))


@pytest.mark.parametrize("kind", ["mel", "descriptors"])
def test_the_memory_map_gives_the_same_batches(kind: str, make_layout: Callable[..., Layout]) -> None:
    corpus, segmenting = Corpus.open(make_layout(genres=3, tracks=8)), Segmenting(length_s=3.0, hop_s=1.5)
    specs = (input_spec(corpus, kind, segmenting),)
    dense, mapped = (load_segments(corpus, "train", specs, segmenting, limit=limit) for limit in (1 << 30, 0))
    assert isinstance(dense.rows[0], np.ndarray) and isinstance(mapped.rows[0], Cutter)
    order = np.random.default_rng(0).permutation(len(dense))
    for start in range(0, len(order), 7):
        one, other = dense.batch(order[start : start + 7])[0], mapped.batch(order[start : start + 7])[0]
        assert one.dtype == other.dtype == np.float32 and np.array_equal(one, other)


def test_tracks_shorter_than_a_segment_among_longer_ones(tmp_path: Path) -> None:
    spec = {"kind": "mel", "feature_id": "", "kind_id": "", "rate": 10.0, "bands": 4, "dtype": "float16", "front_end": {}}
    lengths = {"a": 25, "b": 7, "c": 30, "d": 61}
    rng = np.random.default_rng(0)
    with StoreWriter(tmp_path / "mel", spec) as writer:
        for track, frames in lengths.items():
            writer.add(track, rng.normal(-40, 9, (frames, 4)).astype(np.float16), duration_s=frames / 10)
    store, segmenting = FeatureStore.open(tmp_path / "mel"), Segmenting(length_s=3.0, hop_s=1.5)
    wanted = InputSpec(name="mel", kind="mel", rate=10.0, shape=(30, 4))
    times = {track: segment_times(frames / 10, segmenting) for track, frames in lengths.items()}
    tracks = np.array([track for track in lengths for _ in times[track]], dtype=object)
    cutter = Cutter(store, wanted, segmenting, tracks, np.concatenate(list(times.values())))
    expected = np.concatenate([cut(store.track(track), wanted, times[track], segmenting) for track in lengths])
    assert np.array_equal(widened(cutter[np.arange(len(tracks))]), expected)
    long = np.flatnonzero(np.isin(tracks, ["c", "d"]))[::-1]
    assert np.array_equal(widened(cutter[long]), expected[long])
