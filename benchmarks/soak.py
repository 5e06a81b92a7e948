"""Twice the capacity for minutes: memory, lost and wrong answers, refusals, recovery.

    python benchmarks/soak.py [--minutes 10] [--json]

Requests arrive at fixed times whether or not earlier ones are answered (an open
loop), half a dozen different clips in turn, no two bodies the same. Every 200 is
compared bit by bit with what `Predictor` says of the same clip.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import soundfile

from load import HEADER
from musicgenre.bundle.predictor import Predictor
from musicgenre.serving.packaging.smoke import Served, serving
from musicgenre.serving.run import SERVICE
from serving import CLASSES, PREPARE, SEGMENT_S, environment

CLIPS = 6
KEPT_S = 2.0
STAMP = struct.Struct("<4sIQ")
SECONDS = 10


class Visitor:
    """Sends clips over kept connections and keeps account."""

    def __init__(self, url: str, bodies: list[bytes], wanted: list[dict[str, float]]) -> None:
        parts = urlsplit(url)
        self.address = (str(parts.hostname), parts.port or 80)
        length = len(bodies[0]) + STAMP.size
        head = f"POST /classify?top_k=1000 HTTP/1.1\r\nhost: x\r\ncontent-type: audio/wav\r\ncontent-length: {length}\r\n\r\n"
        self.requests = [head.encode() + body for body in bodies]
        self.wanted = wanted
        self.idle: list[tuple[float, asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.statuses: Counter[str] = Counter()
        self.causes: Counter[str] = Counter()
        self.without_retry_after = 0
        self.latencies: list[float] = []

    async def send(self, number: int) -> str:
        """One request; its status, or `wrong`, or `lost`."""
        began = time.monotonic()
        try:
            outcome = await self._exchange(number)
        except (OSError, asyncio.IncompleteReadError) as error:
            outcome = "lost"
            self.causes[repr(error)[:80]] += 1
        self.statuses[outcome] += 1
        if outcome == "200":
            self.latencies.append(time.monotonic() - began)
        return outcome

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self.idle:
            since, reader, writer = self.idle.pop()
            # The server closes what has been idle for five seconds; a request sent at that moment would meet a reset.
            if time.monotonic() - since < KEPT_S and not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        return await asyncio.open_connection(*self.address, limit=1 << 22)

    async def _exchange(self, number: int) -> str:
        which = number % len(self.requests)
        reader, writer = await self._connection()
        writer.write(self.requests[which])
        # A chunk behind the samples: the same sound, but never the same bytes, whose work would be shared.
        writer.write(STAMP.pack(b"junk", 8, time.time_ns()))
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        body = await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0]))
        status = head[9:12].decode()
        if b"connection: close" in head:
            writer.close()
        else:
            self.idle.append((time.monotonic(), reader, writer))
        if status == "200":
            found = {item["genre"]: item["probability"] for item in json.loads(body)["probabilities"]}
            return "200" if found == self.wanted[which] else "wrong"
        if status == "429" and b"retry-after:" not in head:
            self.without_retry_after += 1
        return status


async def capacity(visitor: Visitor, seconds: float) -> float:
    """Clips a second that eight patient clients get answered."""
    until = time.monotonic() + seconds
    before = visitor.statuses["200"]

    async def client(start: int) -> None:
        number = start
        while time.monotonic() < until:
            await visitor.send(number)
            number += 1

    began = time.monotonic()
    await asyncio.gather(*(client(start) for start in range(8)))
    return (visitor.statuses["200"] - before) / (time.monotonic() - began)


async def flood(visitor: Visitor, served: Served, rate: float, seconds: float) -> list[tuple[float, float]]:
    """Requests at `rate` a second; (minute, resident MB) every five seconds."""
    memory: list[tuple[float, float]] = []
    tasks: set[asyncio.Task[str]] = set()
    began = time.monotonic()
    number, next_look = 0, 0.0
    while (now := time.monotonic() - began) < seconds:
        if now >= next_look:
            memory.append((now / 60, sum(served.resident_mb().values())))
            next_look += 5
        while number / rate <= now:
            task = asyncio.ensure_future(visitor.send(number))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            number += 1
        await asyncio.sleep(0.002)
    await asyncio.gather(*tasks)
    return memory


async def recovery(visitor: Visitor) -> float:
    """Seconds after the flood until a lone request is answered with 200."""
    began = time.monotonic()
    while await visitor.send(0) != "200":
        await asyncio.sleep(0.05)
    return time.monotonic() - began


async def soak(served: Served, visitor: Visitor, minutes: float) -> dict[str, Any]:
    await capacity(visitor, 3)
    found = await capacity(visitor, 15)
    visitor.statuses.clear()
    visitor.latencies.clear()
    idle = sum(served.resident_mb().values())
    memory = await flood(visitor, served, 2 * found, 60 * minutes)
    back = await recovery(visitor)
    third = max(1, len(memory) // 3)
    latencies = np.array(visitor.latencies)
    return {
        "minutes": minutes,
        "capacity_per_s": round(found, 2),
        "offered_per_s": round(2 * found, 2),
        "answered_per_s": round(visitor.statuses["200"] / (60 * minutes), 2),
        "statuses": dict(visitor.statuses),
        "wrong": visitor.statuses["wrong"],
        "lost": visitor.statuses["lost"],
        "causes": dict(visitor.causes),
        "refused_without_retry_after": visitor.without_retry_after,
        "p50_s": round(float(np.median(latencies)), 2),
        "p99_s": round(float(np.quantile(latencies, 0.99)), 2),
        "recovery_s": round(back, 2),
        "memory_before_mb": round(idle, 1),
        "memory_by_minute_mb": [round(value) for at, value in memory if at % 1 < 5 / 60],
        "memory_first_third_mb": round(float(np.mean([value for _, value in memory[:third]])), 1),
        "memory_last_third_mb": round(float(np.mean([value for _, value in memory[-third:]])), 1),
        "memory_most_mb": round(max(value for _, value in memory), 1),
        "memory_after_mb": served.resident_mb(),
        "cores": len(os.sched_getaffinity(0)),
        "load_average": [round(value, 1) for value in os.getloadavg()],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="musicgenre-soak-") as folder:
        scratch = Path(folder)
        subprocess.run(
            [sys.executable, "-c", PREPARE, folder, ",".join(CLASSES), str(SECONDS), str(SEGMENT_S)], check=True, capture_output=True
        )
        predictor = Predictor.load(scratch / "mel")
        samples, rate = soundfile.read(scratch / "clip.wav", dtype="float32")
        bodies = []
        for number in range(CLIPS):
            path = scratch / f"clip-{number}.wav"
            soundfile.write(path, samples * (1 - 0.1 * number) + 0.01 * number * np.sin(np.arange(len(samples)) * 0.05 * number), rate)
            bodies.append(path.read_bytes())
        assert all(len(body) > HEADER for body in bodies)
        wanted = [dict(predictor.classify_bytes(body).ranked()) for body in bodies]
        variables = environment(scratch, MUSICGENRE_BUNDLE=str(scratch / "mel"), MUSICGENRE_SERVE_CACHE_ENTRIES="0")
        with serving(SERVICE, python=Path(sys.executable), variables=variables, timeout_s=120) as served:
            figures = asyncio.run(soak(served, Visitor(served.url, bodies, wanted), chosen.minutes))
    if chosen.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:30} {value}")


if __name__ == "__main__":
    main()
