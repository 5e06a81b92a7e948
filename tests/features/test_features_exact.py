"""librosa is the definition: every kind equals it, on music and with other settings than the default."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from clips import music
from numpy.typing import NDArray

from musicgenre.features import reference
from musicgenre.features.frontend import FrontEnd
from musicgenre.features.table import OURS, quantities

SPECS = {
    "default": FrontEnd(hpss=True),
    "other": FrontEnd(
        n_mels=64, fmin=50.0, fmax=9000.0, mel_scale="htk", pre_emphasis=0.97, n_mfcc=13, window="hamming", hop_length=256, top_db=50.0
    ),
}

TOLERANCE = {"tuning": 0.0, "tempo": 1e-6, "flatness": 1e-3}  # relative, by prefix; 1e-4 for all others


def assert_like_librosa(samples: NDArray[np.float32], spec: FrontEnd, **looser: float) -> None:
    ours = spec.compute_exact(samples, ["mel", "mfcc", "descriptors"])
    mel, mfcc = reference.mel(samples, spec), reference.mfcc(samples, spec)
    np.testing.assert_allclose(ours["mel"], mel, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(ours["mfcc"], mfcc, rtol=1e-3, atol=1e-3)
    row = dict(zip(spec.names("descriptors"), ours["descriptors"][0].tolist(), strict=True))
    expected = {name: value for name, value in reference.descriptors(samples, spec).items() if name in row}
    own = {column for quantity in quantities(spec) if quantity.source == OURS for column in quantity.columns()}
    assert set(row) - set(expected) == own, "whatever names a source is compared with it"
    off = {}
    for name, value in expected.items():
        tolerance = next((limit for prefix, limit in (TOLERANCE | looser).items() if name.startswith(prefix)), 1e-4)
        if abs(row[name] - value) > tolerance * abs(value) + 1e-6:
            off[name] = (row[name], value)
    assert not off


@pytest.mark.parametrize("name", SPECS)
def test_equal_to_librosa_on_a_composed_clip(name: str) -> None:
    assert_like_librosa(music(4.0, seed=3), SPECS[name])


@pytest.mark.parametrize("clip", ["rock/rock.00002.ogg", "classical/classical.00001.ogg"])
def test_equal_to_librosa_on_real_music(gtzan_mini: Path, clip: str) -> None:
    import soundfile

    path = gtzan_mini / clip
    if not path.exists():
        path = sorted(path.parent.glob("*.ogg"))[0]
    samples, rate = soundfile.read(path, dtype="float32", frames=22050 * 6)
    assert rate == 22050
    # Contrast takes the quietest 2 % of a band's bins, and above the cut of a lossy codec those are
    # float32 rounding noise, in librosa and here alike.
    assert_like_librosa(samples, FrontEnd(), contrast=5e-2)


def test_stored_precision_is_half_a_step_of_float16() -> None:
    spec = FrontEnd()
    samples = music(2.0)
    exact, stored = spec.compute_exact(samples, ["mel", "scalogram"]), spec.compute(samples, ["mel", "scalogram"])
    for kind, values in exact.items():
        assert stored[kind].dtype == np.float16
        assert np.abs(stored[kind].astype(np.float32) - values).max() <= 2.0**-5  # dB: half a step between 64 and 128


def test_silence_and_extremes_are_finite() -> None:
    spec = FrontEnd(hpss=True)
    kinds = ["mel", "mfcc", "scalogram", "descriptors", "musicnn_mel", "yamnet_mel"]
    rng = np.random.default_rng(0)
    for n in (1, 2, 600, 22050):
        noise = rng.standard_normal(n).astype(np.float32)
        for samples in (np.zeros(n, np.float32), noise * np.float32(1e-20), noise * np.float32(1e6), np.ones(n, np.float32)):
            for kind, values in spec.compute(samples, kinds).items():
                assert values.shape[1] == spec.bands(kind)
                assert np.isfinite(values).all(), (kind, n)


def test_mel_scalogram_and_mfcc_share_their_frames() -> None:
    spec = FrontEnd()
    for n in (1, 255, 256, 511, 512, 22050, 66149, 66150):
        shapes = {kind: values.shape[0] for kind, values in spec.compute(music(3.1)[:n], ["mel", "scalogram", "mfcc"]).items()}
        assert set(shapes.values()) == {1 + n // spec.hop_length}


def test_descriptor_rows_are_the_track_and_its_pieces() -> None:
    spec = FrontEnd(descriptor_segment_s=1.0)
    samples = music(4.0, seed=1)
    table = spec.compute(samples, ["descriptors"])["descriptors"]
    assert table.shape == (5, spec.bands("descriptors"))
    rms = list(spec.names("descriptors")).index("rms_mean")
    assert table[1:, rms].mean() == pytest.approx(table[0, rms], rel=0.02)
    assert spec.compute(samples[: int(3.4 * 22050)], ["descriptors"])["descriptors"].shape[0] == 1 + 3
    assert spec.compute(samples[:20000], ["descriptors"])["descriptors"].shape[0] == 1 + 1


def test_constant_q_is_librosas() -> None:
    import librosa

    spec = FrontEnd()
    samples = music(1.5)
    ours = spec.compute_exact(samples, ["cqt"])["cqt"]
    expected = librosa.amplitude_to_db(np.abs(librosa.cqt(samples, sr=22050, hop_length=512)), ref=np.max).T
    np.testing.assert_allclose(ours, expected, atol=2e-2)
    assert ours.shape == (1 + len(samples) // 512, spec.bands("cqt"))
