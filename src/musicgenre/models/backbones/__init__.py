"""Pretrained networks by name, and what a store of embeddings says about the one that made it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from musicgenre.errors import FeatureError, ModelError, MusicGenreError
from musicgenre.features.segments import InputSpec, Segmenting
from musicgenre.models.backbones.base import Backbone, Loaded

if TYPE_CHECKING:
    from musicgenre.models.corpus import Corpus

_WHERE = {
    "melnet": ("melnet", "Melnet"),
    "mobilenet_v2": ("images", "MobileNetV2"),
    "vgg16": ("images", "Vgg16"),
    "musicnn": ("musicnn", "Musicnn"),
    "yamnet": ("yamnet", "Yamnet"),
}
NAMES = tuple(_WHERE)


def get(name: str) -> Backbone:
    """The backbone `name`; cheap, nothing is loaded.

    Raises
    ------
    ModelError
        If there is none.
    """
    if name not in _WHERE:
        raise ModelError(f"no backbone {name!r}; there are {', '.join(NAMES)}.")
    module, kind = _WHERE[name]
    backbone: Backbone = getattr(import_module(f"musicgenre.models.backbones.{module}"), kind)()
    return backbone


def status() -> list[dict[str, str]]:
    """Name, kind and state of the weights of every backbone; downloads nothing."""
    rows = []
    for name in NAMES:
        backbone = get(name)
        try:
            weights = backbone.find(download=False)
            state = f"{weights.variant} from {weights.origin} ({weights.sha256[:12]}…)"
        except MusicGenreError as error:
            state = str(error)
        rows.append({"name": name, "kind": backbone.kind, "weights": state})
    return rows


def load(name: str, lineage: Mapping[str, Any], shape: tuple[int, ...]) -> Loaded:
    """The network that made the stored embeddings: the same variant, and the same digest.

    Raises
    ------
    WeightsUnavailable
        If its weights are not to be had any more.
    ModelError
        If those found are others than those recorded.
    """
    backbone = get(name)
    recorded = lineage.get("weights", {})
    weights = backbone.find(recorded.get("variant"))
    if recorded and weights.sha256 != recorded["sha256"]:
        raise ModelError(
            f"the stored embeddings of {name} were made with weights {recorded['sha256'][:12]}…, found are {weights.sha256[:12]}…. "
            "Run `musicgenre embed` again."
        )
    return Loaded(backbone.build((int(shape[0]), int(shape[1])), weights), weights)


def stored_input(corpus: Corpus, backbone: str) -> tuple[InputSpec, Segmenting, dict[str, Any]]:
    """The network's input, the segments of its stored embeddings, and the lineage to record with a model on them."""
    spec = corpus.embeddings(backbone).spec
    try:
        given, segmenting = InputSpec.from_dict(spec["input"]), Segmenting(**spec["segmenting"])
        weights = dict(spec["weights"])
    except (KeyError, TypeError) as error:
        raise FeatureError(f"{corpus.layout.embeddings(backbone)}/spec.json lacks {error}. Run `musicgenre embed` again.") from error
    return given, segmenting, {"backbone": backbone, "weights": weights}


__all__ = ["NAMES", "Backbone", "Loaded", "get", "load", "status", "stored_input"]
