"""Fetching against a server of our own that cuts, refuses, lies and resumes."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from musicgenre.dataset import sources
from musicgenre.dataset.sources import download as downloading
from musicgenre.dataset.sources.base import Remote, Source
from musicgenre.dataset.sources.download import download
from musicgenre.dataset.sources.fetch import fetch
from musicgenre.dataset.sources.fma import FmaSmall
from musicgenre.dataset.sources.gtzan import Gtzan
from musicgenre.dataset.sources.unpack import unpack
from musicgenre.errors import FetchError
from musicgenre.layout import Layout

CONTENT = bytes(range(256)) * 8192  # 2 MB


class Server(http.server.BaseHTTPRequestHandler):
    """Serves `files`; `cuts` says after how many bytes the next answers break off."""

    files: ClassVar[dict[str, bytes]] = {}
    cuts: ClassVar[list[int]] = []
    ranges: ClassVar[list[str | None]] = []
    resumes: ClassVar[bool] = True
    fails: ClassVar[list[int]] = []

    def do_GET(self) -> None:
        type(self).ranges.append(self.headers.get("Range"))
        if self.fails:
            self.send_error(self.fails.pop(0))
            return
        body = self.files.get(self.path)
        if body is None:
            self.send_error(404)
            return
        start = 0
        asked = self.headers.get("Range")
        if asked and self.resumes:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(body):
                self.send_error(416)
                return
            self.send_response(206)
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        until = self.cuts.pop(0) if self.cuts else len(body)
        self.wfile.write(body[start : max(start, until)])
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    Server.files, Server.cuts, Server.ranges, Server.resumes, Server.fails = {"/big.bin": CONTENT}, [], [], True, []
    monkeypatch.setattr(downloading, "_PAUSE_S", 0.0)
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()


def remote(*urls: str, digest: str | None = None, name: str = "big.bin") -> Remote:
    return Remote(name, urls, "sha256", digest or hashlib.sha256(CONTENT).hexdigest())


def test_a_cut_connection_is_resumed_where_it_broke(server: str, tmp_path: Path) -> None:
    Server.cuts = [700_000, 1_500_000]
    path = download(remote(f"{server}/big.bin"), tmp_path, quiet=True)
    assert path.read_bytes() == CONTENT
    assert Server.ranges == [None, "bytes=700000-", "bytes=1500000-"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["big.bin"]


def test_a_process_that_gave_up_is_continued_by_the_next(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloading, "_ATTEMPTS", 1)
    Server.cuts = [900_000]
    with pytest.raises(FetchError, match="Run the command again to go on from where it stopped"):
        download(remote(f"{server}/big.bin"), tmp_path, quiet=True)
    assert (tmp_path / "big.bin.part").stat().st_size == 900_000
    download(remote(f"{server}/big.bin"), tmp_path, quiet=True)
    assert Server.ranges[-1] == "bytes=900000-"
    assert (tmp_path / "big.bin").read_bytes() == CONTENT


def test_a_killed_process_leaves_a_part_that_the_next_one_uses(server: str, tmp_path: Path) -> None:
    code = (
        "import sys, os, pathlib\n"
        "from musicgenre.dataset.sources import download as d\n"
        "from musicgenre.dataset.sources.base import Remote\n"
        "old = d._body\n"
        "def body(response):\n"
        "    for count, chunk in enumerate(old(response)):\n"
        "        if count == 3: os.kill(os.getpid(), 9)\n"
        "        yield chunk\n"
        "d._body = body\n"
        f"d.download(Remote('big.bin', ('{server}/big.bin',), 'sha256', '{'0' * 64}'), pathlib.Path(sys.argv[1]), quiet=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, timeout=60)
    assert done.returncode == -9
    kept = (tmp_path / "big.bin.part").stat().st_size
    assert 0 < kept < len(CONTENT)
    assert download(remote(f"{server}/big.bin"), tmp_path, quiet=True).read_bytes() == CONTENT
    assert Server.ranges[-1] == f"bytes={kept}-"


def test_a_server_that_cannot_resume_starts_over(server: str, tmp_path: Path) -> None:
    Server.cuts, Server.resumes = [300_000], False
    assert download(remote(f"{server}/big.bin"), tmp_path, quiet=True).read_bytes() == CONTENT


def test_a_part_of_another_file_is_thrown_away_not_trusted(server: str, tmp_path: Path) -> None:
    (tmp_path / "big.bin.part").write_bytes(b"x" * 1000)
    assert download(remote(f"{server}/big.bin"), tmp_path, quiet=True).read_bytes() == CONTENT
    (tmp_path / "big.bin").unlink()
    (tmp_path / "big.bin.part").write_bytes(CONTENT + b"too long")
    assert download(remote(f"{server}/big.bin"), tmp_path, quiet=True).read_bytes() == CONTENT


def test_a_wrong_hash_is_refused_and_nothing_is_kept(server: str, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=f"sha256 is {hashlib.sha256(CONTENT).hexdigest()}, published is {'1' * 64}"):
        download(remote(f"{server}/big.bin", digest="1" * 64), tmp_path, quiet=True)
    assert not list(tmp_path.iterdir())


def test_the_next_mirror_is_tried(server: str, tmp_path: Path) -> None:
    assert download(remote(f"{server}/gone.bin", f"{server}/big.bin"), tmp_path, quiet=True).is_file()


def test_a_busy_server_is_asked_again(server: str, tmp_path: Path) -> None:
    Server.fails = [503, 429]
    assert download(remote(f"{server}/big.bin"), tmp_path, quiet=True).is_file()
    assert len(Server.ranges) == 3


def test_no_mirror_at_all_names_every_reason(server: str, tmp_path: Path) -> None:
    with pytest.raises(FetchError) as caught:
        download(remote(f"{server}/gone.bin", "http://127.0.0.1:9/big.bin"), tmp_path, quiet=True)
    assert "404" in str(caught.value)
    assert "127.0.0.1:9" in str(caught.value)


def test_what_is_there_is_not_downloaded_again(server: str, tmp_path: Path) -> None:
    (tmp_path / "big.bin").write_bytes(CONTENT)
    download(remote("http://127.0.0.1:9/never"), tmp_path, quiet=True)
    (tmp_path / "big.bin").write_bytes(b"rotten")
    assert download(remote(f"{server}/big.bin"), tmp_path, quiet=True).read_bytes() == CONTENT


# --- archives -------------------------------------------------------------------------------------


def tar_of(files: dict[str, bytes], *, mode: str = "w:gz", links: dict[str, str] | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as file:  # type: ignore[call-overload]  # a str is fine at run time
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            file.addfile(info)
    return buffer.getvalue()


def zip_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize("make", [zip_of, tar_of], ids=["zip", "tar"])
@pytest.mark.parametrize("name", ["../evil.txt", "a/../../evil.txt", "/tmp/evil.txt", "..\\evil.txt", "C:/evil.txt"])
def test_a_path_outside_is_refused(make: object, name: str, tmp_path: Path) -> None:
    archive = tmp_path / "bad"
    archive.write_bytes(make({"fine.txt": b"1", name: b"2"}))  # type: ignore[operator]  # one of the two above
    (tmp_path / "in").mkdir()
    with pytest.raises(FetchError, match="outside of the target"):
        unpack(archive, tmp_path / "in", quiet=True)
    assert not (tmp_path / "evil.txt").exists()


def test_links_and_bombs_and_damage_are_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    archive = tmp_path / "link.tar"
    archive.write_bytes(tar_of({}, links={"passwd": "/etc/passwd"}))
    with pytest.raises(FetchError, match="a link or a device"):
        unpack(archive, tmp_path / "in", quiet=True)
    whole = zip_of({"a.bin": CONTENT[:100_000] * 20})
    archive.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FetchError, match="no zip or tar archive"):
        unpack(archive, tmp_path / "in", quiet=True)
    broken = bytearray(zip_of({"a.bin": hashlib.shake_256(b"x").digest(100_000)}))
    broken[5000] ^= 0xFF
    archive.write_bytes(bytes(broken))
    with pytest.raises(FetchError, match="damaged"):
        unpack(archive, tmp_path / "in", quiet=True)
    whole = tar_of({"a.bin": hashlib.shake_256(b"x").digest(400_000)})
    archive.write_bytes(whole[:200_000])
    with pytest.raises(FetchError, match="damaged"):
        unpack(archive, tmp_path / "in", quiet=True)


def test_an_archive_that_announces_absurd_sizes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from musicgenre.dataset.sources import unpack as unpacking

    monkeypatch.setattr(unpacking, "_RATIO", 0)
    archive = tmp_path / "bomb.zip"
    info = zip_of({"zeros.bin": b"\0"})
    archive.write_bytes(info)
    (tmp_path / "in").mkdir()
    monkeypatch.setattr(unpacking, "_zip_members", lambda file, path: iter([unpacking._Member("zeros.bin", 1 << 31, lambda: io.BytesIO())]))
    with pytest.raises(FetchError, match="times its size"):
        unpack(archive, tmp_path / "in", quiet=True)


# --- whole data sets --------------------------------------------------------------------------------

GTZAN_FILES = {
    f"genres/{genre}/{genre}.{number:05d}.wav": f"{genre}{number}".encode() for genre in ("blues", "rock") for number in range(3)
}


@pytest.fixture
def small_gtzan(server: str, monkeypatch: pytest.MonkeyPatch) -> Source:
    """GTZAN with our own archive and index in place of the published ones."""
    archive = tar_of({**GTZAN_FILES, "genres/._blues": b"resource fork"})
    contents = {name: b"altered" if "rock.00002" in name else content for name, content in GTZAN_FILES.items()}
    tracks = {Path(name).stem: {"audio": [f"gtzan_genre/{name}", hashlib.md5(content).hexdigest()]} for name, content in contents.items()}
    index = json.dumps({"version": "1.0", "tracks": tracks})
    Server.files |= {"/genres.tar.gz": archive, "/index": index.encode()}
    remotes = (
        Remote("genres.tar.gz", (f"{server}/genres.tar.gz",), "md5", hashlib.md5(archive).hexdigest()),
        Remote("gtzan_genre_index_1.0.json", (f"{server}/index",), "md5", hashlib.md5(index.encode()).hexdigest(), optional=True),
        Remote("train_filtered.txt", (f"{server}/nowhere",), "sha256", "0" * 64, optional=True),
    )
    monkeypatch.setattr(Gtzan, "remotes", remotes)
    return sources.get("gtzan")


def test_gtzan_is_fetched_verified_unpacked_and_audited(small_gtzan: Source, tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    done = fetch("gtzan", layout, quiet=True)
    assert done.path == str(tmp_path / "data/gtzan")
    assert (done.audit.expected, done.audit.found, len(done.audit.missing)) == (1000, 6, 994)
    assert done.audit.altered == ("rock/rock.00002.wav",)
    assert any("train_filtered.txt: not to be had now" in note and "404" in note for note in done.notes)
    assert len(sources.get("gtzan").files(Path(done.path))) == 6
    assert not list((tmp_path / "data").glob(".tmp-*"))
    before = len(Server.ranges)
    fetch("gtzan", layout, quiet=True)
    assert len(Server.ranges) == before + 1, "only the list that was not to be had is asked for again"


def test_a_damaged_archive_changes_nothing_at_the_target(small_gtzan: Source, tmp_path: Path) -> None:
    target = tmp_path / "data/gtzan/genres/keep.txt"
    target.parent.mkdir(parents=True)
    target.write_text("as it was")
    Server.files["/genres.tar.gz"] += b"!"
    with pytest.raises(FetchError, match="published is"):
        fetch("gtzan", Layout(tmp_path), quiet=True)
    assert target.read_text() == "as it was"


def test_from_the_published_archive(small_gtzan: Source, tmp_path: Path) -> None:
    (tmp_path / "have").mkdir()
    archive = tmp_path / "have/genres.tar.gz"
    archive.write_bytes(Server.files["/genres.tar.gz"])
    for given in (archive, archive.parent):
        done = fetch("gtzan", Layout(tmp_path), given=[given], quiet=True)
        assert done.audit.found == 6
    assert Server.ranges == [], "--from needs no network"
    archive.write_bytes(archive.read_bytes()[:-1])
    with pytest.raises(FetchError, match="damaged or another one"):
        fetch("gtzan", Layout(tmp_path), given=[archive], quiet=True)


def test_from_a_mirrors_zip_and_from_a_folder(small_gtzan: Source, tmp_path: Path) -> None:
    mirror = {name.replace("genres/", "Data/genres_original/"): content for name, content in GTZAN_FILES.items()}
    (tmp_path / "archive.zip").write_bytes(zip_of({**mirror, "Data/features_30_sec.csv": b"x"}))
    done = fetch("gtzan", Layout(tmp_path), given=[tmp_path / "archive.zip"], to=tmp_path / "a", quiet=True)
    assert done.audit.found == 6
    assert "no published archive" in done.notes[0]
    done = fetch("gtzan", Layout(tmp_path), given=[tmp_path / "a"], to=tmp_path / "b", quiet=True)
    assert done.audit.found == 6
    assert (tmp_path / "b/Data/genres_original/blues/blues.00000.wav").read_bytes() == b"blues0"


def test_something_else_is_not_taken_for_the_data_set(small_gtzan: Source, tmp_path: Path) -> None:
    (tmp_path / "other.zip").write_bytes(zip_of({"holiday/beach.jpg": b"x"}))
    with pytest.raises(FetchError, match="What arrived is not GTZAN"):
        fetch("gtzan", Layout(tmp_path), given=[tmp_path / "other.zip"], quiet=True)
    assert not (tmp_path / "data/gtzan").exists()
    (tmp_path / "note.txt").write_text("hello")
    with pytest.raises(FetchError, match="neither a folder nor a zip or tar"):
        fetch("gtzan", Layout(tmp_path), given=[tmp_path / "note.txt"], quiet=True)
    with pytest.raises(FetchError, match="not there"):
        fetch("gtzan", Layout(tmp_path), given=[tmp_path / "absent"], quiet=True)
    with pytest.raises(FetchError, match="nothing to fetch"):
        fetch("folder", Layout(tmp_path), quiet=True)


def test_fma_from_its_two_archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = ",artist,artist,set,track\n,id,name,subset,genre_top\ntrack_id,,,,\n2,7,Anna,small,Rock\n5,8,Ben,small,Folk\n"
    sums = f"{hashlib.sha1(b'two').hexdigest()}  000/000002.mp3\n{'0' * 40}  000/000005.mp3\n"
    music = zip_of({"fma_small/000/000002.mp3": b"two", "fma_small/000/000005.mp3": b"five", "fma_small/checksums": sums.encode()})
    about = zip_of({"fma_metadata/tracks.csv": table.encode(), "fma_metadata/features.csv": b"gigabytes"})
    remotes = tuple(
        Remote(name, ("http://127.0.0.1:9/",), "sha1", hashlib.sha1(content).hexdigest())
        for name, content in (("fma_small.zip", music), ("fma_metadata.zip", about))
    )
    monkeypatch.setattr(FmaSmall, "remotes", remotes)
    (tmp_path / "fma_small.zip").write_bytes(music)
    with pytest.raises(FetchError, match=r"tracks\.csv is not there"):
        fetch("fma_small", Layout(tmp_path), given=[tmp_path / "fma_small.zip"], quiet=True)
    (tmp_path / "fma_metadata.zip").write_bytes(about)
    done = fetch("fma_small", Layout(tmp_path), given=[tmp_path], to=tmp_path / "out", quiet=True)
    assert done.audit.altered == ("000/000005.mp3",)
    assert not done.audit.missing
    assert not (tmp_path / "out/fma_metadata/features.csv").exists()
    assert [file.group for file in sources.get("fma_small").files(tmp_path / "out")] == ["Anna [7]", "Ben [8]"]


def test_the_command_says_where_it_is_and_what_to_set(tmp_path: Path) -> None:
    for name, content in GTZAN_FILES.items():
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).write_bytes(content)
    program = Path(sys.executable).with_name("musicgenre")
    words = [str(program), "fetch", "gtzan", "--from", "mine"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "Licence: None" in done.stdout
    assert "994 missing" in done.stdout
    assert "dataset: {source: gtzan, path: data/gtzan}" in done.stdout
    failed = subprocess.run([*words[:3], "--from", "absent"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert failed.returncode == 1
    assert failed.stderr.strip() == "error: --from absent: not there."
