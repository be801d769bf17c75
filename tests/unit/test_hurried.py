"""What a clock had a say in is said to be so, and never remembered as the answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ecoserve import feasibility, infeasible, search
from ecoserve.errors import InfeasibleError
from ecoserve.plan import Plan
from ecoserve.planner import plan_fleet
from ecoserve.solver import Solution, Termination
from ecoserve.structure import Memory
from tests.builders import online, tiny_catalog, tiny_scenario

CATALOG = tiny_catalog()
ROOMY = {"region": "sunny", "max_it_power_kw": 50.0}
FULL = {"region": "sunny", "max_it_power_kw": 0.5}


def out_of_time(work: Callable[..., Any]) -> Callable[..., Any]:
    """The same answers, but of a search that a clock stopped."""

    def stopped(*arguments: Any, **named: Any) -> Any:
        found = work(*arguments, **named)
        if isinstance(found, Solution):
            return replace(found, termination=Termination.TIME_LIMIT)
        solution, basis = found
        return replace(solution, termination=Termination.TIME_LIMIT), basis

    return stopped


def is_said(plan: Plan) -> bool:
    return "stopped_by_time" in {note.code for note in plan.notes}


def test_a_fleet_within_the_room_that_was_found_against_the_clock(monkeypatch: pytest.MonkeyPatch):
    scenario, memory = tiny_scenario(online(), site=ROOMY), Memory()
    with monkeypatch.context() as patch:
        patch.setattr(feasibility, "fits", lambda *_: False)
        patch.setattr(infeasible, "solve", out_of_time(infeasible.solve))
        assert is_said(plan_fleet(scenario, CATALOG, "interactive", memory=memory))
    assert not is_said(plan_fleet(scenario, CATALOG, "interactive", memory=memory))


def test_a_baseline_whose_own_optimum_was_stopped(monkeypatch: pytest.MonkeyPatch):
    scenario = tiny_scenario(online(), policy={"objective": "cost"})
    stages = iter([out_of_time(search.climb)])

    def only_the_first(*arguments: Any, **named: Any) -> Any:
        if named["proof"] is None:
            return unhurried(*arguments, **named)
        return next(stages, unhurried)(*arguments, **named)

    unhurried = search.climb
    monkeypatch.setattr(search, "climb", only_the_first)
    assert is_said(plan_fleet(scenario, CATALOG, "report", least_carbon_tie_break=True))
    assert not is_said(plan_fleet(scenario, CATALOG, "report", least_carbon_tie_break=True))


def test_a_limit_named_by_a_search_that_was_stopped(monkeypatch: pytest.MonkeyPatch):
    scenario = tiny_scenario(online(), site=FULL)
    with pytest.raises(InfeasibleError, match=r"would do in the busiest hour of the busiest day$"):
        plan_fleet(scenario, CATALOG)
    monkeypatch.setattr(infeasible, "solve", out_of_time(infeasible.solve))
    with pytest.raises(InfeasibleError, match="busiest day; the search was stopped by the clock"):
        plan_fleet(scenario, CATALOG)
