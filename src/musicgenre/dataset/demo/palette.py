"""The demo's instruments by name. Each maker draws one specimen: a player keeps it for all of his tracks."""

from __future__ import annotations

from collections.abc import Callable

from musicgenre.synth.instruments import FM, Instrument, Pluck, Wave
from musicgenre.synth.signal import Random

Maker = Callable[[Random], Instrument]


def _between(random: Random, low: float, high: float) -> float:
    return float(random.uniform(low, high))


def _vowel(random: Random) -> tuple[tuple[float, float, float], ...]:
    """Three resonances of a sung vowel, scaled by the size of a throat."""
    vowels = ((730, 1090, 2440), (530, 1840, 2480), (300, 870, 2240), (570, 840, 2410), (440, 1020, 2240))
    size = _between(random, 0.88, 1.22)
    first, second, third = vowels[int(random.integers(len(vowels)))]
    return (
        (first * size, 130.0, 1.0),
        (second * size, 170.0, _between(random, 0.4, 0.8)),
        (third * size, 260.0, _between(random, 0.15, 0.45)),
    )


def _electric(random: Random) -> Instrument:
    return Pluck(_between(random, 0.45, 0.85), _between(random, 0.1, 0.35), _between(random, 2, 5), release=0.06)


def _acoustic(random: Random) -> Instrument:
    return Pluck(_between(random, 0.5, 0.95), _between(random, 0.08, 0.3), _between(random, 1.5, 3.5), body=_between(random, 0.05, 0.25))


def _muted(random: Random) -> Instrument:
    return Pluck(_between(random, 0.5, 0.9), _between(random, 0.06, 0.2), 1.5, mute=_between(random, 0.45, 0.8))


def _banjo(random: Random) -> Instrument:
    return Pluck(_between(random, 0.8, 1.0), _between(random, 0.04, 0.12), _between(random, 0.5, 1.0), body=0.1)


def _steel(random: Random) -> Instrument:
    return Wave(_between(random, -9, -5), -12, fade=1.5, attack=0.03, sustain=0.7, release=0.25, vibrato=_between(random, 12, 30), glide=-2)


def _upright(random: Random) -> Instrument:
    return Pluck(_between(random, 0.1, 0.35), _between(random, 0.2, 0.4), _between(random, 0.9, 1.8), body=_between(random, 0.1, 0.35))


def _electric_bass(random: Random) -> Instrument:
    return Pluck(_between(random, 0.3, 0.75), _between(random, 0.12, 0.35), _between(random, 1.5, 4), mute=_between(random, 0, 0.35))


def _synth_bass(random: Random) -> Instrument:
    fade = _between(random, 0.12, 0.5)
    return Wave(_between(random, -7, -3), _between(random, -18, -12), fade=fade, fall=0.5, sustain=0.5, release=0.06)


def _sub_bass(random: Random) -> Instrument:
    return Wave(_between(random, -22, -14), -28, fade=0.2, attack=0.004, fall=1.5, sustain=_between(random, 0.5, 0.9), release=0.1)


def _piano(random: Random) -> Instrument:
    fall = _between(random, 1.6, 3.5)
    return Wave(_between(random, -9, -5), _between(random, -17, -12), fade=_between(random, 0.3, 0.8), fall=fall, sustain=0.0, release=0.2)


def _epiano(random: Random) -> Instrument:
    return FM(1.0, _between(random, 0.8, 2.2), _between(random, 0.3, 0.8), fall=_between(random, 1.5, 3), tremolo=_between(random, 0, 0.5))


def _bell(random: Random) -> Instrument:
    return FM(_between(random, 2.4, 3.6), _between(random, 1, 3), 0.8, fall=_between(random, 1, 2.5), release=0.4)


def _clavinet(random: Random) -> Instrument:
    return Wave(
        _between(random, -4, -1), _between(random, -10, -7), even=_between(random, 0.3, 1), fade=0.2, fall=0.5, sustain=0.1, release=0.03
    )


def _organ(random: Random) -> Instrument:
    slope = _between(random, -11, -5)
    return Wave(
        slope, slope, even=_between(random, 0.4, 1), attack=0.01, sustain=1, release=0.05, vibrato=_between(random, 0, 14), vibrato_hz=6.4
    )


def _strings(random: Random) -> Instrument:
    bright = _between(random, -9, -5)
    return Wave(
        bright,
        bright - 2,
        fade=2,
        attack=_between(random, 0.04, 0.2),
        sustain=0.9,
        release=0.35,
        vibrato=_between(random, 8, 20),
        voices=3,
        detune=_between(random, 6, 14),
        breath=0.01,
    )


