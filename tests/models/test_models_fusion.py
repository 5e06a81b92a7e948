"""Fusions of anything stored, and stacking that never learns from an answer about a group that was known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from musicgenre.errors import MissingInput, ModelError
from musicgenre.layout import Layout
from musicgenre.models import stacking
from musicgenre.models.corpus import Corpus
from musicgenre.models.families.multimodal import Multimodal
from musicgenre.models.fusion import open_fusion, reads
from musicgenre.models.inputs import Segments
from musicgenre.models.training import Recipe
from musicgenre.params import FamilySearch

BLOCK = FamilySearch(epochs=1, segment_s=2.0, hop_s=1.0)


def test_what_stands_behind_the_names() -> None:
    assert reads("mel+descriptors") == ({"mel", "descriptors"}, set())
    assert reads("mel+embedding:musicnn+embedding:melnet") == ({"mel", "musicnn_mel"}, {"musicnn", "melnet"})
    kinds, backbones = Multimodal().needs(FamilySearch(space={"kinds": ["mel+scalogram", "descriptors+embedding:yamnet"]}))
    assert kinds == {"mel", "scalogram", "descriptors", "yamnet_mel"} and backbones == {"yamnet"}


def test_an_embedding_brings_its_segments_and_its_network(make_layout: Callable[..., Layout], tiny_backbone: None) -> None:
    corpus = Corpus.open(make_layout(genres=3, tracks=8, backbone=True))
    fusion = open_fusion(corpus, ("mel", "descriptors", "embedding:tiny"), BLOCK, 0.0)
    assert (fusion.segmenting.length_s, fusion.segmenting.hop_s) == (3.0, 1.5)  # of the embeddings, not of the block
    assert [spec.name for spec in fusion.inputs] == ["mel", "descriptors"]  # one mel for both
    segments = fusion.stored(corpus, "train")
    mel, descriptors, embedding = segments.batch(np.arange(len(segments)))
    assert mel.shape[1:] == (60, 32) and descriptors.shape[1:] == (12,) and embedding.shape[1:] == (24,)
    # The stored vector is the network's answer on the same row.
    from musicgenre.models import backbones

    network = backbones.load("tiny", fusion.joined[2].lineage, (60, 32)).model
    assert np.allclose(network(mel), embedding, atol=1e-4)


def test_says_what_cannot_join(make_layout: Callable[..., Layout], tiny_backbone: None) -> None:
    corpus = Corpus.open(make_layout(genres=3, tracks=8, backbone=True))
    with pytest.raises(MissingInput, match="melnet"):
        open_fusion(corpus, ("mel", "embedding:melnet"), BLOCK, 0.0)
    with pytest.raises(ModelError, match=r"embed\.segment_s"):
        open_fusion(corpus, ("mel", "embedding:tiny"), BLOCK, 1.0)
    with pytest.raises(ModelError, match="it can be concatenate"):
        Multimodal().fit({"fusion": "blend"}, corpus, block=BLOCK, seed=1, report=lambda epoch, metrics: None)


def test_folds_keep_groups_whole() -> None:
    rng = np.random.default_rng(3)
    groups = rng.integers(0, 12, 200)
    labels = groups % 3
    divided = stacking.folds(labels, groups)
    assert len(divided) == stacking.FOLDS
    assert sorted(np.concatenate([fold for _, fold in divided])) == list(range(200))
    for others, fold in divided:
        assert not set(groups[others]) & set(groups[fold])
    with pytest.raises(ModelError, match="two groups"):
        stacking.folds(np.array([0, 0, 1, 1]), np.array(["a", "b", "c", "c"]))


def _dense(which: int, segments: Segments) -> Any:
    import keras

    source = keras.Input(segments.batch(np.arange(1))[0].shape[1:], name=f"part{which}")
    return keras.Model(source, keras.layers.Dense(2, activation="softmax")(keras.layers.Dense(16, activation="relu")(source)))


def test_a_branch_that_learnt_groups_by_heart_is_not_trusted() -> None:
    """Input 0 names the group (perfect on the training tracks, worthless on others); input 1 hints at the genre."""
    import keras

    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(1)

    def make(first: int, count: int) -> tuple[Segments, np.ndarray[Any, Any]]:
        groups = np.repeat(np.arange(first, first + count), 6)
        labels = (groups % 2).astype(np.int64)
        by_heart = np.eye(48, dtype=np.float32)[groups]
        hint = (labels[:, None] * 1.6 - 0.8 + rng.normal(0, 1, (len(labels), 4))).astype(np.float32)
        return Segments((by_heart, hint), np.repeat(np.arange(count), 6), labels, count), groups

    training, groups = make(0, 24)
    validation, _ = make(24, 24)
    seen: list[int] = []
    recipe = Recipe(epochs=8, batch=24, rate=3e-2)
    model, history = stacking.stack(_dense, training, validation, groups, recipe, seed=1, report=lambda epoch, metrics: seen.append(epoch))
    # The networks that are kept, those of the folds in half as many epochs, the stack.
    assert seen == history["epoch"].tolist() == list(range(1, 8 + stacking.FOLDS * 4 + 2))
    weights, _ = model.get_layer("probabilities").get_weights()
    trust = np.abs(weights).sum(axis=1)
    assert trust[2:].sum() > 4 * trust[:2].sum()
    assert np.array_equal(weights, np.concatenate([part[0, 0] * np.eye(2) for part in (weights[:2], weights[2:])]))  # a number a kind
    product, stack = history.iloc[:8], history.iloc[-1]
    assert product["train_accuracy"].max() == 1.0
    assert stack["validation_accuracy"] >= max(0.9, product["validation_accuracy"].max())


def test_trust_is_the_likeliest_and_never_negative() -> None:
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 4, 600)
    good = rng.normal(0, 1, (600, 4)) + 2.0 * np.eye(4)[labels]
    against = rng.normal(0, 1, (600, 4)) - 1.0 * np.eye(4)[labels]
    logs = np.stack([good, against, rng.normal(0, 1, (600, 4))], axis=1)
    weights = stacking.trust(logs, labels)
    assert weights[0] > 1 and weights[1] == 0 and weights[2] < 0.3

    def loss(weights: np.ndarray[Any, Any]) -> float:
        return float(-np.log(stacking.pool(logs, weights)[np.arange(600), labels]).mean())

    for nudge in 0.05 * np.vstack([np.eye(3), -np.eye(3)]):
        assert loss(np.maximum(weights + nudge, 0)) >= loss(weights) - 1e-9
