"""Analyses know what the Plan page has found and proved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from app.views.known_plan import WithPlan, least_kgco2e_per_year
from ecoserve.analysis.sensitivity import sensitivity
from ecoserve.planner import plan_fleet
from ecoserve.questions import Answer, Question, serially
from tests.builders import online, tiny_catalog, tiny_scenario

CATALOG = tiny_catalog()
SCENARIO = tiny_scenario(online())
OTHER = tiny_scenario(online(rate_rps=3.0))
PLAN = replace(plan_fleet(SCENARIO, CATALOG, "quick"), gap=0.001)


def test_only_the_other_questions_are_asked_and_answers_keep_their_order() -> None:
    heard: list[Question] = []

    def run(questions: Sequence[Question], *_: Any) -> list[Answer]:
        heard.extend(questions)
        return [Answer(plan=None, status="infeasible", reason=q.label) for q in questions]

    asked = [
        Question(scenario=OTHER, label="first"),
        Question(scenario=SCENARIO, label="the plan"),
        Question(scenario=OTHER, least_carbon=True, label="last"),
    ]
    found = WithPlan(plan=PLAN, scenario=SCENARIO, run=run)(asked, CATALOG, "quick")
    assert [question.label for question in heard] == ["first", "last"]
    assert [answer.reason for answer in found] == ["first", "", "last"]
    assert found[1].plan is PLAN


def test_a_quick_analysis_stands_on_the_bound_that_is_proven_already() -> None:
    run = WithPlan(plan=PLAN, scenario=SCENARIO, run=serially)
    assert sensitivity(SCENARIO, CATALOG, "quick", run=run).plan.gap == 0.001


def test_no_fleet_emits_less_than_what_a_plan_for_carbon_proved() -> None:
    open_plan = replace(PLAN, bound=PLAN.objective - 2.0)
    floor = PLAN.kgco2e_per_year - 730.0
    assert least_kgco2e_per_year(open_plan, SCENARIO) == pytest.approx(floor)
    for_cost = tiny_scenario(online(), policy={"objective": "cost"})
    assert least_kgco2e_per_year(open_plan, for_cost) == 0.0
