"""Times a slider move to a changed chart in Chromium, on our page and on a trivial one."""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from tests.e2e.browser import ARGUMENTS, NO_BROWSER, BrowserError, find_chromium
from tests.e2e.server import AppServer, free_port, running, running_app

MOVES = 7
LIMIT_MS = 60_000
CHART_TEXT = "() => document.querySelector('.js-plotly-plot')?.textContent ?? ''"
CHART_CHANGED = "before => document.querySelector('.js-plotly-plot')?.textContent !== before"
TRIVIAL = Path(__file__).with_name("trivial_page.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageTimes:
    """Seconds from key press to changed chart, and the server's memory, without its workers'."""

    slider: list[float]
    settled: list[float]
    """Until the proof behind the quick answer has arrived; empty for the trivial page."""
    peak_mb: float

    @property
    def median_s(self) -> float:
        return statistics.median(self.slider)


def measure(scratch: Path) -> tuple[PageTimes, PageTimes]:
    """(ours, trivial), one after the other on the same machine in the same browser."""
    path = find_chromium()
    if path is None:
        raise BrowserError(NO_BROWSER)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        trivial = _trivial(browser, scratch / "trivial")
        with running_app(scratch / "app") as server:
            ours = _times(browser, server, "The same at all hours, g/kWh", proves=True)
        browser.close()
    return ours, trivial


def _trivial(browser: Browser, scratch: Path) -> PageTimes:
    port = free_port()
    flags = ["--server.headless=true", "--browser.gatherUsageStats=false"]
    command = [sys.executable, "-m", "streamlit", "run", str(TRIVIAL), "--server.port", str(port)]
    with running([*command, *flags], port, scratch) as server:
        return _times(browser, server, "value", proves=False)


def _times(browser: Browser, server: AppServer, slider_name: str, *, proves: bool) -> PageTimes:
    page = browser.new_page()
    page.set_default_timeout(LIMIT_MS)
    page.goto(server.url)
    page.locator(".js-plotly-plot").first.wait_for()
    if proves:
        _wait_for_proof(page)
    slider = page.get_by_role("slider", name=slider_name)
    first, settled = [], []
    for _ in range(MOVES):
        slider.focus()
        before = page.evaluate(CHART_TEXT)
        started = time.perf_counter()
        page.keyboard.press("PageUp")
        page.wait_for_function(CHART_CHANGED, arg=before, polling=10)
        first.append(time.perf_counter() - started)
        if proves:
            _wait_for_proof(page)
            settled.append(time.perf_counter() - started)
    page.close()
    return PageTimes(slider=first, settled=settled, peak_mb=_memory_mb(server.pid))


def _wait_for_proof(page: Page) -> None:
    page.get_by_text("A better answer is being worked out").first.wait_for(state="detached")
    page.get_by_role("heading", name="Replica pools").wait_for()


def _memory_mb(pid: int) -> float:
    return float(psutil.Process(pid).memory_info().rss / 1e6)
