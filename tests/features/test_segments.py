"""Cutting features into model inputs: the code that training and service share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicgenre.errors import FeatureError
from musicgenre.features.segments import InputSpec, Segmenting, cut, segment_times

MEL = InputSpec(name="mel", kind="mel", rate=10.0, shape=(30, 4))


def _ramp(frames: int, bands: int = 4) -> np.ndarray:
    return np.repeat(np.arange(frames, dtype=np.float32)[:, None], bands, axis=1)


def test_whole_segments_only_and_at_least_one() -> None:
    assert segment_times(12.0, Segmenting(3.0, 1.5)).tolist() == [0, 1.5, 3, 4.5, 6, 7.5, 9]
    assert segment_times(0.4, Segmenting(3.0, 1.5)).tolist() == [0]
    assert segment_times(3.0, Segmenting(3.0, 3.0)).tolist() == [0]
    assert segment_times(5.999999999, Segmenting(3.0, 3.0)).tolist() == [0, 3], "a rounding error loses no segment"


@given(st.floats(0.1, 200), st.floats(0.5, 30), st.floats(0.25, 30))
def test_segments_stay_inside_the_track(duration: float, length: float, hop: float) -> None:
    times = segment_times(duration, Segmenting(length, hop))
    assert len(times) >= 1
    assert times[-1] == 0 or times[-1] + length <= duration + 1e-3 * hop


def test_cut_takes_the_frames_of_the_time() -> None:
    values = _ramp(100)
    out = cut(values, MEL, np.array([0.0, 1.5, 7.0]), Segmenting(3.0, 1.5))
    assert out.shape == (3, 30, 4)
    assert out.dtype == np.float32
    assert out[:, 0, 0].tolist() == [0, 15, 70]
    assert np.array_equal(out[1], values[15:45])


def test_a_start_past_the_end_is_moved_back_not_padded() -> None:
    out = cut(_ramp(100), MEL, np.array([7.4]), Segmenting(3.0, 1.5))
    assert out[0, -1, 0] == 99


def test_a_short_track_is_repeated() -> None:
    out = cut(_ramp(20), MEL, np.array([0.0]), Segmenting(3.0, 1.5))
    assert out[0, :, 0].tolist() == [*range(20), *range(10)]


def test_the_result_does_not_alias_the_store() -> None:
    values = _ramp(40)
    out = cut(values, MEL, np.array([0.0]), Segmenting(3.0, 1.5))
    out[:] = -1
    assert values[3, 0] == 3


def test_descriptors_by_time_or_for_the_track() -> None:
    values = _ramp(5, 2)  # row 0 the track, rows 1..4 pieces of 3 s
    spec = InputSpec(name="d", kind="descriptors", rate=0, shape=(2,), piece_s=3.0)
    segmenting = Segmenting(3.0, 1.5)
    assert cut(values, spec, np.array([0.0, 3.0, 9.0, 20.0]), segmenting)[:, 0].tolist() == [1, 2, 4, 4]
    whole = InputSpec(name="d", kind="descriptors", rate=0, shape=(2,), row="track", piece_s=3.0)
    assert cut(values, whole, np.array([0.0, 3.0]), segmenting)[:, 0].tolist() == [0, 0]


@pytest.mark.parametrize("values", [np.zeros((10, 3)), np.zeros((0, 4)), np.zeros(4)])
def test_wrong_shapes_are_typed_errors(values: np.ndarray) -> None:
    with pytest.raises(FeatureError, match="expected"):
        cut(values, MEL, np.array([0.0]), Segmenting(3.0, 1.5))


def test_input_spec_survives_json() -> None:
    assert InputSpec.from_dict(MEL.to_dict() | {"shape": [30, 4]}) == MEL
