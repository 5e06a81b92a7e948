"""Recordings are recognised through what files go through, and different ones are not."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile as sf
import soxr

from musicgenre.audio import PlainLimits, decode_bytes
from musicgenre.dataset import fingerprint
from musicgenre.dataset.recordings import Match, bit_error, find_matches, recordings

LIMITS = PlainLimits()
RATE = 22_050


def piece(seed: int, seconds: float = 12.0) -> np.ndarray:
    """float32 [n]: chords of decaying harmonics over noise bursts, different for each seed."""
    rng = np.random.default_rng(seed)
    out = np.zeros(int(seconds * RATE))
    t = np.arange(int(0.9 * RATE)) / RATE
    for start in np.arange(0, seconds - 1, rng.uniform(0.2, 0.45)):
        at = int(start * RATE)
        for base in rng.choice(np.geomspace(110, 880, 25), 3, replace=False):
            tone = sum(np.sin(2 * np.pi * base * h * t + rng.uniform(0, 6)) / h for h in range(1, 7))
            out[at : at + len(t)] += tone * np.exp(-t * rng.uniform(2, 8))
        out[at : at + 2_000] += rng.normal(0, 1, 2_000) * np.exp(-np.arange(2_000) / 300)
    return (0.3 * out / np.abs(out).max()).astype(np.float32)


def words(samples: np.ndarray, rate: int = RATE) -> np.ndarray:
    return fingerprint.words(soxr.resample(samples.astype(np.float32), rate, fingerprint.RATE))


def through(samples: np.ndarray, form: str, rate: int = RATE, **options: object) -> np.ndarray:
    """Words of `samples` after encoding."""
    out = io.BytesIO()
    sf.write(out, samples, rate, format=form, **options)
    return fingerprint.words(decode_bytes(out.getvalue(), rate=fingerprint.RATE, limits=LIMITS).samples)


PIECES = {seed: piece(seed) for seed in range(4)}
TREATMENTS = {
    "mp3": lambda x: through(x, "MP3"),
    "mp3, little": lambda x: through(x, "MP3", compression_level=0.9, bitrate_mode="CONSTANT"),
    "ogg": lambda x: through(x, "OGG", compression_level=0.4),
    "+6 dB": lambda x: through(2 * x, "FLAC"),
    "-6 dB, ogg": lambda x: through(x / 2, "OGG"),
    "2 s later, mp3": lambda x: through(x[2 * RATE + 77 :], "MP3"),
    "7 s of it, ogg": lambda x: through(x[3 * RATE : 10 * RATE], "OGG"),
    "8 kHz": lambda x: through(soxr.resample(x, RATE, 8_000), "WAV", 8_000),
    "48 kHz stereo": lambda x: through(np.stack([soxr.resample(x, RATE, 48_000)] * 2, axis=1), "FLAC", 48_000),
}


@pytest.fixture(scope="module")
def originals() -> list[np.ndarray]:
    return [words(x) for x in PIECES.values()]


@pytest.mark.parametrize("name", TREATMENTS)
def test_every_piece_is_found_again_and_no_other(name: str, originals: list[np.ndarray]) -> None:
    treated = [TREATMENTS[name](x) for x in PIECES.values()]
    found = find_matches(originals + treated)
    assert sorted((m.first, m.second) for m in found) == [(i, i + len(PIECES)) for i in range(len(PIECES))]
    start = 2.0 if name.startswith("2 s") else 3.0 if name.startswith("7 s") else 0.0
    assert all(m.offset_s == pytest.approx(start, abs=0.1) for m in found)


def test_different_pieces_differ_in_nearly_half_of_their_bits_at_every_offset(originals: list[np.ndarray]) -> None:
    a, b = originals[:2]
    assert min(bit_error(a, b, offset)[0] for offset in range(-300, 300, 3)) > 0.4


def test_silence_and_short_sounds_match_nothing() -> None:
    silent = fingerprint.words(np.zeros(60_000, np.float32))
    assert len(silent) and not silent.any()
    short = fingerprint.words(piece(1, 2.0)[:6_000])
    assert find_matches([silent, silent, short, short, np.zeros(0, np.uint32)]) == []
    assert fingerprint.digest(np.zeros(0, np.uint32)) == ""


def test_a_word_in_common_is_not_a_copy() -> None:
    rng = np.random.default_rng(2)
    for shared in range(4):
        tracks = [rng.integers(1, 2**32, 300, dtype=np.uint32) for _ in range(6)]
        common = rng.integers(1, 2**32, shared, dtype=np.uint32)
        for track in tracks:
            track[rng.choice(300, shared, replace=False)] = common
        assert find_matches(tracks) == []


def test_a_common_loop_unites_nothing_and_costs_little() -> None:
    # 400 tracks hold the same second, as tracks made from one sample pack do.
    rng = np.random.default_rng(3)
    loop = rng.integers(1, 2**32, 47, dtype=np.uint32)
    tracks = [
        np.concatenate([rng.integers(1, 2**32, 200, dtype=np.uint32), loop, rng.integers(1, 2**32, 200, dtype=np.uint32)])
        for _ in range(400)
    ]
    assert find_matches(tracks) == []


def test_large_groups_are_connected_without_all_pairs() -> None:
    rng = np.random.default_rng(4)
    recording = rng.integers(1, 2**32, 500, dtype=np.uint32)
    copies = []
    for _ in range(150):
        copy = recording.copy()
        hit = rng.random(500) < 0.5
        copy[hit] ^= np.uint32(1) << rng.integers(0, 32, int(hit.sum()), dtype=np.uint32)
        copies.append(copy[rng.integers(0, 100) :])
    ids = [f"t{i:03d}" for i in range(150)]
    assert set(recordings(ids, find_matches(copies))) == {"t000"}


def test_recordings_are_named_by_their_smallest_id_whatever_the_order() -> None:
    ids = ["d", "a", "c", "b", "e"]
    match = [Match(0, 2, 0.0, 0.1)]
    assert recordings(ids, match, [[2, 3]]) == ["b", "a", "b", "b", "e"]
