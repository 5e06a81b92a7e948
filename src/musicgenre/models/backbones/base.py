"""What a backbone is: a network from one stored kind to a vector a segment, with real weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from musicgenre.models.backbones.weights import Weights

if TYPE_CHECKING:
    import keras

    from musicgenre.features.frontend import FrontEnd


@dataclass(frozen=True)
class Loaded:
    """A built network with its weights in place.

    Attributes
    ----------
    model
        float32 [N, frames, bands] as stored → float32 [N, D].
    weights
        Where they came from.
    """

    model: keras.Model
    weights: Weights


class Backbone(Protocol):
    """A pretrained network.

    Attributes
    ----------
    kind
        The stored feature kind that it reads.
    """

    name: str
    kind: str

    def check(self, front_end: FrontEnd) -> None:
        """Raise ModelError if the features are not those that the weights were trained on."""
        ...

    def build(self, shape: tuple[int, int], weights: Weights) -> Any:
        """The Keras model for segments of `shape` (frames, bands) with `weights` loaded."""
        ...

    def find(self, variant: str | None = None, *, download: bool = True) -> Weights:
        """The weights; raises WeightsUnavailable."""
        ...


__all__ = ["Backbone", "Loaded"]
