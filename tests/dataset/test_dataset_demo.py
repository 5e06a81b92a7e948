"""The demo set: the same bytes every time, artists that sound like themselves, faults where they were planted."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from musicgenre.dataset import sources
from musicgenre.dataset.demo import render
from musicgenre.dataset.demo.artist import make_artist
from musicgenre.dataset.demo.encode import encode, with_serial
from musicgenre.dataset.demo.faults import FAULTS
from musicgenre.dataset.demo.palette import PALETTE
from musicgenre.dataset.demo.render import track_path
from musicgenre.dataset.demo.styles import STYLES
from musicgenre.dataset.demo.track import render_track
from musicgenre.errors import DatasetError
from musicgenre.layout import Layout
from musicgenre.params import ComputeParams, DatasetParams, DemoParams
from musicgenre.synth.signal import RATE, Signal

SMALL = DemoParams(artists_per_genre=4, tracks_per_artist=1, duration_s=2.0)
ONE = ComputeParams(workers=1)


def tree(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*")) if path.is_file()
    }


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    layout = Layout(tmp_path_factory.mktemp("demo"))
    assert render(SMALL, layout, ONE, quiet=True) == (40, 0)
    return layout


def test_the_same_bytes_whatever_the_number_of_workers(project: Layout, tmp_path: Path) -> None:
    again = Layout(tmp_path)
    render(SMALL, again, ComputeParams(workers=2), quiet=True)
    assert tree(again.demo) == tree(project.demo)


def test_another_seed_is_other_music(project: Layout, tmp_path: Path) -> None:
    other = render_track(make_artist(8, "jazz", 0), 8, 5, 0, 0, 2.0)
    assert not np.array_equal(other, render_track(make_artist(7, "jazz", 0), 7, 5, 0, 0, 2.0))


def test_a_killed_rendering_goes_on(project: Layout, tmp_path: Path) -> None:
    demo = f"{{artists_per_genre: 4, tracks_per_artist: 1, duration_s: 2.0, seed: {SMALL.seed}}}"
    (tmp_path / "params.yaml").write_text(f"dataset: {{demo: {demo}}}\ncompute: {{workers: 1}}\n")
    program = Path(sys.executable).with_name("musicgenre")
    process = subprocess.Popen([str(program), "source"], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    work = tmp_path / ".musicgenre/demo"
    until = time.monotonic() + 60
    while len(list(work.glob("*/*/*.*"))) < 5:
        assert process.poll() is None, "it finished before it could be killed"
        assert time.monotonic() < until
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    layout = Layout(tmp_path)
    assert not layout.demo.exists()
    new, kept = render(SMALL, layout, ONE, quiet=True)
    assert kept >= 4
    assert new + kept == 40
    assert tree(layout.demo) == tree(project.demo)


def test_what_the_cache_has_is_not_rendered_again_and_more_tracks_render_only_what_is_new(project: Layout, tmp_path: Path) -> None:
    shutil.copytree(project.work, tmp_path / ".musicgenre")
    layout = Layout(tmp_path)
    assert render(SMALL, layout, ONE, quiet=True) == (0, 40)
    assert render(SMALL.model_copy(update={"tracks_per_artist": 2}), layout, ONE, quiet=True) == (40, 40)
    before = tree(project.demo)
    after = tree(layout.demo)
    changed = {name for name in before if before[name] != after.get(name)}
    assert changed == {"metadata.csv", "README.txt", "source.json"}


def test_the_stage_lists_artists_as_groups(project: Layout) -> None:
    params = DatasetParams(demo=SMALL)
    done = sources.prepare(params, project, ONE, quiet=True)
    assert (done.rendered, done.kept, done.files, len(done.genres)) == (0, 40, 45, 10)
    files = sources.list_files(params, project)
    genres_of = defaultdict(set)
    for file in files:
        assert file.group is not None
        genres_of[file.group].add(file.genre)
    assert all(len(genres) == 1 for genres in genres_of.values())
    assert sum(name.endswith(("-00", "-01", "-02", "-03")) for name in genres_of) == 40
    with (project.demo / "metadata.csv").open(newline="") as handle:
        assert {row["path"] for row in csv.DictReader(handle)} == {str(file.path.relative_to("data/demo")) for file in files if True}
    about = json.loads((project.demo / "source.json").read_text())
    assert about["synthetic"] is True
    assert set(about["faults"]) == {fault.path for fault in FAULTS}
    assert "Synthetic" in (project.demo / "README.txt").read_text()


def test_the_demo_is_rendered_where_the_stage_says(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"dataset\.path is elsewhere; the demo is rendered at data/demo"):
        sources.prepare(DatasetParams(path="elsewhere", demo=SMALL), Layout(tmp_path), ONE)


def test_each_planted_fault_is_what_it_says(project: Layout) -> None:
    import soundfile

    by_name = {fault.path.split("fault-")[1]: project.demo / fault.path for fault in FAULTS}
    assert by_name["empty.mp3"].stat().st_size == 0
    with pytest.raises(soundfile.LibsndfileError):
        soundfile.read(by_name["undecodable.flac"])
    assert by_name["undecodable.flac"].read_bytes()[:4] == b"fLaC"
    assert not soundfile.read(by_name["silent.wav"])[0].any()
    assert soundfile.info(by_name["short.wav"]).duration == pytest.approx(0.4, abs=0.01)
    copy, _ = soundfile.read(by_name["copy.ogg"])
    original, _ = soundfile.read(next((project.demo / "jazz").glob("jazz.00000.*")))
    assert np.corrcoef(copy, original[: len(copy)])[0, 1] > 0.97
    assert np.std(copy) / np.std(original) == pytest.approx(0.63, abs=0.05)


def test_no_faults_without_being_asked(project: Layout, tmp_path: Path) -> None:
    shutil.copytree(project.work, tmp_path / ".musicgenre")
    render(SMALL.model_copy(update={"faults": False}), Layout(tmp_path), ONE, quiet=True)
    assert not list((tmp_path / "data/demo").rglob("*fault*"))


def test_every_track_is_sound(project: Layout) -> None:
    import soundfile

    for path in sorted(project.demo.glob("*/*.*")):
        if "fault" in path.name:
            continue
        sound, rate = soundfile.read(path)
        level = 20 * np.log10(np.sqrt(np.mean(sound**2)))
        assert rate == RATE
        assert len(sound) == pytest.approx(2 * RATE, abs=RATE // 10)
        assert np.isfinite(sound).all()
        assert -38 < level < -5, (path, level)
        assert np.abs(sound).max() <= 1.0


def spectrum(sound: Signal) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Mean log spectrum in 24 bands, without its level."""
    power = np.abs(np.fft.rfft(sound.reshape(-1, 2205), axis=1)) ** 2
    edges = np.geomspace(3, 1000, 25).astype(int)
    bands = np.log([power[:, low : max(low + 1, high)].mean() + 1e-9 for low, high in itertools.pairwise(edges)])
    return bands - bands.mean()


