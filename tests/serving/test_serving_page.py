"""The page: its headers, and the page itself in headless Chromium with a real upload."""

from __future__ import annotations

import csv
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving_harness import Running, Service, Wav

from musicgenre.serving import page

FILES = Path(page.__file__).parent


def test_security_policy_allows_nothing_inline_and_no_other_host(service: Service) -> None:
    answer = service.client.get("/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_files_are_small_and_name_no_host() -> None:
    texts = {path.name: path.read_text(encoding="utf-8") for path in FILES.iterdir() if path.suffix in (".html", ".css", ".js", ".svg")}
    assert sum(map(len, texts.values())) < 60_000
    for name, text in texts.items():
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), name
    html = texts["index.html"]
    assert not re.search(r"\son\w+=|style=|<script(?![^>]*src=)|<style", html)


def test_an_unchanged_file_is_not_sent_again(service: Service) -> None:
    tag = service.client.get("/page/app.js").headers["etag"]
    again = service.client.get("/page/app.js", headers={"if-none-match": tag})
    assert (again.status_code, again.content) == (304, b"")


def _chromium() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        if path := shutil.which(name):
            return path
    pytest.skip("no Chromium on this machine")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync = pytest.importorskip("playwright.sync_api")
    path = _chromium()
    with sync.sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
        opened = playwright.chromium.launch(executable_path=path, args=arguments)
        yield opened
        opened.close()


def until(page: Any, expression: str, seconds: float = 20) -> None:
    """Wait for a JavaScript expression; asked from outside, as the page's policy forbids evaluation inside."""
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(50)


class Visit:
    """One page with what it logged and asked for."""

    def __init__(self, browser: Any, running: Running, width: int, scheme: str) -> None:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, permissions=["microphone"])
        self.page = context.new_page()
        self.page.set_default_timeout(20_000)
        self.faults: list[str] = []
        self.requests: list[str] = []
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", lambda message: self.faults.append(message.text) if message.type == "error" else None)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(f"{running.url}/")
        until(self.page, "document.getElementById('limits').textContent.includes('genres')")

    def check(self, running: Running) -> None:
        assert self.faults == []
        assert all(url.startswith((running.url, f"blob:{running.url}")) for url in self.requests), self.requests


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory, wav: Wav) -> Path:
    """A clip from the research data where it is there, else a synthetic one."""
    real = Path(__file__).resolve().parents[3] / "shared" / "data" / "gtzan_mini" / "blues" / "blues.00003.ogg"
    if real.is_file():
        return real
    path = tmp_path_factory.mktemp("clip") / "clip.wav"
    path.write_bytes(wav(12, seed=1))
    return path


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_upload_shows_genre_bars_timeline_and_a_moving_cursor(browser: Any, running: Running, clip: Path, width: int, scheme: str) -> None:
    visit = Visit(browser, running, width, scheme)
    page = visit.page
    page.set_input_files("#files", str(clip))
    page.wait_for_selector("#verdict:not(:empty)")
    assert page.inner_text("#verdict").lower() in {"blues", "classical", "disco", "rock"}
    assert page.locator("#bars li").count() == 4
    assert page.locator("#segments tr").count() >= 3
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"
    painted = "(id) => { const c = document.getElementById(id); const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
    painted += " return new Set(Array.from({length: d.length / 4}, (_, i) => d[4 * i] + ',' + d[4 * i + 1] + ',' + d[4 * i + 3])).size }"
    until(page, f"({painted})('picture') > 1")
    assert page.evaluate(painted, "timeline") > 1
    page.click("#show-mel")
    until(page, f"({painted})('picture') > 50")
    before = page.evaluate("document.getElementById('cursor').getBoundingClientRect().left")
    page.focus("#stage")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    until(page, f"document.getElementById('cursor').getBoundingClientRect().left > {before} + 20")
    assert float(page.get_attribute("#stage", "aria-valuenow")) == pytest.approx(4, abs=0.5)
    page.keyboard.press(" ")
    until(page, "!document.getElementById('player').paused && document.getElementById('player').currentTime > 4.2")
    visit.check(running)
    page.context.close()


@pytest.mark.browser
def test_several_files_make_a_table_and_a_csv(browser: Any, running: Running, tmp_path: Path, wav: Wav) -> None:
    visit = Visit(browser, running, 1280, "light")
    page = visit.page
    files = []
    for number, name in enumerate(("one.wav", "=two.wav", "three.wav")):
        (tmp_path / name).write_bytes(wav(3, seed=400 + number))
        files.append(str(tmp_path / name))
    (tmp_path / "notes.txt").write_text("no sound")
    page.set_input_files("#files", [*files, str(tmp_path / "notes.txt")])
    until(page, "document.getElementById('status').textContent.includes('3 classified, 1 not')")
    assert "not audio" in page.inner_text("#rows tr.bad")
    with page.expect_download() as download:
        page.click("#csv")
    path = tmp_path / "out.csv"
    download.value.save_as(path)
    rows = list(csv.DictReader(path.open(encoding="utf-8")))
    assert [row["file"] for row in rows] == ["one.wav", "'=two.wav", "three.wav", "notes.txt"]
    assert sum(float(rows[0][genre]) for genre in ("blues", "classical", "disco", "rock")) == pytest.approx(1, abs=1e-5)
    page.locator("#rows button").nth(2).focus()
    page.keyboard.press("Enter")
    until(page, "document.getElementById('verdict-file').textContent.startsWith('three.wav')")
    page.context.close()


@pytest.mark.browser
def test_recording_dropping_and_the_card(browser: Any, running: Running, wav: Wav) -> None:
    visit = Visit(browser, running, 1000, "light")
    page = visit.page
    page.click("#card-open")
    assert "blues, classical, disco, rock" in page.inner_text("#card-facts")
    page.keyboard.press("Escape")
    page.click("#record")
    until(page, "document.getElementById('record-label').textContent.includes('Stop')")
    page.wait_for_timeout(2500)
    page.click("#record")
    page.wait_for_selector("#verdict:not(:empty)")
    assert page.inner_text("#verdict-file").startswith("recording")
    page.evaluate(
        """bytes => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "dropped.wav"));
            document.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
        }""",
        list(wav(2, seed=500)),
    )
    until(page, "[...document.querySelectorAll('#rows button')].some((one) => one.textContent === 'dropped.wav')")
    visit.check(running)
    page.context.close()
