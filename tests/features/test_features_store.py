"""The store: streamed in, mapped out, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from musicgenre.errors import FeatureError
from musicgenre.features.store import FeatureStore, StoreWriter

SPEC = {"kind": "mel", "bands": 3, "dtype": "float16", "rate": 10.0}


def rows(count: int, value: float) -> np.ndarray:
    return np.full((count, 3), value, dtype=np.float16)


def write(path: Path) -> None:
    with StoreWriter(path, SPEC) as store:
        store.add("a/one", rows(4, 1), duration_s=0.4, sha256="11")
        store.add("b/two", rows(2, 2), duration_s=0.2, sha256="22")


def test_what_goes_in_comes_out_as_views(tmp_path: Path) -> None:
    write(tmp_path / "mel")
    store = FeatureStore.open(tmp_path / "mel")
    assert isinstance(store.values, np.memmap)
    assert store.values.shape == (6, 3)
    assert list(store.index.columns) == ["track_id", "offset", "frames", "duration_s", "sha256"]
    assert store.track("b/two").tolist() == rows(2, 2).tolist()
    assert np.shares_memory(store.track("b/two"), store.values)
    assert len(store) == 2
    assert np.load(tmp_path / "mel" / "values.npy").dtype == np.float16


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    write(tmp_path / "one")
    write(tmp_path / "two")
    for name in ("values.npy", "index.parquet", "spec.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_failing_writer_leaves_what_was_there(tmp_path: Path) -> None:
    write(tmp_path / "mel")
    with pytest.raises(RuntimeError), StoreWriter(tmp_path / "mel", SPEC) as store:
        store.add("z", rows(1, 9), duration_s=0.1)
        raise RuntimeError
    assert FeatureStore.open(tmp_path / "mel").track("a/one").shape == (4, 3)
    assert [path.name for path in tmp_path.iterdir()] == ["mel"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros((2, 4), np.float16), "expected float16"),
        (np.zeros((2, 3), np.float32), "found float32"),
        (np.zeros((0, 3), np.float16), "found float16 \\[0, 3\\]"),
        (np.full((1, 3), np.nan, np.float16), "not finite"),
    ],
)
def test_wrong_arrays_are_refused(tmp_path: Path, values: np.ndarray, words: str) -> None:
    with pytest.raises(FeatureError, match=words), StoreWriter(tmp_path / "mel", SPEC) as store:
        store.add("a", values, duration_s=1.0)
    assert not (tmp_path / "mel").exists()


def test_tracks_come_in_order(tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match="ascending"), StoreWriter(tmp_path / "mel", SPEC) as store:
        store.add("b", rows(1, 1), duration_s=0.1)
        store.add("a", rows(1, 1), duration_s=0.1)


def test_absent_and_damaged_stores_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match="Run `musicgenre features`"):
        FeatureStore.open(tmp_path / "mel")
    write(tmp_path / "mel")
    store = FeatureStore.open(tmp_path / "mel")
    with pytest.raises(FeatureError, match="no track 'c'"):
        store.track("c")
    np.save(tmp_path / "mel" / "values.npy", rows(3, 0))
    with pytest.raises(FeatureError, match="its index and spec say"):
        FeatureStore.open(tmp_path / "mel")
