"""The plan: totals are sums of parts, the record has the promised keys, one fleet on paper."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ecoserve.errors import BlockedSlice, InfeasibleError
from ecoserve.plan import CarbonPart, CostPart, HourlySeries, Plan, SiteDay, Status, plan_record
from ecoserve.planner import plan_fleet
from tests.builders import offline, online, tiny_catalog, tiny_scenario

CATALOG = tiny_catalog()


def carbon(kind: Any, side: Any, part: str, workload: str, kg: float) -> CarbonPart:
    return CarbonPart(kind=kind, side=side, part=part, workload=workload, kgco2e_per_year=kg)


BY_HAND = Plan(
    engine_version="1", catalog_version="c", scenario_fingerprint="f", status=Status.FEASIBLE,
    gap=0.01, bound=0.99, objective=1.0, objective_name="kgCO2e/day", fleet=(), pools=(),
    carbon_parts=(
        carbon("operational", "accelerator", "serving", "a", 100.0),
        carbon("operational", "facility", "cooling and losses", "a", 25.0),
        carbon("operational", "accelerator", "serving", "b", 40.0),
        carbon("embodied", "host", "DRAM", "b", 60.0),
        carbon("embodied", "accelerator", "dies", "b", 25.0),
    ),
    cost_parts=(CostPart(part="rental", usd_per_h=9.0), CostPart(part="hosts", usd_per_h=0.5)),
    site_days=(
        SiteDay(
            site="here", pue=1.25,
            hourly=HourlySeries(
                gco2e_per_kwh=(100.0,) * 24, it_power_kw=(1.0,) * 12 + (3.0,) * 12,
                online_it_power_kw=(0.5,) * 24, offline_it_power_kw=(0.0,) * 24,
            ),
        ),
    ),
    sunk_kgco2e_per_year=0.0, direct_kgco2e_per_year=None, market_kgco2e_per_year=None,
    output_tokens_per_year=5e6, slo=(), notes=(),
    blocked=(BlockedSlice("chat, 1 token in", "memory: too little"),),
)  # fmt: skip


def test_totals_are_sums_of_the_parts():
    assert BY_HAND.kgco2e_per_year == 250.0
    assert BY_HAND.operational_kgco2e_per_year == 165.0
    assert BY_HAND.embodied_kgco2e_per_year == 85.0
    assert BY_HAND.usd_per_h == 9.5
    assert BY_HAND.carbon_by("workload") == {"a": 125.0, "b": 125.0}
    assert BY_HAND.carbon_by("kind", "side") == {
        "operational accelerator": 140.0,
        "operational facility": 25.0,
        "embodied host": 60.0,
        "embodied accelerator": 25.0,
    }


def test_power_energy_and_functional_unit():
    # Mean of 1 and 3 kW; 2 kW x 1.25 x 8,760 h; 250,000 g over 5,000 units of 1,000 tokens
    assert BY_HAND.it_power_kw == 2.0
    assert BY_HAND.peak_it_power_kw == 3.0
    assert BY_HAND.facility_kwh_per_year == 21_900.0
    assert BY_HAND.gco2e_per_functional_unit == 50.0


def test_the_record_has_the_promised_keys():
    plan = plan_fleet(tiny_scenario(online(), offline()), CATALOG)
    record = plan_record(plan, 0.5)
    assert {
        *("engine_version", "catalog_version", "scenario_fingerprint", "notes", "status", "gap"),
        *("bound", "objective", "seconds", "kgco2e_per_year", "gco2e_per_functional_unit"),
        *("usd_per_h", "it_power_kw", "facility_kwh_per_year", "fleet", "pools", "slo", "blocked"),
    } <= set(record)
    carbon_keys = {"total", "operational", "embodied", "by_part", "by_workload"}
    assert carbon_keys <= set(record["kgco2e_per_year"])
    assert {"site", "server", "variant", "count", "owned"} <= set(record["fleet"][0])
    pool_keys = {
        *("site", "workloads", "llm", "server", "variant", "accelerator", "tp", "precision"),
        *("stack", "role", "replicas", "utilisation"),
    }
    assert all(pool_keys <= set(pool) for pool in record["pools"])
    slo_keys = {
        *("workload", "percentile", "ttft_s", "tpot_s", "ttft_limit_s", "tpot_limit_s"),
        "meets_slo",
    }
    assert slo_keys <= set(record["slo"][0])
    assert set(record["notes"][0]) == {"code", "message"}
    assert (record["seconds"], record["catalog_version"]) == (0.5, "tiny")
    assert record["status"] in {"optimal", "feasible"}


def test_the_record_is_plain_json():
    record = plan_record(BY_HAND, 0.0)
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["blocked"] == [{"slice": "chat, 1 token in", "reason": "memory: too little"}]
    assert record["kgco2e_per_year"]["by_part"]["operational accelerator serving"] == 140.0


@pytest.fixture(scope="module")
def summaries() -> Plan:
    """Offline work of 20 requests/s on one server of four Big, at 100 g/kWh and a PUE of 1.25."""
    scenario = tiny_scenario(
        offline(),
        site={"intensity": "custom", "custom_gco2e_per_kwh": [100.0], "pue": 1.25},
        hardware={"accelerators": ["big"]},
        levers={"reuse": False, "phases_apart": False},
    )
    return plan_fleet(scenario, CATALOG, "report")


def test_a_fleet_on_paper(summaries: Plan):
    # 256 at once on one card: step sqrt(1.98^2 + 2.02752^2) + 2.2528 x 5^0.1 + 0.06144 + 4.06 =
    # 9.6015652 ms, period 21.7377359 with 256/200 prefills of 9.4813834 ms: 16.9826062 ms a
    # request, 0.3396521 busy of one. Decode: u_mem 4.2328e9 / (2e12 x step) = 0.2204224, u_cmp
    # 0.1055828: 310.688 W; prefill 492.5 W (cap) for 12.1361707 ms: 412.1937 W, 312.1937 over idle:
    # 5.3018632 J a request, 106.03726 W, / 0.8 at the wall.
    assert summaries.status is Status.OPTIMAL
    assert [(entry.server, entry.count) for entry in summaries.fleet] == [("own_4x_big", 1)]
    (pool,) = summaries.pools
    assert (pool.tp, pool.role, pool.batch) == (1, "mixed", 256.0)
    # One replica is enough; the other cards are there anyway, and cost no more with one each.
    assert pool.replicas in {1, 2, 3, 4}
    assert max(summaries.hourly.offline_it_power_kw) <= 0.85 * 4 * 0.3121937 / 0.8
    assert pool.power_w == pytest.approx(412.1937, abs=1e-4)
    assert summaries.it_power_kw == pytest.approx(1.3125 + 0.13254658)
    assert summaries.facility_kwh_per_year == pytest.approx(15_823.260, abs=1e-3)
    # 8,760 h x 0.1 kg/kWh of 132.54658 W serving, 500 W idle cards, 812.5 W host, a quarter on top
    assert summaries.carbon_by("kind", "side", "part") == pytest.approx(
        {
            "operational accelerator serving": 116.11080,
            "operational accelerator idle": 438.0,
            "operational host on": 711.75,
            "operational facility cooling and losses": 316.46520,
            **EMBODIED_PER_YEAR,
        }
    )
    assert summaries.operational_kgco2e_per_year == pytest.approx(1582.3260)
    # 4 x 113.65925 / 4 years + 499.55347 / 4 years
    assert summaries.embodied_kgco2e_per_year == pytest.approx(238.54762)


EMBODIED_PER_YEAR = {
    "embodied accelerator dies": 25.326592,
    "embodied accelerator memory": 40.0,
    "embodied accelerator power delivery": 20.0,
    "embodied accelerator cooling": 5.0,
    "embodied accelerator board": 11.0,
    "embodied accelerator connectors": 2.0,
    "embodied accelerator assembly and transport": 10.332659,
    "embodied host CPUs": 7.3883673,
    "embodied host mainboard": 25.0,
    "embodied host chassis": 15.0,
    "embodied host fans": 2.5,
    "embodied host power supplies": 10.0,
    "embodied host peripheral boards": 10.0,
    "embodied host assembly": 2.0,
    "embodied host NICs": 3.0,
    "embodied host DRAM": 25.0,
    "embodied host SSD": 25.0,
}


def test_its_bill_on_paper(summaries: Plan):
    bill = {part.part: part.usd_per_h for part in summaries.cost_parts}
    assert bill == pytest.approx(
        {
            "accelerators": 80_000 / 35_040,
            "hosts": 14_500 / 35_040,
            "colocation": 0.6925,
            "electricity": 0.18063082,  # 1.44504658 kW x 1.25 x 0.1 USD
        }
    )


def test_its_carbon_per_thousand_tokens(summaries: Plan):
    # 20 x 200 tokens/s x 31,536,000 s = 126,144,000 units; 1,820.8736 kg
    assert summaries.output_tokens_per_year == pytest.approx(126_144e6)
    assert summaries.gco2e_per_functional_unit == pytest.approx(0.01443488, rel=1e-6)


def test_a_rental_bill_is_rent_and_includes_the_electricity():
    scenario = tiny_scenario(offline(), hardware={"offer": "rental", "provider": "cloud"})
    plan = plan_fleet(scenario, CATALOG, "report")
    (entry,) = plan.fleet
    (rent,) = plan.cost_parts
    assert (rent.part, rent.usd_per_h) == ("rental", 9.0 * entry.count)


def test_blocked_traffic_is_named():
    scenario = tiny_scenario(online(slo={"ttft_s": 0.001, "tpot_s": 0.05}))
    with pytest.raises(InfeasibleError, match="chat, 1000 tokens in, 200 out: TTFT") as caught:
        plan_fleet(scenario, CATALOG)
    assert [item.slice for item in caught.value.blocked] == ["chat, 1000 tokens in, 200 out"]


def test_too_few_servers_are_named():
    scenario = tiny_scenario(
        hardware={
            "limits": [
                {"server": "own_4x_big", "max_count": 0},
                {"server": "own_2x_small", "max_count": 1},
            ]
        }
    )
    with pytest.raises(InfeasibleError, match="no fleet keeps every limit"):
        plan_fleet(scenario, CATALOG)
