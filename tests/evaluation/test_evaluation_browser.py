"""The report in a real browser: no error, no request, and it sorts, plays and switches."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from musicgenre.evaluation.results import Evaluation
from musicgenre.layout import Layout
from opened_page import Opened

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def report(project: Layout, evaluated: Evaluation) -> Path:
    return project.reports / "report.html"


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1440, "light")])
def test_all_of_it_shows(browser: Any, report: Path, width: int, scheme: str) -> None:
    opened = Opened(browser, report, width, scheme)
    page = opened.page
    opened.to_the_end()
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "the page scrolls sideways"
    visible = page.locator(".plot:visible")
    drawn = page.locator(".plot:visible .main-svg")
    assert visible.count() >= 8
    assert drawn.count() >= visible.count()
    opened.check()


def test_it_has_no_address_of_another_host(report: Path) -> None:
    text = report.read_text()
    head = text[: text.index('<script type="application/json"')]
    assert not re.search(r'(src|href)="(https?:)?//', head)
    assert "default-src 'none'" in head
    assert len(text) < 25e6


def test_tables_sort_by_keyboard(browser: Any, report: Path) -> None:
    opened = Opened(browser, report, 1440, "light")
    page = opened.page
    table = page.locator("table[data-name=families]")
    head = table.locator("thead button", has_text="test macro F1")
    column = head.evaluate("button => button.parentElement.cellIndex")

    def values() -> list[float]:
        found: list[float] = table.evaluate(f"t => [...t.tBodies[0].rows].map(r => Number(r.cells[{column}].dataset.sort))")
        return found

    head.focus()
    page.keyboard.press("Enter")
    assert head.evaluate("b => b.parentElement.getAttribute('aria-sort')") == "descending"
    assert values() == sorted(values(), reverse=True)
    page.keyboard.press("Enter")
    assert head.evaluate("b => b.parentElement.getAttribute('aria-sort')") == "ascending"
    assert values() == sorted(values())
    opened.check()


def test_the_theme_switches_and_plots_follow(browser: Any, report: Path) -> None:
    opened = Opened(browser, report, 1440, "light")
    page = opened.page
    page.wait_for_selector("[data-figure=intervals] .xtick text")
    tick = "document.querySelector('[data-figure=intervals] .xtick text')"
    colours = f"[getComputedStyle(document.body).backgroundColor, getComputedStyle({tick}).fill]"
    light = page.evaluate(colours)
    page.locator("#theme").click()
    page.wait_for_function(f"{colours}[1] !== {light[1]!r}")
    dark = page.evaluate(colours)
    assert light[0] != dark[0] and light[1] != dark[1]
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    opened.check()


def test_sound_plays_and_stops(browser: Any, report: Path) -> None:
    opened = Opened(browser, report, 1440, "light")
    page = opened.page
    button = page.locator("#misheard .play, #labels .play").first
    button.scroll_into_view_if_needed()
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert page.locator("#player").is_visible()
    page.wait_for_function("document.getElementById('player-progress').value > 0.02", timeout=10_000)
    page.keyboard.press("Escape")
    assert page.locator("#player").is_hidden()
    assert button.get_attribute("aria-pressed") == "false"
    opened.check()


def test_families_switch_and_the_map_answers(browser: Any, report: Path) -> None:
    opened = Opened(browser, report, 1440, "light")
    page = opened.page
    page.locator(".segmented button", has_text="classical").click()
    assert page.locator(".family:visible").get_attribute("data-family") == "classical"
    page.wait_for_selector("[data-figure=confusion-classical-track] .main-svg")
    page.locator("#genres .segmented button", has_text="segments").click()
    assert page.locator(".family:visible").get_attribute("data-level") == "segment"
    assert page.locator(".family:visible").get_attribute("data-family") == "classical"
    page.wait_for_selector("[data-figure=confusion-classical-segment] .main-svg")
    assert page.locator("#families .panel:visible table").get_attribute("data-name") == "segment-figures"  # one choice for the page
    choice = page.locator("#near-choice")
    track = choice.evaluate("select => select.options[2].value")
    choice.select_option(track)
    assert page.locator("#near li").first.inner_text().startswith(track)
    assert page.locator("#near .play").count() >= 2
    opened.check()


def test_a_point_of_the_map_is_heard_when_pressed(browser: Any, report: Path) -> None:
    opened = Opened(browser, report, 1440, "light")
    page = opened.page
    page.locator("[data-figure=map]").scroll_into_view_if_needed()
    page.wait_for_selector("[data-figure=map] .points path")
    where = page.evaluate(
        """() => {
          const plot = document.querySelector('[data-figure=map]'), layout = plot._fullLayout, box = plot.getBoundingClientRect();
          const sounds = JSON.parse(document.getElementById('sounds').textContent);
          for (const trace of plot.data) for (let i = 0; i < trace.x.length; i++) if (sounds[trace.customdata[i][0]]) return {
            x: box.left + layout.xaxis._offset + layout.xaxis.l2p(trace.x[i]),
            y: box.top + layout.yaxis._offset + layout.yaxis.l2p(trace.y[i]),
          };
        }"""
    )
    page.mouse.move(where["x"], where["y"])
    page.wait_for_selector("[data-figure=map] .hoverlayer .hovertext")
    page.mouse.click(where["x"], where["y"])
    page.wait_for_function("document.getElementById('player-progress').value > 0.02", timeout=10_000)
    assert page.locator("#near li").first.inner_text().startswith(page.locator("#player-name").inner_text())
    opened.check()


def test_plots_can_be_hovered(browser: Any, report: Path) -> None:
    opened = Opened(browser, report, 1440, "light")
    page = opened.page
    page.locator("[data-figure=intervals]").scroll_into_view_if_needed()
    bar = page.locator("[data-figure=intervals] .bars .point path").first
    bar.wait_for()
    box = bar.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector("[data-figure=intervals] .hoverlayer .hovertext")
    opened.check()
