"""Times the page in Chromium: cold loads, edits, an upload; and a trivial page for the floor."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from tests.e2e.browser import ARGUMENTS, NO_BROWSER, BrowserError, find_chromium
from tests.e2e.server import AppServer, free_port, running

LOADS = 10
MOVES = 7
ROUNDS = 2
"""How often the moves are taken back and made again, once all of them are known."""
LIMIT_MS = 90_000
REST_MS = 300
"""Between a changed chart and the next edit."""
MEMORY_EVERY_S = 0.05
FIRST_CHART = "() => document.querySelector('.js-plotly-plot .gtitle')?.textContent"
CHART_TEXT = "() => document.querySelector('.js-plotly-plot')?.textContent ?? ''"
CHART_CHANGED = "before => document.querySelector('.js-plotly-plot')?.textContent !== before"
TRIVIAL = Path(__file__).with_name("trivial_page.py")
INTENSITY = "The same at all hours, g/kWh"
PROOF_AFTER = "A better answer is being worked out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edits:
    """Seconds from a key press to a changed chart, in order."""

    anew: list[float] = field(default_factory=list)
    """Of what nobody had planned."""
    settled: list[float] = field(default_factory=list)
    """The same, until the proof behind the quick answer has arrived."""
    known: list[float] = field(default_factory=list)
    """Of what was planned before."""
    values: list[float] = field(default_factory=list)
    """The slider's, for whoever wants to ask for the same."""


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A browser for all measurements. Raises BrowserError where there is none."""
    path = find_chromium()
    if path is None:
        raise BrowserError(NO_BROWSER)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


def cold_load_s(browser: Browser, url: str) -> float:
    """From a new visitor's request, nothing in the browser's cache, to the first drawn chart."""
    visitor = browser.new_context()
    page = visitor.new_page()
    started = time.perf_counter()
    page.goto(url)
    page.wait_for_function(FIRST_CHART, polling=10, timeout=LIMIT_MS)
    took = time.perf_counter() - started
    visitor.close()
    return took


def trivial_edits(browser: Browser, scratch: Path) -> list[float]:
    """Seconds from a moved slider to a changed chart on a page with nothing else."""
    port = free_port()
    flags = ["--server.headless=true", "--browser.gatherUsageStats=false"]
    command = [sys.executable, "-m", "streamlit", "run", str(TRIVIAL), "--server.port", str(port)]
    with running([*command, *flags], port, scratch) as server:
        page = _opened(browser, server.url)
        taken = [_moved(page, "value", "PageUp") for _ in range(MOVES)]
        for _ in range(ROUNDS):
            for key in ("PageDown", "PageUp"):
                taken += [_moved(page, "value", key) for _ in range(MOVES)]
        page.close()
    return taken


def plan_edits(browser: Browser, url: str) -> Edits:
    """The intensity slider: moved to where nobody was, and back and forth over the same places."""
    page = _opened(browser, url)
    _wait_for_proof(page)
    found = Edits()
    for _ in range(MOVES):
        started = time.perf_counter()
        found.anew.append(_moved(page, INTENSITY, "PageUp"))
        _wait_for_proof(page)
        found.settled.append(time.perf_counter() - started)
        slider = page.get_by_role("slider", name=INTENSITY)
        found.values.append(float(slider.input_value()))
    for _ in range(ROUNDS):
        for key in ("PageDown", "PageUp"):  # one less: before the first move there was no value
            found.known.extend(_moved(page, INTENSITY, key) for _ in range(MOVES - 1))
    page.close()
    return found


def upload_s(browser: Browser, url: str, log: Path, said: str) -> float:
    """From the chosen file to the page's words about it."""
    page = browser.new_page()
    page.set_default_timeout(LIMIT_MS)
    page.goto(f"{url}/traffic")
    page.get_by_text("From a request log").wait_for()
    chooser = page.get_by_test_id("stFileUploader").locator("input[type=file]").first
    started = time.perf_counter()
    chooser.set_input_files(log)
    page.get_by_text(said).wait_for()
    took = time.perf_counter() - started
    page.close()
    return took


@contextlib.contextmanager
def peak_memory_mb(server: AppServer) -> Iterator[list[float]]:
    """The server's resident memory at its highest within the block, without its workers'."""
    process, peak, ended = psutil.Process(server.pid), [0.0], threading.Event()

    def watch() -> None:
        while not ended.wait(MEMORY_EVERY_S):
            peak[0] = max(peak[0], process.memory_info().rss / 1e6)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        ended.set()
        watcher.join()


def _opened(browser: Browser, url: str) -> Page:
    page = browser.new_page()
    page.set_default_timeout(LIMIT_MS)
    page.goto(url)
    page.wait_for_function(FIRST_CHART)
    return page


def _moved(page: Page, slider_name: str, key: str) -> float:
    page.wait_for_timeout(REST_MS)
    page.get_by_role("slider", name=slider_name).focus()
    before = page.evaluate(CHART_TEXT)
    started = time.perf_counter()
    page.keyboard.press(key)
    page.wait_for_function(CHART_CHANGED, arg=before, polling=10)
    return time.perf_counter() - started


def _wait_for_proof(page: Page) -> None:
    page.get_by_text(PROOF_AFTER).first.wait_for(state="detached")
    page.get_by_role("heading", name="Replica pools").wait_for()
