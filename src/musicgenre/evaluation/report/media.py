"""Sounds and pictures as data URIs, small, and counted against the file's cap."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicgenre.errors import AudioError, MissingInput
from musicgenre.evaluation.perturb import encode_mp3
from musicgenre.evaluation.sounds import Sounds

PREVIEW_S = 5.0
KBPS = 32.0
COLUMNS = 420


def data_uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def preview(samples: NDArray[np.float32], rate: int, seconds: float = PREVIEW_S) -> tuple[bytes, float]:
    """(MP3 of the middle seconds at even loudness, where they start in seconds)."""
    wanted = round(seconds * rate)
    start = max(0, (len(samples) - wanted) // 2)
    piece = np.array(samples[start : start + wanted], dtype=np.float32)
    peak = float(np.abs(piece).max(initial=0.0))
    piece *= 0.9 / peak if peak > 0 else 1.0
    ramp = min(len(piece) // 2, round(0.03 * rate))
    if ramp:
        piece[:ramp] *= np.linspace(0, 1, ramp, dtype=np.float32)
        piece[-ramp:] *= np.linspace(1, 0, ramp, dtype=np.float32)
    return encode_mp3(piece, rate, KBPS), start / rate


def picture(values: NDArray[Any], *, low: float | None = None, colours: str = "magma", columns: int = COLUMNS) -> str:
    """A feature array [frames, bands] as a WebP picture, low bands at the bottom.

    `low` is the value shown as black (by default the array's 5 % quantile).
    """
    from matplotlib import colormaps
    from PIL import Image

    image: NDArray[Any] = np.asarray(values, dtype=np.float32).T[::-1]
    if image.shape[1] > columns:
        edges = np.linspace(0, image.shape[1], columns + 1).astype(int)[:-1]
        image = np.add.reduceat(image, edges, axis=1) / np.diff(np.append(edges, image.shape[1]))
    bottom = float(np.quantile(image, 0.05)) if low is None else low
    scaled = np.clip((image - bottom) / max(float(image.max()) - bottom, 1e-6), 0, 1)
    pixels = (colormaps[colours](scaled)[..., :3] * 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="WEBP", quality=72, method=2)
    return data_uri("image/webp", buffer.getvalue())


@dataclass
class Media:
    """What has been taken into the page so far, and how much room is left.

    Attributes
    ----------
    budget
        Bytes left. Media that do not fit are left out and counted in `left_out`.
    sounds
        track_id → {src, start, length, duration}, for the page's player.
    """

    budget: int
    sounds: dict[str, dict[str, Any]] = field(default_factory=dict)
    left_out: int = 0
    silent: dict[str, str] = field(default_factory=dict)  # track → why it has no sound

    def image(self, values: NDArray[Any], **options: Any) -> str:
        """A picture's data URI, or an empty string when there is no room."""
        uri = picture(values, **options)
        if len(uri) > self.budget:
            self.left_out += 1
            return ""
        self.budget -= len(uri)
        return uri

    def add_sounds(self, track_ids: Iterable[str], sounds: Sounds, *, workers: int) -> None:
        """Take previews of tracks, the first ones first, until there is no room."""
        wanted = [name for name in dict.fromkeys(track_ids) if name not in self.sounds and name not in self.silent]

        def make(track_id: str) -> dict[str, Any] | str:
            try:
                samples = sounds.signal(track_id).samples
            except (AudioError, MissingInput) as error:
                return str(error)
            data, start = preview(samples, sounds.rate)
            duration = len(samples) / sounds.rate
            return {
                "src": data_uri("audio/mpeg", data),
                "start": round(start, 3),
                "length": round(min(PREVIEW_S, duration), 3),
                "duration": round(duration, 3),
            }

        typical = int(PREVIEW_S * KBPS * 1000 / 8 * 4 / 3) + 200
        fitting = wanted[: max(0, self.budget // typical)]
        self.left_out += len(wanted) - len(fitting)
        with ThreadPoolExecutor(max_workers=workers) as pool:
            for track_id, found in zip(fitting, pool.map(make, fitting), strict=True):
                if isinstance(found, str):
                    self.silent[track_id] = found
                elif len(found["src"]) > self.budget:
                    self.left_out += 1
                else:
                    self.sounds[track_id] = found
                    self.budget -= len(found["src"])


__all__ = ["COLUMNS", "KBPS", "PREVIEW_S", "Media", "data_uri", "picture", "preview"]
