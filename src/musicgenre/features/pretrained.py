"""Log-mel inputs of audio networks trained elsewhere, each by its authors' definition.

Their constants are theirs, not the project's: they do not follow `params.yaml`,
but they are part of the kind's id.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musicgenre.features.filters import hz_to_mel, mel_bank
from musicgenre.features.spectrum import power_blocks

RATE = 16000
MUSICNN = {"rate": RATE, "n_fft": 512, "hop": 256, "bands": 96, "scale": "slaney", "power": 2, "log": "log10(1 + 10000 x)"}
YAMNET = {
    "rate": RATE, "window": 400, "hop": 160, "n_fft": 512, "bands": 64, "fmin": 125.0, "fmax": 7500.0,
    "scale": "htk", "power": 1, "log": "ln(x + 0.001)",
}  # fmt: skip


def musicnn_mel(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Input of musicnn (Pons & Serra 2019): float32 [frames, 96], 62.5 frames a second, ≥ 0.

    Parameters
    ----------
    samples
        float32 [n] at 16 kHz.
    """
    bank = mel_bank(RATE, 512, 96, 0.0, RATE / 2, "slaney")
    blocks = [(bank @ np.ascontiguousarray(power.T)).T for _, power in power_blocks(samples, n_fft=512, hop=256, window="hann")]
    return np.log10(1 + np.float32(10000) * np.concatenate(blocks))


def _yamnet_weights() -> NDArray[np.float32]:
    """Triangles in mel, of height one (TensorFlow's `linear_to_mel_weight_matrix`): float32 [64, 257]; the bin of 0 Hz is unused."""
    bins = hz_to_mel(np.linspace(0.0, RATE / 2, 257)[1:], "htk")
    low, high = hz_to_mel(np.array([125.0, 7500.0]), "htk").tolist()
    edges = np.linspace(low, high, 66)
    lower = (bins[None, :] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    upper = (edges[2:, None] - bins[None, :]) / (edges[2:] - edges[1:-1])[:, None]
    return np.pad(np.maximum(0, np.minimum(lower, upper)), ((0, 0), (1, 0))).astype(np.float32)


def yamnet_mel(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Input of YAMNet (Hershey et al. 2017): float32 [frames, 64], 100 frames a second; frame t starts at t · 10 ms.

    Parameters
    ----------
    samples
        float32 [n] at 16 kHz.
    """
    from scipy.sparse import csr_array

    bank = csr_array(_yamnet_weights())
    blocks = [
        (bank @ np.ascontiguousarray(np.sqrt(power).T)).T
        for _, power in power_blocks(samples, n_fft=512, hop=160, window="hann", length=400, centre=False)
    ]
    return np.log(np.concatenate(blocks) + np.float32(0.001))


__all__ = ["MUSICNN", "RATE", "YAMNET", "musicnn_mel", "yamnet_mel"]
