"""From features to a track's probabilities, its timeline and its warnings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from handmade_bundle import BANDS, CLASSES, RATE, member, write
from musicgenre.bundle.caution import Level, cautions
from musicgenre.bundle.predictor import Predictor
from musicgenre.bundle.reference import distance, statistics, summarise, track_vector
from musicgenre.errors import BundleError, FeatureError
from musicgenre.features.segments import cut, segment_times

FRONT_END = {"sample_rate": 22050}


def _mel(seconds: float, seed: int = 0, shift: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(-40 + shift, 8, size=(round(seconds * RATE), BANDS))).astype(np.float16)


def _predictor(folder: Path, *parts: object, **changes: object) -> Predictor:
    write(folder / "bundle", parts, front_end=FRONT_END, golden=False, **changes)  # type: ignore[arg-type]  # test helper
    return Predictor.load(folder / "bundle")


def test_a_track_is_the_mean_of_its_segments(tmp_path: Path) -> None:
    spec, folder = member(tmp_path / "m", "one", seed=3)
    predictor = _predictor(tmp_path, (spec, folder))
    mel = _mel(10.0)
    found = predictor.classify_features({"mel": mel}, 10.0)
    import onnxruntime as ort

    session = ort.InferenceSession(str(folder / "one.onnx"))
    times = segment_times(10.0, spec.segmenting)
    expected = session.run(None, {"mel": cut(mel, spec.inputs[0], times, spec.segmenting)})[0]
    np.testing.assert_allclose(found.segment_probabilities, expected, atol=1e-6)
    np.testing.assert_allclose(found.probabilities, expected.mean(axis=0), atol=1e-6)
    np.testing.assert_array_equal(found.times_s, times)
    assert found.probabilities.dtype == np.float32
    assert found.classes == CLASSES
    assert found.genre == CLASSES[int(expected.mean(axis=0).argmax())]
    assert next(name for name, _ in found.ranked(2)) == found.genre


def test_batches_do_not_change_the_answer(tmp_path: Path) -> None:
    from dataclasses import replace

    spec, folder = member(tmp_path / "m", "one", hop_s=0.5)
    whole = _predictor(tmp_path / "a", (spec, folder)).classify_features({"mel": _mel(20.0)}, 20.0)
    parts = _predictor(tmp_path / "b", (replace(spec, max_batch=3), folder)).classify_features({"mel": _mel(20.0)}, 20.0)
    np.testing.assert_allclose(whole.segment_probabilities, parts.segment_probabilities, atol=1e-6)


def test_members_of_different_segmenting_share_the_heaviest_ones_grid(tmp_path: Path) -> None:
    light = member(tmp_path / "a", "light", length_s=2.0, hop_s=1.0, weight=0.25, seed=1)
    heavy = member(tmp_path / "b", "heavy", length_s=4.0, hop_s=2.0, weight=0.75, seed=2)
    mel = _mel(12.0, seed=5)
    both = _predictor(tmp_path / "x", light, heavy).classify_features({"mel": mel}, 12.0)
    one = _predictor(tmp_path / "y", light).classify_features({"mel": mel}, 12.0)
    other = _predictor(tmp_path / "z", heavy).classify_features({"mel": mel}, 12.0)
    np.testing.assert_allclose(both.probabilities, 0.25 * one.probabilities + 0.75 * other.probabilities, atol=1e-6)
    np.testing.assert_array_equal(both.times_s, other.times_s)
    assert both.segment_s == 4.0
    # The first cell, [0, 4) s, overlaps the light member's segments at 0, 1, 2 and 3 s by 2, 2, 2 and 1 s.
    light_cell = np.average(one.segment_probabilities[:4], axis=0, weights=[2, 2, 2, 1])
    np.testing.assert_allclose(both.segment_probabilities[0], 0.25 * light_cell + 0.75 * other.segment_probabilities[0], atol=1e-6)
    np.testing.assert_allclose(both.segment_probabilities.sum(axis=1), 1.0, atol=1e-6)


def test_temperature_is_applied_to_track_and_timeline(tmp_path: Path) -> None:
    part = member(tmp_path / "m", "one", seed=4)
    plain = _predictor(tmp_path / "a", part).classify_features({"mel": _mel(6.0)}, 6.0)
    soft = _predictor(tmp_path / "b", part, temperature=5.0).classify_features({"mel": _mel(6.0)}, 6.0)
    for before, after in ((plain.probabilities, soft.probabilities), (plain.segment_probabilities, soft.segment_probabilities)):
        raised = before.astype(np.float64) ** 0.2
        np.testing.assert_allclose(after, raised / raised.sum(axis=-1, keepdims=True), atol=1e-6)


def test_faults_of_the_input_are_named(tmp_path: Path) -> None:
    predictor = _predictor(tmp_path, member(tmp_path / "m", "one"))
    with pytest.raises(FeatureError, match="reads 'mel'; given are \\['mfcc'\\]"):
        predictor.classify_features({"mfcc": _mel(5.0)}, 5.0)
    with pytest.raises(FeatureError, match="expected"):
        predictor.classify_features({"mel": _mel(5.0)[:, :50]}, 5.0)
    with pytest.raises(BundleError, match="non-finite"):
        predictor.classify_features({"mel": np.full((400, BANDS), np.nan, dtype=np.float32)}, 9.0)


def test_a_graph_that_is_no_graph_or_another_one_is_refused(tmp_path: Path) -> None:
    from dataclasses import replace

    spec, folder = member(tmp_path / "m", "one")
    wrong = replace(spec.inputs[0], name="other")
    with pytest.raises(BundleError, match="takes \\['mel'\\]"):
        _predictor(tmp_path / "a", (replace(spec, inputs=(wrong,)), folder))
    (folder / "one.onnx").write_bytes(b"not a graph")
    with pytest.raises(BundleError, match=r"cannot load one\.onnx"):
        _predictor(tmp_path / "b", (spec, folder))


@pytest.mark.parametrize("absolute", [True, False])
def test_a_graph_may_not_read_other_files(tmp_path: Path, absolute: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """External tensors could name any path on the machine; a graph loaded from checked bytes reaches none."""
    import onnx

    monkeypatch.chdir(tmp_path)

    spec, folder = member(tmp_path / "m", "one")
    model = onnx.load(folder / "one.onnx")
    secret = tmp_path / "secret.bin"
    secret.write_bytes(model.graph.initializer[0].raw_data)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", str(secret) if absolute else secret.name), ("offset", "0"), ("length", str(secret.stat().st_size))):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    (folder / "one.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(BundleError, match="cannot load"):
        _predictor(tmp_path, (spec, folder))


def test_reference_calls_strange_sound_strange(tmp_path: Path) -> None:
    tracks = [_mel(8.0, seed=seed, shift=seed % 5) for seed in range(60)]
    genres = [CLASSES[seed % 3] for seed in range(60)]
    reference = summarise("mel", tracks, [8.0] * 60, genres)
    assert reference["tracks"] == 60
    assert reference["priors"] == pytest.approx(dict.fromkeys(CLASSES, 1 / 3))
    known = distance(track_vector(_mel(8.0, seed=99, shift=2), "mel"), reference)
    strange = distance(track_vector(np.zeros((300, BANDS), dtype=np.float16), "mel"), reference)
    assert known < reference["limit"] < strange
    predictor = _predictor(tmp_path, member(tmp_path / "m", "one"), reference=reference)
    assert predictor.classify_features({"mel": _mel(8.0, seed=98, shift=2)}, 8.0).warnings == ()
    odd = predictor.classify_features({"mel": np.zeros((300, BANDS), dtype=np.float16)}, 8.0)
    assert odd.warnings[0].startswith("unlike_training: ")
    assert set(odd.statistics) == {"duration_s", "distance", "level", "dynamics", "brightness"}
    assert predictor.kinds == ("mel",)


def test_descriptors_are_described_by_their_first_row() -> None:
    tracks = [np.random.default_rng(seed).normal(size=(4, 7)).astype(np.float32) for seed in range(20)]
    reference = summarise("descriptors", tracks, [3.0] * 20, ["x"] * 20)
    assert len(reference["mean"]) == 7
    assert set(statistics(track_vector(tracks[0], "descriptors"), "descriptors", 3.0, reference)) == {"duration_s", "distance"}


def test_a_constant_band_does_not_dominate() -> None:
    tracks = [_mel(5.0, seed=seed) for seed in range(10)]
    for values in tracks:
        values[:, 3] = -80
    reference = summarise("mel", tracks, [5.0] * 10, ["x"] * 10)
    assert np.isfinite(reference["limit"]) and min(reference["deviation"]) > 0


def test_cautions_of_the_signal(tmp_path: Path) -> None:
    spec = write(tmp_path / "bundle", [member(tmp_path / "m", "one")], front_end=FRONT_END, golden=False)
    time = np.arange(22050 * 4) / 22050
    clean = (0.5 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
    assert cautions(spec, duration_s=4.0, figures={}, level=Level.of(clean)) == ()
    loud = np.clip(3 * clean, -1, 1)
    assert cautions(spec, duration_s=4.0, figures={}, level=Level.of(loud))[0].startswith("clipped: ")
    quiet = clean.copy()
    quiet[: len(quiet) * 3 // 4] = 0
    assert cautions(spec, duration_s=4.0, figures={}, level=Level.of(quiet))[0].startswith("mostly_silent: 7")
    assert cautions(spec, duration_s=1.2, figures={}, level=Level.of(clean[:500]))[0].startswith("short: the clip has 1.2 s")
