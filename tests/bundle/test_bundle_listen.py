"""Listeners: child processes that may die, and what they hear."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from musicgenre import errors
from musicgenre.audio import PlainLimits, decode_file
from musicgenre.bundle.listen import Listener, listen
from musicgenre.features.frontend import FrontEnd

LIMITS = PlainLimits(max_duration_s=900.0)
FRONT_END = FrontEnd()
KINDS = ("mel", "mfcc")


def listening(limits: PlainLimits = LIMITS, *, workers: int = 1) -> Listener:
    return Listener(FRONT_END.to_dict(), KINDS, limits=limits, workers=workers)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "noise.flac"
    sf.write(path, np.random.default_rng(0).normal(0, 0.1, (44_100 * 2, 2)), 44_100)
    return path


def test_isolated_is_the_same_as_in_process_and_errors_keep_their_type(clip: Path, tmp_path: Path) -> None:
    with listening(workers=2) as listener:
        signal_ = decode_file(clip, rate=22_050, limits=LIMITS)
        here = listen(signal_.samples, FRONT_END, KINDS)
        there = listener.file(clip)
        for heard in (there.heard, listener.bytes(clip.read_bytes()).heard, listener.samples(signal_.samples)):
            assert {kind: (values.dtype, values.tobytes()) for kind, values in heard.features.items()} == {
                kind: (values.dtype, values.tobytes()) for kind, values in here.features.items()
            }
            assert (heard.duration_s, heard.level) == (here.duration_s, here.level)
        assert there.info == signal_.info and set(there.seconds) == {"decode", "features"}
        with pytest.raises(errors.NonFiniteAudio):
            listener.samples(np.array([0.0, np.nan], np.float32))
        with pytest.raises(errors.UnsupportedFormat, match="the upload"):
            listener.bytes(b"not audio at all")
        with pytest.raises(errors.EmptyAudio):
            listener.bytes(b"")
        with pytest.raises(errors.UndecodableAudio, match=r"absent\.wav"):
            listener.file(tmp_path / "absent.wav")
        # The same two workers served all of it, and many threads may ask at once, in order.
        pids = set(listener.pids)
        lengths = list(listener.map(lambda _: listener.file(clip).heard.duration_s, range(20)))
        assert lengths == [here.duration_s] * 20
        assert pids <= set(listener.pids) and len(listener.pids) <= 2
    assert listener.pids == ()


def _while_stopped(listener: Listener, clip: Path, deed: int | None) -> BaseException | None:
    """Stop the worker, ask it for `clip`, send `deed`; what the call raised."""
    (pid,) = listener.pids
    os.kill(pid, signal.SIGSTOP)
    raised: list[BaseException] = []

    def ask() -> None:
        try:
            listener.file(clip)
        except errors.AudioError as error:
            raised.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    if deed is not None:
        time.sleep(0.1)
        os.kill(pid, deed)
        os.kill(pid, signal.SIGCONT)
    thread.join(20)
    assert not thread.is_alive()
    return raised[0] if raised else None


def test_a_crash_costs_one_input_and_the_next_gets_a_fresh_worker(clip: Path) -> None:
    with listening() as listener:
        listener.file(clip)
        (first,) = listener.pids
        error = _while_stopped(listener, clip, signal.SIGSEGV)
        assert isinstance(error, errors.DecoderCrashed) and "noise.flac" in str(error)
        assert listener.file(clip).heard.duration_s == 2.0
        assert listener.pids != (first,)


def test_a_worker_that_died_between_calls_is_replaced_silently(clip: Path) -> None:
    with listening() as listener:
        listener.file(clip)
        os.kill(listener.pids[0], signal.SIGKILL)
        time.sleep(0.1)
        assert listener.file(clip).heard.duration_s == 2.0


def test_a_hang_ends_at_the_deadline(clip: Path) -> None:
    with listening(PlainLimits(decode_timeout_s=2.0)) as listener:
        listener.file(clip)
        started = time.monotonic()
        error = _while_stopped(listener, clip, None)
        assert isinstance(error, errors.DecoderCrashed) and "2 s" in str(error)
        assert time.monotonic() - started < 20
        assert listener.file(clip).heard.duration_s == 2.0


@pytest.mark.skipif(sys.platform != "linux", reason="address space is bounded on Linux only")
def test_memory_is_bounded(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "long.flac"
    with sf.SoundFile(path, "w", 48_000, 1) as out:
        for _ in range(15):
            out.write(np.random.default_rng(1).integers(-9, 9, 48_000 * 60).astype(np.int16))
    limits = PlainLimits(silence_dbfs=-200)
    fast = FrontEnd(sample_rate=96_000)  # a quarter of an hour is 346 MB
    with Listener(fast.to_dict(), KINDS, limits=limits, memory_bytes=400 << 20) as listener:
        assert listener.file(clip).heard.duration_s == 2.0
        with pytest.raises((errors.TooLarge, errors.DecoderCrashed)):
            listener.file(path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_to_stop_does_not_lose_what_is_in_flight(clip: Path, number: int) -> None:
    """Supervisors send it to the whole family; the parent alone decides when work ends."""
    with listening() as listener:
        listener.file(clip)
        before = listener.pids
        assert _while_stopped(listener, clip, number) is None
        assert listener.pids == before


def test_workers_end_with_their_parent(clip: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from musicgenre.audio import PlainLimits\n"
        "from musicgenre.bundle.listen import Listener\n"
        "from musicgenre.features.frontend import FrontEnd\n"
        "d = Listener(FrontEnd().to_dict(), ['mel'], limits=PlainLimits()); d.file(sys.argv[1]); print(d.pids[0], flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(clip)], capture_output=True, text=True, check=False)
    pid = int(done.stdout)
    for _ in range(50):
        if not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text():
            return
        time.sleep(0.1)
    raise AssertionError(f"worker {pid} outlived its parent")


def test_a_front_end_of_another_version_is_refused_by_name(clip: Path) -> None:
    changed = FRONT_END.to_dict()
    changed["constants"] = {**changed["constants"], "mel": {"version": -1}}
    with Listener(changed, KINDS, limits=LIMITS) as listener, pytest.raises(errors.FeatureError, match="mel"):
        listener.file(clip)


def test_whoever_listens_through_processes_loads_no_front_end() -> None:
    code = "import sys, musicgenre.bundle.listen, musicgenre.bundle.predictor; print([m for m in ('scipy', 'pandas') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
