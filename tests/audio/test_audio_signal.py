"""The short way says what the long way says."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from musicgenre.audio import all_finite


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_bad_number_anywhere_is_found(dtype: str, bad: float) -> None:
    generator = np.random.default_rng(0)
    for place in (0, 1, 4_097, 99_999):
        values = generator.standard_normal(100_000).astype(dtype)
        assert all_finite(values)
        values[place] = bad
        assert not all_finite(values)


def test_infinities_that_cancel_and_sums_that_overflow() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not all_finite(np.array([np.inf, -np.inf, 1.0], np.float32))
        assert all_finite(np.full(1000, 3e38, np.float32))
        assert all_finite(np.array([3e38, 3e38, -3e38, -3e38], np.float32))
        assert all_finite(np.zeros((0, 2), np.float32))
