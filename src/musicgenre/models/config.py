"""Configurations of a family: typed, with defaults, an unknown key is an error; and spaces that `params.yaml` narrows.

What every network is trained with stands in `NetworkConfig`; a family overrides its defaults and adds what is its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from musicgenre.errors import ModelError, ParamsError
from musicgenre.models.augment import Augmentation
from musicgenre.models.base import Choice, Dimension, Float, Int, Space
from musicgenre.models.training import Recipe
from musicgenre.params import FamilySearch

Config = TypeVar("Config")


@dataclass(frozen=True)
class NetworkConfig:
    """The training part of a network's configuration (see `training.Recipe` and `augment.Augmentation`)."""

    dropout: float = 0.3
    l2: float = 0.0
    optimizer: str = "adam"
    rate: float = 3e-3
    momentum: float = 0.9
    decay: str = "cosine"
    batch: int = 32
    epochs: int = 40
    patience: int = 0
    label_smoothing: float = 0.05
    class_weights: bool = False
    resample: bool = False
    mixup: float = 0.0

    def augmentation(self) -> Augmentation:
        """What is done to a batch before the graph."""
        return Augmentation(mixup=self.mixup)

    def recipe(self) -> Recipe:
        """How to train."""
        return Recipe(
            epochs=self.epochs,
            batch=self.batch,
            optimizer=self.optimizer,
            rate=self.rate,
            momentum=self.momentum,
            decay=self.decay,
            label_smoothing=self.label_smoothing,
            class_weights=self.class_weights,
            resample=self.resample,
            patience=self.patience,
            augmentation=self.augmentation(),
        )


def parse_config(kind: type[Config], config: Mapping[str, Any], block: FamilySearch) -> Config:
    """A dataclass of type `kind` from `config`; what it lacks comes from `block.fixed`, then from the defaults.

    Raises
    ------
    ModelError
        For a key that `kind` does not have.
    """
    allowed = {item.name for item in fields(kind)}  # type: ignore[arg-type]  # every configuration is a dataclass
    merged = {**block.fixed, **config}
    if unknown := sorted(set(merged) - allowed):
        raise ModelError(f"{kind.__name__} has no {', '.join(map(repr, unknown))}; it has {', '.join(sorted(allowed))}.")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in merged.items()})


def narrow(space: Space, block: FamilySearch, *, family: str) -> Space:
    """`space` after `block.space` has replaced dimensions and `block.fixed` has pinned them.

    Raises
    ------
    ParamsError
        Naming the key that is not a dimension, or is neither a list nor a range.
    """
    dimensions: dict[str, Dimension] = dict(space.dimensions)
    for name, value in block.space.items():
        if name not in dimensions:
            raise ParamsError(f"search.{family}.space: no dimension {name!r}; there are {', '.join(sorted(dimensions))}.")
        dimensions[name] = _dimension(value, key=f"search.{family}.space.{name}")
    for name, value in block.fixed.items():
        dimensions[name] = Choice((value,))
    return Space(dimensions, space.conditions)


def _dimension(value: Any, *, key: str) -> Dimension:
    if isinstance(value, list | tuple) and value:
        return Choice(tuple(value))
    if isinstance(value, Mapping) and {"low", "high"} <= set(value) <= {"low", "high", "log", "step"}:
        low, high, log = value["low"], value["high"], bool(value.get("log", False))
        if low > high:
            raise ParamsError(f"{key}: low ({low}) is above high ({high}).")
        if isinstance(low, int) and isinstance(high, int):
            return Int(low, high, step=int(value.get("step", 1)), log=log)
        return Float(float(low), float(high), log=log)
    raise ParamsError(f"{key} is {value!r}; write a list of options, or a range such as {{low: 0.1, high: 0.5, log: true}}.")


__all__ = ["NetworkConfig", "narrow", "parse_config"]
