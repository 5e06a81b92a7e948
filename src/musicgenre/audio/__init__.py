"""The one way in: bytes or a path become mono float32 at one rate, inside limits.

Training, evaluation and service all decode here, so the same bytes give the
same samples everywhere. Importing this package costs numpy, soundfile and soxr.

========================  ====================================================
`decode_file, _bytes`     in this process (trusted files, tests, tools)
`IsolatedWorkers`         a task in child processes that may die or be killed
`probe`                   what the header says, without decoding
`open_stream`             blocks of native channels, for those who measure
========================  ====================================================
"""

from __future__ import annotations

from musicgenre.audio.decode import decode_bytes, decode_file, probe, resample
from musicgenre.audio.isolate import IsolatedWorkers
from musicgenre.audio.signal import AudioInfo, Limits, PlainLimits, Signal, all_finite
from musicgenre.audio.stream import AudioStream, open_stream

__all__ = [
    "AudioInfo",
    "AudioStream",
    "IsolatedWorkers",
    "Limits",
    "PlainLimits",
    "Signal",
    "all_finite",
    "decode_bytes",
    "decode_file",
    "open_stream",
    "probe",
    "resample",
]
