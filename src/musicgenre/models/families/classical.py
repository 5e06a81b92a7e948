"""Logistic regression, SVM, random forest and gradient boosting on descriptors or embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicgenre.errors import ModelError
from musicgenre.features.segments import Segmenting
from musicgenre.models.base import Choice, Dimension, Float, Int, PublishedSystem, Report, Space
from musicgenre.models.classical_model import ClassicalModel, load_rows, require_two
from musicgenre.models.classifiers import Svm, fit_sharpness
from musicgenre.models.config import narrow, parse_config
from musicgenre.models.corpus import Corpus
from musicgenre.models.families.published import CLASSICAL
from musicgenre.models.inputs import Segments, input_spec
from musicgenre.models.selection import METHODS, select
from musicgenre.models.training import validation_metrics
from musicgenre.params import FamilySearch

_TREES = ("rf", "hgb", "xgb")


@dataclass(frozen=True)
class ClassicalConfig:
    """One classical system.

    Attributes
    ----------
    model
        lr, svm, rf, hgb (scikit-learn's histogram boosting) or xgb.
    source, row
        `descriptors` of whole tracks (`track`) or of pieces (`segment`), or the name of a backbone whose embeddings are stored.
    select, keep
        A method of `models.selection` and how many columns it keeps.
    scaling, pca
        `standard` or `none`; number of principal components (0: none).
    C, gamma, kernel
        Of lr and svm; `gamma` in units of 1 / columns.
    trees, depth, min_leaf, rate, subsample, l2
        Of the tree ensembles; depth 0 means unlimited.
    """

    model: str = "svm"
    source: str = "descriptors"
    row: str = "segment"
    select: str = "none"
    keep: int = 0
    scaling: str = "standard"
    pca: int = 0
    C: float = 3.0
    gamma: float = 1.0
    kernel: str = "rbf"
    trees: int = 200
    depth: int = 0
    min_leaf: int = 1
    rate: float = 0.1
    subsample: float = 1.0
    l2: float = 1.0
    class_weights: bool = False


class Classical:
    """See `models.base.Family`."""

    name = "classical"

    def space(self, block: FamilySearch) -> Space:
        dimensions: dict[str, Dimension] = {
            "model": Choice(("lr", "svm", "rf", "xgb")),
            "source": Choice(("descriptors",)),
            "row": Choice(("segment", "track")),
            "select": Choice(("none", *(method for method in METHODS if method not in ("forward", "backward")))),
            "keep": Int(16, 64, step=8),
            "pca": Choice((0, 16, 32)),
            "C": Float(0.05, 100.0, log=True),
            "gamma": Float(0.1, 3.0, log=True),
            "kernel": Choice(("rbf", "linear")),
            "trees": Int(100, 400, step=50),
            "boosts": Int(40, 120, step=20),
            "depth": Int(2, 8),
            "min_leaf": Int(1, 5),
            "rate": Float(0.05, 0.3, log=True),
            "subsample": Float(0.6, 1.0),
            "l2": Float(0.1, 10.0, log=True),
            "class_weights": Choice((False, True)),
        }
        conditions: dict[str, dict[str, tuple[Any, ...]]] = {
            "keep": {"select": tuple(METHODS)},
            "pca": {"model": ("lr", "svm")},
            "C": {"model": ("lr", "svm")},
            "kernel": {"model": ("svm",)},
            "gamma": {"model": ("svm",)},
            "trees": {"model": ("rf",)},
            "boosts": {"model": ("hgb", "xgb")},
            "depth": {"model": ("hgb", "xgb")},
            "min_leaf": {"model": ("rf",)},
            "rate": {"model": ("hgb", "xgb")},
            "subsample": {"model": ("xgb",)},
            "l2": {"model": ("hgb", "xgb")},
        }
        return narrow(Space(dimensions, conditions), block, family=self.name)

    def published(self) -> tuple[PublishedSystem, ...]:
        return CLASSICAL

    def needs(self, block: FamilySearch) -> tuple[frozenset[str], frozenset[str]]:
        source = self.space(block).dimensions["source"]
        names = {str(item) for item in source.options} if isinstance(source, Choice) else {"descriptors"}
        kinds = {"descriptors"} & names
        return frozenset(kinds), frozenset(names - kinds)

    def fit(self, config: Mapping[str, Any], corpus: Corpus, *, block: FamilySearch, seed: int, report: Report) -> ClassicalModel:
        import pandas as pd
        from sklearn.pipeline import Pipeline

        given = dict(config)
        if "boosts" in given:
            given["trees"] = given.pop("boosts")
        chosen = parse_config(ClassicalConfig, given, block)
        backbone = "" if chosen.source == "descriptors" else chosen.source
        extra: dict[str, Any] = {}
        if backbone:
            from musicgenre.models.backbones import stored_input

            spec, segmenting, extra = stored_input(corpus, backbone)
            names = tuple(f"{backbone}_{index}" for index in range(int(corpus.embeddings(backbone).spec["bands"])))
        else:
            segmenting = Segmenting(block.segment_s, block.hop_s)
            spec = input_spec(corpus, "descriptors", segmenting, row=chosen.row)
            names = tuple(corpus.store("descriptors").spec.get("names") or (f"d{index}" for index in range(spec.shape[-1])))
        training = load_rows(corpus, "train", spec, segmenting, backbone)
        validation = load_rows(corpus, "validation", spec, segmenting, backbone)
        x = training.batch(np.arange(len(training)))[0].astype(np.float64)
        require_two(training.labels)
        labels, y = np.unique(training.labels, return_inverse=True)
        columns = select(chosen.select, x, y, keep=chosen.keep, seed=seed)
        steps = _preparation(chosen, len(x), len(columns), seed)
        pipeline = Pipeline([*steps, ("classify", _estimator(chosen, seed, len(columns)))])
        pipeline.fit(x[:, columns], y, **_weights(chosen, y))
        model = ClassicalModel(
            family=self.name,
            kind=chosen.model,
            pipeline=pipeline,
            columns=columns,
            names=names,
            labels=labels,
            inputs=(spec,),
            segmenting=segmenting,
            classes=corpus.classes,
            history=pd.DataFrame(),
            sample=_real_rows(corpus, validation, spec, segmenting, backbone),
            sample_embeddings=validation.sample(16)[0] if backbone else None,
            backbone=backbone,
            sharpness=_sharpness(chosen, pipeline, x[:, columns], y, training, corpus) if chosen.model == "svm" else 1.0,
            extra=extra,
        )
        metrics = _metrics(model, training, validation)
        model.history = pd.DataFrame([{"epoch": 1, **metrics}])
        report(1, metrics)
        return model


def _preparation(config: ClassicalConfig, rows: int, columns: int, seed: int) -> list[tuple[str, Any]]:
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    if config.scaling not in ("standard", "none"):
        raise ModelError(f"scaling is {config.scaling!r}; it can be standard or none.")
    scale = StandardScaler() if config.scaling == "standard" and config.model not in _TREES else "passthrough"
    size = min(config.pca, rows // 2, columns)  # half the rows: an SVM is calibrated on folds of them
    return [("scale", scale), ("reduce", PCA(size, random_state=seed) if size > 0 else "passthrough")]


def _estimator(config: ClassicalConfig, seed: int, columns: int) -> Any:
    balanced = "balanced" if config.class_weights else None
    if config.model == "lr":
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(C=config.C, class_weight=balanced, max_iter=2000, random_state=seed)
    if config.model == "svm":
        from sklearn.svm import SVC

        if config.kernel not in ("rbf", "linear"):
            raise ModelError(f"kernel is {config.kernel!r}; it can be rbf or linear.")
        return SVC(C=config.C, kernel=config.kernel, gamma=config.gamma / columns, class_weight=balanced, cache_size=500)
    if config.model == "rf":
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(
            config.trees,
            max_depth=config.depth or None,
            min_samples_leaf=config.min_leaf,
            class_weight=balanced,
            random_state=seed,
        )
    if config.model == "hgb":
        from sklearn.ensemble import HistGradientBoostingClassifier

        return HistGradientBoostingClassifier(
            max_iter=config.trees,
            max_depth=config.depth or None,
            learning_rate=config.rate,
            l2_regularization=config.l2,
            min_samples_leaf=5,
            class_weight=balanced,
            early_stopping=False,
            random_state=seed,
        )
    if config.model == "xgb":
        from xgboost import XGBClassifier

        return XGBClassifier(
            n_estimators=config.trees,
            max_depth=config.depth or 6,
            learning_rate=config.rate,
            subsample=config.subsample,
            reg_lambda=config.l2,
            tree_method="hist",
            random_state=seed,
        )
    raise ModelError(f"classical.model is {config.model!r}; it can be lr, svm, rf, hgb or xgb.")


def _weights(config: ClassicalConfig, y: NDArray[np.int64]) -> dict[str, Any]:
    """Sample weights for XGBoost, which knows no class weights."""
    if not (config.class_weights and config.model == "xgb"):
        return {}
    counts = np.bincount(y)
    return {"classify__sample_weight": (len(y) / len(counts) / counts)[y]}


def _sharpness(config: ClassicalConfig, pipeline: Any, x: Any, y: Any, training: Segments, corpus: Corpus) -> float:
    """Fitted on scores out of fold, groups kept together; 1 where there are too few groups for folds."""
    from sklearn.base import clone
    from sklearn.model_selection import StratifiedGroupKFold

    groups = corpus.rows("train")["group"].to_numpy()[training.track]
    fewest = min(len(np.unique(groups[y == label])) for label in np.unique(y))
    if fewest < 3:
        return 1.0
    scores = np.zeros((len(y), len(np.unique(y))))
    for inside, outside in StratifiedGroupKFold(3).split(x, y, groups):
        fold = clone(pipeline).fit(x[inside], y[inside])
        if len(fold.classes_) < scores.shape[1]:
            return 1.0
        prepared = x[outside]
        for step in ("scale", "reduce"):
            transformer = fold.named_steps[step]
            prepared = prepared if transformer == "passthrough" else transformer.transform(prepared)
        scores[outside] = Svm(fold.named_steps["classify"]).scores(prepared)
    return fit_sharpness(scores, y)


def _real_rows(corpus: Corpus, validation: Segments, spec: Any, segmenting: Segmenting, backbone: str) -> NDArray[np.float32]:
    """What the exported graph will be fed with, for the check."""
    if not backbone:
        return validation.sample(64)[0]
    from musicgenre.models.inputs import load_segments

    return load_segments(corpus, "validation", (spec,), segmenting).sample(16)[0]


def _metrics(model: ClassicalModel, training: Segments, validation: Segments) -> dict[str, float]:
    rows = model.row_probabilities(training.batch(np.arange(len(training)))[0])
    chosen = rows[np.arange(len(rows)), training.labels]
    metrics = {
        "train_loss": float(-np.log(np.clip(chosen, 1e-7, 1.0)).mean()),
        "train_accuracy": float((rows.argmax(axis=1) == training.labels).mean()),
    }
    held_out = model.row_probabilities(validation.batch(np.arange(len(validation)))[0])
    return metrics | validation_metrics(validation, held_out.astype(np.float32))


__all__ = ["Classical", "ClassicalConfig"]
