"""`params.yaml`: what is accepted, and how a fault is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from musicgenre.errors import ParamsError
from musicgenre.params import FAMILIES, Params, load_params, parse_params


def test_the_shipped_file_is_valid_and_names_every_block(repository: Path) -> None:
    params = load_params(repository / "params.yaml")
    raw = yaml.safe_load((repository / "params.yaml").read_text())
    blocks = {field.alias or name for name, field in Params.model_fields.items()}
    assert set(raw) == blocks
    assert params.dataset.source == "demo"
    for family in FAMILIES:
        assert params.search.family(family).trials >= 1


def test_the_shipped_file_spells_out_every_key_of_the_flat_blocks(repository: Path) -> None:
    """A key that only the code knows is a key nobody finds."""
    raw = yaml.safe_load((repository / "params.yaml").read_text())
    for name, field in Params.model_fields.items():
        if name == "search":
            continue
        block = getattr(load_params(repository / "params.yaml"), name)
        missing = set(type(block).model_fields) - set(raw[field.alias or name])
        assert not missing, f"{name}: {missing}"


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"splt": {}}, "unknown key `splt`"),
        ({"split": {"tset": 0.2}}, "unknown key `split.tset`"),
        ({"split": {"test": "much"}}, "`split.test` is 'much'"),
        ({"split": {"test": 1.5}}, "`split.test` is 1.5"),
        ({"split": {"validation": 0.5, "test": 0.45}}, "leave at least 0.1 for training"),
        ({"search": {"cnn": {"trials": 0}}}, "`search.cnn.trials` is 0"),
        ({"dataset": {"source": "spotify"}}, "`dataset.source` is 'spotify'"),
        ([1, 2], "expected a mapping"),
    ],
)
def test_a_fault_names_its_key(raw: object, said: str) -> None:
    with pytest.raises(ParamsError, match=r".+") as caught:
        parse_params(raw)
    assert said in str(caught.value)


def test_all_faults_are_reported_at_once() -> None:
    with pytest.raises(ParamsError) as caught:
        parse_params({"split": {"tset": 1}, "features": {"hop": 3}})
    assert "split.tset" in str(caught.value)
    assert "features.hop" in str(caught.value)


def test_absent_and_broken_files_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="not there"):
        load_params(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("a: [1,")
    with pytest.raises(ParamsError, match="not valid YAML"):
        load_params(tmp_path / "params.yaml")


def test_an_empty_file_means_all_defaults() -> None:
    assert parse_params(None) == Params()


def test_params_cannot_be_changed_after_reading() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Params().split.test = 0.5
