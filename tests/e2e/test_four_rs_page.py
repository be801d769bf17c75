"""The Four Rs page and the table of all baselines through Streamlit's own test driver."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from app import state
from app.views import paper_panel
from ecoserve import __version__
from ecoserve.link import encode_link
from ecoserve.paper_claims import try_claims
from ecoserve.scenario import Scenario, read_scenario
from tests.builders import tiny_catalog, tiny_scenario
from tests.e2e.scenes import SMALLEST_PRESET
from tests.e2e.test_pages import go, open_page, text_of


def small(**changes) -> Scenario:
    """The page is tested here, not the solver: three accelerators are enough to choose from."""
    data = state.presets()[SMALLEST_PRESET].model_dump(mode="json")
    data["hardware"]["accelerators"] = ["a30", "l4", "h100_sxm_80gb"]
    return read_scenario(data | changes)


def opened(name: str, scenario: Scenario) -> AppTest:
    link = encode_link(scenario, state.presets(), __version__, state.catalog().version)
    return open_page(name, link=link)


def plain(text: str) -> str:
    return text.replace("\\", "").replace("\N{NARROW NO-BREAK SPACE}", " ")


@pytest.fixture(scope="module")
def page() -> AppTest:
    return opened("four_rs", small())


def press(page: AppTest, what: str) -> AppTest:
    return page.button(key=f"wanted:{what}").click().run()


def test_the_page_says_what_the_levers_are_worth(page: AppTest):
    assert not page.exception
    assert not page.error
    assert "off the cheapest fleet as sold" in plain(text_of(page))
    steps = page.dataframe[0].value
    assert list(steps["Step"]) == [
        *("Cheapest fleet, as sold", "Rightsize", "Phases apart", "Reuse", "Reduce", "Shift"),
        "Park",
    ]
    totals = [float(total.replace(",", "")) for total in steps["kgCO2e a year"]]
    assert totals == sorted(totals, reverse=True)


def test_online_work_alone_leaves_reuse_nothing(page: AppTest):
    assert any("Reuse has nothing to offer" in plain(c.value) for c in page.caption)


def test_long_parts_wait_until_they_are_asked_for(page: AppTest):
    assert {f"wanted:{what}" for what in ("ablations", "what-ifs", "paper")} <= {
        button.key for button in page.button
    }
    charts = len(page.get("plotly_chart"))
    press(page, "ablations")
    assert not page.exception
    assert len(page.get("plotly_chart")) == charts + 1
    press(page, "what-ifs")
    assert len(page.get("plotly_chart")) == charts + 2
    assert "fp8 weights were not accepted" in page.dataframe[-1].value["What if"][0]


def test_claims_are_told_beside_what_was_published(monkeypatch: pytest.MonkeyPatch):
    scene = tiny_scenario()
    tried = try_claims(scene, tiny_catalog(), "quick", regions=(scene.site.region,))
    monkeypatch.setattr(paper_panel, "tried", lambda desk: tried)
    page = press(opened("four_rs", small()), "paper")
    assert not page.exception
    assert any("47 %" in plain(c.value) for c in page.caption)
    assert any("1.4 to 2.2 times" in plain(c.value) for c in page.caption)
    assert list(page.dataframe[-2].value["set"]) == [r.coefficients for r in tried.results]


def test_traffic_that_nobody_can_serve_is_told():
    page = open_page("traffic")
    page.number_input(key="in:traffic:workloads.0.slo.ttft_s").set_value(0.01).run()
    go(page, "four_rs")
    assert not page.exception
    assert page.error
    assert any("no lever to judge" in c.value for c in page.caption)


def test_plan_offers_every_baseline_in_both_columns():
    fleet = {"name": "two old boxes", "servers": [{"server": "own_8x_h100_sxm", "count": 2}]}
    page = opened("plan", small(given=[fleet]))
    choices = page.selectbox(key="in:plan:baseline").options
    for words in ("chosen for cost", "chosen for energy", "chosen for latency", "one accelerator"):
        assert sum(words in choice for choice in choices) == 2
    assert sum("Splitwise" in choice for choice in choices) == 4
    assert "your fleet two old boxes, as sold" in choices
    page.selectbox(key="in:plan:baseline").set_value("given:two old boxes").run()
    assert not page.exception
    assert "your fleet two old boxes, as sold" in plain(text_of(page))


def test_a_baseline_that_cannot_serve_says_why():
    fleet = {"name": "tiny", "servers": [{"server": "own_4x_l4", "count": 1}]}
    busy = small(given=[fleet])
    data = busy.model_dump(mode="json")
    data["workloads"][0]["rate_rps"] = 300.0
    page = opened("plan", read_scenario(data))
    page.selectbox(key="in:plan:baseline").set_value("given:tiny").run()
    assert not page.exception
    assert "cannot serve this traffic" in plain(text_of(page))
    assert any("would do" in plain(c.value) for c in page.caption)


def test_all_baselines_are_planned_on_demand():
    page = opened("plan", small())
    tables = len(page.dataframe)
    press(page, "baselines")
    assert not page.exception
    assert len(page.dataframe) == tables + 1
    table = page.dataframe[-1].value
    assert table["Baseline"][0] == "This plan"
    assert set(table["Column"]) == {"", "as sold", "same choices"}
    assert len(table) == 1 + len(state.baselines())


def test_own_fleets_from_a_file_are_offered_or_refused_line_by_line():
    page = opened("plan", small())
    uploader = page.file_uploader(key="own-fleets")
    uploader.set_value(("f.csv", b"name,server,count\nmine,own_4x_l4,2\n", "text/csv")).run()
    assert not page.exception
    assert "your fleet mine, as sold" in page.selectbox(key="in:plan:baseline").options
    bad = ("g.csv", b"name,server,count\nbad,own_4x_nothing,0\n", "text/csv")
    page.file_uploader(key="own-fleets").set_value(bad).run()
    assert any("g.csv line 2" in plain(e.value).lower() for e in page.error)
    assert "your fleet mine, as sold" in page.selectbox(key="in:plan:baseline").options
    next(button for button in page.button if button.label == "Take them out").click().run()
    assert not page.exception
    assert not any("mine" in o for o in page.selectbox(key="in:plan:baseline").options)
