"""From a scenario and a catalog to a plan.

    demand -> options -> queues -> program -> search -> account -> Plan

The replicas behind each queue are only known after a solve; where the plan's own latencies then
miss an SLO, the pool sizes are held and the program is solved again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

import ecoserve
from ecoserve.account import (
    Operation,
    carbon_parts,
    cost_parts,
    hourly_series,
    read_operation,
)
from ecoserve.catalog import Catalog, Server
from ecoserve.cost import server_cost
from ecoserve.demand import WorkloadDemand, workload_demands
from ecoserve.embodied import kgco2e_per_h, server_footprint
from ecoserve.errors import BlockedSlice, InfeasibleError
from ecoserve.formulation import (
    FleetProblem,
    FleetTerms,
    ServerTerms,
    cap_account,
    fleet_problem,
    set_objective,
)
from ecoserve.latency import Eligibility, eligibility
from ecoserve.notes import plan_notes
from ecoserve.operational import electricity_usd_per_kwh, hourly_intensity, site_pue
from ecoserve.options import (
    KV_LINK_EFFICIENCY,
    Service,
    allowed_servers,
    host_sockets,
    nic_gb_per_s,
    services,
    undominated,
)
from ecoserve.plan import FleetEntry, Plan, Status
from ecoserve.pools import late_requests, pool_rows, slo_reports
from ecoserve.power import server_idle_w
from ecoserve.scenario import Scenario, check_scenario
from ecoserve.solver import BranchAndBound, Limits, Solution, Termination, solve
from ecoserve.units import HOURS_PER_DAY, kg_from_g, kw_from_w

Effort = Literal["quick", "interactive", "report"]
"""quick: relaxation and repair; interactive: to 1 %; report: to 0.1 %."""

GAP: Mapping[Effort, float] = {"quick": 0.01, "interactive": 0.01, "report": 0.001}
NODES: Mapping[Effort, int] = {"quick": 0, "interactive": 150, "report": 400}
REPORT_TIME_S = 60.0
HOLD_ROUNDS = 4
OWN_OPTIMUM_SLACK = 0.005
"""A baseline is the least-carbon plan within this share of its own optimum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One solved program, read as a fleet at work."""

    terms: FleetTerms
    solution: Solution
    operation: Operation
    held: Mapping[str, int]
    """Pool sizes held for the queues, by pool id."""


def plan_fleet(
    scenario: Scenario,
    catalog: Catalog,
    effort: Effort = "interactive",
    *,
    least_carbon_tie_break: bool = False,
) -> Plan:
    """The best fleet for the scenario's objective that the effort allows.

    ``least_carbon_tie_break`` then takes the least-carbon plan within 0.5 % of that optimum, as
    baselines are defined. Raises :class:`~ecoserve.errors.ScenarioError` for a scenario that
    contradicts the catalog, :class:`~ecoserve.errors.InfeasibleError` naming the slices nobody can
    serve, :class:`~ecoserve.errors.SolverError` when the solver stops without an answer.
    """
    check_scenario(scenario, catalog)
    demands = workload_demands(scenario, catalog)
    options = undominated(services(scenario, catalog, demands))
    if (
        scenario.policy.objective == "performance"
        and scenario.policy.carbon_price_usd_per_t is None
    ):
        options = _fastest(options, demands)
    held: dict[str, int] = {}
    for _ in range(HOLD_ROUNDS):
        attempt = _attempt(
            scenario, catalog, demands, options, held, effort, least_carbon_tie_break
        )
        misses = _missing_pools(attempt, held)
        if not misses:
            break
        held |= misses
    return _plan(scenario, catalog, attempt, effort)


def _attempt(
    scenario: Scenario,
    catalog: Catalog,
    demands: Sequence[WorkloadDemand],
    options: Sequence[Service],
    held: Mapping[str, int],
    effort: Effort,
    tie_break: bool,
) -> Attempt:
    eligible = eligibility(options, demands, scenario.policy, held)
    if eligible.blocked:
        raise _blocked(eligible.blocked)
    terms = _terms(scenario, catalog, demands, options, eligible)
    problem = fleet_problem(terms)
    weights = _objective(scenario)
    set_objective(problem, weights)
    solution = _search(problem, terms, effort)
    if tie_break and solution.is_feasible:
        solution = _least_carbon_within(problem, terms, weights, solution, effort)
    operation = read_operation(problem, terms, solution)
    return Attempt(terms=terms, solution=solution, operation=operation, held=dict(held))


def _terms(
    scenario: Scenario,
    catalog: Catalog,
    demands: Sequence[WorkloadDemand],
    options: Sequence[Service],
    eligible: Eligibility,
) -> FleetTerms:
    limits = {limit.server: limit.max_count for limit in scenario.hardware.limits}
    intensity = hourly_intensity(scenario.site, catalog)
    rents = scenario.hardware.offer == "rental"
    return FleetTerms(
        demands=tuple(demands),
        services=tuple(options),
        masks=eligible.masks,
        on_time=eligible.on_time,
        utilisation=eligible.utilisation,
        servers=tuple(
            _server_terms(server, scenario, catalog, limits.get(server.id))
            for server in allowed_servers(scenario, catalog)
        ),
        kg_per_kwh=intensity * kg_from_g(1.0),
        pue=site_pue(scenario.site, catalog),
        usd_per_kwh=0.0 if rents else electricity_usd_per_kwh(scenario.site, catalog),
        psu_efficiency=catalog.host_power_value("psu_efficiency"),
        burst=scenario.policy.burst,
        min_replicas=scenario.policy.min_replicas,
        shift=scenario.levers.shift,
    )


def _server_terms(
    server: Server, scenario: Scenario, catalog: Catalog, max_count: int | None
) -> ServerTerms:
    hardware = scenario.hardware
    made = server_footprint(server.id, scenario.policy.coefficients, catalog)
    embodied_kg_per_h = kgco2e_per_h(
        made.side_kgco2e("accelerator"), hardware.accelerator_years
    ) + kgco2e_per_h(made.side_kgco2e("host"), hardware.host_years)
    spare = catalog.host_power_value("cpu_spare_ratio")
    return ServerTerms(
        id=server.id,
        accelerator_id=server.accelerator_id,
        n_accelerators=server.n_accelerators,
        idle_kw=kw_from_w(server_idle_w(server, catalog)),
        embodied_kg_per_day=embodied_kg_per_h * HOURS_PER_DAY,
        usd_per_day=server_cost(server, hardware, catalog).usd_per_h * HOURS_PER_DAY,
        spare_sockets=spare * host_sockets(server, catalog),
        kv_gb_per_s=KV_LINK_EFFICIENCY * nic_gb_per_s(server),
        max_count=max_count,
    )


def _objective(scenario: Scenario) -> dict[str, float]:
    """Weights of the day's account."""
    price = scenario.policy.carbon_price_usd_per_t
    if price is not None:
        return {"usd": 1.0, "kg": price / 1000.0}
    names = {"carbon": "kg", "cost": "usd", "energy": "kwh", "performance": "servers"}
    return {names[scenario.policy.objective]: 1.0}


