"""Mistakes that were made once, each with the case that showed it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from ecoserve import planner
from ecoserve.baselines import plan_baseline
from ecoserve.catalog import Catalog
from ecoserve.errors import InfeasibleError, ScenarioError
from ecoserve.plan import Status
from ecoserve.planner import plan_fleet
from ecoserve.restriction import Restriction
from ecoserve.scenario import Scenario, read_scenario
from ecoserve.structure import Structure
from tests.builders import (
    BIG_SERVER,
    HALF_SERVER,
    mix,
    offline,
    online,
    serving,
    tiny_catalog,
    tiny_scenario,
)


def test_offline_prefill_and_decode_never_run_in_different_hours():
    slow_nic = replace(BIG_SERVER, nic_gbps=2.0, n_nics=1)
    scenario = tiny_scenario(offline(), hardware={"accelerators": ["big"]}, levers={"reuse": False})
    plan = plan_fleet(scenario, tiny_catalog(slow_nic), "report")
    apart = [pool for pool in plan.pools if pool.role in ("prefill", "decode")]
    # Work in pools apart runs as it arrives, evenly; only whole requests are moved.
    assert not apart or np.ptp(plan.hourly.offline_it_power_kw) == pytest.approx(0.0)


def test_sizes_that_cannot_be_held_do_not_undo_the_plan_before(monkeypatch: pytest.MonkeyPatch):
    build = planner.build_structure

    def only_free(
        scenario: Scenario, catalog: Catalog, held: Mapping[str, int], pattern: Restriction
    ) -> Structure:
        if held:
            raise InfeasibleError("not at these sizes")
        return build(scenario, catalog, held, pattern)

    scenario, catalog = tiny_scenario(online()), tiny_catalog()
    usual = plan_fleet(scenario, catalog, "report")
    monkeypatch.setattr(planner, "build_structure", only_free)
    monkeypatch.setattr(planner, "_sizes_to_hold", lambda _attempt: {"some_pool": 1})
    assert plan_fleet(scenario, catalog, "report") == usual


def test_a_looser_pace_never_costs_the_first_token():
    def plan(tpot_s: float):
        workload = online(slo={"ttft_s": 0.085, "tpot_s": tpot_s})
        scenario = tiny_scenario(
            workload, hardware={"accelerators": ["small"]}, levers={"phases_apart": False}
        )
        return plan_fleet(scenario, tiny_catalog(), "report")

    tight, loose = plan(0.05), plan(0.2)
    assert loose.bound <= tight.objective * (1 + 1e-6)


def test_a_baseline_says_what_it_minimised_in_the_end():
    plan = plan_baseline("cost", "as_sold", tiny_scenario(online()), tiny_catalog(), "report")
    assert plan.objective_name == "kgCO2e/day, within 0.5% of the least USD/day"
    assert plan.objective * 365 == pytest.approx(plan.kgco2e_per_year, rel=1e-9)


def test_unhelpful_hardware_is_not_blamed_on_server_limits():
    catalog = tiny_catalog(
        serving("big_family", t0_s=0.2), serving("small_family", mfu_prefill=0.05)
    )
    scenario = tiny_scenario(
        online(slo={"ttft_s": 0.3, "tpot_s": 0.05}), levers={"phases_apart": False}
    )
    with pytest.raises(InfeasibleError, match="loosen TTFT or TPOT"):
        plan_fleet(scenario, catalog, "report")


def test_an_unmatched_precision_is_not_called_memory():
    scenario = tiny_scenario(online(precisions=["fp8"]), hardware={"accelerators": ["small"]})
    with pytest.raises(InfeasibleError) as caught:
        plan_fleet(scenario, tiny_catalog(), "quick")
    assert caught.value.blocked[0].reason.startswith(
        "precision: no allowed hardware runs Toy at fp8"
    )


def test_a_stack_for_host_cpus_is_no_stack_for_accelerators():
    scenario = tiny_scenario(online(), hardware={"stack": "cpu"})
    with pytest.raises(ScenarioError, match="no stack 'cpu'"):
        plan_fleet(scenario, tiny_catalog(), "quick")


def test_one_bad_workload_is_one_problem():
    data = tiny_scenario(online()).model_dump(mode="json")
    data["workloads"][0]["rate_rps"] = -1
    with pytest.raises(ScenarioError) as caught:
        read_scenario(data)
    assert [problem.field for problem in caught.value.problems] == ["workloads.0.rate_rps"]


def test_no_workload_is_said_in_words():
    data = tiny_scenario(online()).model_dump(mode="json") | {"workloads": []}
    with pytest.raises(ScenarioError, match="there is no traffic to plan for"):
        read_scenario(data)


def test_reuse_on_a_slice_of_a_host():
    slice_of_host = replace(HALF_SERVER, n_accelerators=1, vcpus=20, dram_gb=60.0)
    scenario = tiny_scenario(
        offline(rate_rps=0.05), hardware={"offer": "rental", "provider": "cloud"}
    )
    plan = plan_fleet(
        scenario, tiny_catalog(slice_of_host, host_power={"cpu_busy_ratio": 0.3}), "report"
    )
    assert all(pool.replicas >= 1 and pool.utilisation <= 1.0 for pool in plan.pools)


def test_buckets_without_requests_are_left_out():
    catalog = tiny_catalog(mix("z", (1.0, 1000.0, 200.0), (0.0, 3000.0, 300.0)))
    plan = plan_fleet(tiny_scenario(online(mix="z")), catalog, "report")
    assert plan.slo[0].meets_slo


def test_hosts_without_spare_cores_are_not_reused():
    catalog = tiny_catalog(host_power={"cpu_spare_ratio": 0.0})
    plan = plan_fleet(tiny_scenario(offline()), catalog, "report")
    assert all(pool.role != "host_cpu" for pool in plan.pools)


def test_free_servers_are_still_not_hoarded():
    catalog = tiny_catalog(embodied=0.0)
    site = {"intensity": "custom", "custom_gco2e_per_kwh": [0.0]}
    plan = plan_fleet(tiny_scenario(online(), site=site), catalog, "report")
    assert plan.kgco2e_per_year == 0.0
    assert sum(entry.count for entry in plan.fleet) <= 2


def parked_and_shared() -> Scenario:
    """Online requests whose pool is smaller at night, and shared with offline work."""
    slo = {"ttft_s": 0.1, "tpot_s": 0.02, "percentile": 0.999}
    return tiny_scenario(
        online(rate_rps=120.0, profile="peaked", slo=slo),
        offline(rate_rps=20.0),
        levers={"park": True, "phases_apart": False},
        policy={"min_replicas": 2},
    )


def test_queues_are_judged_at_the_replicas_of_their_worst_window():
    plan = plan_fleet(parked_and_shared(), tiny_catalog(), "interactive")
    assert [report.meets_slo for report in plan.slo] == [True]


def test_a_late_plan_is_never_called_optimal(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ecoserve.planner.HOLD_ROUNDS", 1)
    monkeypatch.setattr("ecoserve.assembly.PROVEN_GAP", 1.0)
    plan = plan_fleet(parked_and_shared(), tiny_catalog(), "interactive")
    assert [report.meets_slo for report in plan.slo] == [False]
    assert plan.status is Status.FEASIBLE
