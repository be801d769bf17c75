"""Trimmed hosts, stock, parked servers, caps and several sites, on paper where paper suffices."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ecoserve.demand import workload_demands
from ecoserve.errors import InfeasibleError
from ecoserve.options import services
from ecoserve.plan import Plan
from ecoserve.planner import Effort, plan_fleet
from ecoserve.structure import Memory, build_structure
from ecoserve.terms import duty_periods
from tests.builders import BIG, BIG_SERVER, offline, online, tiny_catalog, tiny_scenario

CATALOG = tiny_catalog()
BIG_ONLY = {"accelerators": ["big"]}
FLAT = {"intensity": "custom", "custom_gco2e_per_kwh": [300.0], "pue": 1.25}
CLEAN = FLAT | {"name": "far", "region": "sunny", "custom_gco2e_per_kwh": [30.0]}


def plan_of(*workloads: Any, effort: Effort = "report", **parts: Any) -> Plan:
    parts = {"site": FLAT, "hardware": BIG_ONLY} | parts
    return plan_fleet(tiny_scenario(*workloads, **parts), CATALOG, effort)


def count(plan: Plan, **wanted: Any) -> int:
    return sum(
        entry.count
        for entry in plan.fleet
        if all(getattr(entry, name) == value for name, value in wanted.items())
    )


def test_reduce_saves_the_watts_and_the_making_of_what_is_left_out():
    # 500 - 256 = 244 GB of DRAM at 0.3 W and 0.2 kg, 5000 - 960 = 4040 GB of SSD at 4 W/TB and
    # 0.02 kg per GB; behind supplies of 80 %; regulators lose nothing; 4 years.
    full, lean = (plan_of(online(), levers={"reduce": r}) for r in (False, True))
    assert [e.variant for e in full.fleet] == ["full"]
    assert [e.variant for e in lean.fleet] == ["trimmed"]
    assert count(full) == count(lean) == 1
    watts = (244 * 0.3 + 4.04 * 4.0) / 0.8
    running = watts / 1000 * 1.25 * 8760 * 0.3
    making = (244 * 0.2 + 4040 * 0.02) / 4.0
    assert full.kgco2e_per_year - lean.kgco2e_per_year == pytest.approx(running + making, rel=1e-9)


def test_stock_is_used_before_anything_is_bought_and_its_making_is_in_no_total():
    stock = [{"server": "own_4x_big", "count": 5, "age_years": 1.0}]
    bought = plan_of(online())
    owned = plan_of(online(), hardware=BIG_ONLY | {"stock": stock})
    assert [(e.count, e.owned) for e in owned.fleet] == [(1, True)]
    assert owned.embodied_kgco2e_per_year == 0.0
    assert owned.operational_kgco2e_per_year == pytest.approx(bought.operational_kgco2e_per_year)
    assert owned.sunk_kgco2e_per_year == pytest.approx(5 * bought.embodied_kgco2e_per_year)
    parts = {part.part: part.usd_per_h for part in owned.cost_parts}
    assert parts["accelerators"] == parts["hosts"] == 0.0
    assert parts["colocation"] > 0.0


def test_stock_retires_with_its_accelerators():
    stock = [{"server": "own_4x_big", "count": 5, "age_years": 4.0}]
    plan = plan_of(online(), hardware=BIG_ONLY | {"stock": stock})
    assert [(e.count, e.owned) for e in plan.fleet] == [(1, False)]
    assert plan.sunk_kgco2e_per_year == 0.0


def test_more_than_the_stock_is_bought():
    stock = [{"server": "own_4x_big", "count": 1}]
    rate = 400.0
    alone = plan_of(online(rate_rps=rate))
    beside = plan_of(online(rate_rps=rate), hardware=BIG_ONLY | {"stock": stock})
    assert count(beside, owned=True) == 1
    assert count(beside, owned=False) == count(alone) - 1 > 0


def test_parked_servers_draw_what_parked_servers_draw():
    # The rate profile is peaked: at night one server does what several do at noon.
    always, parked = (
        plan_of(online(rate_rps=400.0, profile="peaked"), levers={"park": p}) for p in (False, True)
    )
    assert count(always) == count(parked) > 1
    on_kw = min(always.hourly.it_power_kw[0] - always.hourly.online_it_power_kw[0], 99.0)
    idle = np.array(parked.hourly.it_power_kw) - np.array(parked.hourly.online_it_power_kw)
    n, per_server = count(parked), on_kw / count(always)
    on = (idle - n * 0.02) / (per_server - 0.02)  # 20 W each while parked
    assert on == pytest.approx(np.round(on), abs=1e-6)
    assert on.min() < n
    assert on.max() == pytest.approx(n)
    assert parked.carbon_by("part")["parked"] > 0.0
    assert parked.kgco2e_per_year < always.kgco2e_per_year


def test_in_each_part_of_the_day_just_enough_servers_are_on():
    # One option only: two cards a server, one card a replica, requests of one length. So in every
    # part of the day replicas = load at its busiest hour x burst / utilisation, rounded up.
    cards = (replace(BIG_SERVER, n_accelerators=2), replace(BIG, max_tp=1))
    catalog = tiny_catalog(*cards)
    scenario = tiny_scenario(
        online(rate_rps=400.0, profile="peaked"), site=FLAT, hardware=BIG_ONLY,
        levers={"park": True, "phases_apart": False},
    )  # fmt: skip
    plan = plan_fleet(scenario, catalog, "report")
    (demand,) = workload_demands(scenario, catalog)
    (option,) = services(scenario, catalog, (demand,))
    busy = float(demand.rate_rps @ option.load_s) * 1.3 * demand.peak_ratio
    expected = np.zeros(24)
    for hours in duty_periods([demand.peak_ratio], 3):
        replicas = max(2, math.ceil(busy[list(hours)].max() / 0.85))
        expected[list(hours)] = math.ceil(replicas / 2)
    (entry,) = plan.fleet
    assert entry.on_by_hour == tuple(int(n) for n in expected)
    assert entry.count == expected.max() > expected.min()


def test_the_day_is_cut_where_the_need_changes():
    need = np.array([1.0] * 6 + [4.0] * 10 + [2.0] * 8)
    assert duty_periods([need], 3) == (
        tuple(range(6)), tuple(range(6, 16)), tuple(range(16, 24)),
    )  # fmt: skip
    assert duty_periods([need], 1) == (tuple(range(24)),)
    assert duty_periods([np.ones(24)], 3) == (tuple(range(24)),)
    night = np.roll(need, -3)  # hours 21, 22 and 23 belong to the stretch that ends at 3
    assert duty_periods([night], 3)[0] == (0, 1, 2, 21, 22, 23)


def test_stock_retires_and_returns_with_the_slider_of_its_life():
    # Whatever was planned before, the same memory gives the same answer as a fresh one.
    stock = [{"server": "own_4x_big", "count": 3, "age_years": 4.0}]
    memory = Memory()
    for years in (5.0, 3.0, 5.0):
        hardware = BIG_ONLY | {"stock": stock, "accelerator_years": years}
        scenario = tiny_scenario(online(rate_rps=300.0), site=FLAT, hardware=hardware)
        fresh = plan_fleet(scenario, CATALOG, "interactive")
        again = plan_fleet(scenario, CATALOG, "interactive", memory=memory)
        assert again.fleet == fresh.fleet
        assert again.kgco2e_per_year == pytest.approx(fresh.kgco2e_per_year)


def test_a_pool_may_grow_as_large_as_its_nics_ask_for():
    # A thousandth of a Gbit/s behind each server: KV transfer, not work, sizes the pools.
    thin = replace(BIG_SERVER, n_nics=1, nic_gbps=0.5)
    scenario = tiny_scenario(online(), site=FLAT, hardware=BIG_ONLY)
    problem = build_structure(scenario, tiny_catalog(thin), {}).problem
    wide = build_structure(scenario, CATALOG, {}).problem
    pool = "toy.big.tp1.bf16.decode"
    most = {key: c.upBound for key, c in problem.w.items() if key[1] == pool}
    busy = {key: c.upBound for key, c in wide.w.items() if key[1] == pool}
    (demand,) = workload_demands(scenario, CATALOG)
    service = next(s for s in services(scenario, CATALOG, (demand,)) if s.pool_id == pool)
    moved = float(demand.rate_rps @ service.kv_bytes) * 1.3 * demand.peak_ratio.max() / 1e9
    link = 0.8 * 0.5 / 8 / 4
    assert set(most.values()) == {math.ceil(moved / link)}
    assert max(busy.values()) < math.ceil(moved / link)


def test_servers_without_a_nic_keep_their_phases_together():
    bare = replace(BIG_SERVER, n_nics=0, nic_gbps=0.0)
    scenario = tiny_scenario(online(), site=FLAT, hardware=BIG_ONLY)
    plan = plan_fleet(scenario, tiny_catalog(bare), "quick")
    assert {pool.role for pool in plan.pools} == {"mixed"}


def test_no_server_is_bought_to_stand_idle():
    quick = plan_of(
        online(rate_rps=5.0), effort="quick", hardware={}, levers={"reduce": True, "park": True}
    )
    assert {entry.server for entry in quick.fleet} == {pool.server for pool in quick.pools}


def test_limits_hold_from_below_and_from_above():
    limits = [{"server": "own_4x_big", "max_count": 7, "min_count": 3}]
    assert count(plan_of(online(), hardware=BIG_ONLY | {"limits": limits})) == 3


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        (
            {"policy": {"max_kgco2e_per_year": 100.0}},
            "carbon cap: 100 kgCO2e a year asked, the least possible is ",
        ),
        ({"policy": {"max_usd_per_h": 0.5}}, "cost cap: 0.50 USD/h asked, the least possible is "),
        ({"site": FLAT | {"max_it_power_kw": 0.5}}, "power at site: 0.5 kW of IT power there, "),
        (
            {"site": FLAT | {"max_rack_units": 3.0}},
            "space at site: 3 rack units there, 4.00 would do",
        ),
        (
            {"hardware": BIG_ONLY | {"limits": [{"server": "own_4x_big", "max_count": 0}]}},
            "servers own_4x_big: at most 0 allowed, 1 would do",
        ),
    ],
)
def test_a_limit_that_no_fleet_keeps_is_named_with_the_nearest_that_one_would(
    parts: Any, told: str
):
    with pytest.raises(InfeasibleError, match=re.escape(f"no fleet keeps every limit. {told}")):
        plan_of(online(), **parts)


def test_the_nearest_limit_is_one_that_a_fleet_keeps():
    free = plan_of(online())
    asked = free.kgco2e_per_year * 0.9
    with pytest.raises(InfeasibleError) as caught:
        plan_of(online(), policy={"max_kgco2e_per_year": asked})
    near = float(str(caught.value).partition("possible is ")[2].replace(",", ""))
    assert near == pytest.approx(free.kgco2e_per_year, rel=0.03)
    plan_of(online(), policy={"max_kgco2e_per_year": near})


def test_a_cap_on_cost_is_kept_at_the_price_of_carbon():
    both = {"hardware": {}, "site": FLAT | {"custom_gco2e_per_kwh": [20.0]}}
    free = plan_of(online(rate_rps=200.0), **both)
    cheap = plan_of(online(rate_rps=200.0), **both, policy={"objective": "cost"})
    between = (free.usd_per_h + cheap.usd_per_h) / 2
    if cheap.usd_per_h < free.usd_per_h - 1e-6:
        capped = plan_of(online(rate_rps=200.0), **both, policy={"max_usd_per_h": between})
        assert capped.usd_per_h <= between + 1e-6
        assert capped.kgco2e_per_year >= free.kgco2e_per_year * (1 - 1e-6)


def test_a_site_takes_no_more_power_and_room_than_it_has():
    rate = online(rate_rps=400.0)
    free = plan_of(rate)
    tight = FLAT | {"max_it_power_kw": free.peak_it_power_kw * 0.5}
    moved = plan_of(rate, site=tight, other_sites=[FLAT | {"name": "far", "region": "sunny"}])
    here = next(day for day in moved.site_days if day.site == "site")
    assert max(here.hourly.it_power_kw) <= tight["max_it_power_kw"] + 1e-6
    assert count(moved, site="far") > 0
    small = FLAT | {"max_rack_units": 4.0 * (count(free) - 1)}
    roomy = plan_of(rate, site=small, other_sites=[FLAT | {"name": "far", "region": "sunny"}])
    assert count(roomy, site="site") <= count(free) - 1


@pytest.mark.parametrize("effort", ["quick", "interactive"])
def test_the_power_a_plan_takes_is_power_enough(effort: Any):
    rate = online(rate_rps=400.0)
    free = plan_of(rate)
    least = free.peak_it_power_kw * 1.001
    capped = plan_of(rate, effort=effort, site=FLAT | {"max_it_power_kw": least})
    assert capped.peak_it_power_kw <= least + 1e-6
    if effort == "interactive":
        assert capped.kgco2e_per_year == pytest.approx(free.kgco2e_per_year, rel=0.02)


def test_power_that_only_part_of_a_server_would_keep_to_is_proven_too_little():
    free = plan_of(online())
    assert free.fleet[0].count == 1, "so that the relaxation, but no fleet, takes less"
    with pytest.raises(InfeasibleError, match="power at site: "):
        plan_of(online(), site=FLAT | {"max_it_power_kw": free.peak_it_power_kw * 0.95})


def test_offline_work_goes_to_the_cleaner_site_and_online_work_stays_within_reach():
    far = CLEAN | {"round_trip_s": 5.0}  # more than the whole TTFT limit
    plan = plan_of(online(), offline(rate_rps=400.0), other_sites=[far])
    where = {pool.workloads: pool.site for pool in plan.pools}
    assert where[("batch",)] == "far"
    assert where[("chat",)] == "site"
    near = plan_of(online(), offline(), other_sites=[CLEAN | {"round_trip_s": 0.01}])
    assert {pool.site for pool in near.pools} == {"far"}
    kept = plan_of(online(sites=["site"]), offline(), other_sites=[CLEAN])
    assert {p.site for p in kept.pools if "chat" in p.workloads} == {"site"}


def test_totals_of_two_sites_are_the_sum_of_their_days():
    plan = plan_of(online(), offline(), other_sites=[CLEAN | {"round_trip_s": 5.0, "pue": 1.1}])
    year = 365 * sum(
        day.pue * kw * g / 1000
        for day in plan.site_days
        for kw, g in zip(day.hourly.it_power_kw, day.hourly.gco2e_per_kwh, strict=True)
    )
    assert plan.operational_kgco2e_per_year == pytest.approx(year)
    assert plan.facility_kwh_per_year == pytest.approx(
        365 * sum(day.pue * sum(day.hourly.it_power_kw) for day in plan.site_days)
    )


def test_the_hours_of_a_site_further_east_come_earlier():
    # Noon at the far site, eight hours ahead (its clock is UTC, the users' is UTC-8), is 4 am here.
    hours = [500.0] * 24
    hours[12] = 10.0
    far = {"name": "far", "region": "plain", "intensity": "custom", "custom_gco2e_per_kwh": hours}
    plan = plan_of(online(), other_sites=[far])
    (_, day) = plan.site_days
    assert day.hourly.gco2e_per_kwh.index(10.0) == 4


@pytest.mark.parametrize("seed", range(6))
def test_the_account_of_the_parts_is_the_objective_whatever_is_allowed(seed: int):
    rng = np.random.default_rng(seed)
    intensity = [float(v) for v in rng.uniform(20, 600, 24)]
    site = {"intensity": "custom", "custom_gco2e_per_kwh": intensity}
    far = {"name": "far", "region": "plain", "intensity": "annual", "round_trip_s": 0.05}
    stock = [{"server": BIG_SERVER.id, "count": int(rng.integers(1, 3)), "age_years": 1.0}]
    objective = ("carbon", "cost", "energy")[seed % 3]
    plan = plan_of(
        online(rate_rps=float(rng.uniform(50, 400)), profile="peaked"),
        offline(rate_rps=float(rng.uniform(5, 100)), deadline_h=int(rng.integers(1, 25))),
        site=site,
        other_sites=[far] if seed % 2 else [],
        hardware={"stock": stock if seed > 2 else []},
        levers={"reduce": True, "park": True},
        policy={"objective": objective},
        effort="quick",
    )
    total = {
        "carbon": plan.kgco2e_per_year / 365,
        "cost": plan.usd_per_h * 24,
        "energy": plan.facility_kwh_per_year / 365,
    }[objective]
    assert plan.objective == pytest.approx(total, rel=1e-6)
    assert plan.bound <= plan.objective * (1 + 1e-9)
