"""Extraction computes what is new and nothing else, whatever happens to it on the way."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from clips import music

from musicgenre.errors import FeatureError, MissingInput
from musicgenre.features import extract as stage
from musicgenre.features.extract import ExtractSummary, extract
from musicgenre.features.store import FeatureStore
from musicgenre.layout import Layout
from musicgenre.lineage import file_sha256
from musicgenre.params import ComputeParams, DatasetParams, FeaturesParams

DATASET = DatasetParams(source="folder", path="set")
FEATURES = FeaturesParams(kinds=("mel", "mfcc"))


def add_tracks(root: Path, numbers: range, *, seconds: float = 1.1) -> None:
    """Files `set/a/NN.wav` and a `data/valid.parquet` that lists all there are."""
    for number in numbers:
        path = root / "set" / "a" / f"{number:02d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, music(seconds, seed=number), 22050)
    paths = sorted((root / "set").rglob("*.wav"))
    rows = [(f"a/{path.stem}", f"set/a/{path.name}", file_sha256(path)) for path in paths]
    (root / "data").mkdir(exist_ok=True)
    pd.DataFrame(rows, columns=["track_id", "path", "sha256"]).to_parquet(root / "data" / "valid.parquet")


def run(root: Path, features: FeaturesParams = FEATURES, workers: int = 1) -> ExtractSummary:
    return extract(features, DATASET, Layout(root), ComputeParams(workers=workers), quiet=True)


def digest(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((root / "data" / "features").rglob("*"))
        if path.is_file()
    }


def test_only_added_tracks_are_computed(tmp_path: Path) -> None:
    add_tracks(tmp_path, range(4))
    assert run(tmp_path).computed == {"mel": 4, "mfcc": 4}
    before = FeatureStore.open(tmp_path / "data/features/mel").track("a/02").tobytes()
    add_tracks(tmp_path, range(4, 6))
    assert run(tmp_path).computed == {"mel": 2, "mfcc": 2}
    store = FeatureStore.open(tmp_path / "data/features/mel")
    assert store.index["track_id"].tolist() == [f"a/{number:02d}" for number in range(6)]
    assert store.track("a/02").tobytes() == before
    assert run(tmp_path).computed == {"mel": 0, "mfcc": 0}


def test_outputs_deleted_by_dvc_come_back_without_computing(tmp_path: Path) -> None:
    import shutil

    add_tracks(tmp_path, range(3))
    run(tmp_path)
    before = digest(tmp_path)
    shutil.rmtree(tmp_path / "data" / "features")
    assert run(tmp_path).computed == {"mel": 0, "mfcc": 0}
    assert digest(tmp_path) == before


def test_a_changed_parameter_recomputes_its_kinds_alone(tmp_path: Path) -> None:
    add_tracks(tmp_path, range(3))
    run(tmp_path)
    assert run(tmp_path, FeaturesParams(kinds=("mel", "mfcc"), n_mfcc=13)).computed == {"mel": 0, "mfcc": 3}
    assert FeatureStore.open(tmp_path / "data/features/mfcc").values.shape[1] == 13
    assert run(tmp_path).computed == {"mel": 0, "mfcc": 0}, "the old parameters' packs are still there"


def test_a_kind_no_longer_wanted_is_removed(tmp_path: Path) -> None:
    add_tracks(tmp_path, range(2))
    run(tmp_path)
    run(tmp_path, FeaturesParams(kinds=("mel",)))
    assert [path.name for path in (tmp_path / "data/features").iterdir()] == ["mel"]


def test_renamed_and_duplicate_files_are_not_computed_again(tmp_path: Path) -> None:
    add_tracks(tmp_path, range(3))
    run(tmp_path)
    (tmp_path / "set/a/01.wav").rename(tmp_path / "set/a/09.wav")
    (tmp_path / "set/a/08.wav").write_bytes((tmp_path / "set/a/00.wav").read_bytes())
    add_tracks(tmp_path, range(0))
    assert run(tmp_path).computed == {"mel": 0, "mfcc": 0}
    store = FeatureStore.open(tmp_path / "data/features/mel")
    assert store.index["track_id"].tolist() == ["a/00", "a/02", "a/08", "a/09"]
    assert store.track("a/08").tobytes() == store.track("a/00").tobytes()


def test_bytes_do_not_depend_on_workers(tmp_path: Path) -> None:
    for name, workers in (("one", 1), ("two", 2)):
        (tmp_path / name).mkdir()
        add_tracks(tmp_path / name, range(5))
        run(tmp_path / name, workers=workers)
    assert digest(tmp_path / "one") == digest(tmp_path / "two")


_RUN = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_features_extract as tests
tests.run(Path(sys.argv[2]), tests.FEATURES, workers=int(sys.argv[3]))
"""


