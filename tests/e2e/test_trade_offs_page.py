"""The trade-offs page through Streamlit's own test driver."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from app import state
from app.views import analyses, solve
from app.views.trade_off_sections import FLEETS, SECTIONS
from ecoserve.analysis.edits import edited
from ecoserve.link import encode_link
from ecoserve.questions import Question
from tests.e2e.test_pages import go, open_page, text_of

QUICKEST = "small-assistant"
"""The preset that is planned fastest."""


def small_page(name: str = "trade_offs") -> AppTest:
    preset = state.presets()[QUICKEST]
    return open_page(name, encode_link(preset, state.presets(), "0", state.catalog().version))


def questions(page: AppTest) -> list[str]:
    return [button.key for button in page.button if str(button.key).startswith("ask:")]


def ask(page: AppTest, name: str) -> AppTest:
    return page.button(key=f"ask:{name}").click().run()


def errors(page: AppTest) -> str:
    return "\n".join(error.value for error in page.error)


@pytest.fixture(autouse=True)
def _nothing_known():
    analyses._shelf.clear()
    yield
    analyses._shelf.clear()


def test_the_front_is_there_at_once_and_the_rest_is_asked_for():
    page = small_page()
    assert not page.exception
    assert not page.error
    assert len(page.get("plotly_chart")) == 1
    assert "The dashed line is proven" in text_of(page)
    assert questions(page) == ["ask:fleets", *(f"ask:{name}" for name in SECTIONS)]
    headings = text_of(page)
    for section in (FLEETS, *SECTIONS.values()):
        assert section.question in headings


def test_every_question_is_answered_and_stays_answered():
    page = small_page()
    for name in ("fleets", *SECTIONS):
        ask(page, name)
        assert not page.exception, name
        assert not page.error, name
        assert f"ask:{name}" not in questions(page)
    charts = len(page.get("plotly_chart"))
    assert charts >= 5
    assert text_of(page).count("What to do") == 6
    assert text_of(page).count("Quick search") == 6
    go(page, "traffic")
    go(page, "trade_offs")
    assert not questions(page)
    assert len(page.get("plotly_chart")) == charts
    page.button_group(key="trade:effort").set_value("interactive").run()
    assert not page.exception
    assert len(questions(page)) == 6
    assert len(page.get("plotly_chart")) == charts
    go(page, "traffic")
    page.number_input(key="in:traffic:workloads.0.rate_rps").set_value(3.0).run()
    go(page, "trade_offs")
    assert len(questions(page)) == 6
    assert len(page.get("plotly_chart")) == 1


def test_traffic_that_nobody_can_serve_is_told_and_nothing_is_lost():
    page = small_page()
    ask(page, "limits")
    go(page, "traffic")
    limit = page.number_input(key="in:traffic:workloads.0.slo.ttft_s").value
    page.number_input(key="in:traffic:workloads.0.slo.ttft_s").set_value(0.01).run()
    go(page, "trade_offs")
    assert not page.exception
    assert page.error
    assert not page.get("plotly_chart")
    assert not questions(page)
    go(page, "traffic")
    page.number_input(key="in:traffic:workloads.0.slo.ttft_s").set_value(limit).run()
    go(page, "trade_offs")
    assert not page.error
    assert "ask:limits" not in questions(page)


def test_a_busy_server_is_told_and_the_question_can_be_asked_again(monkeypatch):
    page = small_page()
    monkeypatch.setattr(solve, "MAX_WAIT_S", 0.01)
    for _ in range(solve.MAX_SOLVES):
        assert solve._gate.acquire(blocking=False)
    try:
        ask(page, "limits")
        assert not page.exception
        assert "busy" in errors(page)
        assert len(page.get("plotly_chart")) == 1
    finally:
        for _ in range(solve.MAX_SOLVES):
            solve._gate.release()
    monkeypatch.undo()
    page.run()
    assert not page.error
    ask(page, "limits")
    assert not page.error
    assert "ask:limits" not in questions(page)


def test_plans_of_an_analysis_that_broke_off_are_not_made_again(monkeypatch):
    catalog, scenario = state.catalog(), state.presets()[QUICKEST]
    question = Question(scenario=scenario, label="once")
    (first,) = analyses.in_turns([question], catalog, "quick")

    def refuse() -> None:
        raise AssertionError("a plan was made again")

    monkeypatch.setattr(analyses, "in_turn", lambda work: refuse())
    shown: list[tuple[int, int]] = []
    again = analyses.in_turns(
        [question], catalog, "quick", lambda done, total, _: shown.append((done, total))
    )
    assert again == [first]
    assert shown == [(0, 1), (1, 1)]


def test_the_plan_page_says_why_each_member_of_the_fleet_is_there_and_why_no_other():
    preset = state.presets()[QUICKEST]
    few = edited(preset, {"hardware.accelerators": ["a30", "l4"]})
    link = encode_link(few, state.presets(), "0", state.catalog().version)
    page = open_page("plan", link)
    assert [why[:21] for why in page.dataframe[0].value["Why"]] == ["Serves all of assista"]
    assert "Without its accelerator" not in page.dataframe[0].value["Why"][0]
    ask(page, "why-not")
    assert not page.exception
    assert not page.error
    assert "Without its accelerator" in page.dataframe[0].value["Why"][0]
    assert "Thorough search" in text_of(page)
    assert "- Without " in text_of(page)
    assert not questions(page)
