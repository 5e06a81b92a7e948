"""A bundle is read only when every byte is the one that was sealed."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from handmade_bundle import CLASSES, member, write
from musicgenre.bundle import BundleSpec, load_bundle
from musicgenre.errors import BundleError, FeatureError, TamperedBundle

FRONT_END = {"sample_rate": 22050}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bundle")
    parts = [member(root / "a", "one", seed=1), member(root / "b", "two", seed=2)]
    write(root / "bundle", parts, front_end=FRONT_END, golden=False, lineage={"git_commit": "abc"}, reference={"x": [0.1, 1e-7]})
    return root / "bundle"


@pytest.fixture
def bundle(original: Path, tmp_path: Path) -> Path:
    shutil.copytree(original, tmp_path / "bundle")
    return tmp_path / "bundle"


def test_what_was_written_is_read(bundle: Path) -> None:
    spec = load_bundle(bundle)
    assert spec.classes == CLASSES
    assert [item.name for item in spec.members] == ["one", "two"]
    assert sorted(spec.digests) == ["one.onnx", "two.onnx"]
    assert spec.lineage["git_commit"] == "abc"
    assert spec.kinds == ("mel",)
    assert json.loads((bundle / "bundle.json").read_text())["seal"] == spec.digest


def test_every_changed_byte_of_the_description_is_found(bundle: Path) -> None:
    path = bundle / "bundle.json"
    text = path.read_bytes()
    for position in range(0, len(text), max(1, len(text) // 150)):
        changed = bytearray(text)
        changed[position] ^= 0x01
        path.write_bytes(bytes(changed))
        with pytest.raises(BundleError):
            load_bundle(bundle)
    path.write_bytes(text + b" ")  # the same JSON, other bytes
    with pytest.raises(TamperedBundle, match="changed after it was sealed"):
        load_bundle(bundle)


def test_a_changed_graph_is_named(bundle: Path) -> None:
    data = bytearray((bundle / "two.onnx").read_bytes())
    data[len(data) // 2] ^= 0x80
    (bundle / "two.onnx").write_bytes(bytes(data))
    with pytest.raises(TamperedBundle, match=r"two\.onnx has SHA-256"):
        load_bundle(bundle)


def test_a_missing_and_an_extra_file_are_named(bundle: Path) -> None:
    (bundle / "model.pkl").write_bytes(b"\x80\x04.")
    with pytest.raises(TamperedBundle, match=r"model\.pkl does not belong"):
        load_bundle(bundle)
    (bundle / "model.pkl").unlink()
    (bundle / "sub").mkdir()
    with pytest.raises(TamperedBundle, match="sub does not belong"):
        load_bundle(bundle)
    (bundle / "sub").rmdir()
    (bundle / "one.onnx").unlink()
    with pytest.raises(TamperedBundle, match=r"one\.onnx is missing"):
        load_bundle(bundle)


@pytest.mark.parametrize("name", ["../one.onnx", "/etc/passwd", "sub/one.onnx", ".one.onnx", "one.pkl", "..", "a\\b.onnx", "a\x00.onnx"])
def test_a_resealed_path_out_of_the_folder_is_refused(bundle: Path, name: str) -> None:
    content = json.loads((bundle / "bundle.json").read_text())
    content.pop("seal")
    content["members"][0]["file"] = name
    content["digests"][name] = content["digests"].pop("one.onnx")
    seal = BundleSpec.from_dict(content).digest
    (bundle / "bundle.json").write_text(json.dumps({**content, "seal": seal}, indent=1, sort_keys=True) + "\n")
    with pytest.raises(TamperedBundle, match="only plain"):
        load_bundle(bundle)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "schema 2"),
        ({"surprise": 1}, "not a bundle's description"),
        ({"members": [{"name": "x"}]}, "not a bundle's description"),
    ],
)
def test_an_unknown_description_is_refused(bundle: Path, change: dict[str, object], message: str) -> None:
    content = json.loads((bundle / "bundle.json").read_text())
    (bundle / "bundle.json").write_text(json.dumps({**content, **change}))
    with pytest.raises(BundleError, match=message):
        load_bundle(bundle)


def test_no_bundle_and_no_json_are_said(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is not a bundle"):
        load_bundle(tmp_path)
    (tmp_path / "bundle.json").write_bytes(b"\xff\x00")
    with pytest.raises(TamperedBundle, match="not JSON"):
        load_bundle(tmp_path)


def test_writing_refuses_what_could_not_be_read(tmp_path: Path) -> None:
    one = member(tmp_path / "a", "one")
    with pytest.raises(BundleError, match="at least one member"):
        write(tmp_path / "out", [], front_end=FRONT_END)
    with pytest.raises(BundleError, match="share a name"):
        write(tmp_path / "out", [one, one], front_end=FRONT_END)
    with pytest.raises(BundleError, match="temperature"):
        write(tmp_path / "out", [one], front_end=FRONT_END, temperature=0.0)
    with pytest.raises(BundleError, match="is not there"):
        write(tmp_path / "out", [(one[0], tmp_path / "elsewhere")], front_end=FRONT_END)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_equal_file_names_are_told_apart(tmp_path: Path) -> None:
    from dataclasses import replace

    parts = []
    for name in ("cnn", "transfer"):
        spec, folder = member(tmp_path / name, name)
        (folder / f"{name}.onnx").rename(folder / "model.onnx")
        parts.append((replace(spec, file="model.onnx"), folder))
    spec = write(tmp_path / "out", parts, front_end=FRONT_END, golden=False)
    assert [item.file for item in spec.members] == ["model.onnx", "transfer-model.onnx"]
    assert load_bundle(tmp_path / "out") == spec


@pytest.mark.parametrize("kind", ["cqt", "unheard_of"])
def test_features_that_no_service_computes_are_refused_at_writing(kind: str, tmp_path: Path) -> None:
    spec, folder = member(tmp_path / "a", "one")
    other = replace(spec, inputs=(replace(spec.inputs[0], kind=kind),))
    with pytest.raises(FeatureError, match=kind):
        write(tmp_path / "bundle", [(other, folder)], golden=False)
    assert not (tmp_path / "bundle").exists()
