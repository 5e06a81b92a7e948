"""What no split may ever do, held over random data sets, and what the stage writes."""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from musicgenre.dataset.assignment import SIDES, Side, assign, fold_sides, leaky_sides
from musicgenre.dataset.official import match, read_lists
from musicgenre.dataset.splits import split
from musicgenre.errors import MissingInput, SplitError
from musicgenre.layout import Layout
from musicgenre.params import SplitParams

SHARES = {"validation": 0.2, "test": 0.2}
RANDOM = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


@dataclass(frozen=True)
class Track:
    id: str
    genre: str
    group: str
    recording: str


def columns(tracks: list[Track]) -> tuple[list[str], list[str], list[str], list[str]]:
    return [t.id for t in tracks], [t.genre for t in tracks], [t.group for t in tracks], [t.recording for t in tracks]


def put(tracks: list[Track], *, seed: int = 17, previous: dict[str, Side] | None = None) -> dict[str, Side]:
    return dict(zip((t.id for t in tracks), assign(*columns(tracks), **SHARES, seed=seed, previous=previous), strict=True))


@st.composite
def data_sets(draw: st.DrawFn, least: int = 3) -> list[Track]:
    """Two to six genres, three to twelve artists each of one to five tracks; some copies, some artists in two genres."""
    tracks: list[Track] = []
    for g in range(draw(st.integers(2, 6))):
        for a in range(draw(st.integers(least, 12))):
            for t in range(draw(st.integers(1, 5))):
                name = f"g{g}/a{a:02d}t{t}"
                tracks.append(Track(name, f"g{g}", f"g{g}a{a}", name))
    for i, j in draw(st.lists(st.tuples(st.integers(0, len(tracks) - 1), st.integers(0, len(tracks) - 1)), max_size=4)):
        one, other = tracks[i], tracks[j]
        tracks[j] = Track(other.id, other.genre, other.group, one.recording)
    return tracks


def pieces(tracks: list[Track]) -> list[set[int]]:
    """Connected components by brute force, independent of the code under test."""
    sets = [{i} for i in range(len(tracks))]
    for i, a in enumerate(tracks):
        for j in range(i):
            if a.group == tracks[j].group or a.recording == tracks[j].recording:
                one, other = next(s for s in sets if i in s), next(s for s in sets if j in s)
                if one is not other:
                    one |= other
                    sets.remove(other)
    return sets


def enough(tracks: list[Track]) -> bool:
    count = Counter(genre for piece in pieces(tracks) for genre in {tracks[i].genre for i in piece})
    return min(count.values()) >= 3


@RANDOM
@given(data_sets())
def test_no_group_and_no_recording_ever_crosses(tracks: list[Track]) -> None:
    if not enough(tracks):
        with pytest.raises(SplitError, match="at least 3 artists"):
            put(tracks)
        return
    sides = put(tracks)
    for key in ("group", "recording"):
        where: defaultdict[str, set[str]] = defaultdict(set)
        for track in tracks:
            where[getattr(track, key)].add(sides[track.id])
        assert all(len(found) == 1 for found in where.values())
    assert set(sides.values()) <= set(SIDES)


@RANDOM
@given(data_sets(), st.randoms(use_true_random=False))
def test_the_result_depends_on_neither_order_nor_time(tracks: list[Track], random: object) -> None:
    if not enough(tracks):
        return
    shuffled = list(tracks)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis types its random as object
    assert put(tracks) == put(tracks) == put(shuffled)


@RANDOM
@given(data_sets(), data_sets(least=1), st.integers(0, 5))
def test_adding_tracks_moves_none_from_test_to_train(tracks: list[Track], more: list[Track], links: int) -> None:
    if not enough(tracks):
        return
    before = put(tracks)
    # New tracks by old and new artists, some of them copies that join what was apart.
    extra = [
        Track(f"new/{t.id}", t.genre, t.group, tracks[n % len(tracks)].recording if n < links else f"new/{t.id}")
        for n, t in enumerate(more)
    ]
    after = put(tracks + extra, previous=before) if enough(tracks + extra) else before
    for track, side in before.items():
        allowed = {"test": {"test"}, "validation": {"validation", "test"}, "train": {"train", "validation", "test"}}[side]
        assert after[track] in allowed
    if links == 0:
        assert {track: after[track] for track in before} == before


