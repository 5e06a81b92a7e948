"""What every model family offers, and what a search may ask of it.

A family is pure model code: it knows neither MLflow nor Optuna. `search/` turns
a `Space` into suggestions and calls `fit`; `fit` tells it of every epoch through
`report`, which may raise to stop the trial.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from musicgenre.bundle.spec import MemberSpec
    from musicgenre.models.corpus import Corpus
    from musicgenre.params import FamilySearch


@dataclass(frozen=True)
class Float:
    """A real dimension in [low, high]; `log` samples its logarithm uniformly."""

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class Int:
    """A whole dimension in [low, high], both included, in steps of `step`."""

    low: int
    high: int
    step: int = 1
    log: bool = False


@dataclass(frozen=True)
class Choice:
    """One of `options` (each a string, number, bool or None)."""

    options: tuple[Any, ...]


Dimension = Float | Int | Choice


@dataclass(frozen=True)
class Space:
    """Named dimensions. `conditions[name]` maps a parent to the values under which `name` is asked at all."""

    dimensions: Mapping[str, Dimension]
    conditions: Mapping[str, Mapping[str, tuple[Any, ...]]] = field(default_factory=dict)


@dataclass(frozen=True)
class PublishedSystem:
    """A system of the literature as a point of a family's space.

    `figures` are the published numbers by name (for example ``{"accuracy": 0.926}``),
    `source` names the publication, `needs` the backbones or kinds without which it is skipped.
    With `members`, names of other published systems, it is the average of their probabilities and has no configuration.
    """

    name: str
    title: str
    config: Mapping[str, Any]
    source: str
    figures: Mapping[str, float] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    notes: str = ""
    members: tuple[str, ...] = ()


Report = Callable[[int, Mapping[str, float]], None]
"""Called as ``report(epoch, {"train_loss": …, "validation_macro_f1": …})``; may raise to end the trial.

Epochs count from 1. Every family reports at least `validation_macro_f1` (track level).
"""


class Fitted(Protocol):
    """A trained model."""

    history: pd.DataFrame  # one row an epoch: epoch, train_loss, validation_loss, train_accuracy, validation_macro_f1, …
    n_parameters: int

    def predict(self, corpus: Corpus, split: str) -> np.ndarray:
        """Track probabilities, float32 [tracks of `split` in corpus order, classes]; rows sum to one."""
        ...

    def save(self, directory: Path) -> None:
        """Write `model.keras` or `model.skops` (no pickle) and `history.parquet` into `directory`."""
        ...

    def export(self, directory: Path) -> MemberSpec:
        """Write `<member>.onnx` into `directory` and return its spec.

        Raises
        ------
        ExportError
            If ONNX Runtime and the model differ by more than 1e-5 on real segments.
        """
        ...


class Family(Protocol):
    """A family of models; its instances are stateless and cheap."""

    name: str

    def space(self, block: FamilySearch) -> Space:
        """The search space after `block.space` has narrowed it and `block.fixed` has pinned parts of it."""
        ...

    def published(self) -> tuple[PublishedSystem, ...]:
        """Systems of the literature, cheapest first."""
        ...

    def needs(self, block: FamilySearch) -> tuple[frozenset[str], frozenset[str]]:
        """(feature kinds, backbones) that the family reads under `block`."""
        ...

    def fit(self, config: Mapping[str, Any], corpus: Corpus, *, block: FamilySearch, seed: int, report: Report) -> Fitted:
        """Train on `train`, stop early on `validation`. The same seed gives the same model on one machine."""
        ...


__all__ = ["Choice", "Dimension", "Family", "Fitted", "Float", "Int", "PublishedSystem", "Report", "Space"]
