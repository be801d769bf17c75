"""What a plan says about scopes, hours that differ from the year, and rented servers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ecoserve.plan import Plan, plan_record
from ecoserve.planner import plan_fleet
from tests.builders import BIG_SERVER, GRID, SUNNY, SUNNY_HOURS, online, tiny_catalog, tiny_scenario

DIRECT = tuple(hour / 2 for hour in SUNNY_HOURS)
BOTH = replace(
    GRID,
    hourly_gco2e_per_kwh={("year", "lifecycle"): SUNNY_HOURS, ("year", "direct"): DIRECT},
)


def planned(*rows: object, **parts: dict[str, object]) -> Plan:
    return plan_fleet(tiny_scenario(online(), **parts), tiny_catalog(*rows), "quick")


def codes(plan: Plan) -> set[str]:
    return {note.code for note in plan.notes}


def test_direct_emissions_are_scope_2_and_the_rest_of_the_life_cycle_is_scope_3():
    # Direct emissions are half of the life cycle at every hour.
    scopes = plan_record(planned(BOTH), 0.0)["scopes_kgco2e_per_year"]
    whole = scopes["electricity_life_cycle"]
    assert scopes["scope_2_location_based"] == pytest.approx(whole / 2)
    assert scopes["scope_3_fuel_and_plants"] == pytest.approx(whole / 2)


def test_where_only_the_life_cycle_is_known_no_scope_2_is_stated_alone():
    scopes = plan_record(planned(), 0.0)["scopes_kgco2e_per_year"]
    assert scopes["electricity_life_cycle"] > 0
    assert scopes["scope_2_location_based"] is None
    assert scopes["scope_3_fuel_and_plants"] is None


def test_contracts_cover_direct_emissions_where_they_are_known():
    contract = {"site": {"market": {"cfe_share": 0.75}}}
    plan = planned(BOTH, **contract)
    assert plan.direct_kgco2e_per_year is not None
    assert plan.market_kgco2e_per_year == pytest.approx(plan.direct_kgco2e_per_year / 4)
    only = planned(**contract)
    assert only.market_kgco2e_per_year == pytest.approx(only.operational_kgco2e_per_year / 4)


def test_a_plan_by_the_direct_hours_has_scope_2_alone():
    plan = planned(BOTH, site={"intensity_kind": "direct"})
    assert plan.direct_kgco2e_per_year == pytest.approx(plan.operational_kgco2e_per_year)


def test_hours_far_from_the_regions_year_are_told():
    # The hours have a mean of 325; a region at 260 is 20 % below.
    assert "hours_differ_from_year" not in codes(planned())
    dirty = planned(replace(SUNNY, gco2e_per_kwh=260.0))
    (note,) = [note for note in dirty.notes if note.code == "hours_differ_from_year"]
    assert "325 gCO2e/kWh on average" in note.message
    assert "-20%" in note.message
    annual = planned(replace(SUNNY, gco2e_per_kwh=260.0), site={"intensity": "annual"})
    assert "hours_differ_from_year" not in codes(annual)


def test_a_rented_fleet_is_the_tenants_scope_3():
    rented = planned(hardware={"offer": "rental", "provider": "cloud"})
    assert "rented_is_scope_3" in codes(rented)
    assert "rented_is_scope_3" not in codes(planned())


def test_what_became_of_the_users_own_servers_is_told():
    # Twice the price and the carbon of the same box, and one behind a limit of the scenario.
    worse = replace(BIG_SERVER, id="own_worse", dram_gb=900.0, ssd_gb=50_000.0)
    catalog = replace(
        tiny_catalog(worse),
        overlay_figures=frozenset({("servers", "own_worse", ""), ("servers", "cloud_2x_big", "")}),
    )
    plan = plan_fleet(tiny_scenario(online()), catalog, "quick")
    told = [note.message for note in plan.notes if note.code == "own_hardware"]
    assert len(told) == 2
    assert "own_worse: offered, and not chosen" in told[0]
    assert "cloud_2x_big: not offered" in told[1]


def test_the_price_of_electricity_is_called_what_it_is():
    (usual,) = [n.message for n in planned().notes if n.code == "prices_assumed"]
    given = planned(site={"electricity_usd_per_kwh": 0.11})
    (own,) = [n.message for n in given.notes if n.code == "prices_assumed"]
    assert usual.endswith("at the region's wholesale mean")
    assert own.endswith("at the price you gave")
