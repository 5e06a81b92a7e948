"""`dvc.yaml` says the truth: its modules exist, its params exist, and each stage has its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from imports import Imports

from musicgenre.models import families
from musicgenre.params import FAMILIES, FamilySearch, Params

SEARCHES = ["search-cnn", "search-transfer", "search-multimodal", "search-classical"]
STAGES = ["source", "manifest", "validate", "split", "features", "embed", *SEARCHES, "ensemble", "evaluate", "promote", "package"]


@pytest.fixture(scope="module")
def stages(repository: Path) -> dict[str, Any]:
    definition: dict[str, Any] = yaml.safe_load((repository / "dvc.yaml").read_text())["stages"]
    return definition


def test_the_order_is_the_design(stages: dict[str, Any]) -> None:
    assert list(stages) == STAGES


def test_every_module_depended_on_exists(stages: dict[str, Any], repository: Path) -> None:
    for name, stage in stages.items():
        modules = [dep for dep in stage["deps"] if dep.startswith("src/")]
        assert modules, f"{name} depends on no module: an edit would not rerun it"
        for module in modules:
            assert (repository / module).exists(), f"{name}: {module}"


def test_every_param_exists_and_no_stage_reads_a_neighbours_block(stages: dict[str, Any], repository: Path) -> None:
    params = yaml.safe_load((repository / "params.yaml").read_text())
    for name, stage in stages.items():
        for key in stage["params"]:
            node = params
            for part in key.split("."):
                assert part in node, f"{name}: {key}"
                node = node[part]
        if name.startswith("search-"):
            assert stage["params"] == ["search.common", f"search.{name.removeprefix('search-')}"]


def test_inputs_are_written_by_an_earlier_stage(stages: dict[str, Any], repository: Path) -> None:
    written: list[str] = ["data/demo"]
    for name, stage in stages.items():
        for dep in stage["deps"]:
            if dep.startswith(("data/", "models/", "reports/")):
                assert any(dep == out or dep.startswith(out + "/") for out in written), f"{name}: {dep}"
        outs = [*stage.get("outs", []), *stage.get("metrics", [])]
        written.extend(out if isinstance(out, str) else next(iter(out)) for out in outs)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_search_depends_on_all_that_its_space_reads(family: str, stages: dict[str, Any], repository: Path) -> None:
    params = Params.model_validate(yaml.safe_load((repository / "params.yaml").read_text()))
    deps = stages[f"search-{family}"]["deps"]
    for block in (params.search.family(family), FamilySearch()):
        kinds, backbones = families.get(family).needs(block)
        assert {f"data/features/{kind}" for kind in kinds} <= set(deps)
        assert backbones <= set(params.embed.backbones) and ("data/embeddings" in deps or not backbones)


# What decides where or how loudly work is done, not what comes out of it.
_PLUMBING = ("errors", "layout", "atomic", "progress", "quiet", "params", "lineage", "compute", "tracking", "cli", "summary")
PLUMBING = tuple(f"musicgenre.{name}" for name in _PLUMBING)
# Code whose effect reaches a stage through a file that it depends on already.
THROUGH_DATA = ("musicgenre.audio", "musicgenre.features.frontend", "musicgenre.features.kinds", "musicgenre.features.comparison")
ENTRIES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "source": (("musicgenre.dataset.sources",), ()),
    "manifest": (("musicgenre.dataset.manifest",), ("musicgenre.dataset.demo", "musicgenre.synth")),
    "validate": (("musicgenre.dataset.validation",), ("musicgenre.dataset.manifest", "musicgenre.dataset.sources")),
    "split": (("musicgenre.dataset.splits",), ("musicgenre.dataset.sources",)),
    "features": (("musicgenre.features.extract",), ()),
    "embed": (("musicgenre.models.embed", "musicgenre.models.backbones.melnet"), THROUGH_DATA),
    "search-cnn": (("musicgenre.search.study", "musicgenre.models.families.cnn"), THROUGH_DATA),
    "search-transfer": (("musicgenre.search.study", "musicgenre.models.families.transfer"), THROUGH_DATA),
    "search-multimodal": (("musicgenre.search.study", "musicgenre.models.families.multimodal"), THROUGH_DATA),
    "search-classical": (("musicgenre.search.study", "musicgenre.models.families.classical"), THROUGH_DATA),
    "ensemble": (("musicgenre.search.ensemble",), THROUGH_DATA),
    "evaluate": (("musicgenre.evaluation.stage",), ()),
    "promote": (("musicgenre.registry.promotion",), (*THROUGH_DATA, "musicgenre.evaluation", "musicgenre.bundle", "musicgenre.features")),
    "package": (("musicgenre.serving.packaging", "musicgenre.serving.service"), ()),
}


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_every_module_that_decides_its_output(name: str, stages: dict[str, Any], repository: Path) -> None:
    """A helper left out of the deps would make a stale result look fresh."""
    graph = Imports(repository / "src")
    entries, cut = ENTRIES[name]
    declared = [dep for dep in stages[name]["deps"] if dep.startswith("src/")]
    missing = []
    for module in graph.closure(*entries, cut=(*PLUMBING, *cut)):
        path = graph.path(module)
        assert path is not None
        if path.name == "__init__.py" and len(path.read_text().splitlines()) <= 3:
            continue  # a docstring decides nothing
        relative = path.relative_to(repository).as_posix()
        if not any(relative == dep or relative.startswith(dep + "/") for dep in declared):
            missing.append(relative)
    assert not missing, f"{name} does not depend on {sorted(missing)}"