def _fiddle(random: Random) -> Instrument:
    body = ((500.0, 180.0, 0.7), (1100.0, 300.0, 0.8), (2800.0, 700.0, 0.6))
    return Wave(
        -3, -4, formants=body, attack=_between(random, 0.03, 0.08), sustain=0.9, release=0.1, vibrato=_between(random, 10, 30), breath=0.03
    )


def _brass(random: Random) -> Instrument:
    return Wave(
        _between(random, -5, -3), _between(random, -9, -6), fade=0.3, attack=0.03, sustain=0.85, release=0.08, voices=2, breath=0.02
    )


def _trumpet(random: Random) -> Instrument:
    horn = ((1200.0, 700.0, 1.0), (2600.0, 900.0, 0.5), (500.0, 300.0, 0.5))
    return Wave(-2, -5, formants=horn, fade=0.4, attack=0.025, sustain=0.85, release=0.08, vibrato=_between(random, 0, 18), breath=0.02)


def _sax(random: Random) -> Instrument:
    horn = ((_between(random, 450, 750), 250.0, 1.0), (_between(random, 1300, 1900), 500.0, 0.5), (3000.0, 800.0, 0.2))
    breath = _between(random, 0.03, 0.12)
    return Wave(-2, -5, formants=horn, attack=0.03, sustain=0.85, release=0.1, vibrato=_between(random, 8, 28), breath=breath, glide=-0.6)


def _flute(random: Random) -> Instrument:
    return Wave(
        _between(random, -16, -11),
        -17,
        attack=0.05,
        sustain=0.9,
        release=0.1,
        vibrato=_between(random, 8, 24),
        breath=_between(random, 0.05, 0.15),
    )


def _clarinet(random: Random) -> Instrument:
    return Wave(_between(random, -9, -6), -10, even=0.1, attack=0.04, sustain=0.95, release=0.08, breath=0.02)


def _harmonica(random: Random) -> Instrument:
    return Wave(
        _between(random, -5, -3),
        -6,
        even=_between(random, 0.5, 1),
        attack=0.04,
        sustain=0.9,
        release=0.06,
        vibrato=25,
        breath=0.06,
        glide=-0.8,
    )


def _pad(random: Random) -> Instrument:
    slope = _between(random, -14, -7)
    return Wave(
        slope, slope - 3, fade=2, attack=_between(random, 0.1, 0.4), sustain=0.9, release=0.5, voices=3, detune=_between(random, 8, 18)
    )


def _lead(random: Random) -> Instrument:
    even = _between(random, 0, 1)
    return Wave(
        _between(random, -6, -3), _between(random, -11, -7), even=even, fade=0.4, sustain=0.7, release=0.1, voices=2, detune=9, vibrato=10
    )


def _synth_pluck(random: Random) -> Instrument:
    return Wave(
        _between(random, -5, -2), -16, fade=_between(random, 0.15, 0.4), fall=_between(random, 0.3, 0.8), sustain=0, release=0.15, voices=2
    )


def _singer(random: Random) -> Instrument:
    attack, breath = _between(random, 0.03, 0.08), _between(random, 0.01, 0.06)
    return Wave(
        -3, -4, formants=_vowel(random), attack=attack, sustain=0.9, release=0.12, vibrato=_between(random, 10, 40), breath=breath, glide=-1
    )


def _rapper(random: Random) -> Instrument:
    breath = _between(random, 0.08, 0.25)
    return Wave(
        -2, -4, formants=_vowel(random), attack=0.012, fall=0.25, sustain=0.35, release=0.04, breath=breath, glide=_between(random, 0.5, 3)
    )


def _growl(random: Random) -> Instrument:
    breath = _between(random, 0.4, 1.0)
    return Wave(-1, -2, formants=_vowel(random), attack=0.03, sustain=0.9, release=0.08, voices=3, detune=60, breath=breath)


PALETTE: dict[str, Maker] = {
    "acoustic": _acoustic,
    "banjo": _banjo,
    "bell": _bell,
    "brass": _brass,
    "clarinet": _clarinet,
    "clavinet": _clavinet,
    "electric": _electric,
    "electric_bass": _electric_bass,
    "epiano": _epiano,
    "fiddle": _fiddle,
    "flute": _flute,
    "growl": _growl,
    "harmonica": _harmonica,
    "lead": _lead,
    "muted": _muted,
    "organ": _organ,
    "pad": _pad,
    "piano": _piano,
    "rapper": _rapper,
    "sax": _sax,
    "singer": _singer,
    "steel": _steel,
    "strings": _strings,
    "sub_bass": _sub_bass,
    "synth_bass": _synth_bass,
    "synth_pluck": _synth_pluck,
    "trumpet": _trumpet,
    "upright": _upright,
}

__all__ = ["PALETTE", "Maker"]
