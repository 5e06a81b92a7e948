"""One vector a track, for maps and out-of-fold models: what is stored, pooled over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from musicgenre.errors import FeatureError
from musicgenre.features.store import FeatureStore
from musicgenre.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def _pooled(path: Path, track_ids: Sequence[str], *, first_row: bool) -> NDArray[np.float64]:
    store = FeatureStore.open(path)
    rows = []
    for track_id in track_ids:
        values = np.asarray(store.track(track_id), dtype=np.float64)
        rows.append(values[0] if first_row else np.concatenate([values.mean(axis=0), values.std(axis=0)]))
    return np.stack(rows)


def track_vectors(layout: Layout, track_ids: Sequence[str]) -> tuple[str, NDArray[np.float64]]:
    """(what they are, in words; float64 [n, D]): the first backbone's embeddings, else descriptors, else mel.

    Raises
    ------
    FeatureError
        If nothing is stored.
    """
    embeddings = layout.data / "embeddings"
    for path in sorted(entry.parent for entry in embeddings.glob("*/spec.json")):
        return f"{path.name} embeddings", _pooled(path, track_ids, first_row=False)
    if (layout.features("descriptors") / "spec.json").is_file():
        return "descriptors", _pooled(layout.features("descriptors"), track_ids, first_row=True)
    for path in sorted(entry.parent for entry in (layout.data / "features").glob("*/spec.json")):
        return f"pooled {path.name}", _pooled(path, track_ids, first_row=False)
    raise FeatureError(f"{layout.data / 'features'} holds no features. Run `musicgenre features` first.")


__all__ = ["track_vectors"]
