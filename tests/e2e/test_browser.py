"""The dashboard in a real Chromium: plan, move the intensity, copy the link, open it elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect

import app
from tests.e2e.accessibility import grave_violations
from tests.e2e.conftest import PAGE_LIMIT_MS, AppServer
from tests.e2e.scenes import few_choices, token

PROOF_LIMIT_MS = 90_000
"""A search is stopped after this time at the latest."""
FINISHED = "Replica pools"
"""A heading below the answer."""
MAIN = Path(app.__file__).parent / "main.py"
PAGES = ("", *re.findall(r'url_path="([^"]+)"', MAIN.read_text("utf-8")))
"""The addresses of all pages; that of the plan is the server's own."""
_RED = "+getComputedStyle(document.querySelector('.stApp')).backgroundColor.match(/\\d+/)[0]"
LIGHT, DARK = f"() => {_RED} > 200", f"() => {_RED} < 60"
"""The page's ground has changed to the scheme that the visitor's system asks for."""


@pytest.fixture(autouse=True)
def _patient() -> Iterator[None]:
    expect.set_options(timeout=PAGE_LIMIT_MS)
    yield
    expect.set_options(timeout=5_000)


@pytest.fixture
def few(app_server: AppServer) -> str:
    """The address of a plan that is proven at once."""
    return f"{app_server.url}/?s={token(few_choices())}"


def open_plan(page: Page, address: str) -> None:
    page.goto(address)
    finished(page)


def finished(page: Page) -> None:
    expect(page.get_by_role("heading", name=FINISHED)).to_be_visible()
    expect(page.get_by_test_id("stMetricValue")).to_have_count(4)
    better = page.get_by_text("A better answer is being worked out")
    expect(better).to_have_count(0, timeout=PROOF_LIMIT_MS)


def headline(page: Page) -> str:
    return page.get_by_role("heading", name="carbon").first.inner_text()


def figures_of(page: Page) -> list[str]:
    """The headline and the four figures, without what changed since the last plan."""
    return [headline(page), *page.get_by_test_id("stMetricValue").all_inner_texts()]


def copied_link(page: Page) -> str:
    page.get_by_role("button", name="Copy link").click()
    code = page.get_by_test_id("stCode").locator("code")
    expect(code).to_be_visible()
    return code.inner_text().strip()


def test_moved_intensity_changes_the_plan_and_its_link_gives_it_back(
    app_server: AppServer, page: Page, browser: Browser, few: str
):
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    open_plan(page, few)
    before = figures_of(page)

    page.get_by_role("radio", name="17", exact=True).click()
    carbon = page.get_by_test_id("stMetricValue").first
    expect(carbon).not_to_have_text(before[1])
    expect(page.get_by_text("since the last change").first).to_be_visible()
    finished(page)
    after = figures_of(page)
    assert after != before

    link = copied_link(page)
    assert link.startswith(app_server.url)
    assert "s=" in urlsplit(page.url).query
    other = browser.new_context()
    other.set_default_timeout(PAGE_LIMIT_MS)
    second = other.new_page()
    open_plan(second, link)
    assert figures_of(second) == after
    other.close()
    assert hosts == {urlsplit(app_server.url).netloc}


def test_slider_moves_with_the_keyboard_and_the_last_value_wins(app_server: AppServer, page: Page):
    open_plan(page, app_server.url)
    slider = page.get_by_role("slider", name="The same at all hours, g/kWh")
    before = float(slider.get_attribute("aria-valuenow") or slider.input_value())
    slider.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    expect(page.get_by_text(f"Carbon intensity {before + 5:.0f} gCO2e/kWh")).to_be_visible()


