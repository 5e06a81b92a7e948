"""What `bundle.json` says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from musicgenre.errors import BundleError
from musicgenre.features.segments import InputSpec, Segmenting
from musicgenre.lineage import canonical_hash

SCHEMA = 1


@dataclass(frozen=True)
class MemberSpec:
    """One ONNX graph of a bundle.

    The graph takes `inputs` (float32 [segments, *shape]; every scaling, resizing
    and backbone is inside it) and gives `output`: float32 [segments, classes]
    probabilities. The track's probability is the mean over segments. `max_batch`
    segments go through the graph at once: few enough for activations to stay in
    the processor's caches, and for a large network not to fill the memory.
    """

    name: str
    family: str
    file: str
    inputs: tuple[InputSpec, ...]
    segmenting: Segmenting
    output: str = "probabilities"
    weight: float = 1.0
    max_batch: int = 8

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> MemberSpec:
        fields = dict(value)
        fields["inputs"] = tuple(InputSpec.from_dict(item) for item in fields["inputs"])
        fields["segmenting"] = Segmenting(**fields["segmenting"])
        return cls(**fields)


@dataclass(frozen=True)
class BundleSpec:
    """The content of `bundle.json`.

    Attributes
    ----------
    front_end
        The full `FrontEnd` spec as a mapping; its hash is `lineage["feature_id"]`.
    temperature
        Divides the logarithm of the mixed probabilities (Guo et al. 2017), 1 = as they are.
    digests
        SHA-256 of every other file of the bundle, by name.
    golden
        A short synthetic clip's recipe and the probabilities it must give (see `bundle.golden`).
    reference
        Training statistics for "unlike the training data": mean and deviation per band, and genre priors.
    """

    classes: tuple[str, ...]
    front_end: Mapping[str, Any]
    members: tuple[MemberSpec, ...]
    temperature: float = 1.0
    lineage: Mapping[str, Any] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    golden: Mapping[str, Any] = field(default_factory=dict)
    reference: Mapping[str, Any] = field(default_factory=dict)
    created: str = ""
    schema: int = SCHEMA

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def digest(self) -> str:
        """SHA-256 of the content as canonical JSON: the model's identity, and the seal of `bundle.json`."""
        return canonical_hash(self.to_dict(), length=64)

    @property
    def model_id(self) -> str:
        """The first twelve digits of `digest`: short enough for an answer, long enough to trace."""
        return self.digest[:12]

    @property
    def answers(self) -> str:
        """Hash of what decides an answer: graphs, cutting, weights, temperature, classes, front end.

        Two bundles with the same `answers` give the same answers, whenever and wherever they were trained.
        """
        members = [
            [self.digests[item.file], item.segmenting.to_dict(), [given.to_dict() for given in item.inputs], item.weight]
            for item in self.members
        ]
        return canonical_hash([members, self.temperature, list(self.classes), dict(self.front_end)], length=64)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Feature kinds that the members read, sorted."""
        return tuple(sorted({item.kind for member in self.members for item in member.inputs}))

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> BundleSpec:
        """Parse `bundle.json`.

        Raises
        ------
        BundleError
            If the schema is another one, or a field is unknown or missing.
        """
        if value.get("schema") != SCHEMA:
            raise BundleError(f"bundle.json has schema {value.get('schema')!r}; this version reads {SCHEMA}. Export the model again.")
        fields = dict(value)
        try:
            fields["classes"] = tuple(fields["classes"])
            fields["members"] = tuple(MemberSpec.from_dict(item) for item in fields["members"])
            return cls(**fields)
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"bundle.json is not a bundle's description: {error}") from error


__all__ = ["SCHEMA", "BundleSpec", "MemberSpec"]
