"""Unpitched percussion, and the kit: a piece is rendered once and then only placed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import signal as dsp

from musicgenre.synth.signal import RATE, Random, Signal, clock, decay, noise, peak_one, samples

PIECES = ("kick", "snare", "hat", "open", "ride", "crash", "tom", "clap", "rim", "shaker")


@dataclass(frozen=True)
class Kit:
    """How a drummer's or a machine's kit sounds.

    Attributes
    ----------
    pitch
        Factor on all drum pitches.
    damping
        Factor on all decays; below 1 is drier and shorter.
    snap
        0…1: noise against tone in the snare, click in the kick.
    bright
        Corner of the cymbals' high pass in Hz.
    brush
        0…1: soft attacks, snare as a swish.
    machine
        0…1: pure tones and gated noise of a drum computer.
    """

    pitch: float = 1.0
    damping: float = 1.0
    snap: float = 0.5
    bright: float = 6000.0
    brush: float = 0.0
    machine: float = 0.0


def _filtered(sound: Signal, kind: str, corner: float | tuple[float, float]) -> Signal:
    sos = dsp.butter(2, corner, kind, fs=RATE, output="sos")
    return np.asarray(dsp.sosfilt(sos, sound), dtype=np.float32)


def _soft(sound: Signal, seconds: float) -> Signal:
    rise = min(len(sound), samples(seconds))
    sound[:rise] *= np.linspace(0, 1, rise, dtype=np.float32)
    return sound


def _kick(kit: Kit, random: Random) -> Signal:
    length = 0.28 * kit.damping * (1 + 1.2 * kit.machine)
    n = samples(length)
    time = clock(n)
    base, sweep = 48 * kit.pitch, 90 * kit.pitch * (0.5 + kit.snap)
    phase = 2 * np.pi * (base * time + sweep * 0.018 * (1 - np.exp(-time / 0.018)))
    sound = np.sin(phase).astype(np.float32) * decay(n, length)
    click = noise(n, random) * decay(n, 0.02) * np.float32(0.5 * kit.snap * (1 - kit.brush))
    return _soft(sound + _filtered(click, "low", 4500), 0.002)


def _snare(kit: Kit, random: Random) -> Signal:
    n = samples(0.24 * kit.damping * (1 + 0.5 * kit.brush))
    time = clock(n)
    tone = np.sin(2 * np.pi * 185 * kit.pitch * time) + 0.6 * np.sin(2 * np.pi * 330 * kit.pitch * time)
    rattle = _filtered(noise(n, random), "band", (700 + 900 * kit.snap, 9800))
    level = 0.5 + 0.9 * kit.snap
    sound = np.float32(1 - 0.85 * kit.brush) * tone.astype(np.float32) * decay(n, 0.12 * kit.damping)
    sound = sound + np.float32(level) * rattle * decay(n, 0.22 * kit.damping)
    return _soft(sound, 0.001 + 0.035 * kit.brush)


def _cymbal(kit: Kit, random: Random, seconds: float, ping: float, corner: float) -> Signal:
    n = samples(seconds * kit.damping)
    time = clock(n)
    metal = np.zeros(n)
    for factor in (1.0, 1.342, 1.231, 1.653, 2.013, 2.521):  # a common analogue cymbal's ratios
        metal += np.sign(np.sin(2 * np.pi * 540 * kit.pitch * factor * time))
    body = (1 - kit.machine) * noise(n, random) + (0.15 + 0.5 * kit.machine) * metal.astype(np.float32)
    sound = _filtered(body.astype(np.float32), "high", min(corner, 9500)) * decay(n, seconds * kit.damping)
    if ping:
        bell = np.sin(2 * np.pi * 3100 * kit.pitch * time).astype(np.float32) * decay(n, 0.3)
        sound = sound + np.float32(ping) * bell
    return _soft(sound.astype(np.float32), 0.001 + 0.004 * kit.brush)


def _clap(kit: Kit, random: Random) -> Signal:
    n = samples(0.22 * kit.damping)
    grain = decay(n, 0.02)
    envelope = np.float32(0.7) * decay(n, 0.16 * kit.damping)
    for offset in (0, samples(0.011), samples(0.023)):
        envelope[offset:] += grain[: n - offset]
    return _filtered(noise(n, random), "band", (900, 3800)) * envelope


def _tom(kit: Kit, random: Random) -> Signal:
    n = samples(0.35 * kit.damping)
    time = clock(n)
    phase = 2 * np.pi * (110 * kit.pitch * time + 2.0 * (1 - np.exp(-time / 0.04)))
    return np.sin(phase).astype(np.float32) * decay(n, 0.33 * kit.damping) + np.float32(0.1) * noise(n, random) * decay(n, 0.04)


def _rim(kit: Kit, random: Random) -> Signal:
    n = samples(0.07)
    time = clock(n)
    tone = np.sin(2 * np.pi * 1650 * kit.pitch * time) + np.sin(2 * np.pi * 470 * kit.pitch * time)
    return tone.astype(np.float32) * decay(n, 0.05) + np.float32(0.2) * noise(n, random) * decay(n, 0.01)


def _shaker(kit: Kit, random: Random) -> Signal:
    n = samples(0.09)
    return _soft(_filtered(noise(n, random), "band", (4500, 10000)) * decay(n, 0.09), 0.02)


def render_kit(kit: Kit, random: Random, pieces: tuple[str, ...] = PIECES) -> dict[str, Signal]:
    """One sound a piece: float32, peak 1. `random` is drawn from in the order of `PIECES`."""
    makers = {
        "kick": _kick,
        "snare": _snare,
        "hat": lambda kit, random: _cymbal(kit, random, 0.07, 0.0, kit.bright + 1000),
        "open": lambda kit, random: _cymbal(kit, random, 0.32, 0.0, kit.bright),
        "ride": lambda kit, random: _cymbal(kit, random, 0.55, 0.35, kit.bright - 1500),
        "crash": lambda kit, random: _cymbal(kit, random, 1.3, 0.0, kit.bright - 2500),
        "tom": _tom,
        "clap": _clap,
        "rim": _rim,
        "shaker": _shaker,
    }
    streams = dict(zip(PIECES, random.spawn(len(PIECES)), strict=True))
    return {piece: peak_one(makers[piece](kit, streams[piece])) for piece in pieces}


__all__ = ["PIECES", "Kit", "render_kit"]