def objective_name(scenario: Scenario) -> str:
    """What is minimised, with its unit."""
    price = scenario.policy.carbon_price_usd_per_t
    if price is not None:
        return f"USD/day with carbon at {price:g} USD/t"
    return {
        "carbon": "kgCO2e/day",
        "cost": "USD/day",
        "energy": "facility kWh/day",
        "performance": "servers, on the fastest option of each model",
    }[scenario.policy.objective]


def _search(
    problem: FleetProblem,
    terms: FleetTerms,
    effort: Effort,
    start: Mapping[str, float] | None = None,
) -> Solution:
    """Relaxation and repair, then the search; for a report HiGHS takes over where it stops."""
    levels = [list(problem.x.values()), list(problem.w.values())]
    limits = Limits(gap=GAP[effort], nodes=NODES[effort])
    weights = {problem.x[server.id].name: server.idle_kw for server in terms.servers}
    found = BranchAndBound(problem.lp, levels, weights).run(limits, start)
    if effort != "report" or found.gap <= GAP[effort] or not found.is_feasible:
        return found
    proof = solve(problem.lp, Limits(gap=GAP[effort], time_s=REPORT_TIME_S), found.values)
    best = min((found, proof), key=lambda answer: answer.objective)
    return replace(best, bound=max(found.bound, proof.bound), termination=proof.termination)


