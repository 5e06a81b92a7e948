"""The headline figures for many resamples at once: weighted, vectorised twins of `metrics.headline`.

`weights` is float [B, n]: row b says how often each track counts in resample b. With a
row of ones every function equals scikit-learn's (the tests compare them). Work is cut
into blocks of resamples, so that memory stays at a few hundred megabytes for any n.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from musicgenre.evaluation.metrics import BINS, Labels, Probabilities, bin_of, predicted_labels

Weights = NDArray[np.float64]
Figure = NDArray[np.float64]
_BLOCK = 4_000_000  # elements of one weight block


def _ratio(above: NDArray[np.float64], below: NDArray[np.float64], empty: float = 0.0) -> NDArray[np.float64]:
    return np.asarray(np.divide(above, below, out=np.full(np.broadcast(above, below).shape, empty), where=below > 0))


def classification(y: Labels, predicted: Labels, n_classes: int, weights: Weights) -> dict[str, Figure]:
    """Accuracy and the macro and weighted averages, each float [B].

    Macro averages run over the classes that carry weight in the resample.
    """
    cells = np.zeros((len(y), 3 * n_classes))
    rows = np.arange(len(y))
    cells[rows, y] = 1.0  # support
    cells[rows, n_classes + predicted] = 1.0  # predicted
    cells[rows, 2 * n_classes + y] = predicted == y  # hits
    support, claimed, hits = np.split(weights @ cells, 3, axis=1)
    recall, precision = _ratio(hits, support), _ratio(hits, claimed)
    f1 = _ratio(2 * hits, support + claimed)
    there = support > 0
    total, genres = support.sum(axis=1), there.sum(axis=1)

    def macro(figure: Figure) -> Figure:
        return _ratio((figure * there).sum(axis=1), genres)

    def weighted(figure: Figure) -> Figure:
        return _ratio((figure * support).sum(axis=1), total)

    return {
        "macro_f1": macro(f1),
        "accuracy": _ratio(hits.sum(axis=1), total),
        "weighted_f1": weighted(f1),
        "macro_precision": macro(precision),
        "macro_recall": macro(recall),
        "weighted_precision": weighted(precision),
        "weighted_recall": weighted(recall),
    }


def ranking(y: Labels, p: Probabilities, weights: Weights) -> dict[str, Figure]:
    """Macro ROC AUC and macro average precision, one against rest, float [B]; ties as scikit-learn has them."""
    n_classes = p.shape[1]
    roc, pr = np.full((n_classes, len(weights)), np.nan), np.full((n_classes, len(weights)), np.nan)
    for label in range(n_classes):
        positive = y == label
        if not positive.any() or positive.all():
            continue
        order = np.argsort(-p[:, label], kind="stable")
        score = p[order, label]
        starts = np.flatnonzero(np.r_[True, score[1:] != score[:-1]])
        ordered = weights[:, order]
        pos = np.add.reduceat(ordered * positive[order], starts, axis=1)
        neg = np.add.reduceat(ordered, starts, axis=1) - pos
        true_positive, false_positive = pos.cumsum(axis=1), neg.cumsum(axis=1)
        n_pos, n_neg = true_positive[:, -1], false_positive[:, -1]
        beaten = (pos * (n_neg[:, None] - false_positive + neg / 2)).sum(axis=1)
        roc[label] = _ratio(beaten, n_pos * n_neg, np.nan)
        pr[label] = _ratio((pos * _ratio(true_positive, true_positive + false_positive)).sum(axis=1), n_pos, np.nan)

    def macro(figures: NDArray[np.float64]) -> Figure:
        defined = np.isfinite(figures)
        return _ratio(np.where(defined, figures, 0.0).sum(axis=0), defined.sum(axis=0).astype(np.float64), np.nan)

    return {"roc_auc": macro(roc), "pr_auc": macro(pr)}


def averages(y: Labels, p: Probabilities, weights: Weights) -> dict[str, Figure]:
    """Log loss and top-3 share, float [B]."""
    true = p[np.arange(len(y)), y]
    rank = (p > true[:, None]).sum(axis=1) + (p == true[:, None]).sum(axis=1) - 1
    clipped = np.clip(p, 1e-12, None)
    loss = -np.log(clipped[np.arange(len(y)), y] / clipped.sum(axis=1))
    each = np.stack([loss, rank < min(3, p.shape[1])], axis=1)
    mean = _ratio(weights @ each, weights.sum(axis=1, keepdims=True))
    return {"log_loss": mean[:, 0], "top_3": mean[:, 1]}


def calibration(y: Labels, p: Probabilities, weights: Weights) -> dict[str, Figure]:
    """Expected calibration error, float [B]."""
    index = bin_of(p.max(axis=1))
    cells = np.zeros((len(y), BINS))
    cells[np.arange(len(y)), index] = (predicted_labels(p) == y) - p.max(axis=1)
    return {"calibration_error": _ratio(np.abs(weights @ cells).sum(axis=1), weights.sum(axis=1))}


def headline(y: Labels, p: Probabilities, weights: Weights) -> dict[str, Figure]:
    """All of `metrics.HEADLINES` for every resample, float [B] each."""

    def figures(block: Weights) -> dict[str, Figure]:
        return {
            **classification(y, predicted_labels(p), p.shape[1], block),
            **ranking(y, p, block),
            **averages(y, p, block),
            **calibration(y, p, block),
        }

    return in_blocks(figures, weights)


def in_blocks(figures: Callable[[Weights], dict[str, Figure]], weights: Weights) -> dict[str, Figure]:
    """Apply `figures` to blocks of rows of `weights` and join what it gives."""
    size = max(1, _BLOCK // max(1, weights.shape[1]))
    parts = [figures(weights[start : start + size]) for start in range(0, len(weights), size)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


__all__ = ["averages", "calibration", "classification", "headline", "in_blocks", "ranking"]
