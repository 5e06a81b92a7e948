"""A report in a real browser, with all that went wrong on it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium() -> Iterator[Any]:
    """A Chromium that may play sound by itself; the test skips where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next((found for name in _BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"])
        yield found
        found.close()


class Opened:
    """A page of one width in one scheme, light or dark."""

    def __init__(self, browser: Any, path: Path, width: int, scheme: str) -> None:
        self.faults: list[str] = []
        self.requests: list[str] = []
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self.faults.append(message.text) if message.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url[:80]))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("body[data-ready]")

    def to_the_end(self) -> None:
        """Scroll through, so that every plot is drawn."""
        height = self.page.evaluate("document.documentElement.scrollHeight")
        for top in range(0, height + 900, 900):
            self.page.evaluate(f"window.scrollTo(0, {top})")
            self.page.wait_for_timeout(50)
        self.page.wait_for_function("![...document.querySelectorAll('.plot')].some(e => e.offsetWidth && !e.querySelector('.main-svg'))")

    def check(self) -> None:
        assert self.faults == []
        assert [url for url in self.requests if not url.startswith(("file:", "data:", "blob:"))] == []