def _least_carbon_within(
    problem: FleetProblem,
    terms: FleetTerms,
    weights: Mapping[str, float],
    own: Solution,
    effort: Effort,
) -> Solution:
    """The least-carbon answer within 0.5 % of the baseline's own best."""
    (name,) = weights
    if name == "kg":
        return own
    cap_account(problem, name, own.objective * (1.0 + OWN_OPTIMUM_SLACK))
    set_objective(problem, {"kg": 1.0})
    return _search(problem, terms, effort, own.values)


def _fastest(options: Sequence[Service], demands: Sequence[WorkloadDemand]) -> tuple[Service, ...]:
    """Per LLM the device with the least demand-weighted TTFT + (OSL-1) TPOT at batch 1."""
    rates = {d.workload.name: d.rate_rps for d in demands if d.is_online}
    best: dict[str, tuple[float, str]] = {}
    for llm_id in sorted({service.device.llm_id for service in options}):
        scores: dict[str, float] = {}
        for s in options:
            if s.device.llm_id == llm_id and s.role == "mixed" and s.workload in rates:
                late = np.where(s.fits & s.keeps_tpot, s.unloaded_s, 1e6)
                score = float(rates[s.workload] @ late)
                scores[s.device.id] = scores.get(s.device.id, 0.0) + score
        if scores:
            best[llm_id] = min((score, device) for device, score in scores.items())
    return tuple(
        s
        for s in options
        if s.role == "mixed"
        and (s.device.llm_id not in best or s.device.id == best[s.device.llm_id][1])
    )


def _blocked(slices: Sequence[BlockedSlice]) -> InfeasibleError:
    first = slices[0]
    more = f" (and {len(slices) - 1} more slices)" if len(slices) > 1 else ""
    return InfeasibleError(
        f"no allowed hardware serves {first.slice}{more}: {first.reason}", slices
    )


def _missing_pools(attempt: Attempt, held: Mapping[str, int]) -> dict[str, int]:
    """Pools of workloads that miss their SLO, with the replicas they have, where that is news."""
    if not attempt.solution.is_feasible:
        return {}
    reports = slo_reports(attempt.operation, attempt.terms)
    late = {report.workload for report in reports if not report.meets_slo}
    pools = {use.service.pool_id for use in attempt.operation.uses if use.service.workload in late}
    actual = {pool: attempt.operation.pool_replicas(pool) for pool in sorted(pools)}
    return {pool: k for pool, k in actual.items() if k > 0 and held.get(pool) != k}


def _plan(scenario: Scenario, catalog: Catalog, attempt: Attempt, effort: Effort) -> Plan:
    solution, terms, operation = attempt.solution, attempt.terms, attempt.operation
    if not solution.is_feasible:
        raise InfeasibleError(
            "the servers allowed are too few for this traffic; raise the limits or allow more kinds"
        )
    intensity = hourly_intensity(scenario.site, catalog)
    series = hourly_series(operation, terms, catalog, intensity)
    reports = slo_reports(operation, terms)
    pools = pool_rows(operation, terms, scenario, catalog)
    proven = solution.gap <= GAP["report"]
    return Plan(
        engine_version=ecoserve.__version__,
        catalog_version=catalog.version,
        scenario_fingerprint=scenario.fingerprint(),
        status=Status.OPTIMAL if proven else Status.FEASIBLE,
        gap=solution.gap,
        bound=solution.bound,
        objective=solution.objective,
        objective_name=objective_name(scenario),
        fleet=tuple(
            FleetEntry(site=scenario.site.name, server=server, variant="full", count=count)
            for server, count in operation.counts.items()
        ),
        pools=pools,
        carbon_parts=carbon_parts(operation, terms, scenario, catalog),
        cost_parts=cost_parts(operation, scenario, catalog, series.it_power_kw, terms.pue),
        hourly=series,
        pue=terms.pue,
        output_tokens_per_year=sum(d.output_tokens_per_year for d in terms.demands),
        slo=reports,
        blocked=(),
        notes=plan_notes(
            scenario=scenario,
            catalog=catalog,
            pools=pools,
            reports=reports,
            late=late_requests(operation, terms),
            held=bool(attempt.held),
            stopped_by_time=solution.termination is Termination.TIME_LIMIT,
        ),
    )
