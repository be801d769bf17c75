"""The product as a user meets it: `ecoserve app` in a process of its own, and a real Chromium.

A missing browser fails the tests that need it; it never skips them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.e2e.browser import ARGUMENTS, NO_BROWSER, BrowserError, find_chromium

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
START_LIMIT_S = 60
PAGE_LIMIT_MS = 30_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AppServer:
    """A running dashboard: where it is, which process, and what it has logged."""

    url: str
    pid: int
    log: Path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            if "browser" in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def app_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """`ecoserve app` on a free port, started in an empty directory with an empty home."""
    home = tmp_path_factory.mktemp("home")
    log = tmp_path_factory.mktemp("log") / "server.log"
    port = _free_port()
    environment = {
        **os.environ,
        "HOME": str(home),
        "ECOSERVE_CATALOG": str(home / "catalog.duckdb"),
        "PYTHONUNBUFFERED": "1",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*_ecoserve(), "app", "--port", str(port), "--headless"],
            cwd=tmp_path_factory.mktemp("empty"),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = AppServer(url=f"http://localhost:{port}", pid=process.pid, log=log)
    try:
        _wait_until_healthy(process, server)
        yield server
    finally:
        _end(process)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path, problem = None, NO_BROWSER
    try:
        path = find_chromium()
    except BrowserError as error:
        problem = str(error)
    if path is None:
        pytest.fail(problem, pytrace=False)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield launched
        launched.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh visitor. For a second one: ``browser.new_context()``."""
    fresh = browser.new_context(viewport={"width": 1400, "height": 1000})
    fresh.set_default_timeout(PAGE_LIMIT_MS)
    yield fresh
    fresh.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def _ecoserve() -> list[str]:
    """The installed console script; beside this interpreter, so that no other one is tested."""
    script = shutil.which("ecoserve", path=str(Path(sys.executable).parent))
    if script is None:
        pytest.fail(
            f"ecoserve is not installed: {sys.executable} -m pip install -e .", pytrace=False
        )
    return [script]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_healthy(process: subprocess.Popen[bytes], server: AppServer) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    until = time.monotonic() + START_LIMIT_S
    while time.monotonic() < until and process.poll() is None:
        with (
            contextlib.suppress(urllib.error.URLError, OSError),
            direct.open(f"{server.url}/_stcore/health", timeout=2) as answer,
        ):
            if answer.status == 200:
                return
        time.sleep(0.1)
    said = server.log.read_text(encoding="utf-8", errors="replace")[-2000:]
    pytest.fail(f"`ecoserve app` did not come up; it said:\n{said}", pytrace=False)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop the server and what it started: its own process group, nothing else."""
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal_number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)
            return
