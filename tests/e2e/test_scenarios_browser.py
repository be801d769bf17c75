"""Scenarios in a real Chromium: shared through the library, undone, gone back to, compared."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import PAGE_LIMIT_MS, AppServer


@pytest.fixture(autouse=True)
def _patient() -> Iterator[None]:
    expect.set_options(timeout=PAGE_LIMIT_MS)
    yield
    expect.set_options(timeout=5_000)


def test_saved_in_one_browser_it_opens_by_its_id_in_another(
    app_server: AppServer, page: Page, browser: Browser
):
    page.goto(f"{app_server.url}/traffic")
    rate = page.get_by_role("spinbutton", name="Mean rate over the day, requests/s")
    rate.fill("20")
    rate.press("Enter")
    expect(page.get_by_text("chat, online: mean 20.0")).to_be_visible()
    page.get_by_role("button", name="Scenario").click()
    menu = page.get_by_test_id("stPopoverBody")
    name = menu.get_by_role("textbox", name="Name", exact=True)
    expect(name).to_have_value("Azure chat and code")  # also in a popover opened after an edit
    name.fill("Kept for the board")
    name.press("Enter")
    expect(page.get_by_text("Kept for the board", exact=True)).to_be_visible()
    menu.get_by_role("button", name="Save to the library").click()
    expect(page.get_by_text("Saved as Kept for the board.")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Copy link").click()
    short = page.get_by_test_id("stCode").locator("code").filter(has_text="id=")
    link = short.inner_text().strip()
    assert urlsplit(link).path == "/traffic"

    other = browser.new_context()
    other.set_default_timeout(PAGE_LIMIT_MS)
    second = other.new_page()
    second.goto(link)
    expect(second.get_by_text("Kept for the board", exact=True)).to_be_visible()
    expect(second.get_by_text("could not be opened")).to_have_count(0)
    other.close()


def test_an_edit_is_undone_by_the_button_and_by_going_back(app_server: AppServer, page: Page):
    page.goto(f"{app_server.url}/traffic")
    # The first: while a page is drawn anew, what is to go stands beside what comes.
    rate = page.get_by_role("spinbutton", name="Mean rate over the day, requests/s").first
    expect(rate).to_have_value("45")
    rate.fill("20")
    rate.press("Enter")
    page.get_by_role("button", name="Undo").click()
    expect(rate).to_have_value("45")
    page.get_by_role("button", name="Redo").click()
    expect(rate).to_have_value("20")
    rate.fill("30")
    rate.press("Enter")
    expect(page.get_by_text("chat, online: mean 30.0")).to_be_visible()
    page.go_back()
    expect(rate).to_have_value("20")
    page.go_back()
    expect(rate).to_have_value("45")
    page.go_forward()
    expect(rate).to_have_value("20")
    page.get_by_role("link", name="Grid & site").click()
    expect(page.get_by_role("spinbutton", name="Electricity, USD/kWh")).to_be_visible()
    page.go_back()  # a change of page is one step
    expect(rate).to_have_value("20")
    page.get_by_role("button", name="Scenario", exact=True).click()
    page.get_by_role("button", name="Load preset").click()
    expect(page.get_by_role("button", name="Load preset")).to_be_hidden()


def test_compare_shows_two_scenarios_from_its_address(app_server: AppServer, page: Page):
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.goto(f"{app_server.url}/compare?with=preset.small-assistant")
    table = page.get_by_test_id("stTable").first
    expect(table).to_contain_text("Azure chat and code")
    expect(table).to_contain_text("Small assistant")
    expect(page.locator(".js-plotly-plot .gtitle").first).to_contain_text("emits least")
    expect(page.get_by_role("heading", name="inputs differ")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as CSV").click()
    assert download.value.suggested_filename.startswith("ecoserve-compare-")
    page.get_by_role("button", name="Remove").click()
    expect(table).not_to_contain_text("Small assistant")
    assert "with=" not in urlsplit(page.url).query
    assert hosts == {urlsplit(app_server.url).netloc}
