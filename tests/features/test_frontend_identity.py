"""The spec is an identity: every number counts, equal numbers are equal, and a model refuses another definition."""

from __future__ import annotations

import dataclasses

import pytest

from musicgenre.errors import FeatureError, ParamsError
from musicgenre.features.frontend import FrontEnd
from musicgenre.features.kinds import KINDS, check_servable
from musicgenre.params import FeaturesParams

# One other valid value for every field.
OTHER = {
    "sample_rate": 24000, "n_fft": 1024, "hop_length": 256, "window": "hamming", "n_mels": 64, "fmin": 20.0, "fmax": 10000.0,
    "mel_scale": "htk", "top_db": 60.0, "pre_emphasis": 0.97, "n_mfcc": 13, "wavelet": "cmor1.5-1.0",
    "n_scales": 32, "scalogram_fmin": 50.0,
    "scalogram_fmax": 7000.0, "descriptor_segment_s": 1.5, "hpss": True,
}  # fmt: skip


def test_every_field_has_another_value_here() -> None:
    assert set(OTHER) == {field.name for field in dataclasses.fields(FrontEnd)}


@pytest.mark.parametrize("name", OTHER)
def test_a_changed_number_changes_the_ids_of_the_kinds_that_depend_on_it(name: str) -> None:
    before, after = FrontEnd(), dataclasses.replace(FrontEnd(), **{name: OTHER[name]})
    assert before.feature_id != after.feature_id
    changed = {kind for kind in KINDS if before.kind_id(kind) != after.kind_id(kind)}
    assert changed == {kind for kind, entry in KINDS.items() if name in entry.fields}
    assert changed


def test_equal_numbers_give_one_id_however_they_are_written() -> None:
    assert FrontEnd(fmax=None) == FrontEnd(fmax=11025.0)
    assert FrontEnd(fmin=0, top_db=80).feature_id == FrontEnd(fmin=0.0, top_db=80.0).feature_id  # type: ignore[arg-type]
    assert FrontEnd.from_params(FeaturesParams()) == FrontEnd()


def test_the_id_of_the_default_is_the_same_on_every_machine() -> None:
    """Changing it means that no model trained before can be served: raise a kind's version on purpose, then this line."""
    assert FrontEnd().kind_id("mel") == "mel-f902f3bb01238611"


def test_the_stored_dtype_is_part_of_the_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    before, whole, other = FrontEnd().kind_id("mel"), FrontEnd().feature_id, FrontEnd().kind_id("mfcc")
    monkeypatch.setitem(KINDS, "mel", dataclasses.replace(KINDS["mel"], dtype="float32"))
    assert FrontEnd().kind_id("mel") != before
    assert FrontEnd().feature_id != whole
    assert FrontEnd().kind_id("mfcc") == other


def test_the_spec_survives_its_dictionary() -> None:
    spec = dataclasses.replace(FrontEnd(), hpss=True, n_mels=64)
    assert FrontEnd.from_dict(spec.to_dict()) == spec
    assert FrontEnd.from_dict(spec.to_dict()).feature_id == spec.feature_id


def test_another_definition_of_a_kind_is_refused() -> None:
    value = FrontEnd().to_dict()
    value["constants"]["mel"]["version"] = 99
    with pytest.raises(FeatureError, match="defines mel differently"):
        FrontEnd.from_dict(value)


def test_unknown_and_absent_fields_are_named() -> None:
    value = FrontEnd().to_dict()
    del value["n_fft"]
    value["n_bananas"] = 3
    with pytest.raises(FeatureError, match="n_bananas, n_fft"):
        FrontEnd.from_dict(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_fft", 2047),
        ("hop_length", 4096),
        ("window", "kaiser"),
        ("fmax", 12000.0),
        ("n_mfcc", 200),
        ("wavelet", "mexh"),
        ("scalogram_fmax", 30.0),
    ],
)
def test_impossible_numbers_are_errors_that_name_the_key(name: str, value: object) -> None:
    with pytest.raises(ParamsError, match=f"features.{name} is "):
        dataclasses.replace(FrontEnd(), **{name: value})  # type: ignore[arg-type]


def test_comparison_kinds_cannot_be_served() -> None:
    check_servable(["mel", "scalogram", "mfcc", "descriptors", "musicnn_mel", "yamnet_mel"])
    with pytest.raises(FeatureError, match="cqt"):
        check_servable(["mel", "cqt"])