@RANDOM
@given(st.integers(2, 8), st.integers(5, 40), st.integers(1, 3), st.integers(0, 50))
def test_sizes_are_within_two_points_where_groups_allow_it(genres: int, artists: int, size: int, seed: int) -> None:
    tracks = [
        Track(f"g{g}/{a}.{t}", f"g{g}", f"g{g}a{a}", f"g{g}/{a}.{t}") for g in range(genres) for a in range(artists) for t in range(size)
    ]
    sides = Counter(put(tracks, seed=seed).values())
    unit = 1 / (genres * artists)  # a whole artist, the least that can be moved
    for side, share in {"train": 0.6, **SHARES}.items():
        assert abs(sides[side] / len(tracks) - share) <= max(0.02, unit)
    by_genre = Counter((t.genre, side) for t, side in zip(tracks, put(tracks, seed=seed).values(), strict=True))
    for g in range(genres):
        for side, share in {"train": 0.6, **SHARES}.items():
            assert abs(by_genre[f"g{g}", side] / (artists * size) - share) <= 1.5 / artists
            assert by_genre[f"g{g}", side] > 0


def demo(artists: int = 10, per_artist: int = 3, genres: int = 10) -> list[Track]:
    return [
        Track(f"g{g}/a{a}t{t}", f"g{g}", f"g{g}a{a}", f"g{g}/a{a}t{t}")
        for g in range(genres)
        for a in range(artists)
        for t in range(per_artist)
    ]


def test_the_demo_set_is_split_exactly() -> None:
    assert Counter(put(demo()).values()) == {"train": 180, "validation": 60, "test": 60}


def test_another_seed_is_another_split() -> None:
    assert put(demo(), seed=1) != put(demo(), seed=2)


def test_stability_holds_mostly_even_when_the_memory_is_lost() -> None:
    small, large = demo(20), demo(22)
    before, after = put(small), put(large)
    moved = sum(before[track] == "test" and after[track] == "train" for track in before)
    assert moved == 0


def test_an_artist_in_two_genres_stays_together() -> None:
    tracks = demo(6)
    tracks = [Track(t.id, t.genre, "both" if t.group in ("g0a0", "g1a0") else t.group, t.recording) for t in tracks]
    sides = put(tracks)
    assert len({sides[t.id] for t in tracks if t.group == "both"}) == 1


def test_too_few_artists_are_named() -> None:
    tracks = [t for t in demo(4) if t.genre != "g3" or t.group in ("g3a0", "g3a1")]
    with pytest.raises(SplitError, match="g3 has 2"):
        put(tracks)


@RANDOM
@given(data_sets(least=5), st.integers(3, 5))
def test_folds_test_every_track_once_and_tear_nothing_apart(tracks: list[Track], folds: int) -> None:
    count = Counter(genre for piece in pieces(tracks) for genre in {tracks[i].genre for i in piece})
    if min(count.values()) < folds:
        with pytest.raises(SplitError, match=f"at least {folds} artists"):
            fold_sides(*columns(tracks)[1:], folds=folds, fold=0, seed=1)
        return
    rounds = [fold_sides(*columns(tracks)[1:], folds=folds, fold=fold, seed=1) for fold in range(folds)]
    for per_track in zip(*rounds, strict=True):
        assert Counter(per_track) == {"test": 1, "validation": 1, "train": folds - 2}
    for sides in rounds:
        for piece in pieces(tracks):
            assert len({sides[i] for i in piece}) == 1


def test_a_fold_beyond_the_folds_is_an_error() -> None:
    with pytest.raises(SplitError, match=r"split\.fold is 5"):
        fold_sides(*columns(demo())[1:], folds=5, fold=5, seed=1)


def test_the_leaky_way_does_tear_artists_apart() -> None:
    tracks = demo()
    sides = leaky_sides([t.id for t in tracks], [t.genre for t in tracks], **SHARES, seed=1)
    torn = {
        t.group for t, a in zip(tracks, sides, strict=True) for u, b in zip(tracks, sides, strict=True) if t.group == u.group and a != b
    }
    assert len(torn) > 50


def write_valid(layout: Layout, tracks: list[Track]) -> None:
    layout.data.mkdir(exist_ok=True)
    table = pd.DataFrame(
        [{"track_id": t.id, "genre": t.genre, "group": t.group, "recording": t.recording, "pcm_sha256": f"pcm {t.id}"} for t in tracks]
    )
    table.astype("string").to_parquet(layout.valid)