def test_controls_on_two_pages_show_the_scenario_after_a_walk_through_the_menu(
    page: Page, few: str
):
    open_plan(page, few)
    mean = page.get_by_role("slider", name="The same at all hours, g/kWh")
    pue = page.get_by_role("slider", name="PUE")
    by_hour = page.get_by_role("radio", name="By hour")
    page.get_by_role("link", name="Grid & site").click()
    expect(page.get_by_role("spinbutton", name="Electricity, USD/kWh")).to_be_visible()
    expect(mean).to_have_value("264")
    expect(pue).to_have_value("1.15")
    expect(by_hour).to_be_checked()
    pue.focus()
    page.keyboard.press("ArrowRight")
    sliders = page.get_by_test_id("stSlider").filter(has_text="PUE")
    expect(sliders.last).to_contain_text("1.16")  # those of the page before may still fade
    page.get_by_role("link", name="Plan", exact=True).click()
    finished(page)
    expect(page.get_by_text("264 gCO2e/kWh on average (by hour)")).to_be_visible()
    expect(page.get_by_text("PUE 1.16")).to_be_visible()
    expect(mean).to_have_value("264")
    expect(pue).to_have_value("1.16")
    expect(by_hour).to_be_checked()


def test_pages_open_from_the_menu_and_keep_an_edit(page: Page, few: str):
    open_plan(page, few)
    page.get_by_role("link", name="Traffic").click()
    rate = page.get_by_role("spinbutton", name="Mean rate over the day, requests/s")
    rate.fill("20")
    rate.press("Enter")
    expect(page.get_by_text("chat, online: mean 20.0")).to_be_visible()
    page.get_by_role("link", name="Hardware").click()
    expect(page.get_by_text("Allowed accelerators")).to_be_visible()
    page.get_by_role("link", name="Grid & site").click()
    expect(page.get_by_role("spinbutton", name="Electricity, USD/kWh")).to_be_visible()
    page.get_by_role("link", name="Traffic").click()
    expect(rate).to_have_value("20")


def test_every_page_is_drawn_in_both_themes_from_this_server_alone_without_grave_barriers(
    app_server: AppServer, browser: Browser
):
    visitor = browser.new_context(color_scheme="light")
    page = visitor.new_page()
    hosts: set[str] = set()
    said: list[str] = []
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.on("console", lambda line: said.append(line.text) if _is_of_a_page(line) else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    scene = token(few_choices())
    for path in PAGES:
        page.emulate_media(color_scheme="light")
        page.goto(f"{app_server.url}/{path}?s={scene}")
        expect(page.get_by_role("button", name="Copy link")).to_be_visible()
        for scheme, ground in (("light", LIGHT), ("dark", DARK)):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.wait_for_function(ground)
            expect(page.locator(".js-plotly-plot").first).to_be_visible()
            expect(page.get_by_test_id("stException")).to_have_count(0)
            assert grave_violations(page) == [], f"on /{path}, {scheme}"
    assert hosts == {urlsplit(app_server.url).netloc}
    assert said == []
    visitor.close()


def _is_of_a_page(line: ConsoleMessage) -> bool:
    """An error but that Streamlit asks for its own state below the page first, then at the root."""
    return line.type == "error" and "/_stcore/" not in line.location["url"]


def test_every_file_of_a_page_is_opened():
    assert len(PAGES) == MAIN.read_text("utf-8").count("st.Page(") >= 8


def test_broken_link_is_answered_with_a_sentence(app_server: AppServer, page: Page):
    page.goto(f"{app_server.url}/?s=1broken")
    expect(page.get_by_text("The link could not be opened")).to_be_visible()
    finished(page)


OWN_SERVER = (
    b"id,name,provider_id,offer,host_id,accelerator_id,n_accelerators,vcpus,dram_gib,ssd_gb,"
    b"n_nics,nic_gbps\n"
    b"my_server,My lean server,own,purchase,host_hgx_emr,b200,8,224,512,0,8,400\n"
)


def test_own_server_from_a_csv_file_is_bought_by_the_plan(
    app_server: AppServer, page: Page, few: str
):
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.goto(few.replace("/?", "/hardware?"))
    drop = page.get_by_test_id("stFileUploader").locator("input[type=file]")
    drop.set_input_files(
        {
            "name": "servers.csv",
            "mimeType": "text/csv",
            "buffer": OWN_SERVER.replace(b"b200", b"b2"),
        }
    )
    expect(page.get_by_text("Not taken: 1 problem")).to_be_visible()
    drop.set_input_files({"name": "servers.csv", "mimeType": "text/csv", "buffer": OWN_SERVER})
    expect(page.get_by_text("In use here: servers.csv")).to_be_visible()
    expect(page.get_by_text("Not taken")).to_have_count(0)
    expect(page.get_by_text("My lean server:").first).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="A server").click()
    assert download.value.suggested_filename == "ecoserve-server.zip"
    page.get_by_role("link", name="Plan", exact=True).click()
    finished(page)
    expect(page.get_by_text("8 x B200").first).to_be_visible()
    page.get_by_role("link", name="Hardware").click()
    expect(page.get_by_text("My lean server:").first).to_be_visible()
    page.get_by_role("button", name="Take my rows off").click()
    expect(page.get_by_text("In use here")).to_have_count(0)
    assert hosts == {urlsplit(app_server.url).netloc}


