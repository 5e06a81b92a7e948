"""Faults planted on purpose: what a real collection has, and the pipeline must find."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from musicgenre.dataset.demo.encode import encode
from musicgenre.synth.signal import RATE, Signal


@dataclass(frozen=True)
class Fault:
    """One planted file. `artist` is what `metadata.csv` says, `what` is what is wrong."""

    path: str
    artist: str
    what: str


FAULTS: tuple[Fault, ...] = (
    Fault("disco/disco.fault-empty.mp3", "disco-fault", "zero bytes"),
    Fault("jazz/jazz.fault-copy.ogg", "jazz-compilation", "jazz/jazz.00000 again, 4 dB softer, as Ogg Vorbis and under another artist"),
    Fault("metal/metal.fault-undecodable.flac", "metal-fault", "a FLAC header with noise for a body"),
    Fault("pop/pop.fault-silent.wav", "pop-fault", "digital silence"),
    Fault("rock/rock.fault-short.wav", "rock-fault", "0.4 s"),
)


def fault_bytes(fault: Fault, original: Signal, seed: int) -> bytes:
    """The content of a planted file; `original` is the recording that is copied or cut."""
    if "empty" in fault.path:
        return b""
    if "copy" in fault.path:
        return encode(original * np.float32(0.63), "ogg")
    if "undecodable" in fault.path:
        return encode(original[: RATE // 2], "flac")[:42] + np.random.default_rng(seed).bytes(40_000)
    if "silent" in fault.path:
        return encode(np.zeros_like(original), "wav")
    return encode(original[: int(0.4 * RATE)], "wav")


__all__ = ["FAULTS", "Fault", "fault_bytes"]
