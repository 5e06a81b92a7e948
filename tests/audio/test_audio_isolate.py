"""Workers that may die."""

from __future__ import annotations

import os
import shutil
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
from musicgenre.audio import IsolatedDecoder, PlainLimits, decode_file

LIMITS = PlainLimits(max_duration_s=900.0)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "noise.flac"
    sf.write(path, np.random.default_rng(0).normal(0, 0.1, (44_100 * 2, 2)), 44_100)
    return path


def test_isolated_is_the_same_as_in_process_and_errors_keep_their_type(clip: Path, tmp_path: Path) -> None:
    with IsolatedDecoder(rate=22_050, limits=LIMITS, workers=2) as decoder:
        here = decode_file(clip, rate=22_050, limits=LIMITS)
        there = decoder.file(clip)
        np.testing.assert_array_equal(here.samples, there.samples)
        np.testing.assert_array_equal(here.samples, decoder.bytes(clip.read_bytes()).samples)
        assert here.info == there.info
        with pytest.raises(errors.UnsupportedFormat, match="the upload"):
            decoder.bytes(b"not audio at all")
        with pytest.raises(errors.EmptyAudio):
            decoder.bytes(b"")
        with pytest.raises(errors.UndecodableAudio, match=r"absent\.wav"):
            decoder.file(tmp_path / "absent.wav")
        # The same two workers served all of it, and many threads may ask at once, in order.
        pids = set(decoder.pids)
        lengths = list(decoder.map(lambda _: len(decoder.file(clip).samples), range(20)))
        assert lengths == [len(here.samples)] * 20
        assert pids <= set(decoder.pids) and len(decoder.pids) <= 2
    assert decoder.pids == ()


def _while_stopped(decoder: IsolatedDecoder, clip: Path, deed: int | None) -> BaseException | None:
    """Stop the worker, ask it for `clip`, send `deed`; what the call raised."""
    (pid,) = decoder.pids
    os.kill(pid, signal.SIGSTOP)
    raised: list[BaseException] = []

    def ask() -> None:
        try:
            decoder.file(clip)
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
    with IsolatedDecoder(rate=22_050, limits=LIMITS) as decoder:
        decoder.file(clip)
        (first,) = decoder.pids
        error = _while_stopped(decoder, clip, signal.SIGSEGV)
        assert isinstance(error, errors.DecoderCrashed) and "noise.flac" in str(error)
        assert len(decoder.file(clip).samples) == 44_100
        assert decoder.pids != (first,)


def test_a_worker_that_died_between_calls_is_replaced_silently(clip: Path) -> None:
    with IsolatedDecoder(rate=22_050, limits=LIMITS) as decoder:
        decoder.file(clip)
        os.kill(decoder.pids[0], signal.SIGKILL)
        time.sleep(0.1)
        assert len(decoder.file(clip).samples) == 44_100


def test_a_hang_ends_at_the_deadline(clip: Path) -> None:
    with IsolatedDecoder(rate=22_050, limits=PlainLimits(decode_timeout_s=2.0)) as decoder:
        decoder.file(clip)
        started = time.monotonic()
        error = _while_stopped(decoder, clip, None)
        assert isinstance(error, errors.DecoderCrashed) and "2 s" in str(error)
        assert time.monotonic() - started < 20
        assert len(decoder.file(clip).samples) == 44_100


@pytest.mark.skipif(sys.platform != "linux", reason="address space is bounded on Linux only")
def test_memory_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "long.flac"
    with sf.SoundFile(path, "w", 48_000, 1) as out:
        for _ in range(15):
            out.write(np.random.default_rng(1).integers(-9, 9, 48_000 * 60).astype(np.int16))
    limits = PlainLimits(silence_dbfs=-200)
    with (
        IsolatedDecoder(rate=48_000, limits=limits, memory_bytes=400 << 20) as decoder,
        pytest.raises((errors.TooLarge, errors.DecoderCrashed)),
    ):
        decoder.file(path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_to_stop_does_not_lose_what_is_in_flight(clip: Path, number: int) -> None:
    """Supervisors send it to the whole family; the parent alone decides when work ends."""
    with IsolatedDecoder(rate=8000, limits=LIMITS) as decoder:
        decoder.file(clip)
        before = decoder.pids
        assert _while_stopped(decoder, clip, number) is None
        assert decoder.pids == before


def test_workers_end_with_their_parent(clip: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from musicgenre.audio import IsolatedDecoder, PlainLimits\n"
        "d = IsolatedDecoder(rate=8000, limits=PlainLimits()); d.file(sys.argv[1]); print(d.pids[0], flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(clip)], capture_output=True, text=True, check=False)
    pid = int(done.stdout)
    for _ in range(50):
        if not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text():
            return
        time.sleep(0.1)
    raise AssertionError(f"worker {pid} outlived its parent")


def test_importing_audio_is_light() -> None:
    heavy = "pandas tensorflow scipy pydantic librosa mlflow"
    code = f"import sys, musicgenre.audio; print([m for m in '{heavy}'.split() if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_a_worker_runs_the_code_of_its_parent_wherever_that_lies(tmp_path: Path) -> None:
    """As in a bento: the package is on `sys.path` of the parent and installed nowhere, or installed in another version."""
    package = Path(errors.__file__).parent
    copy = shutil.copytree(package, tmp_path / "rooms" / package.name, ignore=shutil.ignore_patterns("__pycache__", "synth", "models"))
    with (copy / "audio" / "worker.py").open("a") as worker:
        worker.write("\n\ndef origin(request, blobs):\n    return {'file': errors_file()}, {}\n")
        worker.write("\n\ndef errors_file():\n    import musicgenre.errors\n\n    return musicgenre.errors.__file__\n")
    text = (copy / "audio" / "worker.py").read_text()
    start = text.index('if __name__ == "__main__"')
    end = text.index("def origin")
    (copy / "audio" / "worker.py").write_text(text[:start] + text[end:] + "\n\n" + text[start:end])
    program = (
        f"import sys; sys.path.insert(0, {str(copy.parent)!r})\n"
        "from musicgenre.audio.isolate import IsolatedWorkers\n"
        "with IsolatedWorkers('musicgenre.audio.worker:origin') as workers: print(workers.call({})[0]['file'])\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert Path(done.stdout.strip()).is_relative_to(copy)
