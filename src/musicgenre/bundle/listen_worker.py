"""What `Listener`'s child processes run; imported there alone, front end and all, before they say that they are ready."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from musicgenre.audio.decode import decode_bytes, decode_file
from musicgenre.audio.signal import PlainLimits
from musicgenre.bundle.allocator import trim
from musicgenre.bundle.listen import listen
from musicgenre.features import analysis as analysis  # what `FrontEnd.compute` imports when it is first called
from musicgenre.features.frontend import FrontEnd

if TYPE_CHECKING:
    from musicgenre.audio.wire import Blob


_LONG_S = 60.0


@lru_cache(maxsize=4)
def _front_end(text: str) -> FrontEnd:
    return FrontEnd.from_dict(json.loads(text))


def listen_task(request: dict[str, Any], blobs: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Blob]]:
    """Decode, unless it is samples that are given, then `listen`; see `Listener` for the request."""
    reply, features = _heard(request, blobs)
    if reply["duration_s"] > _LONG_S:
        trim()  # the gaps that a long clip leaves in the heap would be kept
    return reply, features


def _heard(request: dict[str, Any], blobs: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Blob]]:
    began = time.perf_counter()
    front_end = _front_end(request["front_end"])
    reply: dict[str, Any] = {}
    if "samples" in blobs:
        samples = np.asarray(blobs["samples"])
    else:
        limits = PlainLimits(**request["limits"])
        if "data" in blobs:
            signal = decode_bytes(blobs["data"], rate=front_end.sample_rate, limits=limits, name=request["name"])
        else:
            signal = decode_file(request["path"], rate=front_end.sample_rate, limits=limits)
        samples, reply["info"] = signal.samples, signal.info.to_dict()
    decoded = time.perf_counter()
    heard = listen(samples, front_end, request["kinds"])
    reply["seconds"] = {"decode": decoded - began, "features": time.perf_counter() - decoded}
    return {**reply, "duration_s": heard.duration_s, "level": asdict(heard.level)}, dict(heard.features)


__all__ = ["listen_task"]
