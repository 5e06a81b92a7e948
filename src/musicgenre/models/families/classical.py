"""Logistic regression, SVM, feed-forward network, random forest and gradient boosting on descriptors or embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicgenre.features.segments import Segmenting
from musicgenre.models.base import Choice, Dimension, Float, Int, PublishedSystem, Report, Space
from musicgenre.models.classical_model import ClassicalModel, load_rows, require_two
from musicgenre.models.config import narrow, parse_config
from musicgenre.models.corpus import Corpus
from musicgenre.models.estimators import ClassicalConfig, fit_pipeline, make_pipeline, sharpness
from musicgenre.models.families.published import CLASSICAL
from musicgenre.models.inputs import Segments, input_spec
from musicgenre.models.selection import METHODS, select
from musicgenre.models.training import validation_metrics
from musicgenre.params import FamilySearch


class Classical:
    """See `models.base.Family`."""

    name = "classical"

    def space(self, block: FamilySearch) -> Space:
        dimensions: dict[str, Dimension] = {
            "model": Choice(("lr", "svm", "mlp", "rf", "xgb")),
            "source": Choice(("descriptors", "melnet")),
            "row": Choice(("segment", "track")),
            "select": Choice(("none", *METHODS)),
            "keep": Int(16, 64, step=8),
            "pca": Choice((0, 16, 32)),
            "C": Float(0.05, 100.0, log=True),
            "gamma": Float(0.1, 3.0, log=True),
            "kernel": Choice(("rbf", "linear")),
            "trees": Int(100, 500, step=50),
            "boosts": Int(40, 120, step=20),
            "depth": Int(2, 8),
            "min_leaf": Int(1, 5),
            "rate": Float(0.05, 0.3, log=True),
            "subsample": Float(0.6, 1.0),
            "l2": Float(0.1, 10.0, log=True),
            "width": Choice((128, 512)),
            "class_weights": Choice((False, True)),
        }
        conditions: dict[str, dict[str, tuple[Any, ...]]] = {
            "row": {"source": ("descriptors",)},
            "keep": {"select": METHODS},
            "pca": {"model": ("lr", "svm", "mlp")},
            "C": {"model": ("lr", "svm")},
            "kernel": {"model": ("svm",)},
            "gamma": {"model": ("svm",)},
            "trees": {"model": ("rf",)},
            "boosts": {"model": ("hgb", "xgb")},
            "depth": {"model": ("hgb", "xgb")},
            "min_leaf": {"model": ("rf",)},
            "rate": {"model": ("hgb", "xgb")},
            "subsample": {"model": ("xgb",)},
            "l2": {"model": ("hgb", "xgb", "mlp")},
            "width": {"model": ("mlp",)},
        }
        return narrow(Space(dimensions, conditions), block, family=self.name)

    def published(self) -> tuple[PublishedSystem, ...]:
        return CLASSICAL

    def needs(self, block: FamilySearch) -> tuple[frozenset[str], frozenset[str]]:
        from musicgenre.models import backbones

        source = self.space(block).dimensions["source"]
        names = {str(item) for item in source.options} if isinstance(source, Choice) else {"descriptors"}
        used = frozenset(names - {"descriptors"})
        return frozenset(names - used) | {backbones.get(name).kind for name in used}, used

    def fit(self, config: Mapping[str, Any], corpus: Corpus, *, block: FamilySearch, seed: int, report: Report) -> ClassicalModel:
        import pandas as pd

        chosen = parse_config(ClassicalConfig, config, block)
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
        groups = corpus.rows("train")["group"].to_numpy()[training.track]
        columns = select(chosen.select, x, y, groups, keep=chosen.keep, seed=seed)
        pipeline = make_pipeline(chosen, len(x), len(columns), seed)
        fit_pipeline(pipeline, x[:, columns], y, chosen, seed)
        model = ClassicalModel(
            family=self.name,
            kind=chosen.model,
            pipeline=pipeline,
            columns=columns,
            selection=chosen.select if len(columns) < x.shape[1] else "none",
            names=names,
            labels=labels,
            inputs=(spec,),
            segmenting=segmenting,
            classes=corpus.classes,
            history=pd.DataFrame(),
            sample=_real_rows(corpus, validation, spec, segmenting, backbone),
            sample_embeddings=validation.sample(16)[0] if backbone else None,
            backbone=backbone,
            sharpness=sharpness(pipeline, x[:, columns], y, training, corpus, chosen, seed) if chosen.model == "svm" else 1.0,
            extra=extra,
        )
        metrics = _metrics(model, training, validation)
        model.history = pd.DataFrame([{"epoch": 1, **metrics}])
        report(1, metrics)
        return model


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
