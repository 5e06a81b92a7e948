"""Classical estimators: genres of unequal size."""

from __future__ import annotations

import numpy as np
import pytest

from musicgenre.models.estimators import ClassicalConfig, even_rows, fit_pipeline, make_pipeline


def test_even_rows_keep_every_row_and_even_the_labels() -> None:
    y = np.array([0] * 7 + [1] * 2 + [3] * 4)  # a fold may lack a label
    chosen = even_rows(y, 3)
    assert set(chosen) == set(range(len(y)))
    assert np.bincount(y[chosen]).tolist() == [7, 7, 0, 7]
    assert np.array_equal(chosen, even_rows(y, 3)) and not np.array_equal(chosen, even_rows(y, 4))


@pytest.mark.parametrize("model", ["lr", "svm", "xgb", "mlp"])
@pytest.mark.parametrize("option", ["resample", "class_weights"])
def test_a_rare_genre_is_heard_more_often(model: str, option: str) -> None:
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 0.0, 0.0], [1.0, 0.6, 0.3]])

    def rows(counts: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        y = np.repeat([0, 1], counts)
        return centres[y] + rng.normal(0, 1, (len(y), 3)), y

    x, y = rows((300, 24))
    unseen, labels = rows((300, 300))

    def recall(config: ClassicalConfig) -> float:
        pipeline = make_pipeline(config, len(x), x.shape[1], 1)
        fit_pipeline(pipeline, x, y, config, 1)
        return float((pipeline.predict(unseen)[labels == 1] == 1).mean())

    plain = ClassicalConfig(model=model, boosts=60, units=(16,), depth=3)
    even = ClassicalConfig(**{**plain.__dict__, option: True})
    assert recall(even) > recall(plain) + 0.1
