"""What a body becomes: the same bytes however it came, and no more memory than them."""

from __future__ import annotations

import asyncio
import itertools
import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest

from musicgenre.serving.uploads import ByteBudget, Disconnected, Lease, read_uploads

LIMIT = 3_000_000


def read(pieces: Sequence[bytes], content_type: str = "audio/wav", *, complete: bool = True) -> list[bytes]:
    messages = iter(
        [
            {"type": "http.request", "body": piece, "more_body": number + 1 < len(pieces) or not complete}
            for number, piece in enumerate(pieces)
        ]
    )

    async def receive() -> dict[str, object]:
        return next(messages, {"type": "http.disconnect"})

    with Lease(ByteBudget(LIMIT), 1) as lease:
        found = asyncio.run(
            read_uploads(receive, content_type=content_type, content_length=None, max_bytes=LIMIT, max_files=2, lease=lease)
        )
    return [upload.data for upload in found]


def cuts(data: bytes, generator: np.random.Generator) -> list[bytes]:
    """`data` in pieces of one byte to thousands."""
    sizes = generator.choice([1, 7, 4095, 4096, 60_000], size=1000)
    edges = [*np.cumsum([0, *sizes]).tolist(), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges) if data[a:b]]


@pytest.mark.parametrize("seed", range(5))
def test_a_body_is_its_pieces_in_order(seed: int) -> None:
    generator = np.random.default_rng(seed)
    data = generator.bytes(300_000)
    assert read(cuts(data, generator)) == [data]
    form = b'--edge\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n' + data + b"\r\n--edge--\r\n"
    assert read(cuts(form, generator), "multipart/form-data; boundary=edge") == [data]


def test_a_trickle_of_single_bytes_costs_little_memory() -> None:
    data = bytes(range(256)) * 1000
    messages = iter([{"type": "http.request", "body": data[i : i + 1], "more_body": i + 1 < len(data)} for i in range(len(data))])

    async def receive() -> dict[str, object]:
        return next(messages)

    async def scenario() -> bytes:
        with Lease(ByteBudget(LIMIT), 1) as lease:
            tracemalloc.start()
            found = await read_uploads(receive, content_type="", content_length=None, max_bytes=LIMIT, max_files=1, lease=lease)
            return found[0].data

    try:
        assert asyncio.run(scenario()) == data
        assert tracemalloc.get_traced_memory()[1] < 5 * len(data)
    finally:
        tracemalloc.stop()


def test_a_client_that_leaves_gets_no_answer() -> None:
    with pytest.raises(Disconnected):
        read([b"RIFF"], complete=False)
