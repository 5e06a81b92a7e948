"""Bad input: words where the number would be, and the stage does what params.yaml says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from evaluation_project import small_params

from musicgenre.bundle.predictor import Prediction, Predictor
from musicgenre.errors import BundleError, EvaluationError, MissingInput
from musicgenre.evaluation import evaluate
from musicgenre.layout import Layout


@pytest.fixture(autouse=True)
def _light(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither MLflow nor a second process: they have tests of their own."""
    from musicgenre.evaluation.cost import Cost

    monkeypatch.setattr("musicgenre.evaluation.track.log_evaluation", lambda *_: None)
    monkeypatch.setattr("musicgenre.evaluation.stage.measure", lambda folders: [Cost(1.0, 2.0, 3.0, 30.0) for _ in folders])


def _keep(layout: Layout, *families: str) -> None:
    import shutil

    for folder in (layout.root / "models").iterdir():
        if folder.name not in families:
            shutil.rmtree(folder)


def _run(layout: Layout, on_problem: str = "warn") -> dict[str, Any]:
    evaluate(small_params(on_problem=on_problem, robustness=False), layout)
    found: dict[str, Any] = json.loads(layout.metrics.read_text())
    return found


def _page(layout: Layout) -> str:
    return (layout.reports / "report.html").read_text()


