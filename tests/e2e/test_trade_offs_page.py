"""The trade-offs page through Streamlit's own test driver."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from app import state
from app.solving import manager as managing
from app.solving.desk import Desk
from app.solving.tasks import Task
from app.views import analyses, solve
from app.views.trade_off_sections import FLEETS, SECTIONS
from ecoserve.analysis.edits import edited
from ecoserve.questions import Question
from ecoserve.scenario import Scenario
from tests.e2e.scenes import SMALLEST_PRESET, token
from tests.e2e.test_pages import go, open_page, text_of


def small_scenario() -> Scenario:
    """The page is tested here, not the solver: two accelerators are enough to choose from."""
    return edited(state.presets()[SMALLEST_PRESET], {"hardware.accelerators": ["a30", "l4"]})


def small_page(name: str = "trade_offs") -> AppTest:
    return open_page(name, token(small_scenario()))


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
    page = small_page("traffic")
    page.number_input(key="in:traffic:workloads.0.rate_rps").set_value(3.5).run()
    go(page, "trade_offs")
    monkeypatch.setitem(managing.MAX_WAITING, "later", 0)
    ask(page, "limits")
    assert not page.exception
    assert "waiting already" in errors(page)
    assert len(page.get("plotly_chart")) == 1
    monkeypatch.setitem(managing.MAX_WAITING, "later", 20)
    page.button(key="again:ask:limits").click().run()
    assert not page.error
    assert "ask:limits" not in questions(page)


def test_plans_of_an_analysis_that_broke_off_are_not_made_again(monkeypatch):
    catalog, scenario = state.catalog(), small_scenario()
    asked = Question(scenario=scenario, label="once")
    manager = solve.tasks().manager
    desk = Desk(catalog, state.catalog_path(), Task(manager, "somebody", "analysis", ""))
    (first,) = desk.in_turns([asked], catalog, "quick")
    monkeypatch.setitem(managing.MAX_WAITING, "later", 0)
    shown: list[tuple[int, int]] = []
    again = desk.in_turns(
        [asked], catalog, "quick", lambda done, total, _: shown.append((done, total))
    )
    assert again == [first]
    assert shown == [(0, 1), (1, 1)]


def test_the_plan_page_says_why_each_member_of_the_fleet_is_there_and_why_no_other():
    page = small_page("plan")
    assert [why[:21] for why in page.dataframe[0].value["Why"]] == ["Serves all of assista"]
    assert "Without its accelerator" not in page.dataframe[0].value["Why"][0]
    ask(page, "why-not")
    assert not page.exception
    assert not page.error
    assert "Without its accelerator" in page.dataframe[0].value["Why"][0]
    assert "Thorough search" in text_of(page)
    assert "- Without " in text_of(page)
    assert not questions(page)