def test_who_turns_to_renting_sees_a_server_of_the_provider(app_server: AppServer, page: Page):
    page.goto(f"{app_server.url}/hardware")
    chosen = page.get_by_role("combobox", name="Server or accelerator")
    expect(page.get_by_text("Who says so").first).to_be_visible()
    page.get_by_role("radio", name="Rented").click()
    expect(page.get_by_role("heading", name="Who says so: AWS")).to_be_visible()
    expect(chosen).to_have_value(re.compile(r"^AWS .* \(aws_\w+\)$"))
    prices = page.get_by_role("combobox", name="Price list of")
    expect(prices).to_have_value(re.compile(r"^20\d\d, us-east-1, the latest$"))


@pytest.mark.parametrize("path", ["", "traffic", "hardware", "evidence"])
def test_titles_have_room_in_a_window_of_800_px(app_server: AppServer, browser: Browser, path: str):
    visitor = browser.new_context(viewport={"width": 800, "height": 1000})
    page = visitor.new_page()
    page.goto(f"{app_server.url}/{path}")
    if not path:
        finished(page)
    expect(page.locator(".js-plotly-plot .gtitle").first).to_be_visible()
    page.wait_for_timeout(1000)
    for chart in page.locator(".js-plotly-plot").all():
        right = _right_edge(chart)
        for words in chart.locator(".gtitle, .gtitle-subtitle").all():
            assert _right_edge(words) <= right, words.text_content()
    visitor.close()


def _right_edge(found: Locator) -> float:
    box = found.bounding_box()
    assert box is not None
    return box["x"] + box["width"]


def test_figures_of_a_row_open_from_the_table(app_server: AppServer, page: Page):
    page.goto(f"{app_server.url}/evidence")
    search = page.get_by_role("textbox", name="Search")
    search.fill("H100 SXM")
    search.press("Enter")
    expect(page.get_by_text("1 of 30 rows")).to_be_visible()
    found = page.get_by_text("1 of 30 rows")
    table = found.locator("xpath=following::*[@data-testid='stDataFrame'][1]")
    table.locator(".dvn-scroller").click(position={"x": 16, "y": 52})
    expect(
        page.get_by_role("heading", name="Every figure of NVIDIA H100 SXM 80 GB")
    ).to_be_visible()


def test_measured_points_answer_the_filter_and_a_replica_its_limit(
    app_server: AppServer, page: Page
):
    page.goto(f"{app_server.url}/evidence")
    expect(page.get_by_text("Predicted latencies are off by")).to_be_visible()
    page.get_by_role("radio", name="Power", exact=True).click()
    expect(page.get_by_text("Predicted powers are off by")).to_be_visible()
    page.get_by_role("tab", name="Not predicted").click()
    expect(page.get_by_text("rows have no prediction")).to_be_visible()
    page.goto(f"{app_server.url}/hardware")
    limit = page.get_by_role("spinbutton", name="TPOT limit, ms")
    limit.fill("33")
    limit.press("Enter")
    expect(page.get_by_text("limit 33")).to_be_visible()
    expect(page.get_by_text("At 33").first).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)
