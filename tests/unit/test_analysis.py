"""Analyses of one plan on paper: edits, bands, held fleets, Reduce, Reuse, prices and regret."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from ecoserve.analysis.bands import BandEnd, catalog_at
from ecoserve.analysis.edits import edited, for_carbon, mean_intensity_g_per_kwh, with_intensities
from ecoserve.analysis.levers import lever_report
from ecoserve.analysis.limits import limit_report
from ecoserve.analysis.pareto import pareto_bound
from ecoserve.analysis.reduce import reduce_split
from ecoserve.analysis.regret import why_not
from ecoserve.analysis.reuse import reuse_break_even, reuse_entry
from ecoserve.demand import workload_demands
from ecoserve.embodied import server_footprint
from ecoserve.errors import InfeasibleError, ScenarioError
from ecoserve.fleet_rule import FleetRule, servers_of
from ecoserve.options import services
from ecoserve.plan import FleetEntry, Plan
from ecoserve.planner import plan_fleet
from ecoserve.scenario import Scenario
from ecoserve.structure import Memory
from tests.builders import SET, offline, online, tiny_catalog, tiny_scenario

CATALOG = tiny_catalog()
FLAT: dict[str, Any] = {"intensity": "custom", "custom_gco2e_per_kwh": [100.0], "pue": 1.25}


def day(**parts: Any) -> Scenario:
    """A peaked chat and a little offline work."""
    return tiny_scenario(online(profile="peaked"), offline(rate_rps=5.0), **parts)


def servers(big: int, small: int = 0) -> tuple[FleetEntry, ...]:
    counts = {"own_4x_big": big, "own_2x_small": small}
    return tuple(
        FleetEntry(site="site", server=server, variant="full", count=count)
        for server, count in counts.items()
        if count
    )


def held(scenario: Scenario, fleet: tuple[FleetEntry, ...]) -> Plan:
    return plan_fleet(scenario, CATALOG, "report", rule=FleetRule(fleet=fleet))


# ------------------------------------------------------------------------------- edits and bands


def test_edits_find_their_place_by_name_and_by_number():
    made = edited(
        day(),
        {
            "policy.headroom": 0.2,
            "workloads.chat.rate_rps": 10.0,
            "workloads.1.rate_rps": 2.0,
            "gco2e_per_kwh": 50.0,
        },
    )
    assert made.policy.headroom == 0.2
    assert [workload.rate_rps for workload in made.workloads] == [10.0, 2.0]
    assert (made.site.intensity, made.site.custom_gco2e_per_kwh) == ("custom", (50.0,))


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("policy.heedroom", "policy.heedroom: 'heedroom' is not there; there are: .*headroom"),
        ("workloads.chit.rate_rps", "no row 'chit'; there are: chat, batch"),
        ("workloads.7.rate_rps", "no row '7'"),
        ("name.first", "'name' is not there"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(path: str, told: str):
    with pytest.raises(ScenarioError, match=told):
        edited(day(), {path: 1})


def test_a_value_that_is_not_allowed_is_refused():
    with pytest.raises(ScenarioError, match=r"headroom"):
        edited(day(), {"policy.headroom": 2.0})


def test_every_hour_of_every_site_is_scaled():
    sites = [{"region": "sunny", "name": "there"}]
    scaled = with_intensities(tiny_scenario(other_sites=sites), CATALOG, 0.5)
    # 18 hours of 400 and 6 of 100 g/kWh are 325 on average
    assert [mean_intensity_g_per_kwh(site, CATALOG) for site in scaled.sites] == [162.5, 162.5]
    assert min(scaled.site.custom_gco2e_per_kwh) == 50.0


def test_planned_for_carbon_whatever_it_was_planned_for():
    made = for_carbon(day(policy={"objective": "cost", "carbon_price_usd_per_t": 10.0}))
    assert (made.policy.objective, made.policy.carbon_price_usd_per_t) == ("carbon", None)


def test_a_catalog_at_an_end_has_the_footprints_of_that_end():
    central = server_footprint("own_4x_big", SET, CATALOG)
    low = server_footprint(
        "own_4x_big", SET, catalog_at(CATALOG, BandEnd("embodied coefficients", "low"))
    )
    high = server_footprint(
        "own_4x_big", SET, catalog_at(CATALOG, BandEnd("embodied coefficients", "high"))
    )
    assert low.total_kgco2e == pytest.approx(central.low_kgco2e)
    assert high.total_kgco2e == pytest.approx(central.high_kgco2e)


def test_low_host_power_draws_less_from_better_supplies_and_leaves_the_spare_cores():
    low = catalog_at(CATALOG, BandEnd("host power", "low"))
    # Bands are a tenth either way; a power supply draws least at its high end.
    assert low.host_power_value("dram_w_per_gb") == pytest.approx(0.27)
    assert low.host_power_value("psu_efficiency") == pytest.approx(0.88)
    assert low.host_power_value("cpu_spare_ratio") == CATALOG.host_power_value("cpu_spare_ratio")
    assert low.version != CATALOG.version


# ------------------------------------------------------------------------------------ held fleets


def test_a_held_fleet_is_bought_whole_whatever_it_serves():
    scenario = tiny_scenario(
        offline(), site=FLAT, hardware={"accelerators": ["big"]}, levers={"reuse": False}
    )
    one, two = held(scenario, servers(1)), held(scenario, servers(2))
    assert [(e.server, e.count) for e in two.fleet] == [("own_4x_big", 2)]
    # Another server idles at 1.3125 kW, 8,760 h x 0.1 kg/kWh x 1.25, and 238.54762 kg of making.
    more = two.kgco2e_per_year - one.kgco2e_per_year
    assert more == pytest.approx(1.3125 * 8760 * 0.1 * 1.25 + 238.54762)


def test_a_fleet_that_is_too_small_is_infeasible():
    with pytest.raises(InfeasibleError):
        held(day(), servers(0, 1))


def test_a_server_that_is_not_allowed_cannot_be_held():
    scenario = day(hardware={"accelerators": ["small"]})
    with pytest.raises(ScenarioError, match=r"own_4x_big \(full\) at site is not among"):
        held(scenario, servers(1))


def test_memory_tells_a_held_fleet_from_a_free_one():
    memory = Memory()
    free = plan_fleet(day(), CATALOG, "report", memory=memory)
    rule = FleetRule(fleet=servers(2))
    for effort in ("quick", "report"):
        two = plan_fleet(day(), CATALOG, effort, memory=memory, rule=rule)
        assert servers_of(two.fleet) == servers(2)
    assert plan_fleet(day(), CATALOG, "report", memory=memory) == free
    assert servers_of(free.fleet) == servers(1)


# ----------------------------------------------------------------------------------------- Reduce


def test_the_halves_of_reduce_on_paper():
    scenario = day()
    (row,) = reduce_split(held(scenario, servers(2)), scenario, CATALOG)
    # See test_variants: 500 - 256 GB of DRAM and 5,000 - 960 GB of SSD are left out.
    assert (row.server, row.variant, row.count) == ("own_4x_big", "trimmed", 2)
    assert (row.dram_gb, row.ssd_gb) == (244.0, 4040.0)
    # 244 GB x 0.3 W + 4.04 TB x 4 W, behind supplies of 0.8
    assert row.wall_w == pytest.approx(111.7)
    assert row.operational_kgco2e_per_year == pytest.approx(2 * 0.1117 * 1.25 * 0.325 * 8760)
    # 244 GB x 0.2 kg + 4,040 GB x 0.02 kg over four years
    assert row.embodied_kgco2e_per_year == pytest.approx(2 * 129.6 / 4)
    # (244 x 4 + 4.04 x 100) USD over 35,040 h and 0.1117 kW of colocation at 0.2 USD/kWh
    assert row.usd_per_h == pytest.approx(2 * (1380 / 35_040 + 0.1117 * 0.2))
    assert row.kgco2e_per_year == pytest.approx(2 * (397.512375 + 32.4))


def test_a_plan_with_trimmed_hosts_has_the_same_halves():
    scenario = day(levers={"reduce": True, "park": False})
    trimmed = plan_fleet(scenario, CATALOG, "report")
    assert {entry.variant for entry in trimmed.fleet} == {"trimmed"}
    full = tuple(replace(entry, variant="full") for entry in trimmed.fleet)
    assert reduce_split(trimmed, scenario, CATALOG) == reduce_split(
        held(scenario, full), scenario, CATALOG
    )
    more = held(scenario, full).kgco2e_per_year - held(scenario, trimmed.fleet).kgco2e_per_year
    (row,) = reduce_split(trimmed, scenario, CATALOG)
    # The hours of this grid are weighted alike: hosts are always on.
    assert more == pytest.approx(row.kgco2e_per_year, rel=1e-4)


def test_a_cap_is_worth_what_a_wider_one_saves():
    many = tiny_scenario(online(rate_rps=4000.0))
    cheapest = pareto_bound(many, CATALOG)[0].usd_per_h
    capped = edited(many, {"policy.max_usd_per_h": 1.015 * cheapest})
    report = limit_report(capped, CATALOG, "report")
    (cap,) = (limit for limit in report.binding if limit.family == "cap")
    assert cap.worth > 0
    assert "1 USD a day more under the cap" in cap.sentence


def test_rented_servers_have_nothing_to_reduce():
    scenario = day(hardware={"offer": "rental", "provider": "cloud"})
    plan = plan_fleet(scenario, CATALOG)
    assert reduce_split(plan, scenario, CATALOG) == ()


# ------------------------------------------------------------------------------------------ Reuse


def test_the_break_even_of_reuse_is_where_both_emit_the_same():
    scenario = day()
    rows = {row.server: row for row in reuse_break_even(scenario, CATALOG)}
    row = rows["own_2x_small"]
    (demand,) = (d for d in workload_demands(scenario, CATALOG) if not d.is_online)
    by_id = {s.id: s for s in services(scenario, CATALOG, [demand])}
    cpu = by_id["toy.cpu.own_2x_small.tp1.bf16.host_cpu.w1"]
    # A socket adds 100 W x (0.9 - 0.3) behind supplies of 0.8, for 200 tokens a request.
    assert row.j_per_token == pytest.approx(75.0 * float(cpu.load_s[0]) / 200)
    assert row.tokens_per_s == pytest.approx(200 / float(cpu.load_s[0]))
    assert row.served_share == 1.0
    # On and idle: two cards of 25 W, CPU 60 W, fans 100 W, DRAM 30 W, SSD 4 W, NIC 20 W: 264 / 0.8
    ends = []
    for card, server, n, idle_w in (
        ("big", "own_4x_big", 4, 1312.5),
        ("small", "own_2x_small", 2, 330.0),
    ):
        on_card = by_id[f"toy.{card}.tp1.bf16.mixed.w1"]
        seconds = float(on_card.load_s[0]) / 200
        joules = seconds * float(on_card.dynamic_w[0]) / 0.8
        share = seconds / n / 0.85
        made_g = server_footprint(server, SET, CATALOG).total_kgco2e / 4 / 8760 / 3600 * 1000
        dearer_kwh = (row.j_per_token - joules - share * idle_w) / 3.6e6
        if dearer_kwh > 0:
            ends.append(share * made_g / (1.25 * dearer_kwh))
    assert row.break_even_g_per_kwh == pytest.approx(min(ends))
    assert "it could pay below" in row.sentence


def test_trimmed_hosts_and_other_sites_add_no_rows():
    sites = [{"region": "sunny", "name": "there"}]
    many = tiny_scenario(offline(), levers={"reduce": True}, other_sites=sites)
    one = tiny_scenario(offline())
    assert reuse_break_even(many, CATALOG) == reuse_break_even(one, CATALOG)


FREE_CPUS = tiny_catalog(host_power={"cpu_busy_ratio": 0.3})
"""CPUs that draw no more when busy."""


def test_free_cpus_could_pay_on_any_grid_and_enter():
    scenario = tiny_scenario(offline(rate_rps=5.0))
    assert all(math.isinf(r.break_even_g_per_kwh) for r in reuse_break_even(scenario, FREE_CPUS))
    entry = reuse_entry(scenario, FREE_CPUS, "report")
    assert entry.enters_below_g_per_kwh == entry.dirtiest_g_per_kwh
    assert "up to 1000 gCO2e/kWh" in entry.sentence


def test_cpus_that_cannot_pay_never_enter_and_nothing_is_promised():
    report = lever_report(day(), CATALOG, "report")
    assert report.entry is not None
    assert report.entry.enters_below_g_per_kwh is None
    assert report.entry.sentence.startswith("Reuse never enters")
    assert len(report.reuse) == 2


def test_without_offline_work_there_is_nothing_to_reuse():
    report = lever_report(tiny_scenario(online()), CATALOG)
    assert (report.reuse, report.entry) == ((), None)
    assert [row.variant for row in report.reduce] == ["trimmed"] * len(report.reduce)


# ------------------------------------------------------------------------------ prices and limits


@pytest.mark.parametrize(
    "hardware",
    [
        {},
        {
            "limits": [
                {"server": "own_4x_big", "max_count": 0},
                {"server": "own_2x_small", "max_count": 4},
            ]
        },
    ],
)
def test_the_price_of_traffic_is_what_a_little_more_of_it_costs(hardware: dict[str, Any]):
    scenario = day(hardware=hardware)
    plan = plan_fleet(scenario, CATALOG, "report")
    report = limit_report(scenario, CATALOG, "report")
    assert report.objective == pytest.approx(plan.objective)
    for price, rate in zip(report.traffic, (40.0, 5.0), strict=True):
        more = edited(scenario, {f"workloads.{price.workload}.rate_rps": rate * 1.001})
        dearer = held(more, plan.fleet).objective - plan.objective
        assert price.fleet_as_it_is == pytest.approx(dearer / (0.001 * rate), rel=1e-3)
        assert price.fleet_grown >= price.fleet_as_it_is
        assert price.unit == "kgCO2e/day"


def test_what_binds_is_named_and_worth_what_it_saves():
    limits = [
        {"server": "own_4x_big", "max_count": 0},
        {"server": "own_2x_small", "max_count": 4},
    ]
    report = limit_report(day(hardware={"limits": limits}), CATALOG, "report")
    worth = {(limit.family, limit.subject): limit.worth for limit in report.binding}
    assert worth["at_most", "own_4x_big"] > 0
    assert ("capacity", "toy.small.tp1.bf16.mixed") in worth
    assert all(value > 0 for value in worth.values())
    assert list(worth.values()) == sorted(worth.values(), reverse=True)


def test_a_fleet_with_room_to_spare_is_held_back_by_nothing():
    scenario = tiny_scenario(
        offline(), site=FLAT, hardware={"accelerators": ["big"]}, levers={"reuse": False}
    )
    assert limit_report(scenario, CATALOG, "report").binding == ()


# ---------------------------------------------------------------------------------------- regret


def test_regret_is_the_best_of_all_fleets_with_such_a_server():
    answer = why_not(day(), CATALOG, "report")
    (regret,) = answer.regrets
    tried = []
    for big in range(3):
        for small in range(1, 5):
            try:
                tried.append(held(day(), servers(big, small)).kgco2e_per_year)
            except InfeasibleError:
                continue
    assert regret.accelerator == "small"
    assert regret.plan is not None
    assert regret.plan.kgco2e_per_year == pytest.approx(min(tried), rel=2e-3)
    more = regret.plan.kgco2e_per_year - answer.plan.kgco2e_per_year
    assert regret.kgco2e_per_year == pytest.approx(more)
    assert regret.objective_ratio == pytest.approx(more / answer.plan.kgco2e_per_year)
    assert regret.objective_ratio > 0
    assert not regret.within_gap
    assert "the best fleet with at least one server of it" in regret.sentence
    only_small = plan_fleet(day(hardware={"accelerators": ["small"]}), CATALOG, "report")
    (left_out,) = answer.without
    assert left_out.accelerator == "big"
    more = only_small.kgco2e_per_year - answer.plan.kgco2e_per_year
    assert left_out.kgco2e_per_year == pytest.approx(more)
    assert more > 0
    assert left_out.sentence.startswith("Without Big: the best fleet: +")


def test_doing_without_the_only_accelerator_allowed_leaves_no_fleet():
    alone = day(hardware={"accelerators": ["big"]})
    (left_out,) = why_not(alone, CATALOG, "quick").without
    assert left_out.plan is None
    assert left_out.sentence == "Without Big: no fleet: nothing else is allowed"


def test_a_server_that_serves_nothing_is_said_to_stand_idle():
    scenario = tiny_scenario(online(rate_rps=1.0), levers={"phases_apart": False})
    regrets = {r.accelerator: r for r in why_not(scenario, CATALOG, "report").regrets}
    (big,) = regrets.values()
    assert big.accelerator == "big"
    assert big.plan is not None
    used = {pool.accelerator for pool in big.plan.pools}
    assert big.idle == ("big" not in used)
    assert ("stand idle" in big.sentence) == big.idle


def test_an_accelerator_without_known_speed_is_said_to_be_unknown():
    catalog = tiny_catalog(without=("small_family",))
    (regret,) = why_not(day(), catalog, "report").regrets
    assert regret.plan is None
    assert "its speed with vllm_v1 or its power is not known" in regret.sentence


def test_only_those_asked_for_are_tried():
    assert why_not(day(), CATALOG, accelerators=["big"]).regrets == ()
