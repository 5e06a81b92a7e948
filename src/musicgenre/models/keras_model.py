"""A trained Keras model of any family: predict, save, load, export."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musicgenre.atomic import atomic_path, write_json
from musicgenre.bundle.spec import MemberSpec
from musicgenre.errors import BundleError, MissingInput
from musicgenre.features.segments import InputSpec, Segmenting
from musicgenre.lineage import file_sha256
from musicgenre.models.corpus import Corpus
from musicgenre.models.inputs import Segments, load_segments
from musicgenre.models.training import make_predict

if TYPE_CHECKING:
    import keras
    import pandas as pd

FILE = "model.keras"
SPEC = "model.json"


@dataclass
class KerasModel:
    """A functional model from stored features to probabilities.

    Attributes
    ----------
    model
        Inputs in the order of `inputs`, output float32 [segments, classes].
    sample
        Some real segments, one array an input: the export is checked on them.
    extra
        What else the lineage should say (backbone, weights' digest, …).
    """

    family: str
    model: keras.Model
    inputs: tuple[InputSpec, ...]
    segmenting: Segmenting
    classes: tuple[str, ...]
    history: pd.DataFrame
    sample: tuple[NDArray[np.float32], ...]
    extra: dict[str, Any]
    answers: NDArray[np.float32] | None = None  # after loading: what the model said of `sample` when it was saved

    @property
    def n_parameters(self) -> int:
        """Weights of the whole graph, frozen ones included."""
        return int(self.model.count_params())

    def predict(self, corpus: Corpus, split: str) -> NDArray[np.float32]:
        """Track probabilities float32 [tracks, classes], in corpus order."""
        segments = load_segments(corpus, split, self.inputs, self.segmenting)
        return segments.track_mean(make_predict(self.model)(segments))

    def save(self, directory: Path) -> None:
        """Write `model.keras`, `model.json` (inputs, segmenting, classes, digest) and `history.parquet`."""
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        with atomic_path(directory / FILE) as temporary:
            named = temporary.with_suffix(".keras")  # Keras insists on the suffix
            self.model.save(named)
            named.replace(temporary)
        with atomic_path(directory / "history.parquet") as temporary:
            self.history.to_parquet(temporary)
        write_json(
            directory / SPEC,
            {
                "family": self.family,
                "inputs": [spec.to_dict() for spec in self.inputs],
                "segmenting": self.segmenting.to_dict(),
                "classes": list(self.classes),
                "sha256": file_sha256(directory / FILE),
                "extra": self.extra,
            },
        )
        with atomic_path(directory / "sample.npz") as temporary, temporary.open("wb") as handle:
            np.savez_compressed(handle, *self.sample, answers=self.expected())

    @classmethod
    def load(cls, directory: Path) -> KerasModel:
        """Read what `save` wrote.

        Raises
        ------
        MissingInput
            If the folder holds no model.
        BundleError
            If the model's digest is not the recorded one.
        """
        import json

        import keras
        import pandas as pd

        directory = Path(directory)
        if not (directory / SPEC).is_file():
            raise MissingInput(f"{directory / SPEC} is not there. Run the family's search first.")
        spec = json.loads((directory / SPEC).read_text(encoding="utf-8"))
        if file_sha256(directory / FILE) != spec["sha256"]:
            raise BundleError(f"{directory / FILE} differs from its recorded digest. Train the model again.")
        with np.load(directory / "sample.npz", allow_pickle=False) as stored:
            answers = stored["answers"]
            sample = tuple(stored[f"arr_{index}"] for index in range(len(spec["inputs"])))
        return cls(
            family=spec["family"],
            model=keras.models.load_model(directory / FILE, compile=False, safe_mode=True),
            inputs=tuple(InputSpec.from_dict(item) for item in spec["inputs"]),
            segmenting=Segmenting(**spec["segmenting"]),
            classes=tuple(spec["classes"]),
            history=pd.read_parquet(directory / "history.parquet"),
            sample=sample,
            extra=spec["extra"],
            answers=answers,
        )

    def expected(self) -> NDArray[np.float32]:
        """What the trained model says of `sample`: float32 [segments, classes]."""
        if self.answers is not None:
            return self.answers
        arrays = list(self.sample)
        return np.asarray(self.model(arrays if len(arrays) > 1 else arrays[0], training=False))

    def export(self, directory: Path) -> MemberSpec:
        """Write `<family>.onnx`, checked against the trained model on real segments to 1e-5."""
        from musicgenre.models.onnx.check import require_equal
        from musicgenre.models.onnx.graph import save_model
        from musicgenre.models.onnx.keras_graph import keras_to_onnx

        names = tuple(spec.name for spec in self.inputs)
        graph = keras_to_onnx(self.model, title=self.family, names=names)
        require_equal(graph, list(zip(names, self.sample, strict=True)), self.expected(), title=self.family)
        save_model(graph, Path(directory) / f"{self.family}.onnx")
        return MemberSpec(name=self.family, family=self.family, file=f"{self.family}.onnx", inputs=self.inputs, segmenting=self.segmenting)


@dataclass
class HeadedModel(KerasModel):
    """The whole graph, backbones included, and the part of it that was trained, for what is stored of the backbones.

    What was trained is `head` on the vectors that ONNX Runtime made; that is
    what an export must agree with. The same network in TensorFlow differs from it
    by the rounding of fifty float32 layers (up to 1e-4 in an embedding of MobileNetV2).

    Attributes
    ----------
    head
        From stored arrays to probabilities; None after loading.
    stored
        `(corpus, split)` → what `head` reads.
    stored_sample
        What `head` read where `model` reads `sample`, one array an input.
    """

    head: Any = None
    stored: Callable[[Corpus, str], Segments] | None = None
    stored_sample: tuple[NDArray[np.float32], ...] = ()

    def expected(self) -> NDArray[np.float32]:
        """The head's answer on the stored arrays of `sample`."""
        if self.head is None:
            return super().expected()
        arrays = list(self.stored_sample)
        return np.asarray(self.head(arrays if len(arrays) > 1 else arrays[0], training=False))

    def predict(self, corpus: Corpus, split: str) -> NDArray[np.float32]:
        """From the stored arrays while the head is at hand, through the whole graph after loading."""
        if self.head is None or self.stored is None:
            return super().predict(corpus, split)
        segments = self.stored(corpus, split)
        return segments.track_mean(make_predict(self.head)(segments))


__all__ = ["HeadedModel", "KerasModel"]
