"""Would it hold? The replay on the schedule page, through Streamlit's own test driver."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from app import state
from app.views import replay_controls
from ecoserve.link import encode_link
from ecoserve.scenario import Scenario
from tests.e2e.test_pages import captions, open_page

HEAD = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
LOG = HEAD + "".join(f"{2 * i},{100 + i % 50},{50 + i % 20}\n" for i in range(120))
"""Four minutes, far below what the plan is made for."""
MINUTES = 6


@pytest.fixture(autouse=True)
def _short_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_controls, "DAY_H", MINUTES / 60)


def opened(scenario: Scenario) -> AppTest:
    token = encode_link(scenario, state.presets(), "0", state.catalog().version)
    page = open_page("schedule", token)
    assert not page.exception
    return page


def assistant() -> Scenario:
    return state.presets()["small-assistant"]


def press(page: AppTest, label: str) -> AppTest:
    next(button for button in page.button if button.label.startswith(label)).click().run()
    assert not page.exception
    return page


def labels(page: AppTest) -> list[str]:
    return [button.label for button in page.button]


def finding(page: AppTest) -> str:
    return page.subheader[-1].value.replace("\\", "")


def test_a_drawn_day_is_replayed_when_asked_for_and_kept():
    page = opened(assistant())
    assert len(page.subheader) == 1
    press(page, "Replay a day")
    assert finding(page).startswith("All targets held: ")
    assert "than planned" in finding(page) or "as planned" in finding(page)
    assert len(page.get("plotly_chart")) == 5
    promise, latency, pools = (table.value for table in page.dataframe[-3:])
    assert list(promise["Holds"])[2:] == ["yes"]
    assert list(latency["Latency"]) == ["TTFT", "TPOT"]
    assert len(pools) == len(pools["Replicas"]) > 0
    assert "6 minutes from 00:00" in captions(page)
    assert "Replay a day" not in labels(page)
    page.number_input(key="replay:seed").set_value(1).run()
    assert "Replay a day" in labels(page)
    assert finding(page).startswith("All targets held: ")
    assert {d.label for d in page.get("download_button")} >= {
        "Replay as JSON",
        "Replay by minute as CSV",
    }
