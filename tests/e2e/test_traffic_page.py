"""The Traffic page: a log or a table of one's own puts a workload on it; every field is edited."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pandas as pd
import pytest
from playwright.sync_api import Page, expect
from streamlit.testing.v1 import AppTest

import app
from app import state
from app.views.mix_table import INPUT, OUTPUT, SHARE, counts_of, table_rows
from ecoserve.errors import ScenarioError
from ecoserve.link import decode_link, encode_link
from ecoserve.scenario import Scenario, read_scenario
from tests.builders import mix
from tests.e2e.conftest import PAGE_LIMIT_MS, AppServer

MAIN = Path(app.__file__).parent / "main.py"
LIMIT_S = 120
UPLOAD = "log:upload"
SECONDS = [43_200 * i // 1000 for i in range(4001)]
LOG = "arrival_time,prompt_tokens,completion_tokens\n" + "".join(
    f"{s},{100 + i % 2 * 200},{20 + i % 2 * 10}\n" for i, s in enumerate(SECONDS)
)
"""Two days at 1 request every 43.2 s: 200 tokens in and 25 out on average, but for the last row."""


def open_traffic(link: str | None = None) -> AppTest:
    """The page itself, without the plan before it."""
    page = AppTest.from_file(str(MAIN), default_timeout=LIMIT_S)
    if link is not None:
        page.query_params["s"] = link
    page.switch_page("views/traffic.py")
    page.run()
    assert not page.exception
    return page


def upload(page: AppTest, text: str | bytes, name: str = "log.csv") -> AppTest:
    content = text.encode() if isinstance(text, str) else text
    page.file_uploader(key=UPLOAD).set_value((name, content, "text/csv")).run()
    assert not page.exception
    return page


def press(page: AppTest, label: str) -> AppTest:
    next(button for button in page.button if button.label.startswith(label)).click().run()
    assert not page.exception
    return page


def scenario_of(page: AppTest) -> Scenario:
    return page.session_state["ecoserve"].scenario


def said(page: AppTest) -> str:
    parts = (*page.markdown, *page.caption, *page.success, *page.error, *page.warning)
    return "\n".join(part.value for part in parts).replace("\\", "")


def test_a_log_puts_the_workload_on_its_lengths_rate_and_profile():
    page = upload(open_traffic(), LOG + "5,0,3\nx,1,1\n")
    assert "4,001 of 4,003 rows" in said(page)
    assert "The log gives a rate for every hour of the day" in said(page)
    assert "2 rows were left out" in said(page)
    tables = [table.value for table in page.dataframe]
    [bad] = [table for table in tables if "For example row" in table]
    assert sorted(bad["For example row"]) == ["4,003", "4,004"]
    press(page, "Use it for chat")
    chat = scenario_of(page).workloads[0]
    assert (chat.mix, chat.profile) == ("log_log", "log_log")
    assert chat.rate_rps == pytest.approx(1 / 43.2, rel=2e-3)
    assert page.session_state["ecoserve"].own is not None
    assert "In use for chat: lengths of 200 tokens in and 25.0 out" in said(page)
    [lengths] = [box for box in page.selectbox if box.label == "Lengths"]
    assert lengths.value == "log_log"
    page.selectbox(key="in:workload").set_value(2).run()
    press(page, "Use it for summaries")
    summaries = scenario_of(page).workloads[2]
    assert (summaries.rate_rps, summaries.token_share) == (chat.rate_rps, None)
    assert summaries.kind == "offline"


def test_a_short_log_keeps_the_profile_and_a_choice_keeps_the_rate():
    page = upload(open_traffic(), "t_s,isl,osl\n0,50,6\n60,50,6\n", "short.csv")
    assert "too short for the shape of a day" in said(page)
    before = scenario_of(page).workloads[0]
    parts = next(p for p in page.button_group if (p.key or "").startswith("log:parts"))
    parts.set_value(["Lengths"]).run()
    press(page, "Use it for chat")
    after = scenario_of(page).workloads[0]
    assert after == before.model_copy(update={"mix": "log_short"})


def test_what_is_no_log_is_one_sentence_and_unknown_columns_are_asked_for():
    page = upload(open_traffic(), b"\x00\x01", "![x](http://e.com/a.csv")
    assert page.error[0].value.startswith(r"\!\[x\]\(http\:")
    assert "no plain text" in said(page)
    upload(page, "when,in,out\n0,50,6\n3600000,50,8\n", "odd.csv")
    assert not [button for button in page.button if button.label.startswith("Use it")]
    for label, value in (
        ("Time", "when"),
        ("Input tokens", "in"),
        ("Output tokens", "out"),
        ("Times in", "ms"),
    ):
        next(box for box in page.selectbox if box.label == label).set_value(value).run()
    assert not page.exception
    assert "60 minutes" in said(page)
    assert "50.0 / 7.00 tokens" in said(page)


def test_the_table_begins_with_the_lengths_in_use_and_gives_them_back():
    page = open_traffic()
    before = state.catalog().length_mix(scenario_of(page).workloads[0].mix)
    press(page, "Use these lengths for chat")
    chat = scenario_of(page).workloads[0]
    assert chat.mix == "mix_azure_2023_conversation_edited"
    assert f"In use for chat: {1150:,} tokens in and 211 out" in said(page)
    again = counts_of(table_rows(before))
    total = sum(count.requests for count in again)
    mean = sum(count.requests * count.mean_isl_tokens for count in again) / total
    assert mean == pytest.approx(before.mean_isl_tokens, rel=1e-3)


def test_a_table_becomes_single_lengths():
    rows = [{INPUT: 500, OUTPUT: 100, SHARE: 75}, {INPUT: 4000, OUTPUT: 20.5, SHARE: 25.0}]
    empty = {INPUT: None, OUTPUT: float("nan"), SHARE: None}
    first, second = counts_of([*rows, empty])
    assert (first.isl_lo_tokens, first.isl_hi_tokens, first.requests) == (499, 500, 750_000)
    assert (second.mean_osl_tokens, second.requests) == (20.5, 250_000)
    assert table_rows(mix("m", (0.25, 4000, 20.5), (0.75, 500, 100))) == rows


def test_everything_wrong_with_a_table_is_said_at_once():
    rows = [
        {INPUT: 0, OUTPUT: 5, SHARE: 50},
        {INPUT: 10, OUTPUT: None, SHARE: -1},
        {INPUT: "many", OUTPUT: 2e7, SHARE: True},
    ]
    with pytest.raises(ScenarioError) as caught:
        counts_of(rows)
    assert [problem.field for problem in caught.value.problems] == [
        f"row 1, {INPUT}", f"row 2, {OUTPUT}", f"row 2, {SHARE}",
        f"row 3, {INPUT}", f"row 3, {OUTPUT}", f"row 3, {SHARE}",
    ]  # fmt: skip
    with pytest.raises(ScenarioError) as caught:
        counts_of([{INPUT: 9, OUTPUT: 5, SHARE: 50}, {INPUT: 9, OUTPUT: 5.0, SHARE: 40}])
    messages = [str(problem) for problem in caught.value.problems]
    assert messages == [
        "the table: the shares add up to 90 %, not to 100 %",
        "row 2: has the lengths of row 1; add up their shares",
    ]
    with pytest.raises(ScenarioError, match="it is empty"):
        counts_of(pd.DataFrame(columns=[INPUT, OUTPUT, SHARE]).to_dict("records"))


def test_percentile_and_sites_are_edited():
    data = state.presets()[state.DEFAULT_PRESET].model_dump(mode="json")
    data["other_sites"] = [{"name": "north", "region": "aws_eu_north_1"}]
    catalog = state.catalog()
    scenario = read_scenario(data, catalog)
    page = open_traffic(encode_link(scenario, state.presets(), "x", catalog.version))
    page.number_input(key="in:traffic:workloads.0.slo.percentile").set_value(97.5).run()
    slo = scenario_of(page).workloads[0].slo
    assert slo is not None
    assert slo.percentile == 0.975
    sites = "in:traffic:workloads.0.sites"
    assert page.button_group(key=sites).value == ["California", "north"]
    page.button_group(key=sites).set_value(["north"]).run()
    assert scenario_of(page).workloads[0].sites == ("north",)
    page.button_group(key=sites).set_value([]).run()
    assert scenario_of(page).workloads[0].sites is None
    assert not page.exception


def test_a_log_is_uploaded_and_used_in_a_browser(app_server: AppServer, page: Page, tmp_path: Path):
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.set_default_timeout(PAGE_LIMIT_MS)
    log = tmp_path / "log.csv"
    log.write_text(LOG, encoding="utf-8")
    page.goto(f"{app_server.url}/traffic")
    chooser = page.get_by_test_id("stFileUploader").locator("input[type=file]").first
    expect(page.get_by_text("From a request log")).to_be_visible(timeout=PAGE_LIMIT_MS)
    chooser.set_input_files(log)
    use = page.get_by_role("button", name="Use it for chat")
    expect(use).to_be_visible(timeout=PAGE_LIMIT_MS)
    expect(page.get_by_text("4,001 of 4,001 rows")).to_be_visible()
    use.click()
    expect(page.get_by_text("In use for chat: lengths of 200 tokens in")).to_be_visible(
        timeout=PAGE_LIMIT_MS
    )
    expect(page.get_by_role("spinbutton", name="Mean rate over the day, requests/s")).to_have_value(
        "0.0231539"
    )
    assert hosts == {urlsplit(app_server.url).netloc}
    token = urlsplit(page.url).query.partition("s=")[2].partition("&")[0]
    chat = decode_link(token, state.presets()).scenario.workloads[0]
    assert (chat.mix, chat.profile) == ("log_log", "log_log")
