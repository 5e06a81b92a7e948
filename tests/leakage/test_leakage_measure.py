"""A leak that is planted is found, named and priced; one that is not there is not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from musicgenre.errors import FeatureError, MissingInput, SplitError
from musicgenre.features.store import StoreWriter
from musicgenre.layout import Layout
from musicgenre.leakage.measure import Leakage, cut_pieces, measure
from musicgenre.leakage.report import draw, tables, write
from musicgenre.leakage.schemes import SCHEMES, Pieces, folds


def pieces(*, track: float, copies: int, artist: float, seed: int = 0, segments: int = 5) -> Pieces:
    """Two genres, eight artists each of four tracks, in noise.

    `track` and `artist` are how strongly segments of a track, and tracks of an artist, resemble each other in ways
    that say nothing about genre; the first `copies` tracks of each genre have a copy by nobody known.
    """
    rng = np.random.default_rng(seed)
    values, owner, genres, groups, names = [], [], [], [], []

    def add(centre: np.ndarray, genre: str, group: str, recording: str) -> None:
        owner.extend([len(genres)] * segments)
        values.append(centre + rng.normal(0, 1, (segments, 20)))
        genres.append(genre)
        groups.append(group)
        names.append(recording)

    for g, genre in enumerate("ab"):
        for a in range(8):
            habit = artist * rng.normal(0, 1, 20)
            for t in range(4):
                centre = habit + track * rng.normal(0, 1, 20)
                centre[0] += 0.8 * (2 * g - 1)
                add(centre, genre, f"{genre}{a}", f"{genre}{a}.{t}")
                if 4 * a + t < copies:
                    add(centre, genre, f"copy of {genre}{a}.{t}", f"{genre}{a}.{t}")
    return Pieces(np.concatenate(values).astype(np.float32), np.array(owner), tuple(genres), tuple(groups), tuple(names))


def found(**kinds: float) -> Leakage:
    return measure(pieces(**{"track": 0.0, "copies": 0, "artist": 0.0, **kinds}), resamples=300, repeats=2)  # type: ignore[arg-type]


def test_without_leaks_all_splits_agree() -> None:
    result = found()
    assert abs(result.worth["all"].value) < 0.08
    assert result.worth["all"].low <= 0 <= result.worth["all"].high


def test_pieces_of_tracks_are_worth_most_where_tracks_are_told_apart_easily() -> None:
    result = found(track=3.0)
    assert result.worth["segments"].low > 0.1
    assert result.shares["segments"] > 0.6
    assert result.segment_accuracy["segments"].value > result.segment_accuracy["tracks"].value + 0.1


def test_artists_are_worth_most_where_artists_have_strong_habits() -> None:
    result = found(artist=3.0)
    assert result.artists_known
    assert result.worth["artists"].low > 0.05
    assert result.shares["artists"] > 0.6


def test_copies_are_worth_something_where_there_are_many() -> None:
    result = found(track=3.0, copies=24)
    assert result.duplicates == 48
    assert result.worth["duplicates"].low > 0.03


def test_no_scheme_parts_what_it_keeps_together() -> None:
    data = pieces(track=1.0, copies=8, artist=1.0)
    for scheme in SCHEMES:
        fold = folds(scheme, data, count=5, seed=1)
        together = {"segments": None, "tracks": range(len(data.genres)), "recordings": data.recordings, "grouped": data.groups}[scheme.name]
        if together is None:
            assert len({tuple(sorted(set(fold[data.owner == track]))) for track in range(len(data.genres))}) > 5
            continue
        names = np.array([str(name) for name in together])[data.owner]
        assert all(len(set(fold[names == name])) == 1 for name in set(names))
        if scheme.name == "grouped":
            recordings = np.array(data.recordings)[data.owner]
            assert all(len(set(fold[recordings == name])) == 1 for name in set(recordings))


def test_where_artists_are_unknown_the_last_two_splits_are_one() -> None:
    data = pieces(track=1.0, copies=0, artist=1.0)
    data = Pieces(data.values, data.owner, data.genres, tuple(map(str, range(len(data.genres)))), data.recordings)
    result = measure(data, resamples=100, repeats=1)
    assert not result.artists_known and result.worth["artists"].value == 0


def test_the_same_seed_gives_the_same_figures() -> None:
    assert found(track=1.0).to_dict() == found(track=1.0).to_dict()


def test_too_many_folds_are_an_error() -> None:
    with pytest.raises(SplitError, match="fewer folds"):
        measure(pieces(track=0, copies=0, artist=0), count=12)


def test_tables_picture_and_file(tmp_path: Path) -> None:
    result = found(track=2.0)
    scores, worth = tables(result)
    assert scores.row_count == 4 and worth.row_count == 4
    folder = write(result, Layout(tmp_path))
    stored = json.loads((folder / "leakage.json").read_text())
    assert stored["worth"]["segments"]["value"] == result.worth["segments"].value
    picture = (folder / "leakage.svg").read_text()
    assert picture.startswith("<?xml") and "http" not in picture.split("<defs>")[1].replace("http://www.w3.org", "")
    draw(result, tmp_path / "leakage.png")
    assert (tmp_path / "leakage.png").read_bytes()[:4] == b"\x89PNG"


def test_pieces_come_from_the_feature_store(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    with pytest.raises(MissingInput, match="musicgenre validate"):
        cut_pieces(layout, kind="mfcc", segment_s=3.0)
    layout.data.mkdir()
    table = pd.DataFrame({"track_id": ["a/1", "b/1"], "genre": ["a", "b"], "group": ["x", "y"], "recording": ["a/1", "b/1"]})
    table.to_parquet(layout.valid)
    with pytest.raises(FeatureError, match="musicgenre features"):
        cut_pieces(layout, kind="mfcc", segment_s=3.0)
    ramp = np.arange(70, dtype=np.float32)[:, None] * np.ones((1, 2), np.float32)
    spec = {"kind": "mfcc", "feature_id": "f", "kind_id": "k", "rate": 10.0, "bands": 2, "dtype": "float32", "front_end": {}}
    with StoreWriter(layout.features("mfcc"), spec) as writer:
        writer.add("a/1", ramp, duration_s=7.0)
        writer.add("b/1", ramp[:12], duration_s=1.2)
    cut = cut_pieces(layout, kind="mfcc", segment_s=3.0)
    assert cut.owner.tolist() == [0, 0, 1] and cut.values.shape == (3, 8)
    assert cut.values[0, 0] == pytest.approx(14.5) and cut.values[1, 0] == pytest.approx(44.5)
    np.testing.assert_allclose(cut.values[:, 4:6], 1.0)  # the mean change from frame to frame
