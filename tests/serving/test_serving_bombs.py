"""Hostile uploads against the real service: one clear JSON error each, no 500, bounded memory, others are served."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from serving_harness import Running, Wav, make_wav, start_service, stop_service

ALLOWED = {200, 408, 413, 415, 422, 429, 503, 504}
MOST_ABOVE_IDLE_MB = 300


def _silence(kind: str, seconds: float, rate: int = 44100) -> bytes:
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", rate, 1, format=kind) as out:
        block = np.zeros(rate * 10, np.float32)
        for _ in range(int(seconds / 10)):
            out.write(block)
    return buffer.getvalue()


def _wav_header(rate: int, channels: int, bits: int, data_bytes: int, *, tag: int = 1) -> bytes:
    block = channels * bits // 8
    return (
        b"RIFF"
        + struct.pack("<I", (36 + data_bytes) & 0xFFFFFFFF)
        + b"WAVEfmt "
        + struct.pack("<IHHIIHH", 16, tag, channels & 0xFFFF, rate & 0xFFFFFFFF, (rate * block) & 0xFFFFFFFF, block & 0xFFFF, bits)
        + b"data"
        + struct.pack("<I", data_bytes & 0xFFFFFFFF)
    )


def corpus(seconds: float) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of every kind of bomb; `seconds` is the length of the silent ones."""
    for kind in ("FLAC", "OGG", "MP3") if seconds > 1000 else ("FLAC",):
        yield f"{seconds:.0f} s of silence as {kind}", _silence(kind, seconds)
    sound = bytes(np.random.default_rng(1).integers(0, 256, 200_000, dtype=np.uint8))
    for rate, channels, bits in itertools.product((0, 1, 22050, 2**31, 2**32 - 1), (0, 1, 2, 255, 65535), (0, 8, 16, 24, 32, 64, 255)):
        yield f"forged WAV {rate} Hz {channels} ch {bits} bit", _wav_header(rate, channels, bits, 2**31 - 1) + sound[:5000]
    yield "float WAV of random bits", _wav_header(22050, 1, 32, len(sound), tag=3) + sound
    yield "double WAV of random bits", _wav_header(22050, 1, 64, len(sound), tag=3) + sound
    huge = (np.ones(60_000, np.float32) * 3e38).tobytes()
    yield "float WAV at the edge of the range", _wav_header(22050, 1, 32, len(huge), tag=3) + huge
    yield "NaN", _wav_header(22050, 1, 32, 240_000, tag=3) + (np.full(60_000, np.nan, np.float32)).tobytes()
    eight = io.BytesIO()
    soundfile.write(
        eight, np.random.default_rng(2).standard_normal((192_000 * 4, 8)).astype(np.float32) * 0.1, 192_000, format="WAV", subtype="PCM_16"
    )
    yield "192 kHz, 8 channels", eight.getvalue()
    yield "text", b"not audio\n" * 1000
    yield "PNG", b"\x89PNG\r\n\x1a\n" + sound[:10_000]
    yield "zip", b"PK\x03\x04" + sound[:10_000]
    yield "zeros", bytes(100_000)
    yield "one byte", b"R"
    yield "only an ID3 tag", b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f" + bytes(2000)
    magics = (b"fLaC", b"OggS", b"FORM\0\0\0\0AIFF", b".snd", b"caff", b"riff", b"\xff\xfb\x90\0", b"\0\0\0\x18ftypM4A ", b"\x1aE\xdf\xa3")
    for magic in magics:
        yield f"noise after {magic!r}", magic + sound[:50_000]


def truncations(step: int) -> Iterator[tuple[str, bytes]]:
    """A clip of every format, cut at every `step` bytes."""
    for kind in ("WAV", "FLAC", "OGG", "MP3", "AIFF", "AU"):
        data = make_wav(2.5, seed=3, kind=kind)
        for end in range(0, len(data), step):
            yield f"{kind} cut at {end}", data[:end]


def mutations(count: int) -> Iterator[tuple[str, bytes]]:
    """Clips with a few random bytes overwritten, most of them in the headers."""
    generator = np.random.default_rng(4)
    originals = [make_wav(1.5, seed=5, kind=kind) for kind in ("WAV", "FLAC", "OGG", "MP3", "AIFF", "AU")]
    for number in range(count):
        data = bytearray(originals[number % len(originals)])
        reach = 256 if number % 3 else len(data)
        for at in generator.integers(0, reach, size=int(generator.integers(1, 24))):
            data[at] = int(generator.integers(0, 256))
        yield f"mutation {number}", bytes(data)