@pytest.mark.parametrize("packs_before_death", [0, 3])
def test_killed_and_run_again_gives_the_same_bytes(tmp_path: Path, packs_before_death: int) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    for root in (killed, whole):
        root.mkdir()
        add_tracks(root, range(8))
    process = subprocess.Popen(
        [sys.executable, "-c", _RUN, str(Path(__file__).parent), str(killed), "1"],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        folder = killed / ".musicgenre" / "features"
        if folder.exists() and len(list(folder.rglob("*.json"))) >= packs_before_death:
            break
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (killed / "data" / "features").exists() or packs_before_death == 3
    computed = run(killed).computed
    assert computed["mel"] <= 8
    run(whole)
    assert digest(killed) == digest(whole)
    assert not list((killed / ".musicgenre").rglob(".tmp-*"))


def test_a_file_that_changed_since_the_manifest_is_an_error(tmp_path: Path) -> None:
    add_tracks(tmp_path, range(2))
    soundfile.write(tmp_path / "set/a/01.wav", music(1.1, seed=77), 22050)
    with pytest.raises(FeatureError, match=r"01\.wav has changed since the manifest"):
        run(tmp_path)


def test_nothing_to_read_is_an_error_that_names_the_stage(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="musicgenre validate"):
        run(tmp_path)


def test_a_pack_cut_short_is_computed_again(tmp_path: Path) -> None:
    add_tracks(tmp_path, range(2))
    run(tmp_path)
    before = digest(tmp_path)
    pack = sorted((tmp_path / ".musicgenre/features").rglob("mel-*/*.bin"))[0]
    pack.write_bytes(pack.read_bytes()[:100])
    (tmp_path / "data/features/mel/values.npy").unlink()
    assert run(tmp_path).computed["mel"] >= 1
    assert digest(tmp_path) == before


def test_memory_does_not_grow_with_the_number_of_tracks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Peak allocation of a pack of eight is that of a pack of two: tracks are streamed, not collected."""
    import tracemalloc

    def peak(count: int) -> int:
        root = tmp_path / str(count)
        root.mkdir()
        add_tracks(root, range(count), seconds=2.0)
        tracemalloc.start()
        run(root)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    monkeypatch.setattr(stage, "_PACK", 100)
    peak(1)
    assert peak(8) < 1.25 * peak(2)


def test_same_bytes_as_decoding_and_computing_by_hand(tmp_path: Path) -> None:
    """What `predict` and the service do: decode the file, call the front end of the store's spec."""
    from musicgenre.audio import decode_bytes
    from musicgenre.features.frontend import FrontEnd

    add_tracks(tmp_path, range(1))
    run(tmp_path)
    store = FeatureStore.open(tmp_path / "data/features/mel")
    spec = FrontEnd.from_dict(store.spec["front_end"])
    assert spec.feature_id == store.spec["feature_id"]
    signal_ = decode_bytes((tmp_path / "set/a/00.wav").read_bytes(), rate=spec.sample_rate, limits=DATASET.audio)
    assert np.array_equal(spec.compute(signal_.samples, ["mel"])["mel"], store.track("a/00"))
