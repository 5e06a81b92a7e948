"""A small HTTP load generator for one process of its own: raw sockets, bodies prepared beforehand, every body different.

    python benchmarks/load.py URL CLIP.wav --clients 32 --seconds 10

Prints one JSON object: counts by status, latencies in milliseconds of the answers with 200.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

HEADER = 44  # bytes before the samples of a plain WAV file


class Load:
    """Clients that send the same clip, each time with other leading samples (or always the same with `same`)."""

    def __init__(self, url: str, clip: bytes, *, multipart: bool, same: bool) -> None:
        parts = urlsplit(url)
        self.host, self.port, self.path = str(parts.hostname), parts.port or 80, parts.path + (f"?{parts.query}" if parts.query else "")
        before, after, kind = b"", b"", b"audio/wav"
        if multipart:
            edge = b"------------------------d0f1c2b3a4958677"  # as long as those of curl and browsers
            before = b"--" + edge + b'\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\ncontent-type: audio/wav\r\n\r\n'
            after, kind = b"\r\n--" + edge + b"--\r\n", b"multipart/form-data; boundary=" + edge
        length = len(before) + len(clip) + len(after)
        head = f"POST {self.path} HTTP/1.1\r\nhost: {self.host}\r\ncontent-length: {length}\r\ncontent-type: ".encode() + kind + b"\r\n\r\n"
        self.first, self.rest = head + before + clip[:HEADER], clip[HEADER + 8 :] + after
        self.numbers = itertools.repeat(1) if same else itertools.count(time.time_ns() % 2**40)
        self.statuses: dict[str, int] = {}
        self.latencies: list[float] = []

    async def once(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; false where the server closed the connection afterwards."""
        stamp = (next(self.numbers) % 2**24).to_bytes(3, "little")
        began = time.perf_counter()
        # Eight bytes of quiet samples carry the number.
        writer.write(self.first + bytes([stamp[0], 0, stamp[1], 0, stamp[2], 0, 0, 0]))
        writer.write(self.rest)
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        status = head[9:12].decode()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        await reader.readexactly(length)
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if status == "200":
            self.latencies.append(1000 * (time.perf_counter() - began))
        return b"connection: close" not in head

    async def client(self, until: float, most: int, pause_s: float) -> None:
        reader, writer = await asyncio.open_connection(self.host, self.port, limit=1 << 22)
        for _ in range(most):
            if time.monotonic() >= until:
                break
            before = self.statuses.get("429", 0)
            try:
                alive = await self.once(reader, writer)
            except (OSError, asyncio.IncompleteReadError):
                self.statuses["broken"] = self.statuses.get("broken", 0) + 1
                alive = False
            if not alive:
                writer.close()
                reader, writer = await asyncio.open_connection(self.host, self.port, limit=1 << 22)
            if pause_s and self.statuses.get("429", 0) > before:
                await asyncio.sleep(pause_s)
        writer.close()

    async def run(self, clients: int, seconds: float, most: int, pause_s: float) -> dict[str, Any]:
        began = time.monotonic()
        await asyncio.gather(*(self.client(began + seconds, most, pause_s) for _ in range(clients)))
        return {
            "seconds": time.monotonic() - began,
            "statuses": self.statuses,
            "latencies_ms": [round(value, 2) for value in self.latencies],
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("clip", type=Path)
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--most", type=int, default=1_000_000, help="requests a client")
    parser.add_argument("--pause", type=float, default=0, help="seconds a client waits after a 429")
    parser.add_argument("--multipart", action="store_true")
    parser.add_argument("--same", action="store_true", help="always the same bytes")
    chosen = parser.parse_args()
    load = Load(chosen.url, chosen.clip.read_bytes(), multipart=chosen.multipart, same=chosen.same)
    print(json.dumps(asyncio.run(load.run(chosen.clients, chosen.seconds, chosen.most, chosen.pause))))


if __name__ == "__main__":
    main()
