"""The parity guard: golden arrays by the reference implementations, and proof that it notices a changed constant."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import golden
import pytest

from musicgenre.features import analysis, mel, pretrained, rhythm, spectral, tonal, wavelet
from musicgenre.features.frontend import FrontEnd


def test_all_kinds_are_what_the_references_wrote() -> None:
    assert golden.differing(golden.SPEC) == set()
    assert golden.PATH.stat().st_size < 200_000


@pytest.mark.parametrize(
    ("field", "value", "kinds"),
    [
        ("n_fft", 2046, {"mel", "mfcc", "descriptors"}),
        ("hop_length", 510, {"mel", "mfcc", "scalogram", "descriptors"}),
        ("window", "hamming", {"mel", "mfcc", "descriptors"}),
        ("fmin", 5.0, {"mel", "mfcc", "descriptors"}),
        ("mel_scale", "htk", {"mel", "mfcc", "descriptors"}),
        ("pre_emphasis", 0.01, {"mel", "mfcc", "scalogram", "descriptors"}),
        ("scalogram_fmin", 41.0, {"scalogram"}),
        ("sample_rate", 24000, set(golden.KINDS)),
    ],
)
def test_another_number_in_the_spec_is_noticed(field: str, value: object, kinds: set[str]) -> None:
    assert golden.differing(dataclasses.replace(golden.SPEC, **{field: value})) == kinds  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("module", "constant", "value", "kind"),
    [
        (mel, "AMIN", 1e-2, "mfcc"),
        (wavelet, "CENTRE", 0.82, "scalogram"),
        (pretrained, "RATE", 16100, "musicnn_mel"),
        (rhythm, "START_BPM", 60.0, "descriptors"),
        (spectral, "ROLLOFF", 0.86, "descriptors"),
        (tonal, "_LOW_HZ", 1500.0, "descriptors"),
    ],
)
def test_another_constant_in_the_code_is_noticed(
    monkeypatch: pytest.MonkeyPatch, module: object, constant: str, value: float, kind: str
) -> None:
    wavelet.plan.cache_clear()
    monkeypatch.setattr(module, constant, value)
    try:
        assert kind in golden.differing(golden.SPEC)
    finally:
        wavelet.plan.cache_clear()


_DIGEST = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
import golden
import numpy as np
samples = np.tile(golden.load()["samples"], 6)
arrays = golden.FrontEnd(hpss=True).compute(samples, golden.KINDS)
print(hashlib.sha256(b"".join(arrays[kind].tobytes() for kind in golden.KINDS)).hexdigest())
print(*(name for name in ("librosa", "pywt", "pandas", "tensorflow", "numba") if name in sys.modules))
"""


def _digest_in_a_fresh_process(threads: str) -> tuple[str, str]:
    variables = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), threads)
    done = subprocess.run(
        [sys.executable, "-c", _DIGEST, str(Path(__file__).parent)],
        env={**os.environ, **variables}, capture_output=True, text=True, check=True, timeout=200,
    )  # fmt: skip
    digest, imported = done.stdout.split("\n")[:2]
    return digest, imported


def test_bits_do_not_depend_on_threads_and_nothing_heavy_is_imported() -> None:
    one, two = _digest_in_a_fresh_process("1"), _digest_in_a_fresh_process("2")
    assert one == two
    assert len(one[0]) == len(hashlib.sha256().hexdigest())
    assert one[1] == ""


def test_bits_do_not_depend_on_whether_spectra_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = golden.load()["samples"]
    kept = FrontEnd(hpss=True).compute(samples, ["mel", "descriptors"])
    monkeypatch.setattr(analysis, "_KEPT_FRAMES", 0)
    again = FrontEnd(hpss=True).compute(samples, ["mel", "descriptors"])
    assert all(again[kind].tobytes() == values.tobytes() for kind, values in kept.items())


def test_bits_do_not_depend_on_what_else_is_computed() -> None:
    samples = golden.load()["samples"]
    spec = FrontEnd()
    together = spec.compute(samples, golden.KINDS)
    for kind in golden.KINDS:
        assert spec.compute(samples, [kind])[kind].tobytes() == together[kind].tobytes()
