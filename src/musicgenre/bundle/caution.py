"""Reasons to doubt an answer, in words. A warning starts with a stable code and a colon."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicgenre.bundle.spec import BundleSpec

CLIPPED_SHARE = 0.005  # of samples at full scale; a mastered track has far fewer
FULL_SCALE = 0.999
QUIET_DB = -60.0  # of a 50 ms frame's RMS, re full scale
SILENT_SHARE = 0.5


def _frames_rms(samples: NDArray[Any], count: int = 1024) -> NDArray[np.float32]:
    whole = len(samples) // count * count
    if whole == 0:
        return np.asarray(np.sqrt(np.mean(samples**2, keepdims=True)), dtype=np.float32)
    frames = samples[:whole].reshape(-1, count)
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", frames, frames) / count), dtype=np.float32)


@dataclass(frozen=True)
class Level:
    """How loud a clip is: the share of its samples at full scale, and the share of its time that is all but silent."""

    clipped: float
    silent: float

    @classmethod
    def of(cls, samples: NDArray[Any]) -> Level:
        """Of float32 [n ≥ 1], mono."""
        # Most clips are nowhere near full scale: two reductions settle it without an array as long as the clip.
        loud = bool(samples.max() >= FULL_SCALE or samples.min() <= -FULL_SCALE)
        clipped = float(np.mean(np.abs(samples) >= FULL_SCALE)) if loud else 0.0
        return cls(clipped, float(np.mean(_frames_rms(samples) < 10 ** (QUIET_DB / 20))))


def cautions(spec: BundleSpec, *, duration_s: float, figures: Mapping[str, float], level: Level | None = None) -> tuple[str, ...]:
    """Warnings about one clip.

    Parameters
    ----------
    duration_s
        Of the clip; compared with the longest segment of the members.
    figures
        `Prediction.statistics`; empty when the bundle has no reference.
    level
        Of the samples; without it nothing is said of clipping and silence.
    """
    found = []
    if level is not None and level.clipped > CLIPPED_SHARE:
        found.append(f"clipped: {level.clipped:.1%} of the samples are at full scale.")
    if level is not None and level.silent > SILENT_SHARE:
        found.append(f"mostly_silent: {level.silent:.0%} of the clip is below {QUIET_DB:.0f} dBFS.")
    longest = max(member.segmenting.length_s for member in spec.members)
    if duration_s < longest - 0.05:
        found.append(f"short: the clip has {duration_s:.1f} s; the model was trained on {longest:.1f} s and hears it repeated.")
    limit = spec.reference.get("limit") if spec.reference else None
    if limit is not None and "distance" in figures and figures["distance"] > float(limit):
        found.append(
            f"unlike_training: the sound is {figures['distance']:.1f} deviations from the training data; "
            f"99 % of that lies within {float(limit):.1f}."
        )
    return tuple(found)


__all__ = ["CLIPPED_SHARE", "QUIET_DB", "SILENT_SHARE", "Level", "cautions"]
