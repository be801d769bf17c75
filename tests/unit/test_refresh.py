"""Refresh policies against sums done by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ecoserve.errors import ScenarioError
from ecoserve.planner import plan_fleet
from ecoserve.refresh import PlannedFleet, YearCarbon, planned_fleet, refresh, refresh_grid
from ecoserve.scenario import Scenario
from ecoserve.trends import NO_TRENDS, catalog_assumptions, uncertain_trends
from tests.builders import tiny_catalog, tiny_scenario

FLEET = PlannedFleet(
    servers=10, accelerator_kgco2e=1000.0, host_kgco2e=600.0, accelerator_kgco2e_per_year=400.0,
    host_kgco2e_per_year=100.0,
)  # fmt: skip
# Over a generation of two years: work per kWh and per accelerator x 1.5625, making x 0.81.
TRENDS = replace(
    NO_TRENDS, horizon_years=4, generation_years=2.0, accelerator_efficiency_gain=0.25,
    accelerator_throughput_gain=0.25, accelerator_embodied_decline=0.1, grid_decline=0.5,
)  # fmt: skip


def parts(year: YearCarbon) -> tuple[float, ...]:
    return (
        year.operational_accelerator, year.operational_host,
        year.embodied_accelerator, year.embodied_host,
    )  # fmt: skip


def test_a_cell_of_the_grid_is_the_sum_on_paper() -> None:
    """Accelerators every 2 years, hosts every 4: from year 2 on, 0.64 of the hosts are on."""
    policy = refresh(FLEET, TRENDS, 2, 4)
    expected = [
        (400.0, 100.0, 500.0, 150.0),
        (200.0, 50.0, 500.0, 150.0),
        (64.0, 16.0, 405.0, 150.0),
        (32.0, 8.0, 405.0, 150.0),
    ]
    for year, wanted in zip(policy.years, expected, strict=True):
        assert parts(year) == pytest.approx(wanted)
    assert policy.kgco2e_per_year == pytest.approx(820.0)
    joint = refresh(FLEET, TRENDS, 2, 2)
    assert joint.mean.embodied_host == pytest.approx((300 + 300 + 192 + 192) / 4)
    assert joint.kgco2e_per_year == pytest.approx(916.0)


def test_what_is_at_work_at_the_end_is_charged_for_its_years_only() -> None:
    """Bought in year 3 for three years: a third; in year 0 and replaced: all of it."""
    policy = refresh(FLEET, TRENDS, 3, 4)
    charged = [year.embodied_accelerator for year in policy.years]
    assert charged == pytest.approx([1000 / 3, 1000 / 3, 1000 / 3, 810 / 3])


def test_hosts_that_are_off_at_the_end_are_charged_whole() -> None:
    """Hosts for 8 years, 0.64 of them on in the fourth and last: 0.64/8 + 0.36/4 a year."""
    policy = refresh(FLEET, TRENDS, 2, 8)
    assert policy.years[0].embodied_host == pytest.approx(600 * (0.64 / 8 + 0.36 / 4))
    assert policy.mean.embodied_host == pytest.approx(102.0)


def test_growth_is_bought_when_it_comes_and_replaced_at_its_own_age() -> None:
    """Twice the traffic in year 1: bought then, replaced in year 3, not with the first in 2."""
    growing = replace(NO_TRENDS, horizon_years=4, demand_growth=1.0)
    policy = refresh(FLEET, growing, 2, 2)
    # Serving: 1; 1 + 1; 1 replaced + 1 + 2 more; 3 + 1 replaced + 4 more.
    assert [year.embodied_accelerator for year in policy.years] == [500.0, 1000.0, 2000.0, 4000.0]
    assert [year.operational_accelerator for year in policy.years] == [400.0, 800.0, 1600.0, 3200.0]


def test_newer_hosts_draw_less() -> None:
    """Watts 1/1.25 a year: hosts replaced in year 2 draw 0.64."""
    policy = refresh(FLEET, replace(NO_TRENDS, horizon_years=4, host_efficiency_gain=0.25), 4, 2)
    assert [year.operational_host for year in policy.years] == pytest.approx([100, 100, 64, 64])
    assert [year.operational_accelerator for year in policy.years] == pytest.approx([400] * 4)


def test_what_is_owned_costs_nothing_to_make_but_its_replacement_does() -> None:
    owned = replace(FLEET, sunk_accelerator_kgco2e=250.0, sunk_host_kgco2e=600.0)
    policy = refresh(owned, replace(NO_TRENDS, horizon_years=4), 2, 2)
    assert [y.embodied_accelerator for y in policy.years] == pytest.approx([375, 375, 500, 500])
    assert [y.embodied_host for y in policy.years] == pytest.approx([0, 0, 300, 300])


def test_recycle_is_best_joint_minus_best_split() -> None:
    grid = refresh_grid(FLEET, TRENDS, (2, 3), (2, 3, 4))
    totals = {lives: policy.kgco2e_per_year for lives, policy in grid.policies.items()}
    assert set(totals) == {(a, h) for a in (2, 3) for h in (2, 3, 4)}
    joint = min(totals[2, 2], totals[3, 3])
    assert grid.best_joint.kgco2e_per_year == joint
    assert grid.best_joint.is_joint
    assert grid.best_split.kgco2e_per_year == min(totals.values())
    assert grid.recycle_kgco2e_per_year == joint - min(totals.values())
    assert grid.recycle_ratio == pytest.approx(1 - min(totals.values()) / joint)


def test_generations_come_in_steps() -> None:
    steps = replace(TRENDS, generation_years=1.5)
    assert [steps.generation(year) for year in range(7)] == [0, 0, 1, 2, 2, 3, 4]
    assert steps.accelerator_energy_ratio(2) == pytest.approx(1.25**-1.5)
    assert steps.accelerator_energy_ratio(1) == 1.0


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"horizon_years": 0}, "horizon_years"),
        ({"horizon_years": 21}, "horizon_years"),
        ({"grid_decline": 1.0}, "grid_decline"),
        ({"generation_years": 0.0}, "generation_years"),
        ({"demand_growth": float("nan")}, "demand_growth"),
        ({"longest_host_years": 0}, "longest_host_years"),
    ],
)
def test_assumptions_out_of_range_are_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        replace(NO_TRENDS, **changes)
    assert [problem.field for problem in caught.value.problems] == [field]


def test_assumptions_are_the_catalogs_but_for_those_given() -> None:
    catalog = tiny_catalog()
    found = catalog_assumptions(catalog, {"grid_decline": 0.2, "horizon_years": 6})
    assert (found.grid_decline, found.horizon_years) == (0.2, 6)
    assert found.accelerator_throughput_gain == catalog.trend("accelerator_throughput_gain").value
    uncertain = uncertain_trends(found, catalog)
    assert "grid_decline" not in uncertain
    assert "demand_growth" not in uncertain  # zero here, with no band
    assert "generation_years" in uncertain


def study(scenario: Scenario) -> tuple[PlannedFleet, Any]:
    catalog = tiny_catalog()
    plan = plan_fleet(scenario, catalog, "quick")
    return planned_fleet(plan, scenario, catalog), plan


def test_a_planned_fleet_carries_the_carbon_of_its_plan() -> None:
    """Making is the plan's share of a year times the lives; electricity adds up to the plan's."""
    hardware = {"accelerator_years": 5.0, "host_years": 8.0}
    fleet, plan = study(tiny_scenario(hardware=hardware))
    carbon = plan.carbon_by("kind", "side")
    assert fleet.accelerator_kgco2e == pytest.approx(5 * carbon["embodied accelerator"])
    assert fleet.host_kgco2e == pytest.approx(8 * carbon["embodied host"])
    electricity = fleet.accelerator_kgco2e_per_year + fleet.host_kgco2e_per_year
    assert electricity == pytest.approx(plan.operational_kgco2e_per_year)
    it = carbon["operational accelerator"] / carbon["operational host"]
    assert fleet.accelerator_kgco2e_per_year / fleet.host_kgco2e_per_year == pytest.approx(it)
    assert fleet.servers == sum(entry.count for entry in plan.fleet)


def test_owned_servers_of_a_plan_are_sunk() -> None:
    catalog, scenario = tiny_catalog(), tiny_scenario()
    plan = plan_fleet(scenario, catalog, "quick")
    owned = replace(plan, fleet=tuple(replace(entry, owned=True) for entry in plan.fleet))
    fleet = planned_fleet(owned, scenario, catalog)
    assert fleet.sunk_accelerator_kgco2e == fleet.accelerator_kgco2e > 0
    assert fleet.sunk_host_kgco2e == fleet.host_kgco2e > 0


def test_a_plan_without_servers_has_nothing_to_refresh() -> None:
    catalog, scenario = tiny_catalog(), tiny_scenario()
    plan = replace(plan_fleet(scenario, catalog, "quick"), fleet=())
    with pytest.raises(ScenarioError, match="no server"):
        planned_fleet(plan, scenario, catalog)
