"""Tracks on a plane: what sounds alike to a network lies close together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class EmbeddingMap:
    """`xy` float64 [n, 2] without units; `method` says how it was made, `source` of what."""

    track_ids: tuple[str, ...]
    genres: tuple[str, ...]
    splits: tuple[str, ...]
    xy: NDArray[np.float64]
    method: str
    source: str


def project(x: NDArray[np.float64], *, seed: int) -> tuple[str, NDArray[np.float64]]:
    """(method, float64 [n, 2]): t-SNE from 30 or more tracks on, principal components below."""
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    scaled = np.nan_to_num(StandardScaler().fit_transform(x))
    if len(scaled) < 3:
        return "no projection: fewer than three tracks", np.column_stack([np.arange(len(scaled)), np.zeros(len(scaled))]).astype(np.float64)
    reduced = PCA(min(50, *scaled.shape), random_state=seed).fit_transform(scaled)
    if len(scaled) < 30:
        return "principal components", np.asarray(np.column_stack([reduced, np.zeros(len(reduced))])[:, :2], dtype=np.float64)
    from sklearn.manifold import TSNE

    tsne = TSNE(2, perplexity=min(30.0, (len(scaled) - 1) / 4), init="pca", learning_rate="auto", max_iter=500, random_state=seed)
    return "t-SNE", np.asarray(tsne.fit_transform(reduced), dtype=np.float64)


__all__ = ["EmbeddingMap", "project"]
