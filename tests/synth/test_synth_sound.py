"""Instruments in tune, effects that do what they say, patterns on the beat."""

from __future__ import annotations

import numpy as np
import pytest

from musicgenre.synth import effects
from musicgenre.synth.drums import PIECES, Kit, render_kit
from musicgenre.synth.instruments import FM, Instrument, Pluck, Wave
from musicgenre.synth.patterns import BEATS, Bar, Groove, Note, arpeggio, bass, comp, euclid, hits, line
from musicgenre.synth.score import drum, play
from musicgenre.synth.signal import RATE, Signal, adsr, decay, decibel, place, samples
from musicgenre.synth.tuning import CHORDS, SCALES, chord, hz, scale_notes


def pitch(sound: Signal, near: float) -> float:
    """Strongest frequency within a semitone of `near`, Hz."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 1 << 19))
    frequency = np.fft.rfftfreq(1 << 19, 1 / RATE)
    window = (frequency > near * 2 ** (-1 / 12)) & (frequency < near * 2 ** (1 / 12))
    return float(frequency[window][np.argmax(spectrum[window])])


@pytest.mark.parametrize("instrument", [Wave(), Wave(even=0.1, breath=0.05), FM(), Pluck(0.2), Pluck(0.9), Pluck(0.6, mute=0.5)])
@pytest.mark.parametrize("midi", [40, 57, 69, 81])
def test_instruments_are_in_tune(instrument: Instrument, midi: int) -> None:
    sound = instrument.note(hz(midi), 1.0, np.random.default_rng(0))
    cents = 1200 * np.log2(pitch(sound[: RATE // 2], hz(midi)) / hz(midi))
    assert abs(cents) < 12, cents


@pytest.mark.parametrize("instrument", [Wave(voices=3, vibrato=20), FM(3.5, 4), Pluck(body=0.2, glide=-1), Wave(glide=2)])
@pytest.mark.parametrize("seconds", [0.01, 0.3, 2.0])
@pytest.mark.parametrize("midi", [24, 60, 108])
def test_notes_are_finite_have_peak_one_and_end_in_silence(instrument: Instrument, seconds: float, midi: int) -> None:
    sound = instrument.note(hz(midi), seconds, np.random.default_rng(1))
    assert sound.dtype == np.float32
    assert len(sound) >= samples(seconds)
    assert np.isfinite(sound).all()
    assert np.abs(sound).max() == pytest.approx(1.0, abs=1e-3)
    assert abs(float(sound[-1])) < 0.02


def test_high_notes_do_not_alias() -> None:
    sound = Wave(bright=0, dark=0).note(hz(96), 1.0, np.random.default_rng(0))
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    frequency = np.fft.rfftfreq(len(sound), 1 / RATE)
    near = np.abs(frequency / hz(96) - np.round(frequency / hz(96))) * hz(96) < 30
    assert spectrum[~near].max() < 0.02 * spectrum[near].max()


def test_chords_and_scales() -> None:
    assert hz(69) == 440.0
    assert hz(81) == pytest.approx(880.0)
    assert chord(0, "maj", low=60) == (60, 64, 67)
    assert chord(9, "min", low=60) == (60, 64, 69)
    for quality in CHORDS:
        notes = chord(5, quality, low=48)
        assert list(notes) == sorted(notes)
        assert notes[0] >= 48
        assert notes[-1] < 60
    for name in SCALES:
        assert all((note - 2) % 12 in SCALES[name] for note in scale_notes(2, name, low=40, high=80))


def test_patterns() -> None:
    assert hits("x...X...") == [(0.0, 0.8), (2.0, 1.0)]
    assert euclid(3, 8) == "x..x..x."
    for pulses in range(1, 17):
        assert euclid(pulses, 16, 3).count("x") == pulses
    harmony = [Bar(0, "maj", 0, "major"), Bar(7, "7", 0, "major")]
    assert [note.midi for note in bass(harmony, "1.5.8.a.", low=36, gate=1)] == [36, 43, 48, 42, 43, 50, 55, 35]
    assert [note.midi for note in arpeggio(harmony[:1], "0123", low=60, gate=1)] == [60, 64, 67, 72]
    assert len(comp(harmony, "x.x.", low=60, gate=1)) == 2 * (3 + 4)
    melody = line(harmony * 4, np.random.default_rng(0), rhythms=("x.x.x.x.",), low=60, high=80, rest=0.0)
    assert len(melody) == 8 * 4
    assert {note.midi % 12 for note in melody} <= set(SCALES["major"])
    strong = [note for note in melody if note.at % 2 == 0]
    voiced = [set(chord(harmony[int(note.at // BEATS) % 2].root, harmony[int(note.at // BEATS) % 2].quality, low=60)) for note in strong]
    assert all(note.midi % 12 in {midi % 12 for midi in tones} for note, tones in zip(strong, voiced, strict=True))


def test_swing_moves_the_second_eighth_and_nothing_else() -> None:
    straight, shuffled = Groove(120), Groove(120, 2 / 3)
    assert [straight.seconds(beat) for beat in (0, 0.5, 1, 2.25)] == pytest.approx([0, 0.25, 0.5, 1.125])
    assert shuffled.seconds(1) == pytest.approx(0.5)
    assert shuffled.seconds(0.5) == pytest.approx(1 / 3)
    assert Groove(120, 2 / 3, sixteenths=True).seconds(0.25) == pytest.approx(1 / 6)


def test_notes_sound_when_they_should() -> None:
    track = play([Note(1.0, 69, 0.5, 1.0), Note(3.0, 69, 0.5, 0.5)], FM(), Groove(120), 2 * RATE, np.random.default_rng(0))
    loud = np.abs(track) > 0.02
    assert not loud[: int(0.49 * RATE)].any()
    assert loud[int(0.5 * RATE) : int(0.6 * RATE)].any()
    assert np.abs(track[int(1.5 * RATE) :]).max() < 0.8 * np.abs(track[: int(1.4 * RATE)]).max()
    empty = play([], FM(), Groove(120), RATE, np.random.default_rng(0))
    assert not empty.any()


def test_kits_are_the_same_whichever_pieces_are_asked_for() -> None:
    kit = Kit(snap=0.8, machine=0.3)
    whole = render_kit(kit, np.random.default_rng(3))
    part = render_kit(kit, np.random.default_rng(3), ("snare", "hat"))
    assert set(whole) == set(PIECES)
    assert all(np.array_equal(part[piece], whole[piece]) for piece in part)
    beat = drum({"kick": "x...x...x...x..."}, whole, Groove(120), 2, 4 * RATE, np.random.default_rng(0))
    energy = np.add.reduceat(beat**2, np.arange(0, 4 * RATE, RATE // 2))
    assert energy.min() > 0.4 * energy.max(), "four on the floor: a kick in every beat"


def test_envelopes() -> None:
    assert decay(RATE, 1.0)[-1] == pytest.approx(1e-3, rel=0.01)
    shape = adsr(RATE, 0.5, attack=0.1, fall=0.2, sustain=0.5, release=0.1)
    assert shape[0] == 0
    assert shape.max() <= 1
    assert shape[int(0.45 * RATE)] == pytest.approx(0.5, abs=0.01)
    assert shape[int(0.65 * RATE)] < 0.001
    assert decibel(-6.0206) == pytest.approx(0.5, rel=1e-4)


def test_placing_cuts_what_reaches_beyond() -> None:
    track = np.zeros(10, dtype=np.float32)
    place(track, np.ones(4, dtype=np.float32), 8 / RATE, 0.5)
    place(track, np.ones(4, dtype=np.float32), -2 / RATE, 1.0)
    place(track, np.ones(4, dtype=np.float32), 1.0, 1.0)
    assert track.tolist() == [1, 1, 0, 0, 0, 0, 0, 0, 0.5, 0.5]


def test_effects() -> None:
    random = np.random.default_rng(0)
    sound = (0.1 * random.normal(size=RATE)).astype(np.float32)
    room = effects.impulse(0.5, 4000, random)
    flat = effects.room_and_tone(sound, sound, room, 0.0, ((20.0, 0.0), (10_000.0, 0.0)))
    assert np.allclose(flat, sound, atol=1e-6)
    assert np.sum(room**2) == pytest.approx(1.0, rel=1e-3)
    wet = effects.room_and_tone(sound, sound, room, 1.0, ((20.0, 0.0), (10_000.0, 0.0)))
    assert np.mean(wet**2) > 1.5 * np.mean(sound**2)
    dull = effects.room_and_tone(sound, sound, room, 0.0, ((200.0, 0.0), (8000.0, -40.0)))
    assert np.abs(np.fft.rfft(dull))[8000:].mean() < 0.05 * np.abs(np.fft.rfft(sound))[8000:].mean()
    assert effects.compress(sound, 1.0) is sound
    waves = (sound * np.repeat([0.1, 1, 0.1, 1, 0.1], RATE // 5)).astype(np.float32)
    squeezed = effects.compress(waves, 4.0)
    assert np.std(squeezed[RATE // 4 : RATE // 3]) / np.std(squeezed[: RATE // 6]) < 0.5 * np.std(waves[RATE // 4 : RATE // 3]) / np.std(
        waves[: RATE // 6]
    )
    assert effects.drive(sound, 0) is sound
    assert np.abs(effects.drive(sound, 5)).max() <= 1
    echo = effects.delay(np.eye(1, RATE, dtype=np.float32)[0], 0.25, 0.5, 0.5)
    assert np.flatnonzero(echo).tolist() == [samples(0.25) * number for number in range(5)]
    assert echo[np.flatnonzero(echo)].tolist() == [1, 0.5, 0.25, 0.125, 0.0625]
    assert effects.lowpass(sound, 500).std() < sound.std()
    assert effects.highpass(sound, 5000).std() < sound.std()
    assert effects.chorus(sound, 3, 0.5, 0.5).dtype == np.float32
    assert not np.array_equal(effects.wow(sound, 20, 0.6), sound)
    assert np.abs(effects.crackle(RATE, random, hiss=0.01, clicks_per_s=5)).max() < 0.2
