"""A plan's fleet as the start of a like search."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from ecoserve.ablations import waterfall_questions
from ecoserve.comparison import Wishes, compare_plans
from ecoserve.planner import plan_fleet
from ecoserve.pricing import price_account
from ecoserve.questions import answer, answer_in_turn
from ecoserve.solver import Limits, solve
from ecoserve.starting import start_values
from ecoserve.structure import Memory, build_structure, price_terms
from tests.builders import offline, online, tiny_catalog, tiny_scenario

CATALOG = tiny_catalog()
EVERY = {"reduce": True, "park": True}
SCENARIO = tiny_scenario(online(profile="peaked"), offline(rate_rps=5.0), levers=EVERY)


def whole_columns(scenario, plan, closed=()):
    structure = build_structure(scenario, CATALOG, {})
    terms = price_terms(scenario, CATALOG, structure.demands, structure.options, structure.eligible)
    problem = structure.problem
    program = structure.program.with_closed([problem.x[kind] for kind in closed])
    values = start_values(plan, problem, terms, program)
    names = {column.name for column in problem.whole}
    assert set(values) <= names
    return structure, terms, program, values


@pytest.mark.parametrize("park", [False, True])
def test_a_plan_starts_its_own_question_at_its_own_fleet(park: bool):
    scenario = tiny_scenario(online(profile="peaked"), offline(rate_rps=5.0), levers={"park": park})
    plan = plan_fleet(scenario, CATALOG, "report")
    structure, terms, program, values = whole_columns(scenario, plan)
    assert values["n"] == sum(entry.count for entry in plan.fleet)
    for entry in plan.fleet:
        assert values[f"x({entry.server})"] == entry.count
    # Held at these servers and replicas, the program still has the plan's own carbon.
    problem = structure.problem
    goal = {c: a for c, a in price_account(problem, terms)["kg"].items()}
    held = program.with_objective(goal).with_values(
        {column: values.get(column.name, 0.0) for column in problem.whole}
    )
    assert solve(held, Limits()).objective == pytest.approx(plan.objective, rel=1e-6)


def test_servers_of_a_closed_kind_become_another_variant():
    plan = plan_fleet(tiny_scenario(levers={"reduce": False}), CATALOG, "quick")
    (entry,) = plan.fleet
    scenario = tiny_scenario(levers={"reduce": True})
    _, _, _, same = whole_columns(scenario, plan)
    _, terms, _, moved = whole_columns(scenario, plan, closed=[entry.server])
    trimmed = [k.id for k in terms.servers if k.server_id == entry.server and k.variant != "full"]
    assert same[f"x({entry.server})"] == entry.count
    assert f"x({entry.server})" not in moved
    assert [moved.get(f"x({kind})") for kind in trimmed] == [entry.count]


def test_what_the_program_does_not_have_is_left_out():
    plan = plan_fleet(tiny_scenario(), CATALOG, "quick")
    gone = [replace(entry, server="own_gone") for entry in plan.fleet]
    elsewhere = [replace(pool, site="elsewhere") for pool in plan.pools]
    strange = replace(plan, fleet=tuple(gone), pools=tuple(elsewhere))
    assert whole_columns(tiny_scenario(), strange)[3] == {}


def test_each_question_in_turn_is_answered_no_worse_than_the_one_before():
    steps = waterfall_questions(SCENARIO)
    first = answer(next(iter(steps.values())), CATALOG, "quick")
    found = answer_in_turn(steps, CATALOG, "quick", Memory(), first)
    totals = [plan.objective for plan in found.plans.values()]
    assert list(found.plans) == list(steps)
    assert all(after <= before * (1 + 1e-9) for before, after in pairwise(totals))


def test_the_answer_from_a_start_does_not_depend_on_what_was_asked_before():
    wishes = Wishes(baselines=("cost",), what_ifs=False)
    memory = Memory()
    twice = [
        compare_plans(SCENARIO, CATALOG, "interactive", wishes=wishes, memory=memory).waterfall
        for _ in range(2)
    ]
    assert twice[0] == twice[1]
