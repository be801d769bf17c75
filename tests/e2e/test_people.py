"""People in a real Chromium: one without a mouse, and two at once."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.conftest import PAGE_LIMIT_MS, AppServer

MOST_TABS = 150
RATE = "Mean rate over the day, requests/s"


@pytest.fixture(autouse=True)
def _patient() -> Iterator[None]:
    expect.set_options(timeout=PAGE_LIMIT_MS)
    yield
    expect.set_options(timeout=5_000)


def tab_to(page: Page, wanted: Locator) -> None:
    """Tabs on until the element has the focus, round the page if need be."""
    expect(wanted.first).to_be_visible()
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if wanted.first.evaluate("e => e === document.activeElement"):
            return
    pytest.fail(f"{MOST_TABS} tabs do not reach {wanted}")


def test_the_main_path_needs_no_mouse(app_server: AppServer, page: Page):
    page.goto(app_server.url)
    expect(page.get_by_test_id("stMetricValue")).to_have_count(4)
    slider = page.get_by_role("slider", name="PUE")
    tab_to(page, slider)
    page.keyboard.press("ArrowRight")
    expect(page.get_by_test_id("stSlider").filter(has_text="PUE")).to_contain_text("1.16")
    tab_to(page, page.get_by_role("combobox", name="Compared with"))
    page.keyboard.type("energy")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="energy")).to_be_visible()

    tab_to(page, page.get_by_role("link", name="Traffic"))
    page.keyboard.press("Enter")
    rate = page.get_by_role("spinbutton", name=RATE)
    tab_to(page, rate)
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("20")
    page.keyboard.press("Enter")
    expect(page.get_by_text("chat, online: mean 20.0")).to_be_visible()

    tab_to(page, page.get_by_role("link", name="Plan", exact=True))
    page.keyboard.press("Enter")
    expect(page.get_by_text("PUE 1.16")).to_be_visible()
    tab_to(page, page.get_by_role("button", name="Copy link"))
    page.keyboard.press("Enter")
    link = page.get_by_test_id("stCode").locator("code")
    expect(link).to_be_visible()
    assert "s=" in urlsplit(link.inner_text().strip()).query


def test_two_users_at_once_do_not_see_each_other(
    app_server: AppServer, page: Page, browser: Browser
):
    visitor = browser.new_context()
    visitor.set_default_timeout(PAGE_LIMIT_MS)
    other = visitor.new_page()
    for tab in (page, other):
        tab.goto(f"{app_server.url}/traffic")
        expect(tab.get_by_role("spinbutton", name=RATE)).to_have_value("45")
    for tab, entry in ((page, "20"), (other, "7")):
        rate = tab.get_by_role("spinbutton", name=RATE)
        rate.fill(entry)
        rate.press("Enter")
    expect(page.get_by_text("chat, online: mean 20.0")).to_be_visible()
    expect(other.get_by_text("chat, online: mean 7.00")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("spinbutton", name=RATE).first).to_have_value("45")
    other.get_by_role("link", name="Schedule").click()
    other.get_by_role("link", name="Traffic").click()
    expect(other.get_by_role("spinbutton", name=RATE).first).to_have_value("7")
    assert urlsplit(page.url).query != urlsplit(other.url).query
    visitor.close()
