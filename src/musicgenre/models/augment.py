"""Augmentation of spectrogram batches, in NumPy, before the graph.

SpecAugment (Park et al. 2019, without time warping), mixup (Zhang et al. 2018),
time shift, gain and noise. Image flips and rotations have no meaning for a
spectrogram (time and pitch are not interchangeable) and are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Batch = tuple[NDArray[np.float32], ...]


@dataclass(frozen=True)
class Augmentation:
    """Strengths; 0 switches one off.

    Attributes
    ----------
    masks
        SpecAugment: so many time masks and so many band masks, each of a width uniform in [0, `mask_share` of the axis].
    shift
        Segments are rolled in time by up to this share of their length.
    gain, noise
        Standard deviations, in units of the input's own standard deviation, of one offset a segment and of an offset a cell.
    mixup
        Alpha of the Beta distribution; 0.2 is usual.
    """

    masks: int = 0
    mask_share: float = 0.15
    shift: float = 0.0
    gain: float = 0.0
    noise: float = 0.0
    mixup: float = 0.0

    @property
    def active(self) -> bool:
        return bool(self.masks or self.shift or self.gain or self.noise or self.mixup)


PLAIN = Augmentation()


def _mask(values: NDArray[np.float32], axis: int, share: float, rng: np.random.Generator) -> None:
    """Overwrite a random stretch of `axis` of every item with the item's mean, in place."""
    size = values.shape[axis]
    widest = int(size * share)
    if widest == 0:
        return
    widths = rng.integers(0, widest + 1, len(values))
    starts = rng.integers(0, size - widths + 1)
    places = np.arange(size)
    inside = (places >= starts[:, None]) & (places < (starts + widths)[:, None])
    shape = [len(values)] + [1] * (values.ndim - 1)
    shape[axis] = size
    means = values.mean(axis=tuple(range(1, values.ndim)), keepdims=True)
    np.copyto(values, means, where=inside.reshape(shape))


def augment(
    batch: Batch, targets: NDArray[np.float32], how: Augmentation, deviations: tuple[float, ...], rng: np.random.Generator
) -> tuple[Batch, NDArray[np.float32]]:
    """An augmented copy of `batch` and of its one-hot `targets` [n, C].

    `deviations` holds each input's standard deviation. All inputs of a segment
    are shifted by the same share and mixed with the same partner.
    """
    count = len(targets)
    outputs = [values.copy() for values in batch]
    shifts = rng.uniform(-how.shift, how.shift, count)
    gains = rng.normal(0, how.gain, count) if how.gain else np.zeros(count)
    for values, deviation in zip(outputs, deviations, strict=True):
        framed = values.ndim == 3
        if how.shift and framed:
            steps = np.round(shifts * values.shape[1]).astype(np.intp)
            order = (np.arange(values.shape[1])[None] - steps[:, None]) % values.shape[1]
            values[:] = np.take_along_axis(values, order[:, :, None], axis=1)
        if how.gain:
            values += (gains * deviation).astype(np.float32).reshape(-1, *[1] * (values.ndim - 1))
        if how.noise:
            values += rng.standard_normal(values.shape, dtype=np.float32) * np.float32(how.noise * deviation)
        if framed:
            for _ in range(how.masks):
                _mask(values, 1, how.mask_share, rng)
                _mask(values, 2, how.mask_share, rng)
    if how.mixup:
        share = rng.beta(how.mixup, how.mixup, count).astype(np.float32)
        partner = rng.permutation(count)
        for values in outputs:
            part = share.reshape(-1, *[1] * (values.ndim - 1))
            values[:] = part * values + (1 - part) * values[partner]
        targets = share[:, None] * targets + (1 - share[:, None]) * targets[partner]
    return tuple(outputs), targets


__all__ = ["PLAIN", "Augmentation", "augment"]
