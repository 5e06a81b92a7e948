"""A tiny corpus on disk: ten-second "tracks" whose features carry their genre, without any audio."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from musicgenre.layout import Layout

RATE = 20.0
BANDS = {"mel": 32, "scalogram": 24, "mfcc": 16, "descriptors": 12}


def write_corpus(
    root: Path,
    *,
    genres: int = 3,
    tracks: int = 8,
    seconds: float = 10.0,
    seed: int = 0,
    noise: float = 1.0,
    kinds: tuple[str, ...] = (),
    backbone: bool = False,
) -> Layout:
    """Stores and a grouped split under `root`: of each genre half the tracks train, a quarter validate, a quarter test."""
    import pandas as pd

    from musicgenre.features.frontend import FrontEnd
    from musicgenre.features.store import StoreWriter

    layout = Layout(root)
    rng = np.random.default_rng(seed)
    names = [f"g{index:02d}" for index in range(genres)]
    rows = []
    for genre in names:
        for index in range(tracks):
            share = index / tracks
            split = "train" if share < 0.5 else "validation" if share < 0.75 else "test"
            track = f"{genre}/{genre}.{index:03d}"
            rows.append({"track_id": track, "genre": genre, "group": track, "recording": track, "split": split})
    table = pd.DataFrame(rows).sort_values("track_id").reset_index(drop=True)
    layout.data.mkdir(parents=True, exist_ok=True)
    table.to_parquet(layout.splits)
    front_end = FrontEnd()
    for kind in kinds or tuple(BANDS):
        bands = BANDS[kind]
        profiles = {genre: rng.normal(0, 1, bands) for genre in names}
        dtype = "float16" if kind in ("mel", "scalogram") else "float32"
        spec: dict[str, Any] = {
            "kind": kind,
            "feature_id": front_end.feature_id,
            "kind_id": f"{kind}-test",
            "rate": 0.0 if kind == "descriptors" else RATE,
            "bands": bands,
            "dtype": dtype,
            "names": [f"{kind}_{band}" for band in range(bands)],
            "front_end": front_end.to_dict(),
        }
        with StoreWriter(layout.features(kind), spec) as writer:
            for row in table.itertuples():
                frames = 1 + int(seconds // 3) if kind == "descriptors" else max(1, int(seconds * RATE))
                values = profiles[row.genre] + noise * rng.normal(0, 1, (frames, bands))
                if kind in ("mel", "scalogram"):
                    values = np.clip(-40 + 10 * values, -80, 0)
                writer.add(row.track_id, values.astype(dtype), duration_s=seconds, sha256="0" * 64)
    if backbone:
        embed_tiny(layout)
    return layout


class Tiny:
    """A backbone for tests: three small fixed random convolutions of the mel segment, "weights" in a file of its own."""

    name, kind = "tiny", "mel"

    def check(self, front_end: Any) -> None:
        """Reads any mel."""

    def find(self, variant: str | None = None, *, download: bool = True) -> Any:
        from musicgenre.models.backbones.weights import Weights

        return Weights(path=Path("tiny"), name="tiny", variant="1", sha256="1" * 64, origin="test")

    def build(self, shape: tuple[int, int], weights: Any) -> Any:
        import keras

        source = keras.Input(shape, name="mel")
        scaled = keras.layers.Rescaling(1 / 20.0, 2.0)(source)
        line = scaled
        for layer in ("tiny_first", "tiny_second", "tiny_conv"):
            line = keras.layers.Conv1D(12, 3, padding="same", activation="relu", name=layer)(line)
        pools = [keras.layers.GlobalAveragePooling1D()(line), keras.layers.GlobalMaxPooling1D()(line)]
        model = keras.Model(source, keras.layers.Concatenate()(pools), name="tiny")
        rng = np.random.default_rng(8)
        model.set_weights([rng.normal(0, 0.2, variable.shape) for variable in model.weights])
        model.trainable = False
        return model


def embed_tiny(layout: Layout) -> None:
    """Run the real `embed` stage with `Tiny`."""
    from musicgenre.models import backbones
    from musicgenre.models.embed import embed
    from musicgenre.params import ComputeParams, EmbedParams

    with pytest.MonkeyPatch.context() as patch:
        real = backbones.get
        patch.setattr(backbones, "get", lambda name: Tiny() if name == "tiny" else real(name))
        embed(EmbedParams(backbones=("tiny",), segment_s=3.0, hop_s=1.5, batch=7), layout, ComputeParams(workers=1))


@pytest.fixture
def tiny_backbone(monkeypatch: pytest.MonkeyPatch) -> None:
    """`backbones.get("tiny")` works in this test."""
    from musicgenre.models import backbones

    real = backbones.get
    monkeypatch.setattr(backbones, "get", lambda name: Tiny() if name == "tiny" else real(name))


@pytest.fixture(scope="session")
def make_layout(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Layout]:
    """`make_layout(genres=…, tracks=…, seconds=…)`: a corpus in a folder of its own, made once for the same arguments."""
    made: dict[tuple[Any, ...], Layout] = {}

    def make(**arguments: Any) -> Layout:
        key = tuple(sorted(arguments.items()))
        if key not in made:
            made[key] = write_corpus(tmp_path_factory.mktemp("corpus"), **arguments)
        return made[key]

    return make
