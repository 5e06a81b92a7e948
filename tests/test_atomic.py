"""Writes happen wholly or not at all."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from musicgenre.atomic import atomic_directory, atomic_path, write_json
from musicgenre.errors import StorageFull


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError("killed")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_write_replaces_and_makes_the_folder(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "a.json"
    write_json(target, {"b": 1})
    write_json(target, {"b": 2})
    assert target.read_text() == '{\n  "b": 2\n}\n'


def test_nan_is_refused_and_the_old_file_stays(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    write_json(target, {"b": 1})
    with pytest.raises(ValueError, match="JSON"):
        write_json(target, {"b": float("nan")})
    assert '"b": 1' in target.read_text()


def test_a_full_disk_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(StorageFull, match="No space left"), atomic_path(tmp_path / "a"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_directory_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with atomic_directory(target) as temporary:
        (temporary / "one").write_text("1")
    with atomic_directory(target) as temporary:
        (temporary / "two").write_text("2")
    assert [item.name for item in target.iterdir()] == ["two"]
    with pytest.raises(RuntimeError), atomic_directory(target) as temporary:
        (temporary / "three").write_text("3")
        raise RuntimeError("killed")
    assert [item.name for item in target.iterdir()] == ["two"]
    assert list(tmp_path.iterdir()) == [target]


def test_a_directory_is_replaced_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from musicgenre import atomic

    target = tmp_path / "folder"
    target.mkdir()
    (target / "old").write_text("1")
    with atomic.atomic_directory(target) as temporary:
        (temporary / "new").write_text("2")
        monkeypatch.setattr(Path, "replace", lambda *_: pytest.fail("two renames leave a moment without the folder"))
    assert [entry.name for entry in target.iterdir()] == ["new"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


def test_a_directory_is_replaced_where_names_cannot_be_swapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from musicgenre import atomic

    monkeypatch.setattr(atomic, "_exchange", lambda *_: False)
    target = tmp_path / "folder"
    target.mkdir()
    (target / "old").write_text("1")
    with atomic.atomic_directory(target) as temporary:
        (temporary / "new").write_text("2")
    assert [entry.name for entry in target.iterdir()] == ["new"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


def test_what_a_killed_writer_left_goes_with_the_next_write_and_what_another_writes_stays(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom musicgenre.atomic import atomic_directory\n"
        "with atomic_directory(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'half').touch()\n    print('inside', flush=True)\n    signal.pause()\n"
    )
    target = tmp_path / "models"
    with subprocess.Popen([sys.executable, "-c", code, str(target)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline()
        with atomic_directory(target) as folder:
            (folder / "whole").touch()
        assert len(list(tmp_path.glob(".tmp-*"))) == 1, "a living writer's work was swept away"
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
        with atomic_directory(target) as folder:
            (folder / "whole").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["models"]
