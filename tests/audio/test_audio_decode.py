"""The one way in: formats, limits, faults."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from musicgenre import errors
from musicgenre.audio import PlainLimits, decode_bytes, decode_file, probe, resample

LIMITS = PlainLimits(max_duration_s=30.0, max_bytes=20_000_000)
RATE = 22_050


def tone(seconds: float = 2.0, rate: int = RATE, channels: int = 1) -> np.ndarray:
    """float32 [n, channels]: a decaying tone, a little different in each channel."""
    t = np.arange(int(seconds * rate)) / rate
    return np.stack([0.5 * np.sin(2 * np.pi * (220 + 110 * c) * t) * np.exp(-t / 3) for c in range(channels)], axis=1).astype(np.float32)


def encode(samples: np.ndarray, rate: int = RATE, form: str = "WAV", subtype: str | None = None) -> bytes:
    out = io.BytesIO()
    sf.write(out, samples, rate, format=form, subtype=subtype)
    return out.getvalue()


@pytest.mark.parametrize(
    ("form", "subtype", "tolerance"),
    [
        ("WAV", "PCM_16", 1e-4),
        ("WAV", "FLOAT", 0),
        ("FLAC", "PCM_16", 1e-4),
        ("AU", "PCM_16", 1e-4),
        ("AIFF", "PCM_16", 1e-4),
        ("OGG", "VORBIS", 0.1),
        ("OGG", "OPUS", 0.1),
        ("MP3", None, 0.1),
    ],
)
def test_every_format_of_libsndfile_decodes_to_the_same_sound(form: str, subtype: str | None, tolerance: float) -> None:
    rate = 24_000
    samples = tone(rate=rate)
    got = decode_bytes(encode(samples, rate, form, subtype), rate=rate, limits=LIMITS)
    assert got.samples.dtype == np.float32 and got.samples.ndim == 1
    assert got.info.format == form.lower() and got.info.sample_rate in (rate, 48_000) and not got.info.truncated
    n = min(len(got.samples), len(samples)) - 2_000
    # Lossy encoders may delay the start: compare where the correlation is best.
    lags = range(0, 1_600, 1) if tolerance == 0.1 else [0]
    error = min(float(np.abs(got.samples[lag : lag + n] - samples[:n, 0]).mean()) for lag in lags if lag + n <= len(got.samples))
    assert error <= tolerance


def test_path_and_bytes_give_the_same_bits_whatever_the_name(tmp_path: Path) -> None:
    data = encode(tone(channels=2), 44_100, "FLAC")
    path = tmp_path / "wrong.mp3"
    path.write_bytes(data)
    a, b = decode_file(path, rate=16_000, limits=LIMITS), decode_bytes(data, rate=16_000, limits=LIMITS)
    assert a.info.format == "flac" and a.info.channels == 2
    np.testing.assert_array_equal(a.samples, b.samples)


def test_blocks_resample_as_the_whole() -> None:
    samples = tone(3.0)
    got = decode_bytes(encode(samples, subtype="FLOAT"), rate=16_000, limits=LIMITS)
    np.testing.assert_array_equal(got.samples, resample(samples[:, 0], RATE, 16_000))


def test_mono_is_the_mean_of_the_channels() -> None:
    samples = tone(channels=2)
    got = decode_bytes(encode(samples, subtype="FLOAT"), rate=RATE, limits=LIMITS)
    np.testing.assert_allclose(got.samples, samples.mean(axis=1), atol=1e-7)


def test_probe_reads_the_header_alone() -> None:
    info = probe(encode(tone(channels=2), form="FLAC"), limits=LIMITS)
    assert (info.format, info.sample_rate, info.channels, info.duration_s) == ("flac", RATE, 2, 2.0)


def _bad(name: str) -> bytes:
    wav = encode(tone())
    return {
        "nothing": b"",
        "no samples": encode(np.zeros((0, 1), np.float32)),
        "text": b"this is a text file, not music\n" * 50,
        "zeros": bytes(5_000),
        "pdf": b"%PDF-1.7\n" + bytes(range(256)) * 20,
        "headerless": (tone()[:, 0] * 32767).astype("<i2").tobytes(),
        "short": encode(tone(0.3)),
        "long": encode(tone(31.5)),
        "lying header": wav[:40] + struct.pack("<I", 0x7FFFFFF0) + wav[44:],
        "silent": encode(np.zeros((RATE * 2, 1), np.float32)),
        "nan": encode(np.where(np.arange(RATE * 2)[:, None] == 30_000, np.nan, tone(2.0)), subtype="FLOAT"),
        "inf": encode(np.where(np.arange(RATE * 2)[:, None] == 30_000, np.inf, tone(2.0)), subtype="FLOAT"),
        "overflow": encode(np.where(np.arange(RATE * 2)[:, None] % 2, 3e38, -3e38).astype(np.float32), subtype="FLOAT"),
        "rate 1 Hz": encode(tone(), rate=1),
        "flac header alone": encode(tone(), form="FLAC")[:60],
        "mp3 header alone": b"\xff\xfb\x90\x00" + bytes(200),
        "large": bytes(20_000_001),
    }[name]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("nothing", errors.EmptyAudio),
        ("no samples", errors.EmptyAudio),
        ("text", errors.UnsupportedFormat),
        ("zeros", errors.UnsupportedFormat),
        ("pdf", errors.UnsupportedFormat),
        ("headerless", errors.UnsupportedFormat),
        ("short", errors.TooShort),
        ("long", errors.TooLong),
        ("silent", errors.SilentAudio),
        ("nan", errors.NonFiniteAudio),
        ("inf", errors.NonFiniteAudio),
        ("overflow", errors.NonFiniteAudio),
        ("rate 1 Hz", errors.UndecodableAudio),
        ("flac header alone", errors.UndecodableAudio),
        ("mp3 header alone", errors.UndecodableAudio),
        ("large", errors.TooLarge),
    ],
)
def test_each_cause_has_its_error(name: str, error: type[errors.AudioError], tmp_path: Path) -> None:
    data = _bad(name)
    with pytest.raises(error) as upload:
        decode_bytes(data, rate=16_000, limits=LIMITS)
    assert type(upload.value) is error
    path = tmp_path / "file.wav"
    path.write_bytes(data)
    with pytest.raises(error, match=r"file\.wav"):
        decode_file(path, rate=16_000, limits=LIMITS)


@pytest.mark.parametrize("form", ["WAV", "AIFF", "AU", "FLAC", "OGG", "MP3"])
def test_truncated_files_decode_to_what_is_there_and_say_so(form: str) -> None:
    # Noise does not compress, so that half the bytes are about half the time.
    noise = np.random.default_rng(1).normal(0, 0.1, (RATE * 8, 1)).astype(np.float32)
    whole = encode(noise, form=form)
    got = decode_bytes(whole[: len(whole) // 2], rate=RATE, limits=LIMITS)
    assert got.info.truncated
    assert 2.5 < got.info.duration_s < 5.5
    assert not decode_bytes(whole, rate=RATE, limits=LIMITS).info.truncated


def test_a_header_that_claims_hours_is_refused_or_read_to_its_end() -> None:
    data = _bad("lying header")
    # libsndfile caps the claim at the file's size; the cut is what is reported.
    got = decode_bytes(data, rate=RATE, limits=LIMITS)
    assert got.info.truncated and got.info.duration_s == pytest.approx(2.0)


def test_folders_pipes_and_absent_files_are_errors_not_hangs(tmp_path: Path) -> None:
    import os

    with pytest.raises(errors.UndecodableAudio, match="No such file"):
        decode_file(tmp_path / "absent.wav", rate=RATE, limits=LIMITS)
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(errors.UnsupportedFormat, match="regular"):
        decode_file(tmp_path / "pipe.wav", rate=RATE, limits=LIMITS)
    with pytest.raises(errors.AudioError):
        decode_file(tmp_path, rate=RATE, limits=LIMITS)


def test_without_ffmpeg_m4a_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(errors.UnsupportedFormat, match="ffmpeg"):
        decode_bytes(b"\0\0\0\x20ftypM4A " + bytes(500), rate=RATE, limits=LIMITS)


@pytest.mark.parametrize("suffix", ["m4a", "webm"])
def test_m4a_and_webm_through_ffmpeg(suffix: str, tmp_path: Path) -> None:
    program = shutil.which("ffmpeg")
    if program is None:
        pytest.skip("ffmpeg is not on this machine")
    source, path = tmp_path / "tone.wav", tmp_path / f"tone.{suffix}"
    source.write_bytes(encode(tone(3.0, 48_000, 2), 48_000))
    subprocess.run([program, "-v", "error", "-i", source, path], check=True)
    got = decode_file(path, rate=RATE, limits=LIMITS)
    assert got.info.format == suffix and got.info.channels == 2 and got.info.duration_s == pytest.approx(3.0, abs=0.1)
    np.testing.assert_array_equal(got.samples, decode_bytes(path.read_bytes(), rate=RATE, limits=LIMITS).samples)
    with pytest.raises(errors.TooLong):
        decode_file(path, rate=RATE, limits=PlainLimits(max_duration_s=1.5))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(errors.UndecodableAudio):
        decode_file(path, rate=RATE, limits=LIMITS)


def test_a_playlist_in_disguise_reads_nothing(tmp_path: Path) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(encode(tone()))
    playlist = b"#EXTM3U\n#EXTINF:2,\nfile://" + str(secret).encode() + b"\n"
    with pytest.raises(errors.UnsupportedFormat):
        decode_bytes(playlist, rate=RATE, limits=LIMITS)


def test_an_id3_tag_before_mp3_or_flac_is_stepped_over() -> None:
    tag = b"ID3\x04\0\0\0\0\x02\0" + bytes(256)
    for form in ("MP3", "FLAC"):
        assert decode_bytes(tag + encode(tone(), form=form), rate=RATE, limits=LIMITS).info.format == form.lower()


def test_the_mp3_decoder_does_not_talk_to_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    data = encode(np.random.default_rng(1).normal(0, 0.1, (RATE * 8, 1)).astype(np.float32), form="MP3")
    decode_bytes(data[: len(data) // 2], rate=RATE, limits=LIMITS)
    assert capfd.readouterr().err == ""
    print("still there", file=sys.stderr)
    assert "still there" in capfd.readouterr().err


def test_jazz_54_of_a_public_mirror_is_undecodable(gtzan_mini: Path) -> None:
    with pytest.raises(errors.AudioError):
        decode_file(gtzan_mini / "jazz" / "jazz.00054.wav", rate=RATE, limits=LIMITS)


@pytest.mark.parametrize("rates", [(22_050, 22_050), (44_100, 16_000)])
def test_long_inputs_are_collected_in_blocks_and_lose_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rates: tuple[int, int]
) -> None:
    from musicgenre.audio import decode as room

    native, target = rates
    path = tmp_path / "noise.wav"
    sf.write(path, np.random.default_rng(3).normal(0, 0.1, 5 * native), native, subtype="FLOAT")
    expected = decode_file(path, rate=target, limits=PlainLimits()).samples
    for first, following in ((1000, 777), (len(expected), 10), (len(expected) - 1, 1)):
        monkeypatch.setattr(room, "_FIRST", first)
        monkeypatch.setattr(room, "_NEXT", following)
        np.testing.assert_array_equal(decode_file(path, rate=target, limits=PlainLimits()).samples, expected)
