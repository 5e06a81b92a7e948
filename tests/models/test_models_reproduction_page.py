"""The page of systems that were run again: cards of misheard tracks, media once, under its cap, and nothing that is not escaped."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from musicgenre.errors import EvaluationError
from musicgenre.layout import Layout
from musicgenre.models.reproduction_page import cards, figures, write_page
from musicgenre.models.reproduction_page import page as room
from musicgenre.models.reproduction_page.cards import Predictions
from musicgenre.params import Params, parse_params
from opened_page import Opened

RATE = 22_050
INTERVAL = {"value": 0.5, "low": 0.3, "high": 0.7}


def result(name: str, source: str = "A paper", **more: Any) -> dict[str, Any]:
    """What `reproduce` writes of a system."""
    way = {"tested": 6, "cpu_seconds": 1.0, "figures": {"accuracy": INTERVAL, "macro_f1": INTERVAL}}
    return {
        "name": name, "family": "cnn", "title": f"Title of {name}", "source": source, "published": {"accuracy": 0.4, "f1": 0.3},
        "protocol": "tracks, 60%/40%", "notes": "Said `nowhere`.", "stand_in": "", "epochs_limit": None, "split": "f" * 64,
        "own": way, "honest": way, **more,
    }  # fmt: skip


def keep(folder: Path, name: str, track_ids: Sequence[str], classes: Sequence[str], answers: Sequence[tuple[str, float]]) -> None:
    """Predictions beside a result, both ways: each track gets (label, probability), the rest spread evenly; its folder is its genre."""
    folder.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame({"track_id": track_ids, "genre": [track.rsplit("/", 1)[0] for track in track_ids]})
    for label in classes:
        table[f"p_{label}"] = [share if label == said else (1 - share) / (len(classes) - 1) for said, share in answers]
    for way in ("own", "honest"):
        table.to_parquet(folder / f"{name}-{way}-predictions.parquet", index=False)


@pytest.fixture
def project(make_layout: Callable[..., Layout], tmp_path: Path) -> Layout:
    """Twelve tracks of three genres with a second of sound each."""
    layout = Layout(tmp_path / "project")
    shutil.copytree(make_layout(genres=3, tracks=4).data, layout.data)
    tracks = pd.read_parquet(layout.splits)["track_id"].tolist()
    rng = np.random.default_rng(5)
    for track in tracks:
        path = layout.data / "sound" / f"{track}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        sf.write(path, 0.3 * rng.normal(size=RATE).clip(-1, 1), RATE)
    pd.DataFrame({"track_id": tracks, "path": [f"data/sound/{track}.wav" for track in tracks]}).to_parquet(layout.valid)
    return layout


TESTED = ("g00/g00.003", "g01/g01.002", "g01/g01.003", "g02/g02.003")
CLASSES = ("g00", "g01", "g02")


def two_systems(folder: Path) -> list[dict[str, Any]]:
    """`first` mishears two tracks, `second` one of the same."""
    keep(folder, "first", TESTED, CLASSES, [("g00", 0.9), ("g00", 0.6), ("g01", 0.8), ("g00", 0.7)])
    keep(folder, "second", TESTED, CLASSES, [("g00", 0.9), ("g01", 0.6), ("g01", 0.8), ("g01", 0.5)])
    return [result("first"), result("second")]


def written(layout: Layout, results: Sequence[dict[str, Any]], params: Params | None = None, **skipped: str) -> str:
    folder = layout.reports / "reproduction"
    write_page(folder, results, skipped, params or Params(), layout)
    return (folder / "report.html").read_text(encoding="utf-8")


def embedded(text: str, name: str) -> dict[str, Any]:
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', text, re.S)
    assert found
    parsed: dict[str, Any] = json.loads(found[1])
    return parsed


def test_every_misheard_track_is_a_card_the_surest_first(project: Layout) -> None:
    text = written(project, two_systems(project.reports / "reproduction"), vgg="no weights")
    misheard = text[text.index('<section id="misheard">') : text.index('<section id="about">')]
    assert re.findall(r'data-true="(\w+)" data-called="(\w+)"', misheard) == [("g02", "g00"), ("g01", "g00"), ("g02", "g01")]
    first, second = misheard.split('<div class="panel" data-family="second" hidden>')
    assert "first mishears 2 of 6" in first and "second mishears 1 of 6" in second
    assert re.findall(r"<strong>(g\S+)</strong>", first) == ["g02/g02.003", "g01/g01.002"]
    assert "misheard by 2 of 2 systems" in first and "misheard by 1 of 2 systems" in first
    assert "<span>g00</span><span>70 %</span>" in first and "<span>g00</span><span>60 %</span>" in first
    assert 'data-filter="true"' in misheard and 'data-filter="called"' in misheard
    assert "Skipped vgg: no weights" in text and "Title of first" in text and "Said nowhere." in text


def test_a_picture_and_a_sound_of_a_track_are_there_once(project: Layout) -> None:
    text = written(project, two_systems(project.reports / "reproduction"))
    # g02.003 is on the cards of both systems; g00.003 is the one track of both.
    sounds = embedded(text, "sounds")
    assert sorted(sounds) == ["g00/g00.003", "g01/g01.002", "g02/g02.003"]
    assert text.count("data:audio/mpeg;base64,") == 3 and text.count("data:image/webp;base64,") == 3
    numbers = re.findall(r'class="picture p(\d)" role="img" aria-label="Mel spectrogram of g02/g02.003"', text)
    assert len(numbers) == 2 and len(set(numbers)) == 1
    assert f".p{numbers[0]}{{background-image:url(data:image/webp" in text
    assert text.count('data-track="g02/g02.003" aria-label="Play') == 2
    assert "3 pictures and 3 previews, each in the file once" in text


def test_it_asks_for_nothing_outside_and_stays_under_its_cap(project: Layout) -> None:
    results = two_systems(project.reports / "reproduction")
    whole = written(project, results)
    head = whole[: whole.index('<script type="application/json"')]
    assert not re.search(r'(src|href)="(?!#|data:)', head) and "default-src 'none'" in head and "url(http" not in head
    media = sum(len(item["src"]) for item in embedded(whole, "sounds").values())
    small = (len(whole) - media + 45_000) / 1e6
    text = written(project, results, parse_params({"evaluate": {"max_report_mb": small}}))
    assert len(text.encode()) <= small * 1e6
    assert 0 < len(embedded(text, "sounds")) < 3
    left = re.search(r'<p class="words">(\d+) pictures or sounds are left out', text)
    assert left and int(left[1]) > 0 and "pictures or sounds are left out" not in whole
    with pytest.raises(EvaluationError, match=r"max_report_mb is 2.*Allow at least"):
        written(project, results, parse_params({"evaluate": {"max_report_mb": 2.0}}))


def test_names_are_escaped_everywhere(project: Layout) -> None:
    folder = project.reports / "reproduction"
    genre, track = "<script>alert(1)<\\script>", '<script>alert(1)<\\script>/"><img src=x onerror=alert(2)>'
    keep(folder, "first", [track, "b/1"], [genre, "b"], [("b", 0.8), (genre, 0.9)])
    evil = result("first", source="<img src=y>", title="</h3><img src=z>", notes="<b>bold</b>")
    text = written(project, [evil], vgg="</p><script>alert(3)</script>")
    own = text.replace(text[text.rindex('<script type="application/json" id="sounds">') :], "")  # the plot library has tags of its own
    assert "2 tracks have no picture: " in own
    assert "<img" not in own and "<b>" not in own and own.count("<script") == 2  # the theme, the figures
    assert "&lt;script&gt;alert(1)" in own and f'data-called="{genre}"' not in own
    assert embedded(text, "figures")["confusion-first-honest"]["data"][0]["x"] == [genre, "b"]


def test_an_eleventh_genre_that_is_never_tested(project: Layout) -> None:
    classes = tuple(f"g{index:02d}" for index in range(11))
    keep(project.reports / "reproduction", "first", TESTED, classes, [("g10", 0.9), ("g01", 0.6), ("g10", 0.8), ("g00", 0.7)])
    text = written(project, [result("first")])
    shown = embedded(text, "figures")
    matrix = np.array(shown["confusion-first-honest"]["data"][0]["customdata"])
    assert matrix.shape == (11, 11) and matrix[10].sum() == 0 and matrix[:, 10].sum() == 2
    assert [trace["name"][:3] for trace in shown["roc-first-honest"]["data"][:-1]] == ["g00", "g01", "g02"]
    assert "no test track" in text and 'data-true="g00" data-called="g10"' in text
    two = written(project, two_systems(project.reports / "reproduction"))  # three genres again
    assert np.array(embedded(two, "figures")["confusion-first-own"]["data"][0]["z"]).shape == (3, 3)


def test_without_sound_or_pictures_the_page_says_why(project: Layout) -> None:
    results = two_systems(project.reports / "reproduction")
    project.valid.unlink()
    for kind in cards.KINDS:
        shutil.rmtree(project.features(kind))
    text = written(project, results)
    assert "No sound: " in text and "No pictures: none of mel, scalogram, mfcc is stored" in text
    assert embedded(text, "sounds") == {} and 'data-called="g00"' in text
    empty = written(project, [])
    assert "No system has been run on the present split." in empty


def test_of_very_many_mistakes_the_surest_are_shown(project: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "SHOWN", 1)
    text = written(project, two_systems(project.reports / "reproduction"))
    assert "first mishears 2 of 6 tested tracks; the 1 surest are here." in text
    assert re.findall(r'data-true="(\w+)"', text) == ["g02", "g02"]
    assert cards.in_turns([["a", "b"], ["a", "c", "d"], []]) == ["a", "b", "c", "d"]


def test_curves_of_one_publication_share_a_figure(project: Layout) -> None:
    folder = project.reports / "reproduction"
    results = two_systems(folder)
    keep(folder, "third", TESTED, CLASSES, [("g00", 0.9)] * 4)
    keep(folder, "other", TESTED, CLASSES, [("g00", 0.9)] * 4)
    history = pd.DataFrame(
        {
            "epoch": [1, 2],
            "train_loss": [2.0, 1.0],
            "validation_loss": [2.1, 1.9],
            "train_accuracy": [0.2, 0.6],
            "validation_accuracy": [0.2, 0.4],
        }
    )
    for name in ("first", "third", "other"):
        history.to_parquet(folder / f"{name}-own-history.parquet")
    history.head(1).to_parquet(folder / "second-own-history.parquet")
    shown = embedded(written(project, [*results, result("third"), result("other", source="Another paper")]), "figures")
    curves = {name: {trace["name"] for trace in shown[name]["data"]} for name in shown if name.startswith("curves")}
    assert curves == {"curves-0": {"first", "third"}, "curves-1": {"other"}}  # a model of one epoch has no curve
    assert len(shown["curves-0"]["data"]) == 2 * 4  # loss and accuracy of training and validation
    assert len({trace["line"]["color"] for trace in shown["curves-0"]["data"]}) == 2


def test_descriptors_that_matter(project: Layout) -> None:
    folder = project.reports / "reproduction"
    names = ("descriptors_lr", "descriptors_rf", "descriptors_svm", "descriptors_xgb")
    for name in names:
        keep(folder, name, TESTED, CLASSES, [("g00", 0.9)] * 4)
    features = [f"mfcc_{index}" for index in range(30)]
    falling = np.linspace(1, 0.1, 30)
    pd.DataFrame({"feature": features, "importance": falling}).to_parquet(folder / "descriptors_rf-honest-descriptors.parquet")
    pd.DataFrame({"feature": features, "importance": np.nan}).to_parquet(folder / "descriptors_svm-honest-descriptors.parquet")
    weights = pd.DataFrame({"feature": features, "importance": falling, "w_g00": falling, "w_g02": -falling})
    weights.to_parquet(folder / "descriptors_lr-honest-descriptors.parquet")
    text = written(project, [result(name, family="classical") for name in names])
    shown = embedded(text, "figures")
    bars = shown["importances-descriptors_rf"]["data"][0]
    assert bars["y"][-1] == "mfcc 0" and len(bars["x"]) == figures.DESCRIPTORS and bars["x"] == sorted(bars["x"])
    heat = shown["importances-descriptors_lr"]["data"][0]
    assert heat["x"] == ["g00", "g02"] and heat["z"][0] == [1.0, -1.0] and heat["zmin"] == -heat["zmax"]
    assert "importances-descriptors_svm" not in shown and "it has no importances" in text
    assert "reproduce descriptors_xgb --again" in text


def test_predictions_know_what_was_missed(project: Layout) -> None:
    folder = project.reports / "reproduction"
    two_systems(folder)
    found = Predictions.read(folder / "first-honest-predictions.parquet")
    assert found.missed == {"g01/g01.002", "g02/g02.003"} and found.tested == set(TESTED)
    shown = cards.card(found, 3, [found])
    assert (shown.genre, shown.answer, shown.missed, shown.asked) == ("g02", "g00", 1, 1)
    assert shown.own == pytest.approx(0.15) and shown.rank == 2 and len(shown.answers) == 3


def opened_report(browser: Any, project: Layout, width: int, scheme: str) -> Opened:
    """The page of two systems in a browser."""
    written(project, two_systems(project.reports / "reproduction"))
    return Opened(browser, project.reports / "reproduction" / "report.html", width, scheme)


@pytest.mark.browser
def test_all_of_it_shows_on_a_dark_phone(browser: Any, project: Layout) -> None:
    opened = opened_report(browser, project, 390, "dark")
    opened.to_the_end()
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390, "the page scrolls sideways"
    assert opened.page.locator(".plot:visible .main-svg").count() >= 5
    picture = opened.page.locator("#misheard .picture:visible").first
    assert picture.evaluate("e => getComputedStyle(e).backgroundImage").startswith('url("data:image/webp')
    opened.check()


@pytest.mark.browser
def test_cards_are_chosen_and_heard_by_keyboard(browser: Any, project: Layout) -> None:
    opened = opened_report(browser, project, 1280, "light")
    page = opened.page
    cards_shown = page.locator("#misheard article:visible")
    assert cards_shown.count() == 2
    genre = page.locator("[data-filter=true]")
    genre.focus()
    page.keyboard.press("ArrowDown")  # g01
    assert genre.evaluate("s => s.value") == "g01" and cards_shown.count() == 1
    assert page.locator("#misheard [data-shown]:visible").inner_text() == "1 of 2 shown."
    page.locator("#misheard .segmented button", has_text="second").press("Enter")
    assert cards_shown.count() == 0 and page.locator("#each .family:visible").get_attribute("data-family") == "second"
    genre.select_option("")
    assert cards_shown.count() == 1 and page.locator("#misheard [data-shown]:visible").count() == 0
    play = page.locator("#misheard article:visible .play")
    play.press("Enter")
    page.wait_for_function("document.getElementById('player-progress').value > 0.02", timeout=10_000)
    assert page.locator("#misheard article:visible .head-line").count() == 1
    page.keyboard.press("Escape")
    assert page.locator("#player").is_hidden()
    opened.check()


@pytest.mark.browser
def test_a_wrong_cell_leads_to_its_cards(browser: Any, project: Layout) -> None:
    opened = opened_report(browser, project, 1280, "light")
    page = opened.page
    matrix = page.locator("[data-figure=confusion-first-honest]")
    matrix.scroll_into_view_if_needed()
    page.wait_for_selector("[data-figure=confusion-first-honest] .main-svg")
    where = matrix.evaluate(
        """plot => {
          const {xaxis, yaxis} = plot._fullLayout, box = plot.getBoundingClientRect();
          return {x: box.left + xaxis._offset + xaxis.d2p("g00"), y: box.top + yaxis._offset + yaxis.d2p("g02")};
        }"""
    )
    page.mouse.move(where["x"], where["y"])
    page.wait_for_selector("[data-figure=confusion-first-honest] .hoverlayer .hovertext")
    page.mouse.click(where["x"], where["y"])
    page.wait_for_function("document.querySelector('[data-filter=called]').value === 'g00'")
    assert page.locator("#misheard article:visible strong").all_inner_texts() == ["g02/g02.003"]
    opened.check()


@pytest.mark.browser
def test_names_do_nothing_in_a_browser(browser: Any, project: Layout) -> None:
    folder = project.reports / "reproduction"
    genre = '<img src="https://outside.example/x" onerror="document.title=1">'
    keep(folder, "first", [f"{genre}/1", "b/1"], [genre, "b"], [("b", 0.8), (genre, 0.9)])
    written(project, [result("first")])
    opened = Opened(browser, folder / "report.html", 1280, "light")
    opened.to_the_end()
    assert opened.page.title() == "Published systems – musicgenre"
    opened.check()
