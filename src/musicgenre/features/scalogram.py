"""Pooled Morlet scalogram: how much energy each scale has at each mel frame.

Definition (tests hold us to it): ``c = pywt.cwt(x, scales, wavelet)`` at the full
rate, ``energy[t, s] = mean(|c[s, n]|²)`` over the samples n of frame t, that is
``t·hop − hop/2 ≤ n < t·hop + hop/2`` as far as the track goes. Scales run
logarithmically from `fmin` (column 0) to `fmax`.

The way there: one forward transform of the padded track (in chunks of 176 frames,
so that long tracks take no more memory), then for each scale only the bins in
which it responds, transformed back at the rate that their width needs. A band
that is wider than a frame is short is made as its analytic signal, of which half the
squared magnitude is the mean square; the low ones are made real.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from musicgenre.features.spectrum import frame_count
from musicgenre.features.wavelet import Group, Plan, plan

_CHUNKS = 8  # chunks transformed at once, about 30 s
_VALUES = 1 << 18  # complex values of one inverse transform: what stays in cache


def scalogram_energy(
    samples: NDArray[np.float32], *, rate: int, hop: int, fmin: float, fmax: float, count: int, wavelet: str = "morl"
) -> NDArray[np.float32]:
    """Mean squared wavelet coefficient a frame and scale.

    Parameters
    ----------
    samples
        float32 [n ≥ 1] at `rate` Hz.
    hop
        Samples a frame.
    fmin, fmax, count
        Range in Hz and number of scales.
    wavelet
        One of `wavelet.WAVELETS`, named as in PyWavelets.

    Returns
    -------
    float32 [1 + n // hop, count], ≥ 0.
    """
    layout = plan(rate, hop, fmin, fmax, count, wavelet)
    frames = frame_count(len(samples), hop)
    valid = layout.chunk - 2 * layout.margin
    chunks = -(-frames // valid)
    result = np.empty((chunks * valid, count), dtype=np.float32)
    for first in range(0, chunks, _CHUNKS):
        number = min(_CHUNKS, chunks - first)
        energy = _energy(layout, samples, hop, first, number)
        inside = energy[:, :, layout.margin : layout.margin + valid]
        result[first * valid : (first + number) * valid] = inside.reshape(count, -1).T
    lengths = np.diff(np.clip(np.arange(frames + 1) * hop - hop // 2, 0, len(samples)))
    partial = np.where(lengths > 0, hop / np.maximum(lengths, 1), 0.0).astype(np.float32)
    return result[:frames] * partial[:, None]


def _energy(layout: Plan, samples: NDArray[np.float32], hop: int, first: int, number: int) -> NDArray[np.float32]:
    """Energy of `number` chunks from chunk `first` on, over the whole hop: float32 [scales, number, chunk]."""
    size = layout.chunk * hop
    stride = (layout.chunk - 2 * layout.margin) * hop
    start = first * stride - layout.margin * hop
    padded = np.zeros((number - 1) * stride + size, dtype=np.float32)
    source = samples[max(0, start) : max(0, start + len(padded))]
    offset = max(0, -start)
    padded[offset : offset + len(source)] = source
    spectrum = fft.rfft(np.lib.stride_tricks.sliding_window_view(padded, size)[::stride], axis=1, workers=1)
    energy = np.zeros((layout.scales, number, layout.chunk), dtype=np.float32)
    for group in layout.groups:
        root = _inside(start, len(samples), hop, group, (number, layout.chunk), stride)
        at_once = max(1, _VALUES // (number * layout.chunk * group.points))
        for begin in range(0, len(group.bands), at_once):
            _add(energy, spectrum, group, slice(begin, begin + at_once), root, layout.chunk)
    return energy


def _inside(
    start: int, total: int, hop: int, group: Group, shape: tuple[int, int], stride: int
) -> list[tuple[int, int, NDArray[np.float32]]]:
    """Frames that the track only partly covers: (chunk, frame, root of each part's covered share)."""
    parts = np.arange(group.points) * hop / group.points
    found = []
    for chunk in range(shape[0]):
        # A frame is partly covered if the track's first or last sample falls into it.
        for edge in {0, total}:
            frame = (edge - start - chunk * stride + hop // 2) // hop
            if 0 <= frame < shape[1]:
                begin = start + chunk * stride + frame * hop - hop // 2
                covered = np.minimum(parts + hop / group.points + begin, total) - np.maximum(parts + begin, 0)
                share = np.sqrt(np.clip(covered * group.points / hop, 0, 1)).astype(np.float32)
                found.append((chunk, frame, share if group.real else np.repeat(share, 2)))
    return found


def _add(
    energy: NDArray[np.float32],
    spectrum: NDArray[np.complex64],
    group: Group,
    which: slice,
    edges: list[tuple[int, int, NDArray[np.float32]]],
    chunk: int,
) -> None:
    """Transform some bands of a group back, square, pool over frames, and add to `energy`."""
    bands = group.bands[which]
    length = chunk * group.points
    bins = np.zeros((len(bands), len(spectrum), length // 2 + 1 if group.real else length), dtype=np.complex64)
    for row, band in zip(bins, bands, strict=True):
        width = len(band.response)
        np.multiply(spectrum[:, band.first : band.first + width], band.response, out=row[:, :width])
    if group.real:
        values = fft.irfft(bins, n=length, axis=2, workers=1, overwrite_x=True)
    else:
        values = fft.ifft(bins, axis=2, workers=1, overwrite_x=True).view(np.float32)
    values = values.reshape(len(bands), len(spectrum), chunk, -1)
    for part, frame, share in edges:
        values[:, part, frame] *= share
    pooled = np.einsum("bcfl,bcfl->bcf", values, values)
    pooled *= np.float32(group.gain / group.points)
    for row, band in zip(pooled, bands, strict=True):
        energy[band.scale] += row


__all__ = ["scalogram_energy"]
