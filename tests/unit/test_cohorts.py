"""Purchases by year against plans done by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ecoserve.cohort_program import SIDES, Market, cohort_program
from ecoserve.cohorts import plan_cohorts
from ecoserve.plan import Status
from ecoserve.refresh import PlannedFleet, refresh
from ecoserve.trends import NO_TRENDS

# Two servers: a set of accelerators 1000 kg, a host 100 kg; a set runs on 2000 kg a year.
FLEET = PlannedFleet(
    servers=2, accelerator_kgco2e=2000.0, host_kgco2e=200.0, accelerator_kgco2e_per_year=4000.0,
    host_kgco2e_per_year=0.0,
)  # fmt: skip
TWICE = replace(NO_TRENDS, horizon_years=2, accelerator_efficiency_gain=1.0)


def test_two_years_by_hand_replacing_pays() -> None:
    """Kept: 2000 + 8000. Replaced: 2000, half of 2000, 4000 and 2000, which is 1000 less."""
    plan = plan_cohorts(FLEET, TWICE, 2, 2)
    assert [plan.bought("accelerator", year) for year in (0, 1)] == [2, 2]
    assert [plan.bought("host", year) for year in (0, 1)] == [2, 0]
    assert plan.kgco2e_per_year == pytest.approx((9000 + 200) / 2)
    assert plan.status is Status.OPTIMAL


def test_two_years_by_hand_keeping_pays() -> None:
    """At a quarter of the electricity kept is 2000 + 2000, replaced 3000 + 1500."""
    clean = replace(FLEET, accelerator_kgco2e_per_year=1000.0)
    plan = plan_cohorts(clean, TWICE, 2, 2)
    assert [plan.bought("accelerator", year) for year in (0, 1)] == [2, 0]
    assert [plan.retired("accelerator", year) for year in (0, 1)] == [0, 0]
    assert plan.kgco2e_per_year == pytest.approx((4000 + 200) / 2)
    assert [year.total for year in plan.years] == pytest.approx([2100.0, 2100.0])


def test_what_is_off_at_the_end_gets_no_credit() -> None:
    """With lives of four years keeping the replaced ones to the end must not save half of them."""
    plan = plan_cohorts(FLEET, TWICE, 4, 4)
    # Kept: 2000 x 2/4 + 8000 = 9000. Replaced: 2000 + 2000 x 1/4 + 4000 + 2000 = 8500.
    assert plan.bought("accelerator", 1) == 2
    assert plan.kgco2e_per_year == pytest.approx((8500 + 200 * 2 / 4) / 2)


def test_sets_of_a_later_generation_do_more_work_and_need_fewer_hosts() -> None:
    """Four times the work a year later: one set and one host do what two did, half idle."""
    trends = replace(TWICE, accelerator_throughput_gain=3.0)
    plan = plan_cohorts(replace(FLEET, host_kgco2e_per_year=400.0), trends, 1, 2)
    assert [plan.bought("accelerator", year) for year in (0, 1)] == [2, 1]
    assert [plan.serving("accelerator", year) for year in (0, 1)] == [2, 1]
    assert plan.years[1].operational_accelerator == pytest.approx(2000.0)
    assert plan.years[1].operational_host == pytest.approx(0.5 * 200.0)


def test_the_whole_plan_is_within_its_bound_and_adds_up() -> None:
    trends = replace(
        NO_TRENDS, horizon_years=6, accelerator_efficiency_gain=0.3, demand_growth=0.15,
        accelerator_throughput_gain=0.2, host_efficiency_gain=0.05, grid_decline=0.04,
    )  # fmt: skip
    fleet = replace(FLEET, servers=3, host_kgco2e_per_year=500.0)
    rolled = plan_cohorts(fleet, trends, 3, 5, nodes=0)
    searched = plan_cohorts(fleet, trends, 3, 5)
    assert searched.kgco2e_per_year <= rolled.kgco2e_per_year * (1 + 1e-9)
    assert searched.bound_kgco2e_per_year >= rolled.bound_kgco2e_per_year * (1 - 1e-9)
    for plan in (rolled, searched):
        assert plan.bound_kgco2e_per_year <= plan.kgco2e_per_year * (1 + 1e-9)
        for year in range(6):
            work = sum(
                c.count * trends.accelerator_work_ratio(c.bought)
                for c in plan.cohorts
                if c.side == "accelerator" and c.bought <= year < c.retired
            )
            assert work >= 3 * trends.demand_ratio(year) - 1e-6
        lives = {"accelerator": 3, "host": 5}
        assert all(0 < c.retired - c.bought <= lives[c.side] for c in plan.cohorts)


def test_status_is_optimal_only_at_the_bound() -> None:
    """Three sets where 2.2 would do: whole servers cost more than the relaxation says."""
    trends = replace(NO_TRENDS, horizon_years=2, demand_growth=0.1)
    rolled = plan_cohorts(FLEET, trends, 2, 2, nodes=0)
    assert rolled.status is Status.FEASIBLE
    assert rolled.gap > 0.01
    assert plan_cohorts(FLEET, trends, 2, 2).status is Status.OPTIMAL


def test_continuous_purchases_are_never_worse_than_the_policy_of_the_same_lives() -> None:
    trends = replace(
        NO_TRENDS, horizon_years=7, accelerator_efficiency_gain=0.2, generation_years=2.0,
        accelerator_throughput_gain=0.3, host_efficiency_gain=0.02, demand_growth=0.1,
    )  # fmt: skip
    for lives in ((2, 2), (3, 5), (4, 7)):
        policy = refresh(FLEET, trends, *lives)
        bound = plan_cohorts(FLEET, trends, *lives, nodes=0).bound_kgco2e_per_year
        assert bound <= policy.kgco2e_per_year * (1 + 1e-9)


def test_the_program_has_a_row_of_every_family() -> None:
    market = Market(fleet=FLEET, trends=TWICE, accelerator_years=2, host_years=3)
    program = cohort_program(market, 0, {("accelerator", 0, 1): 1})
    columns = dict(zip(program.names, zip(program.lower, program.upper, strict=True), strict=True))
    assert columns["x(accelerator,0,1)"] == (1.0, 1.0)
    whole = {name for name, is_whole in zip(program.names, program.whole, strict=True) if is_whole}
    assert whole == {f"buy({side},0)" for side in SIDES} | {f"x({side},0,1)" for side in SIDES}
    # Rows: retire 4, there 2 x 3, work 2, seat 2, last 2 for each purchase with years left.
    assert len(program.row_lower) == 4 + 6 + 2 + 2 + 2 * 3


def test_the_same_question_has_the_same_answer() -> None:
    trends = replace(
        NO_TRENDS, horizon_years=8, accelerator_efficiency_gain=0.3, demand_growth=0.2,
        accelerator_throughput_gain=0.3, grid_decline=0.04,
    )  # fmt: skip
    assert plan_cohorts(FLEET, trends, 4, 6) == plan_cohorts(FLEET, trends, 4, 6)


def test_a_horizon_of_one_year_buys_once() -> None:
    plan = plan_cohorts(FLEET, replace(TWICE, horizon_years=1), 4, 8)
    assert [(c.side, c.bought, c.retired, c.count) for c in plan.cohorts] == [
        ("accelerator", 0, 1, 2),
        ("host", 0, 1, 2),
    ]
    assert plan.kgco2e_per_year == pytest.approx(2000 / 4 + 200 / 8 + 4000)


def test_owned_servers_are_charged_nothing_until_replaced() -> None:
    owned = replace(FLEET, sunk_accelerator_kgco2e=2000.0, sunk_host_kgco2e=100.0)
    plan = plan_cohorts(owned, replace(NO_TRENDS, horizon_years=2), 2, 2)
    assert plan.kgco2e_per_year == pytest.approx((100 + 2 * 4000) / 2)
