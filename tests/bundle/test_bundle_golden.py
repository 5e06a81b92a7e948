"""The golden clip, whole answers from sound, and how light a loaded bundle is."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from handmade_bundle import CLASSES, member, write
from musicgenre.bundle import BundleSpec, load_bundle
from musicgenre.bundle.files import read_bundle
from musicgenre.bundle.golden import TOLERANCE, check, clip, difference
from musicgenre.bundle.predictor import Predictor
from musicgenre.errors import BundleError, NonFiniteAudio, TooShort


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("golden")
    write(root / "bundle", [member(root / "m", "one", seed=1)])
    return root / "bundle"


def test_the_clip_is_the_same_sound_at_every_rate() -> None:
    low, high = clip(16000), clip(22050)
    assert low.dtype == np.float32 and np.abs(high).max() < 1.0
    assert len(high) == 8 * 22050
    assert np.sqrt(np.mean(low**2)) == pytest.approx(np.sqrt(np.mean(high**2)), rel=0.05)
    # Frozen figures: another clip would make every stored golden answer worthless.
    np.testing.assert_allclose(high[[100, 1000, 50000, 123456]], [-0.2002142, -0.4811375, -0.0878778, 0.0187447], atol=1e-6)
    assert float(np.abs(high).mean()) == pytest.approx(0.1161626, abs=1e-6)


def test_a_bundle_answers_its_golden_clip(bundle: Path) -> None:
    predictor = Predictor.load(bundle)
    assert check(predictor) <= 1e-6
    recorded = load_bundle(bundle).golden["probabilities"]
    assert len(recorded) == len(CLASSES) and sum(recorded) == pytest.approx(1.0, abs=1e-5)


def test_a_changed_answer_is_found(bundle: Path) -> None:
    spec, files = read_bundle(bundle)
    recorded = list(spec.golden["probabilities"])
    recorded[0] += 10 * TOLERANCE
    moved = Predictor(replace(spec, golden={**spec.golden, "probabilities": recorded}), files)
    assert difference(moved) == pytest.approx(10 * TOLERANCE, rel=0.05)
    with pytest.raises(BundleError, match="golden clip"):
        check(moved)
    with pytest.raises(BundleError, match="golden recipe"):
        check(Predictor(replace(spec, golden={}), files))
    # Other features, same graph: train/serve skew is what the golden clip is for.
    skewed = Predictor(replace(spec, front_end={**spec.front_end, "top_db": 40.0}), files)
    with pytest.raises(BundleError, match="golden clip"):
        check(skewed)


def test_file_bytes_and_samples_agree(bundle: Path, tmp_path: Path) -> None:
    import soundfile

    predictor = Predictor.load(bundle)
    samples = clip(predictor.sample_rate)
    soundfile.write(tmp_path / "clip.wav", samples, predictor.sample_rate, subtype="FLOAT")
    expected = predictor.classify_samples(samples)
    for found in (predictor.classify_file(tmp_path / "clip.wav"), predictor.classify_bytes((tmp_path / "clip.wav").read_bytes())):
        np.testing.assert_array_equal(found.probabilities, expected.probabilities)
        np.testing.assert_array_equal(found.segment_probabilities, expected.segment_probabilities)


def test_samples_that_are_none_or_not_finite_are_refused(bundle: Path) -> None:
    predictor = Predictor.load(bundle)
    with pytest.raises(TooShort):
        predictor.classify_samples(np.zeros(0, dtype=np.float32))
    with pytest.raises(TooShort):
        predictor.classify_samples(np.zeros((2, 5), dtype=np.float32))
    with pytest.raises(NonFiniteAudio, match="1 of 22050"):
        predictor.classify_samples(np.r_[np.zeros(22049), np.inf].astype(np.float32))


def test_the_description_survives_json(bundle: Path) -> None:
    spec = load_bundle(bundle)
    assert BundleSpec.from_dict(json.loads(json.dumps(spec.to_dict()))).digest == spec.digest


def test_a_loaded_bundle_is_light(bundle: Path) -> None:
    """A fresh process that loads and answers imports nothing that only training needs."""
    script = (
        "import sys\n"
        "from musicgenre.bundle.predictor import Predictor\n"
        "from musicgenre.bundle.golden import check\n"
        f"check(Predictor.load({str(bundle)!r}))\n"
        "heavy = {'tensorflow', 'keras', 'mlflow', 'pandas', 'librosa', 'sklearn', 'optuna', 'great_expectations', 'dvc',"
        " 'onnx', 'matplotlib', 'numba', 'pyarrow', 'torch', 'pickle5'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
