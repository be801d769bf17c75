"""The schedule page through Streamlit's own test driver."""

import pytest

from app import state
from app.views import solve
from ecoserve.link import encode_link
from tests.e2e.test_pages import captions, go, open_page


@pytest.fixture(autouse=True)
def _quick_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solve, "WHOLE_S", 0.0)


def test_page_says_when_work_runs_and_draws_power_moved_work_and_servers():
    page = open_page("schedule")
    assert not page.exception
    assert not page.error
    finding = page.header[0].value.replace("\\", "")
    assert "of summaries runs at" in finding
    assert "less carbon than when it arrives" in finding
    assert len(page.get("plotly_chart")) == 3
    by_hour, work = (table.value for table in page.dataframe)
    assert len(by_hour) == 24
    assert (by_hour["Servers on"] + by_hour["Parked"]).nunique() == 1
    assert list(work["Workload"]) == ["summaries"]
    assert "not been replayed" in captions(page)


def test_facility_power_is_the_pue_times_that_of_the_servers():
    page = open_page("schedule")
    it_kw = float(page.dataframe[0].value["IT, kW"][12])
    page.button_group(key="schedule:meter").set_value("facility").run()
    assert not page.exception
    assert float(page.dataframe[0].value["Facility, kW"][12]) == pytest.approx(
        1.15 * it_kw, rel=0.01
    )


def test_each_site_has_its_own_day():
    two = state.presets()["two-sites"]
    token = encode_link(two, state.presets(), "0", state.catalog().version)
    page = go(open_page(link=token), "schedule")
    together = page.dataframe[0].value
    page.button_group(key="schedule:site").set_value("Stockholm").run()
    assert not page.exception
    there = page.dataframe[0].value
    assert float(there["gCO2e/kWh"].astype(float).max()) < 100
    assert (there["Servers on"] <= together["Servers on"]).all()


def test_traffic_that_nobody_can_serve_is_told():
    page = open_page("traffic")
    page.number_input(key="in:traffic:workloads.0.slo.ttft_s").set_value(0.01).run()
    go(page, "schedule")
    assert page.error
    assert not page.get("plotly_chart")
    assert "no fleet to schedule" in captions(page)
