"""What every source promises, and what a folder of anyone's can look like."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from musicgenre.dataset import sources
from musicgenre.dataset.sources.base import SourceFile, list_files
from musicgenre.errors import DatasetError
from musicgenre.layout import Layout
from musicgenre.params import DatasetParams

FMA_HEAD = [",album,artist,artist,set,set,track", ",id,id,name,split,subset,genre_top", "track_id,,,,,,"]


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def a_folder(root: Path) -> Path:
    return touch(root, "calm/a.wav", "calm/b.flac", "loud/c.ogg", "loud/d.mp3")


def a_gtzan(root: Path) -> Path:
    return touch(
        root, "genres/blues/blues.00000.wav", "genres/jazz/jazz.00054.au", "genres/jazz/jazz.99999.wav", "genres/bextract_single.mf"
    )


def an_fma(root: Path, name: str = "fma_small") -> Path:
    rows = [
        *FMA_HEAD,
        "2,1,7,Anna,training,small,Rock",
        '5,1,8,"Ben, the second",test,small,Hip-Hop',
        "141,1,7,Anna,training,small,Rock",
        "10,1,9,Cy,training,medium,Pop",
        "20,1,9,Cy,training,large,Folk",
        "30,1,9,Cy,training,small,",
    ]
    touch(
        root, f"{name}/000/000002.mp3", f"{name}/000/000005.mp3", f"{name}/000/000010.mp3", f"{name}/000/000020.mp3", f"{name}/README.txt"
    )
    (root / "fma_metadata").mkdir()
    (root / "fma_metadata/tracks.csv").write_text("\n".join(rows) + "\n")
    return root


SAMPLES: dict[str, Callable[[Path], Path]] = {
    "demo": a_folder,
    "folder": a_folder,
    "gtzan": a_gtzan,
    "fma_small": an_fma,
    "fma_medium": lambda root: an_fma(root, "fma_medium"),
}


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a source opened a connection")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)


# --- the contract, for each source ---------------------------------------------------------------


def test_params_offer_the_sources_there_are() -> None:
    allowed = DatasetParams.model_fields["source"].annotation
    assert set(sources.names()) == set(allowed.__args__) == set(SAMPLES)  # type: ignore[union-attr]  # a Literal has them


@pytest.mark.parametrize("name", sources.names())
def test_a_source_states_what_it_is_and_under_which_terms(name: str) -> None:
    source = sources.get(name)
    assert source.name == name
    assert len(source.title) > 5
    assert len(source.citation) > 30
    assert len(source.licence) > 10
    lengths = {"md5": 32, "sha1": 40, "sha256": 64}
    for remote in source.remotes:
        assert remote.urls
        assert len(remote.digest) == lengths[remote.algorithm]
        assert int(remote.digest, 16) > 0
    assert len({remote.name for remote in source.remotes}) == len(source.remotes)


@pytest.mark.parametrize("name", sources.names())
def test_files_are_sorted_unique_and_exist(name: str, tmp_path: Path, no_network: None) -> None:
    root = SAMPLES[name](tmp_path)
    files = sources.get(name).files(root)
    assert len({file.genre for file in files}) >= 2
    ids = [file.track_id for file in files]
    assert ids == sorted(set(ids))
    for file in files:
        assert isinstance(file, SourceFile)
        assert file.path.is_file()
        assert root in file.path.parents
        assert "\\" not in file.track_id
        assert not file.track_id.startswith("/")


@pytest.mark.parametrize("name", sources.names())
@pytest.mark.parametrize("state", ["absent", "empty", "a file"])
def test_an_unusable_folder_is_an_error_that_names_it_and_the_next_step(name: str, state: str, tmp_path: Path, no_network: None) -> None:
    root = tmp_path / "here"
    if state == "empty":
        root.mkdir()
    elif state == "a file":
        root.write_text("no folder")
    with pytest.raises(DatasetError) as caught:
        sources.get(name).files(root)
    assert str(root) in str(caught.value)
    assert {"absent": "not there", "empty": "empty", "a file": "a file"}[state] in str(caught.value)
    assert "Run `musicgenre" in str(caught.value) or "<genre>/<track>" in str(caught.value)


@pytest.mark.parametrize("name", sources.names())
def test_the_index_is_held_against_the_folder(name: str, tmp_path: Path, no_network: None) -> None:
    source = sources.get(name)
    root = SAMPLES[name](tmp_path)
    audit = source.audit(root)
    if source.index(root) is None:
        assert audit is None
        assert not source.remotes, "a source that can be fetched has an index"
        return
    assert audit is not None
    assert audit.missing
    assert not audit.complete
    assert f"{len(audit.missing)} missing" in audit.words()[0]
    assert audit.found == len(source.files(root))


@pytest.mark.parametrize("name", [name for name in sources.names() if name != "demo"])
def test_prepare_checks_the_folder_and_leaves_a_marker(name: str, tmp_path: Path, no_network: None) -> None:
    SAMPLES[name](tmp_path / "music")
    layout = Layout(tmp_path / "project")
    params = DatasetParams(source=name, path=str(tmp_path / "music"))  # type: ignore[arg-type]  # from names()
    done = sources.prepare(params, layout)
    assert done.files == len(list_files(params, layout))
    assert done.genres == tuple(sorted(done.genres))
    marker = (layout.demo / "README.txt").read_text()
    assert "not in use" in marker
    assert name in marker
    assert [path.name for path in layout.demo.iterdir()] == ["README.txt"]


@pytest.mark.parametrize("name", [name for name in sources.names() if name != "demo"])
def test_prepare_refuses_to_read_where_it_writes(name: str, tmp_path: Path) -> None:
    SAMPLES[name](tmp_path / "data/demo")
    with pytest.raises(DatasetError, match="where the demo set lives"):
        sources.prepare(DatasetParams(source=name), Layout(tmp_path))  # type: ignore[arg-type]  # from names()
    assert len(list((tmp_path / "data/demo").rglob("*"))) > 2, "nothing was deleted"


def test_an_unknown_source_is_named() -> None:
    with pytest.raises(DatasetError, match="No source 'spotify'; there are demo, folder"):
        sources.get("spotify")


# --- folders ------------------------------------------------------------------------------------


def files_of(root: Path) -> dict[str, SourceFile]:
    return {file.track_id: file for file in sources.get("folder").files(root)}


def test_paths_are_relative_to_the_project_where_the_parameter_is(tmp_path: Path) -> None:
    a_folder(tmp_path / "mine")
    (relative, *_) = list_files(DatasetParams(source="folder", path="mine"), Layout(tmp_path))
    assert relative.path == Path("mine/calm/a.wav")
    (absolute, *_) = list_files(DatasetParams(source="folder", path=str(tmp_path / "mine")), Layout(Path("elsewhere")))
    assert absolute.path == tmp_path / "mine/calm/a.wav"


def test_a_shared_id_keeps_the_suffix(tmp_path: Path) -> None:
    touch(tmp_path, "calm/a.wav", "calm/a.mp3", "loud/blues.00001.ogg", "loud/blues.00002.ogg")
    assert set(files_of(tmp_path)) == {"calm/a.wav", "calm/a.mp3", "loud/blues.00001", "loud/blues.00002"}


def test_subfolders_hidden_files_companions_and_strange_suffixes(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "calm/album/one.wav",
        "calm/.hidden.wav",
        "calm/cover.jpg",
        "calm/notes.txt",
        "loud/odd.xyz",
        "loud/UPPER.WAV",
        ".git/x/y.wav",
    )
    assert set(files_of(tmp_path)) == {"calm/album/one", "loud/odd", "loud/UPPER"}


def test_links_are_followed_and_loops_are_not(tmp_path: Path) -> None:
    touch(tmp_path / "store", "a.wav", "b.wav")
    (tmp_path / "music").mkdir()
    (tmp_path / "music/calm").symlink_to(tmp_path / "store")
    touch(tmp_path / "music", "loud/c.wav")
    (tmp_path / "music/loud/again").symlink_to(tmp_path / "music/loud")
    assert set(files_of(tmp_path / "music")) == {"calm/a", "calm/b", "loud/c"}


def test_one_genre_no_genre_and_loose_files_are_told_apart(tmp_path: Path) -> None:
    touch(tmp_path / "one", "calm/a.wav", "loud/readme.txt")
    with pytest.raises(DatasetError, match=r"one genre only \(calm\)"):
        files_of(tmp_path / "one")
    touch(tmp_path / "loose", "a.wav", "b.wav")
    with pytest.raises(DatasetError, match="2 audio files but no genre folders"):
        files_of(tmp_path / "loose")
    (tmp_path / "hollow/calm").mkdir(parents=True)
    with pytest.raises(DatasetError, match="1 folders and no audio file in them"):
        files_of(tmp_path / "hollow")


@pytest.mark.skipif(os.name != "posix", reason="other systems do not allow such names")
def test_a_name_that_is_not_utf8_is_an_error_that_shows_it(tmp_path: Path) -> None:
    a_folder(tmp_path)
    try:
        (tmp_path / os.fsdecode(b"calm/\xff.wav")).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system refuses such names")
    with pytest.raises(DatasetError, match=r"udcff.*not valid UTF-8"):
        files_of(tmp_path)


@pytest.mark.parametrize(
    "table",
    [
        "path,artist\ncalm/a.wav,Ada\nloud/c.ogg,Bob\n",
        "filename;album;year\na.wav;Ada;1999\nc;Bob;2001\n",
        "﻿track_id\tArtist\tAlbum\ncalm/a\tAda\tX\nloud/c\t\tBob\n",
        'file,artist\n./calm/a.wav,"Ada"\nloud\\c.ogg,Bob\n',
    ],
)
def test_metadata_in_the_ways_people_write_it(table: str, tmp_path: Path) -> None:
    a_folder(tmp_path)
    (tmp_path / "metadata.csv").write_text(table, encoding="utf-8")
    groups = {key: file.group for key, file in files_of(tmp_path).items()}
    assert groups == {"calm/a": "Ada", "calm/b": None, "loud/c": "Bob", "loud/d": None}


def test_metadata_that_fits_nothing_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    a_folder(tmp_path)
    (tmp_path / "metadata.csv").write_text("path,artist\ncalm/a.wav,Ada\ncalm/typo.wav,Ada\n")
    files_of(tmp_path)
    assert "names 1 tracks that are not there: calm/typo.wav" in caplog.text
    assert "says nothing about 3 of 4 files" in caplog.text


def test_names_in_other_unicode_forms_match(tmp_path: Path) -> None:
    touch(tmp_path, "calm/cafe\u0301.wav", "loud/c.wav")
    (tmp_path / "metadata.csv").write_text("path,artist\ncalm/caf\u00e9.wav,Ada\nloud/c.wav,Bob\n", encoding="utf-8")
    assert [file.group for file in files_of(tmp_path).values()] == ["Ada", "Bob"]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("path,artist\ncalm/a.wav,Ada\ncalm/a.wav,Bob\n", r"line 3: 'calm/a.wav' has two groups, 'Ada' and 'Bob'"),
        ("name,year\nx,1\n", r"found the columns 'name', 'year'; one of path, file, .* and one of artist, album"),
        ("path,artist\nsame.wav,Ada\n", r"'same.wav' fits .* and .*Use paths"),
    ],
)
def test_metadata_that_cannot_be_right_is_an_error(table: str, words: str, tmp_path: Path) -> None:
    touch(a_folder(tmp_path), "calm/same.wav", "loud/same.wav")
    (tmp_path / "metadata.csv").write_text(table)
    with pytest.raises(DatasetError, match=words):
        files_of(tmp_path)


def test_metadata_in_another_encoding_is_an_error(tmp_path: Path) -> None:
    a_folder(tmp_path)
    (tmp_path / "metadata.csv").write_bytes("path,artist\ncalm/a.wav,Zo\xeb\n".encode("latin-1"))
    with pytest.raises(DatasetError, match="is not UTF-8"):
        files_of(tmp_path)


# --- published sets --------------------------------------------------------------------------------


@pytest.mark.parametrize("below", ["", "genres", "genres_original", "Data/genres_original"])
@pytest.mark.parametrize("suffix", ["au", "wav"])
def test_gtzan_in_the_layouts_in_circulation(below: str, suffix: str, tmp_path: Path) -> None:
    base = tmp_path / below
    touch(base, f"blues/blues.00000.{suffix}", f"rock/rock.00016.{suffix}", "images/blues.png")
    touch(tmp_path, "features_30_sec.csv", "images_original/blues/blues00000.png")
    files = sources.get("gtzan").files(tmp_path)
    assert [(file.track_id, file.genre) for file in files] == [("blues/blues.00000", "blues"), ("rock/rock.00016", "rock")]


def test_gtzan_mini_is_held_against_the_thousand(gtzan_mini: Path) -> None:
    audit = sources.get("gtzan").audit(gtzan_mini)
    assert audit is not None
    assert audit.expected == 1000
    assert audit.found + len(audit.missing) - len(audit.extra) == 1000
    assert not audit.extra


def test_gtzans_published_lists_have_the_pinned_hashes(gtzan_index: Path) -> None:
    from musicgenre.dataset.sources.download import digest
    from musicgenre.dataset.sources.gtzan import OFFICIAL_LISTS

    assert {name: digest(gtzan_index / name, "sha256") for name in OFFICIAL_LISTS} == OFFICIAL_LISTS


def test_fma_reads_genre_and_artist_from_its_table(tmp_path: Path) -> None:
    small = sources.get("fma_small").files(an_fma(tmp_path))
    assert [(file.track_id, file.genre, file.group) for file in small] == [
        ("000/000002", "Rock", "Anna [7]"),
        ("000/000005", "Hip-Hop", "Ben, the second [8]"),
    ]
    audit = sources.get("fma_small").audit(tmp_path)
    assert audit is not None
    assert audit.missing == ("000/000141",)


def test_fma_medium_holds_small(tmp_path: Path) -> None:
    files = sources.get("fma_medium").files(an_fma(tmp_path, "fma_medium"))
    assert [file.genre for file in files] == ["Rock", "Hip-Hop", "Pop"]


def test_fma_without_its_table_says_what_is_needed(tmp_path: Path) -> None:
    touch(tmp_path, "000/000002.mp3")
    with pytest.raises(DatasetError, match=r"fma_metadata/tracks.csv is not there"):
        sources.get("fma_small").files(tmp_path)
    touch(tmp_path, "fma_metadata/tracks.csv")
    with pytest.raises(DatasetError, match=r"is not FMA's tracks.csv"):
        sources.get("fma_small").files(tmp_path)