def test_the_stage_writes_the_contract_and_remembers(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    with pytest.raises(MissingInput, match="musicgenre validate"):
        split(SplitParams(), layout)
    write_valid(layout, demo())
    first = split(SplitParams(), layout)
    assert first.sizes == {"train": 180, "validation": 60, "test": 60} and first.kept == 0 and first.crossing == 0
    table = pd.read_parquet(layout.splits)
    assert list(table.columns) == ["track_id", "genre", "group", "recording", "split"]
    assert table["track_id"].is_monotonic_increasing
    # DVC removes the output before a stage runs: the memory is elsewhere.
    layout.splits.unlink()
    write_valid(layout, demo(13))
    assert split(SplitParams(), layout).kept == 300
    grown = pd.read_parquet(layout.splits).set_index("track_id")["split"]
    assert (grown.loc[table["track_id"]].to_numpy() == table["split"].to_numpy()).all()
    assert Counter(grown) == pytest.approx({"train": 234, "validation": 78, "test": 78}, abs=8)
    assert split(SplitParams(seed=3), layout).kept == 0  # other parameters, another memory
    shutil.rmtree(layout.work)
    assert split(SplitParams(), layout).kept == 0


def test_renamed_files_keep_their_side(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    write_valid(layout, demo())
    split(SplitParams(), layout)
    before = pd.read_parquet(layout.splits)["split"].tolist()
    table = pd.read_parquet(layout.valid)
    table["track_id"] = "renamed-" + table["track_id"]
    table["group"] = "renamed-" + table["group"]
    table.to_parquet(layout.valid)
    split(SplitParams(), layout)
    assert pd.read_parquet(layout.splits)["split"].tolist() == before


def gtzan(names: set[str]) -> list[Track]:
    return [Track(name, name.split("/")[0], name, name) for name in sorted(names)]


def test_the_official_split_is_the_published_one(gtzan_index: Path, tmp_path: Path) -> None:
    lists = read_lists(gtzan_index)
    assert lists.verified and {side: len(tracks) for side, tracks in lists.sides.items()} == {"train": 443, "validation": 197, "test": 290}
    listed = {track for tracks in lists.sides.values() for track in tracks}
    layout = Layout(tmp_path)
    # The odd mirror lacks jazz.00054, and everyone has faulty tracks that are on no list.
    write_valid(layout, gtzan((listed | {"rock/rock.00100"}) - {"jazz/jazz.00054"}))
    summary = split(SplitParams(policy="official", lists=str(gtzan_index)), layout)
    assert summary.missing == ("jazz/jazz.00054",) and summary.extra == ("rock/rock.00100",)
    assert sum(summary.sizes.values()) == 929 and summary.crossing == 0


def test_a_list_that_is_not_the_published_one_is_refused(gtzan_index: Path, tmp_path: Path) -> None:
    for name in ("train_filtered.txt", "valid_filtered.txt", "test_filtered.txt"):
        (tmp_path / name).write_bytes((gtzan_index / name).read_bytes())
    with (tmp_path / "test_filtered.txt").open("a") as handle:
        handle.write("rock/rock.00100.wav\n")
    with pytest.raises(SplitError, match=r"test_filtered\.txt: its SHA-256"):
        read_lists(tmp_path)


def test_ones_own_lists_need_no_hash_but_one_side_a_track(tmp_path: Path) -> None:
    for name, lines in {"train.txt": "a/1.mp3\nb/1.mp3\n", "validation.txt": "a/2.mp3\nb/2.mp3\n", "test.txt": "a/3\nb/3.flac\n"}.items():
        (tmp_path / name).write_text(lines)
    lists = read_lists(tmp_path)
    assert not lists.verified
    matched = match(lists, ["x/a/1", "a/2", "a/3.wav", "b/1", "b/2"])
    assert matched.sides == ("train", "validation", "test", "train", "validation") and matched.missing == ("b/3",)
    (tmp_path / "test.txt").write_text("a/1\n")
    with pytest.raises(SplitError, match="more than once: a/1"):
        read_lists(tmp_path)
    with pytest.raises(SplitError, match="no split lists"):
        read_lists(tmp_path / "nowhere")


def test_official_without_lists_names_the_key(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    write_valid(layout, demo())
    with pytest.raises(SplitError, match=r"split\.lists"):
        split(SplitParams(policy="official"), layout)
