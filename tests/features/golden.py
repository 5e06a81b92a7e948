"""Golden arrays: one short clip through the reference implementations, kept as numbers.

Write them again with ``python tests/features/golden.py`` (needs librosa, PyWavelets
and TensorFlow). The clip itself is kept too, so that no random generator is trusted.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicgenre.features.frontend import FrontEnd

PATH = Path(__file__).parent / "golden.npz"
SPEC = FrontEnd()
KINDS = ("mel", "mfcc", "scalogram", "descriptors", "musicnn_mel", "yamnet_mel")
# Largest difference allowed: relative, and absolute in the kind's unit.
LIMITS = {
    "mel": (1e-4, 2e-3),
    "mfcc": (1e-3, 1e-3),
    "scalogram": (0.0, 0.35),  # down to −40 dB; below, the weakest images of PyWavelets' tables are left out on purpose
    "descriptors": (1e-3, 1e-4),
    "musicnn_mel": (1e-3, 1e-4),
    "yamnet_mel": (1e-3, 1e-3),
}


def load() -> dict[str, NDArray[np.float32]]:
    """Name → array: `samples`, each kind, and `descriptor_names`."""
    with np.load(PATH, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def differing(spec: FrontEnd) -> set[str]:
    """Kinds whose values are no longer the reference's."""
    golden = load()
    ours = spec.compute_exact(golden["samples"], KINDS)
    row = dict(zip(spec.names("descriptors"), ours["descriptors"][0].tolist(), strict=True))
    ours["descriptors"] = np.array([row[name] for name in golden["descriptor_names"].tolist()], dtype=np.float32)
    for arrays in (golden, ours):
        arrays["scalogram"] = np.maximum(arrays["scalogram"], -40)
    found = set()
    for kind, (relative, absolute) in LIMITS.items():
        if ours[kind].shape != golden[kind].shape or not np.allclose(ours[kind], golden[kind], rtol=relative, atol=absolute):
            found.add(kind)
    return found


def _write() -> None:
    import librosa
    import tensorflow as tf
    from clips import music

    from musicgenre.audio import resample
    from musicgenre.features import reference

    # Eight-bit-like steps keep the stored clip small and exact.
    samples = (np.round(music(1.0, seed=11) * 2000) / 2000).astype(np.float32)
    energy = reference.scalogram_energy(samples, SPEC)
    columns = set(SPEC.names("descriptors"))
    row = {name: value for name, value in reference.descriptors(samples, SPEC).items() if name in columns}
    wide = resample(samples, SPEC.sample_rate, 16000)
    musicnn = librosa.feature.melspectrogram(y=wide, sr=16000, n_fft=512, hop_length=256, n_mels=96)
    spectrum = tf.abs(tf.signal.stft(wide, 400, 160, 512))
    yamnet = spectrum @ tf.signal.linear_to_mel_weight_matrix(64, 257, 16000, 125.0, 7500.0)
    np.savez_compressed(
        PATH,
        samples=samples,
        mel=reference.mel(samples, SPEC).astype(np.float32),
        mfcc=reference.mfcc(samples, SPEC).astype(np.float32),
        scalogram=librosa.power_to_db(energy, ref=np.max).astype(np.float32),
        descriptors=np.array(list(row.values()), dtype=np.float32),
        descriptor_names=np.array(list(row)),
        musicnn_mel=np.log10(1 + 10000 * musicnn).T.astype(np.float32),
        yamnet_mel=np.log(yamnet.numpy() + 0.001).astype(np.float32),
    )
    print(PATH, PATH.stat().st_size, "bytes; differing:", differing(SPEC) or "none")


if __name__ == "__main__":
    _write()