def _edit_split(layout: Layout, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    change(pd.read_parquet(layout.splits)).to_parquet(layout.splits, index=False)


def test_a_genre_missing_from_test(copied: Layout) -> None:
    _keep(copied, "classical", "cnn")
    _edit_split(copied, lambda table: table[~((table["split"] == "test") & (table["genre"] == "classical"))])
    with pytest.raises(EvaluationError, match=r"No test track of classical.*\n?.*on_problem: warn"):
        _run(copied, "fail")
    found = json.loads(copied.metrics.read_text())  # written before it failed
    assert [item["code"] for item in found["problems"]] == ["missing_genre"]
    assert found["families"]["cnn"]["test"]["macro_f1"]["value"] is not None
    assert "no test track" in _page(copied)
    assert "No test track of classical" in (copied.reports / "report.md").read_text()


def test_one_track_a_genre(copied: Layout) -> None:
    _keep(copied, "classical", "cnn")

    def one(table: pd.DataFrame) -> pd.DataFrame:
        test = table[table["split"] == "test"].groupby("genre").head(1)
        return pd.concat([table[table["split"] != "test"], test])

    _edit_split(copied, one)
    found = _run(copied)
    assert [item["code"] for item in found["problems"]] == ["one_track_genre"]
    assert "one track: 0 or 1" in _page(copied)


def test_a_family_that_failed(copied: Layout) -> None:
    import shutil

    _keep(copied, "classical", "cnn", "multimodal", "transfer")
    shutil.rmtree(copied.bundle("cnn"))
    (copied.bundle("transfer") / "transfer.onnx").write_bytes(b"changed")
    (copied.model("multimodal") / "summary.json").write_text('{"family": "multimodal", "skipped": "switched off in params.yaml"}')
    found = _run(copied)
    assert {item["family"]: item["code"] for item in found["problems"]} == {"cnn": "failed_family", "transfer": "failed_family"}
    assert "left none" in found["families"]["cnn"]["why"]
    assert "SHA-256" in found["families"]["transfer"]["why"]
    assert found["families"]["multimodal"]["why"] == "left out: switched off in params.yaml"  # on purpose: no problem
    assert found["selected"] == "classical"
    assert "no number" in _page(copied)


def _predictions(monkeypatch: pytest.MonkeyPatch, change: Callable[[Prediction, str], Prediction]) -> None:
    plain = Predictor.classify_features

    def answer(self: Predictor, features: Any, duration_s: float) -> Prediction:
        return change(plain(self, features, duration_s), self.spec.members[0].name)

    monkeypatch.setattr(Predictor, "classify_features", answer)


def test_a_constant_predictor(copied: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    _keep(copied, "classical", "cnn")
    constant = np.array([0.2, 0.5, 0.3], dtype=np.float32)

    def change(found: Prediction, name: str) -> Prediction:
        return Prediction(**{**found.__dict__, "probabilities": constant}) if name == "cnn" else found

    _predictions(monkeypatch, change)
    found = _run(copied)
    assert {(item["code"], item["family"], item["split"]) for item in found["problems"]} == {
        ("constant_predictor", "cnn", "validation"),
        ("constant_predictor", "cnn", "test"),
    }
    entry = found["families"]["cnn"]["test"]
    assert entry["accuracy"]["value"] == pytest.approx(1 / 3)
    assert entry["roc_auc"]["value"] == pytest.approx(0.5)
    assert "It answers classical for every test track" in _page(copied)
    assert found["selected"] == "classical"


def test_probabilities_that_are_not_numbers(copied: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    _keep(copied, "classical", "cnn")

    def change(found: Prediction, name: str) -> Prediction:
        if name == "cnn" and found.probabilities.argmax() == 0:
            raise BundleError("member 'cnn' gave [3, 3] with 3 non-finite values for 3 segments of 3 classes.")
        return found

    _predictions(monkeypatch, change)
    found = _run(copied)
    assert {item["code"] for item in found["problems"]} == {"not_a_number"}
    why = found["families"]["cnn"]["test"]["why"]
    assert "are not numbers" in why and "non-finite" in why
    assert "macro_f1" not in found["families"]["cnn"]["test"]
    assert pd.read_parquet(copied.predictions)["p_blues"].isna().any()
    assert found["selected"] == "classical"
    assert "are not numbers" in _page(copied)


def test_nothing_usable_at_all(copied: Layout) -> None:
    import shutil

    _keep(copied, "cnn")
    shutil.rmtree(copied.bundle("cnn"))
    with pytest.raises(EvaluationError, match="No family could be evaluated"):
        _run(copied)
    assert "No family could be evaluated" in _page(copied)


def test_features_of_another_front_end_are_refused(copied: Layout) -> None:
    from musicgenre.features.frontend import FrontEnd

    _keep(copied, "cnn", "classical")
    path = copied.features("mel") / "spec.json"
    spec = json.loads(path.read_text())
    fields = {name: value for name, value in spec["front_end"].items() if name != "constants"}
    spec["front_end"] = FrontEnd(**{**fields, "top_db": 60.0}).to_dict()
    path.write_text(json.dumps(spec))
    found = _run(copied)
    assert "train and features differ" in found["families"]["cnn"]["why"]
    assert found["selected"] == "classical"


def test_no_family_no_split(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="holds no family"):
        evaluate(small_params(), Layout(tmp_path))
    (tmp_path / "models" / "cnn").mkdir(parents=True)
    with pytest.raises(MissingInput, match="musicgenre split"):
        evaluate(small_params(), Layout(tmp_path))


def test_a_cap_below_the_page_says_what_it_needs(copied: Layout) -> None:
    _keep(copied, "classical")
    with pytest.raises(EvaluationError, match=r"max_report_mb is 2.*Allow at least"):
        evaluate(small_params(max_report_mb=2.0, robustness=False), copied)


def test_media_fill_what_the_cap_leaves(copied: Layout) -> None:
    _keep(copied, "classical", "cnn")
    params = small_params(max_report_mb=5.45, robustness=False)
    evaluate(params, copied)
    page = copied.reports / "report.html"
    assert page.stat().st_size <= 5.45e6
    assert "left out to stay under the cap" in page.read_text()


def test_tracks_whose_files_are_gone_have_no_preview(copied: Layout) -> None:
    _keep(copied, "classical", "cnn")
    for path in (copied.root / "data" / "demo").rglob("*.wav"):
        path.unlink()
    _run(copied)
    assert "could not be decoded" in _page(copied)
