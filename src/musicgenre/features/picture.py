"""A picture of every kind of features of one track: `musicgenre features show`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musicgenre.atomic import atomic_path
from musicgenre.errors import MissingInput
from musicgenre.features.extract import read_tracks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from musicgenre.audio.signal import Signal
    from musicgenre.features.frontend import FrontEnd
    from musicgenre.layout import Layout

_FACTS = (
    ("tempo", "{:.0f} beats/min"),
    ("tuning", "{:+.2f} semitones"),
    ("centroid_mean", "centroid {:.0f} Hz"),
    ("rms_mean", "RMS {:.3f}"),
)


def find_audio(track: str, layout: Layout) -> Path:
    """The audio file of a track id, or `track` itself where it is a file.

    Raises
    ------
    MissingInput
        If it is neither.
    """
    if Path(track).is_file():
        return Path(track)
    if layout.valid.is_file():
        known = {row.track_id: row.path for row in read_tracks(layout)}
        if track in known:
            return Path(known[track])
        near = sorted(name for name in known if track in name)[:5]
        hint = f" Did you mean {', '.join(near)}?" if near else ""
        raise MissingInput(f"{track!r} is neither a file nor one of the {len(known)} tracks in {layout.valid}.{hint}")
    raise MissingInput(f"{track!r} is not a file, and {layout.valid} is not there. Run `musicgenre validate`, or name an audio file.")


def draw(signal: Signal, front_end: FrontEnd, kinds: Sequence[str], *, title: str, out: Path) -> None:
    """Write one PNG: the waveform, then a panel a kind over a common time axis."""
    from matplotlib.figure import Figure

    arrays = front_end.compute(signal.samples, kinds)
    figure = Figure(figsize=(11, 1.6 + 2.1 * len(kinds)), layout="constrained")
    axes: NDArray[Any] = np.atleast_1d(figure.subplots(1 + len(kinds), 1, height_ratios=[0.6] + [1.0] * len(kinds)))
    seconds = len(signal.samples) / front_end.sample_rate
    figure.suptitle(f"{title} · {seconds:.1f} s · feature id {front_end.feature_id}")
    _waveform(axes[0], signal.samples, seconds)
    for panel, kind in zip(axes[1:], kinds, strict=True):
        if kind == "descriptors":
            _table(panel, arrays[kind], front_end)
        else:
            _image(panel, arrays[kind], kind, front_end, seconds)
    for panel, kind in zip(axes[1:], kinds, strict=True):
        panel.set_xlabel("" if kind == "descriptors" else "seconds", fontsize=8)
    with atomic_path(out) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def _waveform(panel: Axes, samples: NDArray[np.float32], seconds: float) -> None:
    """The envelope: least and greatest sample of each of a thousand stretches."""
    parts = np.array_split(samples, min(1000, len(samples)))
    times = np.linspace(0, seconds, len(parts))
    panel.fill_between(times, [part.min() for part in parts], [part.max() for part in parts], linewidth=0.3)
    panel.set(xlim=(0, seconds), ylabel="amplitude")


def _image(panel: Axes, values: NDArray[Any], kind: str, front_end: FrontEnd, seconds: float) -> None:
    names = front_end.names(kind)
    decibels = kind in ("mel", "scalogram", "cqt")
    shown = np.asarray(values, dtype=np.float32).T
    if kind == "mfcc":  # coefficient 0 is loudness and would hide the others
        shown, names = shown[1:], names[1:]
    limit = float(np.quantile(np.abs(shown), 0.98)) or 1.0
    limits: Mapping[str, Any] = {"vmin": -limit, "vmax": limit, "cmap": "RdBu_r"} if kind == "mfcc" else {"cmap": "magma"}
    picture = panel.imshow(
        shown, origin="lower", aspect="auto", interpolation="nearest", extent=(0, seconds, -0.5, len(shown) - 0.5), **limits
    )
    ticks = np.linspace(0, len(names) - 1, min(5, len(names))).astype(int)
    panel.set(ylabel=kind, yticks=ticks, yticklabels=[names[tick] for tick in ticks])
    panel.figure.colorbar(picture, ax=panel, label="dB" if decibels else "", pad=0.01)


def _table(panel: Axes, values: NDArray[Any], front_end: FrontEnd) -> None:
    """Pieces by columns, each column scaled to its own range over the pieces."""
    names = list(front_end.names("descriptors"))
    rows = values[1:] if len(values) > 2 else values
    low, high = rows.min(axis=0), rows.max(axis=0)
    scaled = (rows - low) / np.where(high > low, high - low, 1)
    panel.imshow(scaled, aspect="auto", interpolation="nearest", cmap="viridis")
    ticks = np.linspace(0, len(names) - 1, 12).astype(int)
    panel.set(ylabel="descriptors\n(pieces)", xticks=ticks)
    panel.set_xticklabels([names[tick] for tick in ticks], rotation=25, ha="right", fontsize=7)
    facts = " · ".join(form.format(float(values[0, names.index(name)])) for name, form in _FACTS)
    panel.set_title(facts, fontsize=9)


__all__ = ["draw", "find_audio"]
