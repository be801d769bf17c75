"""What each lever is worth: alone, missing, and one after the other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ecoserve.ablations import (
    LEVERS,
    allowed_levers,
    main_accelerator,
    no_worse,
    only_questions,
    read_waterfall,
    waterfall_questions,
    without_questions,
)
from ecoserve.plan import FleetEntry, Plan
from ecoserve.planner import plan_fleet
from tests.builders import offline, online, tiny_catalog, tiny_scenario

CATALOG = tiny_catalog()
EVERY = {"reduce": True, "park": True}
SCENARIO = tiny_scenario(online(), offline(), levers=EVERY)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_fleet(tiny_scenario(), CATALOG, "quick")


def scaled(plan: Plan, factor: float, gap: float) -> Plan:
    """The same plan with so much of its carbon and money, and so sure."""
    carbon = [
        replace(part, kgco2e_per_year=factor * part.kgco2e_per_year) for part in plan.carbon_parts
    ]
    cost = [replace(part, usd_per_h=part.usd_per_h / factor) for part in plan.cost_parts]
    return replace(plan, carbon_parts=tuple(carbon), cost_parts=tuple(cost), gap=gap)


def levers_on(question) -> set[str]:
    return {name for name, on in question.scenario.levers.model_dump().items() if on}


def test_only_has_that_lever_and_rightsize_none():
    questions = only_questions(SCENARIO)
    assert list(questions) == [f"only:{lever}" for lever in LEVERS]
    for lever in LEVERS:
        question = questions[f"only:{lever}"]
        assert levers_on(question) == {lever} - {"rightsize"}
        assert question.scenario.policy.objective == "carbon"


def test_without_has_all_levers_but_that_one(plan: Plan):
    questions = without_questions(SCENARIO, CATALOG, plan)
    assert list(questions) == [f"without:{lever}" for lever in LEVERS]
    for lever in LEVERS:
        missing = set(LEVERS) - {lever, "rightsize"}
        assert levers_on(questions[f"without:{lever}"]) == missing
    made_do = questions["without:rightsize"].scenario.hardware.accelerators
    assert made_do == (main_accelerator(plan, SCENARIO, CATALOG),)


def test_without_a_cost_baseline_there_is_no_accelerator_to_make_do_with():
    assert "without:rightsize" not in without_questions(SCENARIO, CATALOG, None)


def test_the_main_accelerator_is_the_one_most_is_spent_on(plan: Plan):
    def bought(big: int, small: int) -> Plan:
        counts = {"own_4x_big": big, "own_2x_small": small}
        fleet = [
            FleetEntry(site="site", server=server, variant="full", count=count)
            for server, count in counts.items()
        ]
        return replace(plan, fleet=tuple(fleet))

    # One of the large is dearer than two of the small, not than fifty.
    assert main_accelerator(bought(1, 2), SCENARIO, CATALOG) == "big"
    assert main_accelerator(bought(1, 50), SCENARIO, CATALOG) == "small"


def test_a_lever_that_is_not_allowed_is_not_tried():
    frugal = tiny_scenario(levers={"reuse": False, "shift": False})
    assert allowed_levers(frugal) == ("rightsize", "phases_apart")
    assert list(only_questions(frugal)) == ["only:rightsize", "only:phases_apart"]
    assert list(waterfall_questions(frugal)) == ["rightsize", "phases apart"]


def test_each_step_of_the_waterfall_keeps_the_levers_before_it():
    questions = waterfall_questions(SCENARIO)
    names = ["rightsize", "phases apart", "reuse", "reduce", "shift", "park"]
    assert list(questions) == names
    on: set[str] = set()
    for name in names:
        on |= {name.replace(" ", "_")} - {"rightsize"}
        assert levers_on(questions[name]) == on


def test_caps_and_other_sites_come_last_where_they_are_asked_for():
    wide = tiny_scenario(
        hardware={"power_cap_ratios": [1.0, 0.8]},
        other_sites=[{"name": "away", "region": "plain"}],
        levers=EVERY,
    )
    questions = waterfall_questions(wide)
    assert list(questions)[-3:] == ["park", "cap", "other sites"]
    park, cap, away = (questions[name].scenario for name in ("park", "cap", "other sites"))
    assert park.hardware.power_cap_ratios == (1.0,)
    assert cap.hardware.power_cap_ratios == away.hardware.power_cap_ratios == (1.0, 0.8)
    assert park.other_sites == cap.other_sites == ()
    assert away.other_sites == wide.other_sites


def test_a_step_never_rises_and_says_when_it_lies_within_the_gap(plan: Plan):
    cost = scaled(plan, 1.0, gap=0.05)
    found = {
        "rightsize": scaled(plan, 0.97, gap=0.04),
        "reuse": scaled(plan, 0.98, gap=0.05),
        "shift": scaled(plan, 0.90, gap=0.0),
    }
    steps = read_waterfall(cost, found)
    assert [step.step for step in steps] == ["cost as sold", "rightsize", "reuse", "shift"]
    ratios = [step.kgco2e_per_year / cost.kgco2e_per_year for step in steps]
    assert ratios == pytest.approx([1.0, 0.97, 0.97, 0.90])
    # Proven to need: 0.95, 0.9312, 0.931, 0.9. So 0.05 is open before the first step and 0.0388
    # after it, 0.0388 and 0.039 around the second, 0.039 and nothing around the last.
    assert [step.within_gap for step in steps] == [False, True, True, False]
    ranges = [
        value / cost.kgco2e_per_year for s in steps for value in s.worth_range_kgco2e_per_year
    ]
    assert ranges == pytest.approx([0, 0, 0, 0.0688, 0, 0.039, 0.031, 0.07])
    spent = [step.usd_per_h / cost.usd_per_h for step in steps]
    assert spent == pytest.approx([1.0, 1 / 0.97, 1 / 0.97, 1 / 0.90])


def test_what_more_levers_are_proven_to_need_fewer_need_as_well(plan: Plan):
    cost = scaled(plan, 1.0, gap=0.5)
    found = {"rightsize": scaled(plan, 0.9, gap=0.3), "reuse": scaled(plan, 0.88, gap=0.0)}
    rightsize, reuse = read_waterfall(cost, found)[1:]
    # All three need at least 0.88: rightsize may bring from nothing to 0.12, reuse at most 0.02.
    kg = cost.kgco2e_per_year
    assert rightsize.worth_range_kgco2e_per_year == pytest.approx((0.0, 0.12 * kg))
    assert reuse.worth_range_kgco2e_per_year == pytest.approx((0.0, 0.02 * kg))


def test_a_lever_alone_is_never_shown_worse_than_none(plan: Plan):
    sold = replace(plan, objective=10.0, bound=10.0, gap=0.0)
    worse = replace(scaled(plan, 1.2, gap=0.25), objective=12.0, bound=9.0)
    better = replace(scaled(plan, 0.8, gap=0.0), objective=8.0, bound=8.0)
    cost = replace(worse, objective=99.0)
    found = no_worse(
        {"cost": cost, "only:rightsize": sold, "only:reuse": worse, "only:shift": better}
    )
    assert found["only:reuse"].carbon_parts == sold.carbon_parts
    assert (found["only:reuse"].bound, found["only:reuse"].gap) == (9.0, pytest.approx(0.1))
    assert (found["cost"], found["only:shift"]) == (cost, better)
