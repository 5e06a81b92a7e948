"""Compose and render one track of an artist."""

from __future__ import annotations

import math

import numpy as np

from musicgenre.dataset.demo.artist import Artist, Voice, generator
from musicgenre.synth import effects
from musicgenre.synth.patterns import BEATS, Bar, Groove, Note, arpeggio, bass, comp, line
from musicgenre.synth.score import drum, play
from musicgenre.synth.signal import Random, Signal, decibel, samples

_CEILING = 0.89  # a decibel of room: lossy codecs overshoot


def _notes(voice: Voice, harmony: list[Bar], random: Random) -> list[Note]:
    layer = voice.layer
    pattern = voice.patterns[int(random.integers(len(voice.patterns)))]
    if layer.figure == "comp":
        return comp(harmony, pattern, low=layer.low, gate=voice.gate, strum=layer.strum)
    if layer.figure == "bass":
        return bass(harmony, pattern, low=layer.low, gate=voice.gate)
    if layer.figure == "arpeggio":
        return arpeggio(harmony, pattern, low=layer.low, gate=voice.gate)
    high = layer.low + layer.span
    return line(harmony, random, rhythms=voice.patterns, low=layer.low, high=high, leap=layer.leap, rest=layer.rest)


def _even(sound: Signal) -> Signal:
    """Scaled to an RMS of 0.1 where it sounds, so that levels in dB mean loudness."""
    loud = np.abs(sound) > 1e-3
    rms = float(np.sqrt(np.mean(sound[loud] ** 2))) if loud.any() else 1.0
    return (sound * np.float32(0.1 / rms)).astype(np.float32)


def render_track(artist: Artist, seed: int, genre: int, number: int, track: int, duration_s: float) -> Signal:
    """The artist's track: float32 [duration_s · RATE] in −1…1.

    `seed`, `genre` (its place among the styles), `number` (of the artist) and `track` name the random streams:
    one for the composition and one a layer, so that a layer more or less changes no other.
    """
    random = generator(seed, genre, number, 1000 + track)
    n = samples(duration_s)
    groove = Groove(float(random.uniform(*artist.tempo)), artist.swing, artist.style.sixteenths)
    bars = math.ceil(duration_s / (BEATS * 60 / groove.bpm)) + 1
    tonic = artist.keys[int(random.integers(len(artist.keys)))]
    scale = artist.style.scales[int(random.integers(len(artist.style.scales)))]
    changes = artist.changes[int(random.integers(len(artist.changes)))]
    start = int(random.integers(len(changes)))
    harmony = []
    for bar in range(bars):
        step, quality = changes[(start + bar) % len(changes)]
        harmony.append(Bar((tonic + step) % 12, quality, tonic, scale))
    cents = float(random.normal(0, 8))
    present = [random.random() < voice.layer.chance for voice in artist.voices]
    if not any(present):
        present[0] = True
    beat = artist.beats[int(random.integers(len(artist.beats)))] if artist.beats else None
    dry, send = np.zeros(n, dtype=np.float32), np.zeros(n, dtype=np.float32)
    streams = random.spawn(len(artist.voices) + 2)
    for voice, stream, sounds in zip(artist.voices, streams, present, strict=False):
        if not sounds:
            continue
        sound = play(_notes(voice, harmony, stream), voice.instrument, groove, n, stream, loose=artist.loose, cents=cents)
        if voice.drive > 0.05:
            sound = effects.lowpass(effects.drive(sound, voice.drive, bias=0.15), 5200)
        if voice.echo > 0.05:
            sound = effects.delay(sound, 0.75 * 60 / groove.bpm, 0.45, voice.echo)
        sound = _even(sound) * np.float32(decibel(voice.level + float(stream.normal(0, 1.2))))
        dry += sound
        send += np.float32(voice.send) * sound
    if beat is not None:
        sound = drum(
            beat,
            artist.kit,
            groove,
            bars,
            n,
            streams[-2],
            loose=artist.loose,
            levels={"hat": 0.4, "open": 0.4, "ride": 0.35, "crash": 0.4, "shaker": 0.4},
        )
        sound = _even(sound) * np.float32(decibel(artist.drum_level))
        dry += sound
        send += np.float32(0.3) * sound
    return _master(artist, dry, send, streams[-1])


def _master(artist: Artist, dry: Signal, send: Signal, random: Random) -> Signal:
    mix = effects.room_and_tone(dry, send, artist.room, artist.wet, artist.tone)
    mix = effects.compress(effects.drive(mix, artist.drive), artist.ratio)
    rms = float(np.sqrt(np.mean(mix**2))) or 1.0
    mix *= np.float32(decibel(artist.loudness + float(random.normal(0, 1.5))) / rms)
    mix += effects.crackle(len(mix), random, hiss=artist.noise, clicks_per_s=artist.clicks)
    fade = samples(0.01)
    mix[:fade] *= np.linspace(0, 1, fade, dtype=np.float32)
    mix[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    peak = float(np.max(np.abs(mix)))
    return (mix * np.float32(_CEILING / peak)).astype(np.float32) if peak > _CEILING else mix


__all__ = ["render_track"]
