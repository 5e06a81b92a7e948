"""The golden clip: a bundle's own proof that it still answers as on the day it was written.

The clip is made by arithmetic alone (no random stream that a library may change):
a progression of harmonic chords over a kick and a hissing off-beat, so that every
band of every feature kind is excited.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musicgenre.errors import BundleError

if TYPE_CHECKING:
    from musicgenre.bundle.listen import Heard
    from musicgenre.bundle.predictor import Predictor

RECIPE = "chords-1"
SECONDS = 8.0
TOLERANCE = 1e-4  # largest allowed difference of a probability, across machines and library versions
_CHORDS = ((220.0, 277.18, 329.63), (174.61, 220.0, 261.63), (196.0, 246.94, 293.66), (164.81, 207.65, 246.94))


def _noise(count: int) -> NDArray[np.float64]:
    """Reproducible hiss in [−1, 1) from a multiplicative hash of the sample's number."""
    numbers = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(2654435761) % np.uint64(2**32)
    mixed = (numbers ^ (numbers >> np.uint64(15))) * np.uint64(2246822519) % np.uint64(2**32)
    return mixed.astype(np.float64) / 2.0**31 - 1.0


def clip(rate: int) -> NDArray[np.float32]:
    """The golden clip: float32 [8 s · rate], mono, peak below 1."""
    time = np.arange(int(SECONDS * rate), dtype=np.float64) / rate
    beat = time % 0.5
    chord = (time // (SECONDS / len(_CHORDS))).astype(np.intp)
    tone = np.zeros_like(time)
    for number, notes in enumerate(_CHORDS):
        here = chord == number
        for note in notes:
            for harmonic in range(1, 7):
                tone[here] += np.sin(2 * np.pi * note * harmonic * time[here]) / harmonic**1.3
    kick = np.sin(2 * np.pi * (50.0 * beat - 8.0 * np.exp(-beat * 18.0))) * np.exp(-beat * 9.0)
    hiss = _noise(len(time)) * np.exp(-((time + 0.25) % 0.5) * 25.0)
    sound = 0.11 * tone * np.exp(-beat * 1.5) + 0.35 * kick + 0.12 * hiss
    return np.asarray(0.8 * sound / np.abs(sound).max(), dtype=np.float32)


def record(predictor: Predictor) -> dict[str, Any]:
    """What `bundle.json` stores: the recipe and the probabilities that the bundle gives now."""
    probabilities = predictor.classify_samples(clip(predictor.sample_rate)).probabilities
    return {"recipe": RECIPE, "probabilities": [float(value) for value in probabilities]}


def difference(predictor: Predictor, heard: Heard | None = None) -> float:
    """Largest absolute difference between the recorded and today's probabilities.

    Parameters
    ----------
    heard
        What a `Listener` made of the clip; by default it is heard in this process.

    Raises
    ------
    BundleError
        If the bundle has no golden answer, or one of another recipe.
    """
    golden: Mapping[str, Any] = predictor.spec.golden
    if golden.get("recipe") != RECIPE:
        recipe = golden.get("recipe")
        raise BundleError(f"model {predictor.spec.model_id}: golden recipe is {recipe!r}, known is {RECIPE!r}. Export it again.")
    wanted = np.asarray(golden["probabilities"], dtype=np.float64)
    answer = predictor.classify_heard(heard) if heard else predictor.classify_samples(clip(predictor.sample_rate))
    found = answer.probabilities
    if wanted.shape != found.shape:
        raise BundleError(f"model {predictor.spec.model_id}: {len(wanted)} golden probabilities for {len(found)} classes.")
    return float(np.abs(wanted - found).max())


def check(predictor: Predictor, heard: Heard | None = None) -> float:
    """`difference`, refused when above `TOLERANCE`.

    Raises
    ------
    BundleError
        If the answer is no longer the recorded one: features or runtime changed.
    """
    found = difference(predictor, heard)
    if not found <= TOLERANCE:
        raise BundleError(
            f"model {predictor.spec.model_id} answers its golden clip {found:.2g} away from the recorded probabilities "
            f"(allowed {TOLERANCE:g}): the feature code or ONNX Runtime changed. Export the model again, or restore the old environment."
        )
    return found


__all__ = ["RECIPE", "SECONDS", "TOLERANCE", "check", "clip", "difference", "record"]
