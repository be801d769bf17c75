"""Would it hold? The replay on the schedule page, through Streamlit's own test driver."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from app import state
from app.solving.replaying import RepairSeen, RoundSeen
from app.views import replay_closing, replay_controls
from ecoserve.link import encode_link
from ecoserve.scenario import Scenario
from tests.e2e.test_pages import LIMIT_S, MAIN, captions, text_of

HEAD = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
LOG = HEAD + "".join(f"{2 * i},{100 + i % 50},{50 + i % 20}\n" for i in range(120))
"""Four minutes, far below what the plan is made for."""
MINUTES = 6


@pytest.fixture(autouse=True)
def _short_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_controls, "DAY_H", MINUTES / 60)


def opened(scenario: Scenario) -> AppTest:
    """The page itself, without the plan page before it."""
    page = AppTest.from_file(str(MAIN), default_timeout=LIMIT_S)
    page.query_params["s"] = encode_link(scenario, state.presets(), "0", state.catalog().version)
    page.switch_page("views/schedule.py").run()
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
    """Of the replay."""
    found = [block.value for block in page.markdown if block.value.startswith("#### ")]
    return found[0].removeprefix("#### ").replace("\\", "")


def test_a_drawn_day_is_replayed_when_asked_for_and_kept():
    page = opened(assistant())
    assert "Replay a day" in labels(page)
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


def upload(page: AppTest, text: str, name: str = "mine.csv") -> AppTest:
    page.button_group(key="replay:source").set_value("log").run()
    assert "Replay the log" not in labels(page)
    page.file_uploader(key="replay:upload").set_value((name, text.encode(), "text/csv")).run()
    assert not page.exception
    return page


def test_a_log_of_ones_own_is_replayed_and_its_broken_rows_are_counted():
    page = upload(opened(assistant()), LOG + "x,1,1\n9,-4,2\n")
    press(page, "Replay the log")
    assert finding(page).startswith("All targets held: ")
    assert "120 requests in 4 minutes from" in captions(page)
    assert "mine.csv as assistant at its own rate" in captions(page)
    assert "2 of 122 rows of the log were left out" in page.warning[-1].value.replace("\\", "")
    assert any("For example row" in table.value for table in page.dataframe)


def test_a_log_without_times_or_rows_is_told_in_a_sentence():
    page = upload(opened(assistant()), "ContextTokens,GeneratedTokens\n5,6\n")
    page.selectbox(key="replay:workload")  # the choice stands beside it
    assert "Replay the log" not in labels(page)
    upload_again = page.file_uploader(key="replay:upload")
    upload_again.set_value(("none.csv", HEAD.encode(), "text/csv")).run()
    press(page, "Replay the log")
    said = page.error[-1].value.replace("\\", "")
    assert said.startswith("None.csv was not replayed: ")
    assert said.count(".") == 2


def test_a_fleet_that_misses_is_planned_with_more_headroom_in_one_step(
    monkeypatch: pytest.MonkeyPatch,
):
    def repaired(*_: object, **__: object) -> RepairSeen:
        before = RoundSeen(
            headroom=0.2, kgco2e_per_year=1000.0, usd_per_h=1.0, missed=("assistant",)
        )
        after = RoundSeen(headroom=0.32, kgco2e_per_year=1100.0, usd_per_h=1.1, missed=())
        return RepairSeen(rounds=(before, after), gave_up="")

    monkeypatch.setattr(replay_closing, "_repaired", repaired)
    at_once = HEAD + "".join(f"{i / 1000},3000,400\n" for i in range(400))
    page = press(upload(opened(assistant()), at_once), "Replay the log")
    assert finding(page).startswith("assistant would have missed its target: ")
    assert ", because " in finding(page)
    press(page, "Plan with more headroom")
    assert "All targets hold with 32.0 % of headroom: 100 kgCO2e a year more (+10 %)" in (
        text_of(page).replace("\\", "").replace("\N{NARROW NO-BREAK SPACE}", " ")
    )
    page.button(key="replay:take").click().run()
    assert not page.exception
    held = page.session_state["ecoserve"]
    assert held.scenario.policy.headroom == 0.32
    assert held.history.undone().current == assistant()


def test_what_scheduling_by_carbon_saves_is_said_with_its_conditions():
    page = press(opened(state.presets()["nordic-batch"]), "Replay a day")
    press(page, "Replay it with and without waiting")
    said = text_of(page).replace("\\", "")
    assert "carbon of offline work than draining at once" in said
    assert "with 0 deadlines missed" in said
    assert "of the electricity above idle is offline work" in captions(page)
