"""The product as a user meets it: `ecoserve app` in a process of its own, and a real Chromium.

A missing browser fails the tests that need it; it never skips them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from app.views import solve
from tests.e2e.browser import ARGUMENTS, NO_BROWSER, BrowserError, find_chromium
from tests.e2e.server import AppServer, ServerError, running_app

HERE = Path(__file__).parent
PAGE_LIMIT_MS = 30_000
WORK_LIMIT_S = 100.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            if "browser" in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.browser)


@pytest.fixture(autouse=True, scope="session")
def _pages_run_once() -> Iterator[None]:
    """Streamlit's test driver runs a page once; so the page waits until the work is done."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(solve, "FIRST_S", WORK_LIMIT_S)
        patch.setattr(solve, "WHOLE_S", WORK_LIMIT_S)
        yield


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    """Work that one test began does not keep the next one waiting."""
    yield
    solve.tasks().drop_all()


@pytest.fixture(scope="session")
def app_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """`ecoserve app` on a free port, started in an empty directory with an empty home."""
    try:
        with running_app(tmp_path_factory.mktemp("server")) as server:
            yield server
    except ServerError as error:
        pytest.fail(str(error), pytrace=False)


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
