"""Figures of one family on one split: pure functions over labels and probabilities, by scikit-learn.

Notation: `y` int [n] labels, `p` float [n, C] probabilities whose rows sum to one,
`predicted` int [n]. A genre is *present* when it has at least one true track; macro
averages run over the present genres, because a genre without tracks has no recall.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.intp]
Probabilities = NDArray[np.float64]

BINS = 10
HEADLINES = (
    "macro_f1",
    "accuracy",
    "weighted_f1",
    "macro_precision",
    "macro_recall",
    "weighted_precision",
    "weighted_recall",
    "roc_auc",
    "pr_auc",
    "log_loss",
    "calibration_error",
    "top_3",
)
LOWER_IS_BETTER = frozenset({"log_loss", "calibration_error"})


def predicted_labels(p: Probabilities) -> Labels:
    """The most probable class of each row, int [n]; the first one on a tie."""
    return np.asarray(np.argmax(p, axis=1), dtype=np.intp)


def confusion(y: Labels, predicted: Labels, n_classes: int) -> NDArray[np.int64]:
    """Counts, int [C, C]: row = true genre, column = predicted genre."""
    flat = np.bincount(np.asarray(y) * n_classes + np.asarray(predicted), minlength=n_classes * n_classes)
    return flat.reshape(n_classes, n_classes).astype(np.int64)


def present(y: Labels, n_classes: int) -> Labels:
    """Classes with at least one true track, ascending."""
    return np.flatnonzero(np.bincount(y, minlength=n_classes)).astype(np.intp)


def top_k(y: Labels, p: Probabilities, k: int) -> float:
    """Share of tracks whose genre is among the `k` most probable; ties count against the model."""
    true = p[np.arange(len(y)), y]
    better = (p > true[:, None]).sum(axis=1) + (p == true[:, None]).sum(axis=1) - 1
    return float(np.mean(better < k))


@dataclass(frozen=True)
class Reliability:
    """Bins of equal width over confidence: `count` [bins], mean `confidence` and `accuracy` (NaN where empty)."""

    count: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]

    @property
    def error(self) -> float:
        """Expected calibration error (Naeini et al. 2015): mean gap weighted by count."""
        used = self.count > 0
        gap = np.abs(self.confidence[used] - self.accuracy[used])
        return float(np.sum(gap * self.count[used]) / self.count.sum())


def bin_of(confidence: NDArray[np.float64], bins: int = BINS) -> Labels:
    """Index of the bin (low, high] that holds each confidence."""
    return np.asarray(np.clip(np.ceil(confidence * bins).astype(np.intp) - 1, 0, bins - 1), dtype=np.intp)


def reliability(y: Labels, p: Probabilities, bins: int = BINS) -> Reliability:
    """How often the model is right when it says it is so sure."""
    confidence = p.max(axis=1)
    right = (predicted_labels(p) == y).astype(np.float64)
    index = bin_of(confidence, bins)
    count = np.bincount(index, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean_confidence = np.bincount(index, weights=confidence, minlength=bins) / count
        accuracy = np.bincount(index, weights=right, minlength=bins) / count
    return Reliability(count=count.astype(np.int64), confidence=mean_confidence, accuracy=accuracy)


def one_against_rest(y: Labels, p: Probabilities) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """ROC AUC and average precision of each class against the rest, float [C] each.

    NaN where the class has no track, or all tracks: neither is then defined.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    n_classes = p.shape[1]
    roc, pr = np.full(n_classes, np.nan), np.full(n_classes, np.nan)
    for label in range(n_classes):
        positive = y == label
        if positive.any() and not positive.all():
            roc[label] = roc_auc_score(positive, p[:, label])
            pr[label] = average_precision_score(positive, p[:, label])
    return roc, pr


@dataclass(frozen=True)
class GenreFigures:
    """One genre's line. Figures are NaN where undefined (no true track; no predicted one for precision)."""

    support: int
    precision: float
    recall: float
    f1: float
    roc_auc: float
    pr_auc: float


def per_genre(y: Labels, p: Probabilities) -> list[GenreFigures]:
    """A line a class, in class order."""
    from sklearn.metrics import precision_recall_fscore_support

    n_classes = p.shape[1]
    precision, recall, f1, support = precision_recall_fscore_support(
        y, predicted_labels(p), labels=np.arange(n_classes), zero_division=np.nan
    )
    roc, pr = one_against_rest(y, p)
    lines = []
    for label in range(n_classes):
        there = support[label] > 0
        lines.append(
            GenreFigures(
                support=int(support[label]),
                precision=float(precision[label]),
                recall=float(recall[label]) if there else float("nan"),
                f1=float(np.nan_to_num(f1[label])) if there else float("nan"),
                roc_auc=float(roc[label]),
                pr_auc=float(pr[label]),
            )
        )
    return lines


def headline(y: Labels, p: Probabilities) -> dict[str, float]:
    """Every figure of `HEADLINES`. `roc_auc` and `pr_auc` are NaN when no class has both kinds of track."""
    from sklearn.metrics import accuracy_score, log_loss, precision_recall_fscore_support

    n_classes = p.shape[1]
    predicted, there = predicted_labels(p), present(y, n_classes)
    macro = precision_recall_fscore_support(y, predicted, labels=there, average="macro", zero_division=0)
    weighted = precision_recall_fscore_support(y, predicted, labels=there, average="weighted", zero_division=0)
    roc, pr = one_against_rest(y, p)
    defined = bool(np.isfinite(roc).any())
    clipped = np.clip(p, 1e-12, None)
    return {
        "macro_f1": float(macro[2]),
        "accuracy": float(accuracy_score(y, predicted)),
        "weighted_f1": float(weighted[2]),
        "macro_precision": float(macro[0]),
        "macro_recall": float(macro[1]),
        "weighted_precision": float(weighted[0]),
        "weighted_recall": float(weighted[1]),
        "roc_auc": float(np.nanmean(roc)) if defined else float("nan"),
        "pr_auc": float(np.nanmean(pr)) if defined else float("nan"),
        "log_loss": float(log_loss(y, clipped / clipped.sum(axis=1, keepdims=True), labels=np.arange(n_classes))),
        "calibration_error": reliability(y, p).error,
        "top_3": top_k(y, p, min(3, n_classes)),
    }


__all__ = [
    "BINS",
    "HEADLINES",
    "LOWER_IS_BETTER",
    "GenreFigures",
    "Labels",
    "Probabilities",
    "Reliability",
    "bin_of",
    "confusion",
    "headline",
    "one_against_rest",
    "per_genre",
    "predicted_labels",
    "present",
    "reliability",
    "top_k",
]