def test_an_artists_tracks_are_closer_to_each_other_than_to_another_artists() -> None:
    """The reason why groups matter: a model may learn the artist."""
    for place, genre in ((3, "disco"), (5, "jazz"), (9, "rock")):
        tracks = np.array([[spectrum(render_track(make_artist(7, genre, a), 7, place, a, t, 4.0)) for t in range(3)] for a in range(4)])
        own = np.mean([np.linalg.norm(tracks[a, s] - tracks[a, t]) for a in range(4) for s in range(3) for t in range(s)])
        other = np.mean([np.linalg.norm(tracks[a, 0] - tracks[b, 1]) for a in range(4) for b in range(4) if a != b])
        assert other > 1.3 * own, (genre, own, other)


def test_styles_name_only_what_exists() -> None:
    from musicgenre.synth.drums import PIECES
    from musicgenre.synth.tuning import CHORDS, SCALES

    for name, style in STYLES.items():
        assert set(style.near) <= set(STYLES) - {name}
        assert set(style.scales) <= set(SCALES)
        assert {quality for change in style.changes for _, quality in change} <= set(CHORDS)
        assert {piece for beat in style.beats for piece in beat} <= set(PIECES)
        for layer in style.layers:
            assert set(layer.instruments) <= set(PALETTE)
            assert layer.figure in ("comp", "bass", "arpeggio", "line")


def test_file_names_tell_artist_and_track() -> None:
    names = [track_path(DemoParams(), genre, artist, track) for genre in STYLES for artist in range(10) for track in range(3)]
    assert len({name.rsplit(".", 1)[0] for name in names}) == 300
    assert {name.rsplit(".", 1)[1] for name in names} == {"wav", "flac", "ogg", "mp3"}
    assert names[0].startswith("blues/blues.00000.")


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_encoders_are_deterministic_and_keep_the_sound(suffix: str) -> None:
    import io

    import soundfile

    sound = render_track(make_artist(7, "pop", 1), 7, 7, 1, 0, 3.0)
    first = encode(sound, suffix)
    time.sleep(1.1 if suffix == "ogg" else 0)  # an encoder seeded by the clock would differ now
    assert encode(sound, suffix) == first
    back, _ = soundfile.read(io.BytesIO(first))
    assert np.corrcoef(back[: len(sound)], sound[: len(back)])[0, 1] > 0.95


def test_an_ogg_file_with_another_serial_is_still_an_ogg_file() -> None:
    import io

    import soundfile

    sound = np.sin(np.arange(RATE, dtype=np.float32) / 10) * np.float32(0.5)
    data = encode(sound, "ogg")
    renamed = with_serial(data, 77)
    assert renamed != data
    assert np.array_equal(soundfile.read(io.BytesIO(renamed))[0], soundfile.read(io.BytesIO(data))[0])
    assert with_serial(renamed, 1) == data
    with pytest.raises(ValueError, match="no Ogg page at byte 0"):
        with_serial(b"RIFF" + data, 1)


@pytest.mark.slow
def test_a_random_split_flatters_and_nothing_is_perfect() -> None:
    """SVM on pooled MFCC: hard enough for models to differ, and visibly better where artists are on both sides."""
    from sklearn.metrics import f1_score
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    librosa = pytest.importorskip("librosa")
    rows, genres, groups = [], [], []
    for place, genre in enumerate(STYLES):
        for number in range(10):
            artist = make_artist(7, genre, number)
            for track in range(3):
                mfcc = librosa.feature.mfcc(y=render_track(artist, 7, place, number, track, 12.0), sr=RATE, n_mfcc=20)
                rows.append(np.concatenate([mfcc.mean(1), mfcc.std(1), librosa.feature.delta(mfcc).std(1)]))
                genres.append(place)
                groups.append(place * 100 + number)
    model = make_pipeline(StandardScaler(), SVC(C=10))
    x, y = np.array(rows), np.array(genres)
    honest = cross_val_predict(model, x, y, groups=groups, cv=StratifiedGroupKFold(5, shuffle=True, random_state=0))
    flattered = cross_val_predict(model, x, y, cv=StratifiedKFold(5, shuffle=True, random_state=0))
    scores = f1_score(y, honest, average="macro"), f1_score(y, flattered, average="macro")
    assert 0.5 < scores[0] < 0.8, scores
    assert scores[1] > scores[0] + 0.08, scores
