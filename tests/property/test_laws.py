"""Laws every plan obeys, on the tiny world.

"Never worse" is judged with what the solver left open: the better case's proven bound must not lie
above the other's answer. Limits on TTFT are wide, so that queues do not change what is planned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecoserve import planner
from ecoserve.account import Operation
from ecoserve.baselines import baseline_question
from ecoserve.catalog import Catalog
from ecoserve.plan import Plan
from ecoserve.planner import plan_fleet
from ecoserve.terms import FleetTerms
from tests.builders import offline, online, tiny_catalog, tiny_scenario

CATALOG = tiny_catalog()
NO_EMBODIED = tiny_catalog(embodied=0.0)
SAME = 1e-6
few = settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])

MIX = st.sampled_from(["one", "two", "three"])
PROFILE = st.sampled_from(["flat", "peaked"])


@st.composite
def chats(draw: st.DrawFn, name: str = "chat") -> dict[str, Any]:
    """An online workload with a wide limit on TTFT."""
    slo = {"ttft_s": 5.0, "tpot_s": draw(st.floats(0.02, 0.1)), "percentile": 0.9}
    rate = draw(st.floats(1, 60))
    return online(name, mix=draw(MIX), profile=draw(PROFILE), rate_rps=rate, slo=slo)


@st.composite
def batches(draw: st.DrawFn, name: str = "batch") -> dict[str, Any]:
    """An offline workload."""
    return offline(
        name,
        mix=draw(MIX),
        profile=draw(PROFILE),
        rate_rps=draw(st.floats(0.5, 40)),
        deadline_h=draw(st.sampled_from([1, 6, 24])),
    )


traffic = st.tuples(chats()) | st.tuples(batches()) | st.tuples(chats(), batches())
Traffic = Sequence[Mapping[str, Any]]


def best(workloads: Traffic, catalog: Catalog = CATALOG, **parts: Any) -> Plan:
    return plan_fleet(tiny_scenario(*workloads, **parts), catalog, "report")


def assert_no_worse(better: Plan, worse: Plan) -> None:
    assert better.bound <= worse.objective * (1 + SAME)
    assert better.objective * (1 - better.gap) <= worse.objective * (1 + SAME)


def constant(gco2e_per_kwh: float) -> dict[str, Any]:
    return {"intensity": "custom", "custom_gco2e_per_kwh": [gco2e_per_kwh]}


@few
@given(chats(), batches(), st.floats(1.0, 3.0))
def test_a_looser_tpot_never_worsens_the_optimum(chat, batch, factor):
    looser = chat | {"slo": chat["slo"] | {"tpot_s": chat["slo"]["tpot_s"] * factor}}
    assert_no_worse(best([looser, batch]), best([chat, batch]))


@few
@given(traffic, st.sampled_from(["big", "small"]))
def test_one_more_accelerator_never_worsens_the_optimum(workloads, accelerator):
    alone = best(workloads, hardware={"accelerators": [accelerator]})
    assert_no_worse(best(workloads), alone)


@few
@given(traffic)
def test_one_more_precision_never_worsens_the_optimum(workloads):
    more = [workload | {"precisions": ["bf16", "fp8"]} for workload in workloads]
    assert_no_worse(best(more), best(workloads))


@few
@given(traffic)
def test_one_more_power_cap_never_worsens_the_optimum(workloads):
    capped = best(workloads, hardware={"power_cap_ratios": [1.0, 0.7]})
    assert_no_worse(capped, best(workloads))
    used = {pool.power_cap_ratio for pool in capped.pools} - {1.0}
    assert ("power_cap_assumed" in {note.code for note in capped.notes}) == bool(used)


@few
@given(traffic, st.sampled_from(["reuse", "shift", "phases_apart"]))
def test_one_more_lever_never_worsens_the_optimum(workloads, lever):
    assert_no_worse(best(workloads), best(workloads, levers={lever: False}))


@few
@given(traffic, st.integers(0, 2))
def test_a_higher_limit_never_worsens_the_optimum(workloads, few_servers):
    def limited(most: int) -> Plan:
        return best(workloads, hardware={"limits": [{"server": "own_2x_small", "max_count": most}]})

    assert_no_worse(limited(few_servers + 1), limited(few_servers))


@few
@given(traffic)
def test_a_shorter_deadline_never_improves_the_optimum(workloads):
    hurried = [w | ({"deadline_h": 1} if w.get("kind") == "offline" else {}) for w in workloads]
    relaxed = [w | ({"deadline_h": 24} if w.get("kind") == "offline" else {}) for w in workloads]
    assert_no_worse(best(relaxed), best(hurried))


@few
@given(traffic)
def test_at_zero_intensity_embodied_carbon_is_all_there_is(workloads):
    plan = best(workloads, site=constant(0.0))
    assert plan.operational_kgco2e_per_year == 0.0
    assert plan.kgco2e_per_year == pytest.approx(plan.embodied_kgco2e_per_year, rel=SAME)
    assert plan.objective * 365 == pytest.approx(plan.embodied_kgco2e_per_year, rel=SAME)


@few
@given(traffic, st.floats(10, 800))
def test_without_embodied_carbon_and_at_constant_intensity_carbon_is_energy(workloads, intensity):
    carbon = best(workloads, NO_EMBODIED, site=constant(intensity))
    energy = best(workloads, NO_EMBODIED, site=constant(intensity), policy={"objective": "energy"})
    assert carbon.embodied_kgco2e_per_year == 0.0
    assert carbon.objective == pytest.approx(energy.objective * intensity / 1000, rel=0.002)
    kwh = carbon.facility_kwh_per_year
    assert carbon.kgco2e_per_year == pytest.approx(kwh * intensity / 1000, rel=SAME)


@few
@given(traffic, st.floats(1.0, 3.0))
def test_pue_scales_the_operational_carbon_of_a_fleet_and_nothing_else(workloads, pue):
    # By energy the best fleet is the same at every PUE.
    one, other = (
        best(workloads, site=constant(300.0) | {"pue": value}, policy={"objective": "energy"})
        for value in (1.0, pue)
    )
    assert other.operational_kgco2e_per_year == pytest.approx(
        pue * one.operational_kgco2e_per_year, rel=0.002
    )
    if one.fleet == other.fleet:
        assert other.embodied_kgco2e_per_year == pytest.approx(one.embodied_kgco2e_per_year)
        assert other.it_power_kw == pytest.approx(one.it_power_kw, rel=0.002)


@few
@given(traffic, st.floats(1.0, 4.0), st.floats(1.0, 4.0))
def test_a_longer_life_lowers_its_sides_embodied_rate_alone(workloads, cards, hosts):
    # By energy lifetimes play no part in the choice.
    energy = {"objective": "energy"}
    usual = best(workloads, policy=energy)
    years = {"accelerator_years": 4.0 * cards, "host_years": 4.0 * hosts}
    longer = best(workloads, policy=energy, hardware=years)
    assert longer.fleet == usual.fleet
    before, after = usual.carbon_by("kind", "side"), longer.carbon_by("kind", "side")
    for key, factor in (("embodied accelerator", cards), ("embodied host", hosts)):
        assert after[key] == pytest.approx(before[key] / factor)
    assert longer.operational_kgco2e_per_year == usual.operational_kgco2e_per_year


@few
@given(traffic, st.sampled_from(["carbon", "cost", "energy", "priced"]))
def test_totals_of_the_parts_equal_the_objective(workloads, objective):
    policy = {"objective": objective} if objective != "priced" else {"carbon_price_usd_per_t": 80.0}
    plan = best(workloads, policy=policy)
    usd, kg = plan.usd_per_h * 24, plan.kgco2e_per_year / 365
    total = {
        "carbon": kg,
        "cost": usd,
        "energy": plan.facility_kwh_per_year / 365,
        "priced": usd + 0.08 * kg,
    }[objective]
    assert plan.objective == pytest.approx(total, rel=SAME)
    assert plan.bound <= plan.objective * (1 + SAME)
    assert plan.gap <= 0.001 + SAME
    for field in ("workload", "kind", "side", "part"):
        assert sum(plan.carbon_by(field).values()) == pytest.approx(plan.kgco2e_per_year)


@few
@given(chats(), batches(), chats("code"))
def test_the_order_of_the_workloads_is_irrelevant(chat, batch, code):
    first, last = best([chat, batch, code]), best([code, batch, chat])
    assert first.objective == pytest.approx(last.objective, rel=0.002)
    assert_no_worse(first, last)
    assert_no_worse(last, first)


@few
@given(traffic, st.floats(0, 500), st.floats(10, 5000))
def test_a_higher_carbon_price_never_raises_the_carbon(workloads, low, more):
    high = low + more
    cheap = best(workloads, policy={"carbon_price_usd_per_t": low})
    dear = best(workloads, policy={"carbon_price_usd_per_t": high})
    # Both answers may be off by their gaps: adding the two optimality conditions gives the slack.
    open_usd = cheap.gap * cheap.objective + dear.gap * dear.objective
    slack_kg = open_usd / ((high - low) / 1000)
    assert dear.kgco2e_per_year / 365 <= cheap.kgco2e_per_year / 365 * (1 + SAME) + slack_kg
    slack_usd = open_usd * (1 + high / (high - low))
    assert dear.usd_per_h * 24 >= cheap.usd_per_h * 24 * (1 - SAME) - slack_usd


@few
@given(traffic)
def test_as_sold_is_never_cheaper_than_with_every_lever(workloads):
    scenario = tiny_scenario(*workloads)
    sold, same = (
        plan_fleet(baseline_question("cost", column, scenario, CATALOG).scenario, CATALOG, "report")
        for column in ("as_sold", "same")
    )
    assert_no_worse(same, sold)


@few
@given(traffic, st.sampled_from(["quick", "interactive", "report"]))
def test_the_same_scenario_gives_the_same_plan_bit_for_bit(workloads, effort):
    scenario = tiny_scenario(*workloads)
    assert plan_fleet(scenario, CATALOG, effort) == plan_fleet(scenario, tiny_catalog(), effort)


@few
@given(traffic)
def test_more_effort_never_gives_less(workloads):
    scenario = tiny_scenario(*workloads)
    quick, report = (plan_fleet(scenario, CATALOG, effort) for effort in ("quick", "report"))
    assert report.objective <= quick.objective * (1 + SAME)
    assert quick.bound <= report.objective * (1 + SAME)


def at_work(workloads: Traffic, **parts: Any) -> tuple[FleetTerms, Operation]:
    """The fleet behind a plan: whole counts, shares and busy replicas."""
    seen: list[tuple[FleetTerms, Operation]] = []
    read = planner.read_operation

    def spy(problem: Any, terms: FleetTerms, solution: Any) -> Operation:
        seen.append((terms, read(problem, terms, solution)))
        return seen[-1][1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planner, "read_operation", spy)
        best(workloads, **parts)
    return seen[-1]


@few
@given(traffic)
def test_all_demand_is_assigned_and_begun_work_is_finished(workloads):
    terms, fleet = at_work(workloads)
    for demand in terms.demands:
        shares = {"mixed": 0.0, "prefill": 0.0, "decode": 0.0, "host_cpu": 0.0}
        zero = np.zeros(len(demand.rate_rps))
        by_role = {role: zero.copy() for role in shares}
        for use in fleet.uses:
            if use.service.workload == demand.workload.name:
                by_role[use.service.role] += use.shares
        whole = by_role["mixed"] + by_role["prefill"] + by_role["host_cpu"]
        assert whole == pytest.approx(1.0, abs=1e-6)
        assert by_role["decode"] == pytest.approx(by_role["prefill"], abs=1e-6)


@few
@given(traffic)
def test_work_is_done_and_never_exceeds_what_was_bought(workloads):
    terms, fleet = at_work(workloads)
    busy: dict[str, np.ndarray] = {}
    for use in fleet.uses:
        demand = terms.demand_of(use.service)
        mean = float(demand.rate_rps @ (use.service.load_s * use.shares))
        assert use.busy_replicas.sum() == pytest.approx(24 * mean, rel=1e-6, abs=1e-6)
        burst = 1.3 if demand.is_online else 1.0
        busy.setdefault(use.service.pool_id, np.zeros(24))
        busy[use.service.pool_id] += burst * use.peak_replicas
    spare = {"own_4x_big": 0.5 * 2, "own_2x_small": 0.5 * 1}
    for pool_id, hourly in busy.items():
        service = next(s for s in terms.services if s.pool_id == pool_id)
        if service.role == "host_cpu":
            server = service.device.server_id
            most = spare[server] * fleet.counts[server]
        else:
            most = 0.85 * fleet.pool_replicas(pool_id)
        assert hourly.max() <= most + 1e-6


@few
@given(traffic)
def test_replicas_fit_the_servers_and_are_redundant(workloads):
    terms, fleet = at_work(workloads)
    tp = {service.pool_id: service.device.tp for service in terms.services}
    for server, cards in (("own_4x_big", 4), ("own_2x_small", 2)):
        used = sum(
            max(n) * tp[pool] for (home, pool), n in fleet.replicas.items() if home == server
        )
        assert used <= cards * fleet.counts.get(server, 0)
    for demand in terms.demands:
        if demand.is_online:
            for phase in ("prefill", "decode"):
                able = {
                    service.pool_id
                    for service in terms.services
                    if service.workload == demand.workload.name and service.role in ("mixed", phase)
                }
                assert sum(fleet.pool_replicas(pool) for pool in able) >= 2
