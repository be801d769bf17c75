"""Cancel in a real browser: the search ends, what was found stays, and the page is still alive."""

from __future__ import annotations

from collections.abc import Iterator

import psutil
import pytest
from playwright.sync_api import Page, expect

import ecoserve
from app.presets import load_presets
from ecoserve.analysis.edits import edited
from ecoserve.link import encode_link
from tests.e2e.conftest import PAGE_LIMIT_MS
from tests.e2e.server import AppServer


@pytest.fixture(autouse=True)
def _patient_browser() -> Iterator[None]:
    expect.set_options(timeout=PAGE_LIMIT_MS)
    yield
    expect.set_options(timeout=5_000)


def test_a_proof_is_cancelled_and_another_change_is_planned(app_server: AppServer, page: Page):
    page.goto(f"{app_server.url}?s={never_planned()}")
    expect(page.get_by_text("A better answer is being worked out")).to_be_visible()
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.get_by_text("The search for a better answer was stopped")).to_be_visible()
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    expect(page.get_by_role("button", name="Go on")).to_be_visible()
    before = page.get_by_test_id("stMetricValue").first.inner_text()
    page.get_by_role("radio", name="17", exact=True).click()
    expect(page.get_by_test_id("stMetricValue").first).not_to_have_text(before)
    assert len(psutil.Process(app_server.pid).children(recursive=True)) <= 2
    expect(page.get_by_test_id("stException")).to_have_count(0)


def never_planned() -> str:
    """A link to the default preset at a PUE that no other test of this server asks for."""
    presets = load_presets()
    scenario = edited(presets["azure-chat-and-code"], {"site.pue": 1.37})
    return encode_link(scenario, presets, ecoserve.__version__, "")


def test_an_analysis_is_cancelled_and_can_go_on(app_server: AppServer, page: Page):
    page.goto(f"{app_server.url}/trade-offs")
    button = page.get_by_role("button", name="Move every input")
    button.click()
    expect(button).to_have_count(0)
    page.get_by_role("button", name="Cancel", exact=True).last.click()
    expect(page.get_by_text("Cancelled. What was planned so far is kept")).to_be_visible()
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("Cancelled. What was planned so far is kept")).to_have_count(0)
    expect(page.get_by_role("button", name="Cancel", exact=True).last).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)