class Watch:
    """Highest memory of the service above idle while the block runs, in MB."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.idle = running.resident_mb()
        self.most = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._stop.wait(0.05):
            self.most = max(self.most, self.running.resident_mb() - self.idle)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def _fire(running: Running, bombs: Iterator[tuple[str, bytes]], wav: Wav, *, width: int = 4) -> dict[int, int]:
    """Send every bomb, `width` at once, beside an honest client; returns how often each status came."""
    honest = wav(2, seed=7)
    statuses: dict[int, int] = {}
    faults: list[str] = []
    lock = asyncio.Lock()

    async def thrower(client: httpx.AsyncClient) -> None:
        while True:
            async with lock:
                name, data = next(bombs, ("", b""))
            if not name:
                return
            answer = await client.post("/classify", content=data, headers={"content-type": "application/octet-stream"})
            statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
            body = answer.json()
            if answer.status_code not in ALLOWED:
                faults.append(f"{name}: {answer.status_code} {body}")
            elif answer.status_code == 200:
                assert sum(item["probability"] for item in body["probabilities"]) > 0.5, name
            elif set(body) != {"error", "request_id"}:
                faults.append(f"{name}: {body}")

    async def honest_client(client: httpx.AsyncClient, stop: asyncio.Event) -> int:
        served = 0
        while not stop.is_set():
            answer = await client.post("/classify", files={"file": ("a", honest)})
            if answer.status_code not in (200, 429):
                faults.append(f"honest client: {answer.status_code} {answer.text}")
            served += answer.status_code == 200
            await asyncio.sleep(0.05)
        return served

    async def scenario() -> int:
        async with httpx.AsyncClient(base_url=running.url, timeout=120) as client:
            stop = asyncio.Event()
            beside = asyncio.ensure_future(honest_client(client, stop))
            await asyncio.gather(*(thrower(client) for _ in range(width)))
            stop.set()
            return await beside

    served = asyncio.run(scenario())
    assert not faults, faults[:10]
    assert served > 0
    return statuses


def test_the_corpus(running: Running, wav: Wav) -> None:
    every_fifth = (bomb for number, bomb in enumerate(corpus(630)) if number % 5 == 0 or number > 176)
    with Watch(running) as watch:
        statuses = _fire(running, every_fifth, wav)
    assert statuses[415] > 3 and statuses[422] > 20
    assert watch.most <= MOST_ABOVE_IDLE_MB
    text = running.log.read_text()
    assert '"status": 500' not in text and "Traceback" not in text


def test_cut_and_mutated_files(running: Running, wav: Wav) -> None:
    with Watch(running) as watch:
        statuses = _fire(running, itertools.chain(truncations(24_000), mutations(120)), wav)
    assert set(statuses) <= ALLOWED
    assert statuses[200] > 20
    assert watch.most <= MOST_ABOVE_IDLE_MB


def test_a_slow_client_is_let_go(bundle: Path, tmp_path: Path) -> None:
    """A body that trickles in ends with 408 at the deadline and holds nobody else up."""
    service = start_service(tmp_path, bundle, request_timeout_s=2)

    async def scenario() -> tuple[bytes, bytes, float]:
        host, port = service.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /classify HTTP/1.1\r\nhost: x\r\ncontent-type: audio/wav\r\ncontent-length: 1000000\r\n\r\nRIFF")
        began = time.monotonic()
        head = await reader.readuntil(b"\r\n\r\n")
        sizes = [int(line.split(b":")[1]) for line in head.lower().splitlines() if line.startswith(b"content-length:")]
        body = await reader.readexactly(sizes[0])
        writer.close()
        return head, body, time.monotonic() - began

    try:
        head, body, seconds = asyncio.run(scenario())
        assert b"408" in head.splitlines()[0]
        assert json.loads(body)["error"]["code"] == "upload_timeout"
        assert seconds < 6
        assert httpx.get(f"{service.url}/readyz").status_code == 200
    finally:
        stop_service(service)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("name", "bombs"),
    [
        ("an hour of silence and every forged header", lambda: corpus(3600)),
        ("cut at every kilobyte", lambda: truncations(1024)),
        ("ten thousand mutated files", lambda: mutations(10_000)),
    ],
)
def test_the_whole_corpus(bundle: Path, tmp_path: Path, wav: Wav, name: str, bombs: Callable[[], Iterator[Any]]) -> None:
    service = start_service(tmp_path, bundle)
    try:
        with Watch(service) as watch:
            statuses = _fire(service, bombs(), wav)
        print(name, statuses, f"{watch.most:.0f} MB above idle")
        assert watch.most <= MOST_ABOVE_IDLE_MB
        text = service.log.read_text()
        assert '"status": 500' not in text and "Traceback" not in text
    finally:
        stop_service(service)
