"""Messages between a process and its isolated worker: a JSON head and raw arrays, no pickle.

Layout: ``<I head length><head JSON><blob>…``; the head's ``"blobs"`` lists each
blob's bytes, and ``"arrays"`` the dtype and shape of those that are arrays.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, cast

import numpy as np

Blob = bytes | np.ndarray


def send(out: BinaryIO, head: Mapping[str, Any], blobs: Mapping[str, Blob] | None = None) -> None:
    """Write one message and flush."""
    blobs = blobs or {}
    views: list[memoryview] = []
    described: list[dict[str, Any]] = []
    for name, blob in blobs.items():
        if isinstance(blob, np.ndarray):
            array = np.ascontiguousarray(blob)
            described.append({"name": name, "bytes": array.nbytes, "dtype": array.dtype.str, "shape": list(array.shape)})
            views.append(memoryview(cast(Any, array.reshape(-1).view(np.uint8))))
        else:
            described.append({"name": name, "bytes": len(blob)})
            views.append(memoryview(blob))
    text = json.dumps({**head, "blobs": described}).encode()
    out.write(struct.pack("<I", len(text)) + text)
    for view in views:
        out.write(view)
    out.flush()


def _exactly(source: BinaryIO, count: int) -> bytes:
    data = source.read(count)
    if len(data) < count:
        raise EOFError("the other side closed the pipe")
    return data


def receive(source: BinaryIO) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read one message: its head, and its blobs as bytes or arrays by name.

    Raises
    ------
    EOFError
        If the other side is gone.
    """
    (length,) = struct.unpack("<I", _exactly(source, 4))
    head: dict[str, Any] = json.loads(_exactly(source, length))
    blobs: dict[str, Any] = {}
    described: Sequence[Mapping[str, Any]] = head.pop("blobs")
    for blob in described:
        data = _exactly(source, blob["bytes"])
        blobs[blob["name"]] = np.frombuffer(data, blob["dtype"]).reshape(blob["shape"]) if "dtype" in blob else data
    return head, blobs


__all__ = ["Blob", "receive", "send"]
