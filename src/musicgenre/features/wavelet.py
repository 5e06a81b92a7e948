"""The wavelet's kernels, and the plan by which their sub-bands are computed.

A kernel is PyWavelets' own (`pywt.cwt`, 'morl' or the complex 'cmor1.5-1.0', default
precision), table look-up included: at large scales the look-up repeats table entries, which gives the
kernel faint images far above its centre frequency. They are part of the
reference, so the strongest are part of the plan.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

CENTRE = 0.8125  # centre frequency of 'morl' in cycles per unit of scale (PyWavelets)
_COMPLEX = {"cmor1.5-1.0": (1.5, 1.0)}  # bandwidth and centre frequency of complex Morlet wavelets
WAVELETS = ("morl", *_COMPLEX)
_HALF_WIDTH = 8.0  # the wavelets' support is −8..8
_POINTS = 4096  # PyWavelets' default precision of 12 bits
_REACH = 4.25  # half the width of a main band, in deviations of its Gaussian: what is cut off is 78 dB down
_OMITTED = 0.003  # most of a scale's response to white noise that the plan may leave out
_GAP_HZ = 150.0  # images closer than this beat audibly within a frame and share a band
_REAL_BELOW_HZ = 800.0  # below, the square's double frequency is visible in a frame, so the real coefficient is made
_CHUNK = 176  # frames a chunk, for kernels of up to 8 frames' reach
_FACTORS = (2, 3, 5, 7)


@dataclass(frozen=True)
class Band:
    """One stretch of one scale's response: bins ``first..`` of a chunk's spectrum, complex64 `response`."""

    scale: int
    first: int
    response: NDArray[np.complex64]


@dataclass(frozen=True)
class Group:
    """Bands that are inverse-transformed at the same rate: `points` samples a frame, real or complex.

    `gain` makes the mean square of the coefficient from the mean squared magnitude of the samples.
    """

    points: int
    real: bool
    gain: float
    bands: tuple[Band, ...]


@dataclass(frozen=True)
class Plan:
    """How a scalogram is computed.

    Attributes
    ----------
    chunk, margin
        Frames a chunk, and of these the frames on either side that overlap with the neighbours.
    """

    chunk: int
    margin: int
    scales: int
    groups: tuple[Group, ...]


@lru_cache(maxsize=len(WAVELETS))
def _integral(wavelet: str) -> tuple[NDArray[np.inexact], float]:
    grid = np.linspace(-_HALF_WIDTH, _HALF_WIDTH, _POINTS)
    step = float(grid[1] - grid[0])
    if wavelet in _COMPLEX:
        bandwidth, centre = _COMPLEX[wavelet]
        psi = np.exp(-2j * np.pi * centre * grid - grid**2 / bandwidth) / np.sqrt(np.pi * bandwidth)  # conjugated, as `cwt` does
        return np.cumsum(psi) * step, step
    return np.cumsum(np.exp(-(grid**2) / 2) * np.cos(5 * grid)) * step, step


def centre_frequency(wavelet: str) -> float:
    """In cycles per unit of scale."""
    return _COMPLEX[wavelet][1] if wavelet in _COMPLEX else CENTRE


def scale_frequencies(fmin: float, fmax: float, count: int) -> NDArray[np.float64]:
    """Centre frequencies in Hz, logarithmically ascending, [count]."""
    return np.asarray(np.geomspace(fmin, fmax, count))


def kernel(scale: float, wavelet: str = "morl") -> NDArray[np.inexact]:
    """The convolution kernel of PyWavelets for one scale in samples, [about 16 · scale + 2]; complex for a complex wavelet.

    Coefficient n is sample ``n + (len(kernel) − 1) // 2`` of the full convolution.
    """
    integral, step = _integral(wavelet)
    index = (np.arange(scale * 2 * _HALF_WIDTH + 1) / (scale * step)).astype(np.intp)
    steps: NDArray[np.inexact] = np.diff(integral[index[index < _POINTS]][::-1], prepend=0.0, append=0.0)
    return np.asarray(-np.sqrt(scale) * steps)


def _smooth(least: int) -> int:
    """The least number ≥ `least` without prime factors above 7."""
    number = max(1, least)
    while True:
        rest = number
        for factor in _FACTORS:
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return number
        number += 1


def _images(power: NDArray[np.float64], main: slice, gap: int, whole: float) -> list[tuple[int, int]]:
    """Stretches of bins outside `main` that bring what is left out below `_OMITTED` of `whole`."""
    outside = power.copy()
    outside[main] = 0.0
    allowed = _OMITTED * whole
    if float(outside.sum()) <= allowed:
        return []
    ascending = np.sort(outside)
    threshold = ascending[np.searchsorted(np.cumsum(ascending), allowed)]
    bins = np.flatnonzero(outside >= max(threshold, np.finfo(np.float64).tiny))
    breaks = np.flatnonzero(np.diff(bins) > gap)
    starts, ends = np.r_[bins[0], bins[breaks + 1]], np.r_[bins[breaks], bins[-1]]
    return [(int(start), int(end)) for start, end in zip(starts, ends, strict=True)]


def _positive(taps: NDArray[np.inexact], size: int) -> NDArray[np.complex128]:
    """The spectrum of `taps` from 0 to half the rate, [size // 2 + 1]."""
    return np.asarray(fft.fft(taps, size)[: size // 2 + 1] if np.iscomplexobj(taps) else fft.rfft(taps, size))


@lru_cache(maxsize=4)
def plan(rate: int, hop: int, fmin: float, fmax: float, count: int, wavelet: str = "morl") -> Plan:
    """The plan for log-spaced scales from `fmin` to `fmax` Hz; made once a process (about 0.3 s)."""
    frequencies = scale_frequencies(fmin, fmax, count)
    centre = centre_frequency(wavelet)
    reach = len(kernel(centre * rate / fmin, wavelet)) / 2 * (6.0 / _HALF_WIDTH)  # beyond 6 of 8 the Gaussian is below 1e-7
    margin = int(np.ceil(reach / hop + 0.5))
    chunk = _CHUNK * -(-margin // 8)
    size = chunk * hop
    per_bin = rate / size
    groups: dict[tuple[int, bool], list[Band]] = defaultdict(list)
    for index, hz in enumerate(frequencies.tolist()):
        taps = kernel(centre * rate / hz, wavelet)
        last = size // 2
        response = _positive(taps, size)
        width = _REACH * hz / 5
        low, high = max(0, int((hz - width) / per_bin)), min(last, int(np.ceil((hz + width) / per_bin)))
        gap, whole = int(_GAP_HZ / per_bin), float(np.sum(np.abs(response) ** 2))
        stretches = [(response, *ends) for ends in _images(np.abs(response) ** 2, slice(low, high + 1), gap, whole)]
        if np.iscomplexobj(taps):  # images at negative frequencies, which a real kernel mirrors
            mirrored = _positive(np.conj(taps), size)
            stretches += [(mirrored, *ends) for ends in _images(np.abs(mirrored) ** 2, slice(0, 0), gap, whole)]
        if hz < _REAL_BELOW_HZ and wavelet not in _COMPLEX:
            points = min(hop, _smooth(int(np.ceil((8 * hz + 320) * hop / rate))))
            groups[points, True].append(_band(index, response, 0, high, len(taps), hop, points, size))
        else:
            stretches.insert(0, (response, low, high))
        for part, start, end in stretches:
            # A complex coefficient has no double frequency, but its magnitude still moves within a frame.
            oversampling = 4 if wavelet in _COMPLEX and hz < _REAL_BELOW_HZ else 1
            points = min(hop, _smooth(-(-oversampling * (end - start + 1) // chunk)))
            groups[points, False].append(_band(index, part, start, end, len(taps), hop, points, size))
    ordered = sorted(groups.items())
    gain = 1.0 if wavelet in _COMPLEX else 2.0  # a real coefficient is twice the real part of its positive frequencies
    return Plan(chunk, margin, count, tuple(Group(points, real, 1.0 if real else gain, tuple(bands)) for (points, real), bands in ordered))


def _band(index: int, response: NDArray[np.complex128], first: int, last: int, taps: int, hop: int, points: int, size: int) -> Band:
    """The response on one stretch, turned so that sample l of a frame is the middle of the frame's l-th part."""
    bins = np.arange(first, last + 1)
    shift = (taps - 1) // 2 - hop / 2 + 0.5 * hop / points - 0.5
    turned = response[first : last + 1] * np.exp(2j * np.pi / size * shift * bins) * (points / hop)
    return Band(index, first, turned.astype(np.complex64))


__all__ = ["CENTRE", "WAVELETS", "Band", "Group", "Plan", "centre_frequency", "kernel", "plan", "scale_frequencies"]
