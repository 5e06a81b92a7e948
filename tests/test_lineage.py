"""Identifiers are canonical, and "dirty" means code or parameters, not outputs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from musicgenre.lineage import canonical_hash, dvc_lock_hash, file_sha256, git_state


def test_a_canonical_hash_ignores_order_and_knows_every_number() -> None:
    assert canonical_hash({"a": 1, "b": [1.5, None]}) == canonical_hash({"b": [1.5, None], "a": 1})
    assert canonical_hash({"a": 1}) != canonical_hash({"a": 2})
    assert canonical_hash({"a": 1}) == "015abd7f5cc57a2d"  # sha256 of {"a":1}: the same on any machine
    with pytest.raises(ValueError, match="JSON"):
        canonical_hash(float("inf"))


def test_file_hashes(tmp_path: Path) -> None:
    (tmp_path / "dvc.lock").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    assert file_sha256(tmp_path / "dvc.lock") == known == dvc_lock_hash(tmp_path)
    assert dvc_lock_hash(tmp_path / "nowhere") == ""


def test_git_state(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        subprocess.run(["git", "-C", str(tmp_path), *identity, *words], check=True, capture_output=True)

    assert git_state(tmp_path).commit == ""
    git("init", "-q")
    (tmp_path / "params.yaml").write_text("a: 1")
    (tmp_path / "dvc.lock").write_text("x")
    git("add", "-A")
    git("commit", "-qm", "first")
    state = git_state(tmp_path)
    assert len(state.commit) == 40
    assert not state.dirty
    (tmp_path / "dvc.lock").write_text("y")
    assert not git_state(tmp_path).dirty, "the lock file changes while the pipeline runs"
    (tmp_path / "params.yaml").write_text("a: 2")
    assert git_state(tmp_path).dirty
