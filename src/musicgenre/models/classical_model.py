"""A trained classical model: columns → scaling → PCA → classifier; predict, save (skops, no pickle), load, export."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musicgenre.atomic import atomic_path, write_json
from musicgenre.bundle.spec import MemberSpec
from musicgenre.errors import BundleError, MissingInput, ModelError
from musicgenre.features.segments import InputSpec, Segmenting
from musicgenre.lineage import file_sha256
from musicgenre.models.classifiers import KINDS, Classifier, Logistic, Rows, Svm
from musicgenre.models.corpus import Corpus
from musicgenre.models.inputs import Segments, load_embeddings, load_segments

if TYPE_CHECKING:
    import pandas as pd

FILE = "model.skops"
SPEC = "model.json"
ONE_A_TRACK = Segmenting(length_s=1e9, hop_s=1e9)
# All that a saved pipeline may hold beside what skops trusts by itself; anything else in the file is refused.
TRUSTED = (
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
)


def load_rows(corpus: Corpus, split: str, spec: InputSpec, segmenting: Segmenting, backbone: str) -> Segments:
    """The rows a classical model sees: stored embeddings, or descriptors of tracks (one row each) or of segments."""
    if backbone:
        return load_embeddings(corpus, split, backbone)
    return load_segments(corpus, split, (spec,), ONE_A_TRACK if spec.row == "track" else segmenting)


@dataclass
class ClassicalModel:
    """See `models.base.Fitted`.

    Attributes
    ----------
    columns, selection
        Of the input row, those that the model uses, and the method of `models.selection` that chose them.
    labels
        Which of `classes` occurred in training, ascending; the others get probability 0.
    pipeline
        Scikit-learn pipeline with steps `scale`, `reduce`, `classify`; the first two may be "passthrough".
    backbone
        Name of the network whose embedding is the input row, or "" for descriptors.
    """

    family: str
    kind: str
    pipeline: Any
    columns: NDArray[np.intp]
    names: tuple[str, ...]
    labels: NDArray[np.int64]
    inputs: tuple[InputSpec, ...]
    segmenting: Segmenting
    classes: tuple[str, ...]
    history: pd.DataFrame
    sample: NDArray[np.float32]
    sample_embeddings: NDArray[np.float32] | None = None
    backbone: str = ""
    sharpness: float = 1.0
    selection: str = "none"
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def classifier(self) -> Classifier:
        estimator = self.pipeline.named_steps["classify"]
        made: Classifier = Svm(estimator, self.sharpness) if self.kind == "svm" else KINDS[self.kind](estimator)
        return made

    @property
    def n_parameters(self) -> int:
        """Numbers that were fitted: support vectors, weights, or tree nodes."""
        estimator = self.pipeline.named_steps["classify"]
        if self.kind == "lr":
            return int(estimator.coef_.size + estimator.intercept_.size)
        if self.kind == "mlp":
            return int(sum(array.size for array in (*estimator.coefs_, *estimator.intercepts_)))
        if self.kind == "svm":
            return int(estimator.support_vectors_.size + estimator.dual_coef_.size)
        if self.kind == "rf":
            return int(sum(tree.tree_.node_count for tree in estimator.estimators_))
        if self.kind == "hgb":
            return int(sum(len(predictor.nodes) for stage in estimator._predictors for predictor in stage))
        return sum(text.count("nodeid") for text in estimator.get_booster().get_dump(dump_format="json"))

    def row_probabilities(self, rows: NDArray[np.floating]) -> Rows:
        """[rows, classes] for rows as stored."""
        values = rows.astype(np.float64)[:, self.columns]
        for step in ("scale", "reduce"):
            transformer = self.pipeline.named_steps[step]
            values = values if transformer == "passthrough" else transformer.transform(values)
        result = np.zeros((len(rows), len(self.classes)))
        result[:, self.labels] = self.classifier.probabilities(values)
        return result

    def predict(self, corpus: Corpus, split: str) -> NDArray[np.float32]:
        """Track probabilities float32 [tracks, classes], in corpus order."""
        segments = load_rows(corpus, split, self.inputs[0], self.segmenting, self.backbone)
        return segments.track_mean(self.row_probabilities(segments.batch(np.arange(len(segments)))[0]))

    def descriptors(self) -> pd.DataFrame:
        """The columns that the model uses: `feature` and `importance`, most important first.

        Importance is NaN after PCA and for models that have none; then the order is that in which they were chosen.
        Logistic regression has a column `w_<genre>` for each genre it was trained on as well: what one unit of the (scaled)
        feature adds to the genre's score.
        """
        import pandas as pd

        plain, classifier = self.pipeline.named_steps["reduce"] == "passthrough", self.classifier
        values = classifier.importance() if plain else None
        names = [self.names[column] for column in self.columns]
        table = pd.DataFrame({"feature": names, "importance": np.full(len(names), np.nan) if values is None else values})
        if plain and isinstance(classifier, Logistic):
            weights, _ = classifier.weights()
            table = table.assign(**{f"w_{self.classes[label]}": weights[:, index] for index, label in enumerate(self.labels)})
        return table.sort_values("importance", ascending=False, kind="stable").reset_index(drop=True)

    def save(self, directory: Path) -> None:
        """Write `model.skops`, `model.json`, `history.parquet` and `descriptors.parquet` (the columns used, see `descriptors`)."""
        import skops.io

        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        with atomic_path(directory / FILE) as temporary:
            skops.io.dump(self.pipeline, temporary)
        with atomic_path(directory / "history.parquet") as temporary:
            self.history.to_parquet(temporary)
        with atomic_path(directory / "descriptors.parquet") as temporary:
            self.descriptors().to_parquet(temporary)
        with atomic_path(directory / "sample.npz") as temporary, temporary.open("wb") as handle:
            np.savez_compressed(handle, self.sample, *([] if self.sample_embeddings is None else [self.sample_embeddings]))
        spec = {
            "family": self.family,
            "kind": self.kind,
            "columns": self.columns.tolist(),
            "selection": self.selection,
            "names": list(self.names),
            "selected": [self.names[column] for column in self.columns],
            "labels": self.labels.tolist(),
            "inputs": [item.to_dict() for item in self.inputs],
            "segmenting": self.segmenting.to_dict(),
            "classes": list(self.classes),
            "backbone": self.backbone,
            "sharpness": self.sharpness,
            "sha256": file_sha256(directory / FILE),
            "extra": self.extra,
        }
        write_json(directory / SPEC, spec)

    @classmethod
    def load(cls, directory: Path) -> ClassicalModel:
        """Read what `save` wrote.

        Raises
        ------
        MissingInput
            If the folder holds no model.
        BundleError
            If the file's digest is not the recorded one, or it holds types that no model of ours has.
        """
        import pandas as pd
        import skops.io

        directory = Path(directory)
        if not (directory / SPEC).is_file():
            raise MissingInput(f"{directory / SPEC} is not there. Run the family's search first.")
        spec = json.loads((directory / SPEC).read_text(encoding="utf-8"))
        if file_sha256(directory / FILE) != spec.pop("sha256"):
            raise BundleError(f"{directory / FILE} differs from its recorded digest. Train the model again.")
        strange = sorted(set(skops.io.get_untrusted_types(file=directory / FILE)) - set(TRUSTED))
        if strange:
            raise BundleError(f"{directory / FILE} holds types that no model of ours has: {', '.join(strange)}. Do not load it.")
        with np.load(directory / "sample.npz", allow_pickle=False) as stored:
            sample, embeddings = stored["arr_0"], stored.get("arr_1")
        del spec["selected"]
        return cls(
            **{
                **spec,
                "columns": np.array(spec["columns"], dtype=np.intp),
                "labels": np.array(spec["labels"], dtype=np.int64),
                "names": tuple(spec["names"]),
                "classes": tuple(spec["classes"]),
                "inputs": tuple(InputSpec.from_dict(item) for item in spec["inputs"]),
                "segmenting": Segmenting(**spec["segmenting"]),
            },
            pipeline=skops.io.load(directory / FILE, trusted=list(TRUSTED)),
            history=pd.read_parquet(directory / "history.parquet"),
            sample=sample,
            sample_embeddings=embeddings,
        )

    def export(self, directory: Path) -> MemberSpec:
        """Write `<family>.onnx`, checked on real rows to 1e-5."""
        from onnx import TensorProto

        from musicgenre.models.onnx.check import require_equal
        from musicgenre.models.onnx.classical import linear, select_columns, standardise
        from musicgenre.models.onnx.graph import GraphBuilder, save_model
        from musicgenre.models.onnx.keras_graph import inline_keras

        graph, spec = GraphBuilder(), self.inputs[0]
        source = graph.input(spec.name, spec.shape)
        rows = self.sample
        if self.backbone:
            from musicgenre.models.backbones import load

            network = load(self.backbone, self.extra, spec.shape).model
            source = inline_keras(graph, network, source)
            # What was trained on are the embeddings that ONNX Runtime made; Keras' own differ by rounding.
            rows = np.asarray(network(self.sample, training=False)) if self.sample_embeddings is None else self.sample_embeddings
        value = graph.op("Cast", [select_columns(graph, source, self.columns)], to=TensorProto.DOUBLE)
        scale, reduce = (self.pipeline.named_steps[step] for step in ("scale", "reduce"))
        if scale != "passthrough":
            value = standardise(graph, value, scale.mean_, scale.scale_)
        if reduce != "passthrough":
            value = linear(graph, value, reduce.components_.T, -reduce.mean_ @ reduce.components_.T)
        value = self.classifier.onnx(graph, value)
        if len(self.labels) < len(self.classes):
            value = graph.op("MatMul", [value, graph.floats(np.eye(len(self.classes))[self.labels])])
        graph.output("probabilities", value, (len(self.classes),))
        model = graph.model(self.family)
        require_equal(model, [(spec.name, self.sample)], self.row_probabilities(rows), title=f"{self.family} ({self.kind})")
        save_model(model, Path(directory) / f"{self.family}.onnx")
        return MemberSpec(name=self.family, family=self.family, file=f"{self.family}.onnx", inputs=self.inputs, segmenting=self.segmenting)


def require_two(labels: NDArray[np.int64]) -> None:
    """Raise ModelError unless two genres or more are in `labels`."""
    if len(np.unique(labels)) < 2:
        raise ModelError("the training tracks are all of one genre; a classifier needs two. Add tracks or change the split.")


__all__ = ["ONE_A_TRACK", "TRUSTED", "ClassicalModel", "load_rows", "require_two"]
