"""The same file gives the same feature bytes in the stage, in `predict` and in the service."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from serving_harness import Service, Wav

from musicgenre.bundle.predictor import Prediction, Predictor
from musicgenre.features.extract import extract
from musicgenre.features.store import FeatureStore
from musicgenre.layout import Layout
from musicgenre.params import ComputeParams, DatasetParams, FeaturesParams

KINDS = ("descriptors", "mel", "mfcc", "scalogram")


def test_stage_predict_and_service_see_the_same_bytes(
    bundle: Path, make_service: Callable[..., Service], wav: Wav, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = wav(5.0, rate=44100, seed=11, kind="FLAC")  # resampled on the way
    path = tmp_path / "set" / "a" / "one.flac"
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    (tmp_path / "data").mkdir()
    row = ("a/one", "set/a/one.flac", hashlib.sha256(data).hexdigest())
    pd.DataFrame([row], columns=["track_id", "path", "sha256"]).to_parquet(tmp_path / "data" / "valid.parquet")
    layout = Layout(tmp_path)
    extract(FeaturesParams(kinds=KINDS), DatasetParams(source="folder", path="set"), layout, ComputeParams(workers=1), quiet=True)
    stored = {kind: np.array(FeatureStore.open(layout.features(kind)).track("a/one")) for kind in KINDS}

    seen: list[dict[str, Any]] = []
    real = Predictor.classify_features

    def watched(self: Predictor, features: Mapping[str, Any], duration_s: float) -> Prediction:
        seen.append({kind: np.array(values) for kind, values in features.items()})
        return real(self, features, duration_s)

    monkeypatch.setattr(Predictor, "kinds", KINDS)
    service = make_service()  # before the watch: its golden clip is not what is looked at
    monkeypatch.setattr(Predictor, "classify_features", watched)
    Predictor.load(bundle).classify_file(path)
    answer = service.client.post("/classify", content=data, headers={"content-type": "audio/flac"})
    assert answer.status_code == 200, answer.text
    assert len(seen) == 2
    for found in seen:
        assert {kind: (values.dtype, values.tobytes()) for kind, values in found.items()} == {
            kind: (values.dtype, values.tobytes()) for kind, values in stored.items()
        }
