"""From a scenario and a catalog to a plan.

    demand -> options -> queues -> rows -> search -> account -> Plan

The replicas behind each queue are only known after a solve; where the plan's own latencies then
miss an SLO, the pool sizes are held and the program is solved again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

import ecoserve
from ecoserve.account import Operation, carbon_parts, cost_parts, hourly_series, read_operation
from ecoserve.catalog import Catalog
from ecoserve.errors import InfeasibleError
from ecoserve.formulation import FleetTerms, branching_levels
from ecoserve.notes import plan_notes
from ecoserve.operational import (
    direct_intensity,
    facility_kwh,
    hourly_intensity,
    market_based_kgco2e,
)
from ecoserve.plan import CarbonPart, FleetEntry, HourlySeries, Plan, Status
from ecoserve.pools import late_requests, pool_rows, slo_reports
from ecoserve.pricing import account_value, most_tie_break, objective_terms, price_account
from ecoserve.program import Program
from ecoserve.scenario import Scenario, Site, check_scenario
from ecoserve.solver import Limits, Solution, Start, Termination, climb
from ecoserve.structure import Memory, Structure, build_structure, price_terms, structure_key
from ecoserve.units import DAYS_PER_YEAR, HOURS_PER_YEAR, kg_from_g

Effort = Literal["quick", "interactive", "report"]
"""quick: relaxation and repair; interactive: to 1 %; report: to 0.1 %."""

GAP: Mapping[Effort, float] = {"quick": 0.01, "interactive": 0.01, "report": 0.001}
NODES: Mapping[Effort, int] = {"quick": 0, "interactive": 150, "report": 400}
OWN_NODES: Mapping[Effort, int] = {"quick": 0, "interactive": 400, "report": 400}
"""For a baseline's own optimum, which is asked for once and then remembered."""
SMALL_PROGRAM = 4000
"""Columns up to which HiGHS proves an interactive answer in a few seconds."""
PROOF_TIME_S = 60.0
PROVEN_GAP = 1e-4
"""Up to this gap an answer is called optimal."""
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
    memory: Memory | None = None,
) -> Plan:
    """The best fleet for the scenario's objective that the effort allows.

    ``least_carbon_tie_break`` then takes the least-carbon plan within 0.5 % of that optimum, as
    baselines are defined. ``memory`` makes plans after a small edit quicker. Raises
    :class:`~ecoserve.errors.ScenarioError` for a scenario that contradicts the catalog,
    :class:`~ecoserve.errors.InfeasibleError` naming the slices nobody can serve,
    :class:`~ecoserve.errors.SolverError` when the solver stops without an answer.
    """
    check_scenario(scenario, catalog)
    memory = memory or Memory()
    first = _attempt(scenario, catalog, {}, effort, least_carbon_tie_break, memory)
    if not first.solution.is_feasible:
        raise InfeasibleError(
            "no combination of the allowed servers serves this traffic within its limits; raise "
            "the server limits, allow more kinds of hardware, or loosen TTFT or TPOT"
        )
    attempts = [first]
    while len(attempts) < HOLD_ROUNDS and (news := _sizes_to_hold(attempts[-1])):
        held = {**attempts[-1].held, **news}
        try:
            attempt = _attempt(scenario, catalog, held, effort, least_carbon_tie_break, memory)
        except InfeasibleError:  # at the sizes held; the rounds before it stand
            break
        if not attempt.solution.is_feasible:
            break
        attempts.append(attempt)
    best = min(attempts, key=lambda a: (len(_late_workloads(a)), a.solution.objective))
    bound = min(attempt.solution.bound for attempt in attempts)
    best = replace(best, solution=replace(best.solution, bound=bound))
    return _plan(scenario, catalog, best, least_carbon_tie_break)


def _attempt(
    scenario: Scenario,
    catalog: Catalog,
    held: Mapping[str, int],
    effort: Effort,
    tie_break: bool,
    memory: Memory,
) -> Attempt:
    key = structure_key(scenario, catalog, held)
    structure = memory.structure(key)
    if structure is None:
        structure = build_structure(scenario, catalog, held)
        memory.keep_structure(key, structure)
    terms = price_terms(scenario, catalog, structure.demands, structure.options, structure.eligible)
    search = Search(structure=structure, terms=terms, effort=effort, memory=memory, key=key)
    solution = search.least(objective_weights(scenario), least_carbon=tie_break)
    operation = read_operation(structure.problem, terms, solution)
    return Attempt(terms=terms, solution=solution, operation=operation, held=dict(held))


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Answers for one structure at one set of prices."""

    structure: Structure
    terms: FleetTerms
    effort: Effort
    memory: Memory
    key: str

    def least(self, weights: Mapping[str, float], *, least_carbon: bool) -> Solution:
        """The least of the weighted account; then, if asked, the least carbon within 0.5 % of it.

        The objective of the answer is the account's own, without the tie-break price.
        """
        account = price_account(self.structure.problem, self.terms)
        goal = objective_terms(self.structure.problem, account, weights)
        program = self.structure.program.with_objective(goal)
        staged = least_carbon and weights != CARBON
        gap = min(GAP[self.effort], OWN_OPTIMUM_SLACK) if staged else GAP[self.effort]
        nodes = (OWN_NODES if staged else NODES)[self.effort]
        limits = Limits(gap=gap, nodes=nodes)
        found = self._solve(program, f"{self.key} {sorted(weights)}", limits)
        if not found.is_feasible:
            return found
        if staged:
            (name,) = weights
            own_best = account_value(account, weights, found.values)
            own_gap = found.gap
            limit = own_best * (1.0 + OWN_OPTIMUM_SLACK)
            goal = objective_terms(self.structure.problem, account, CARBON)
            capped = self.structure.program.with_objective(goal)
            capped = capped.with_row_at_most(account[name], limit)
            key = f"{self.key} carbon within {name}"
            limits = Limits(gap=GAP[self.effort], nodes=NODES[self.effort])
            found = self._solve(capped, key, limits, found.values)
            weights = CARBON
            found = replace(found, own_gap=own_gap)
        value = account_value(account, weights, found.values)
        tie = most_tie_break(self.structure.problem, self.terms, account, weights, value)
        return replace(found, objective=value, bound=min(found.bound - tie, value))

    def _solve(
        self, program: Program, key: str, limits: Limits, first: Mapping[str, float] | None = None
    ) -> Solution:
        """The same question is answered from memory; only a quick answer starts from a like one."""
        asked = f"{key} {self.effort} {limits} {program.fingerprint()}"
        known = self.memory.answer(asked)
        if known is not None:
            return known
        start = self.memory.start(key) if self.effort == "quick" else None
        if first is not None:
            start = Start(values=first)
        found, basis = self._search(program, limits, start)
        if found.is_feasible:
            self.memory.keep_start(key, Start(values=found.values, basis=basis))
        if self.effort != "quick" and found.termination is not Termination.TIME_LIMIT:
            self.memory.keep_answer(asked, found)
        return found

    def _search(
        self, program: Program, limits: Limits, start: Start | None
    ) -> tuple[Solution, Any]:
        """The solver's ladder; on large programs HiGHS's own solver is only asked for a report."""
        affordable = self.effort == "report" or len(program.names) <= SMALL_PROGRAM
        proof = Limits(gap=limits.gap, time_s=PROOF_TIME_S)
        return climb(
            program,
            branching_levels(self.structure.problem, self.terms),
            limits,
            proof=proof if affordable and self.effort != "quick" else None,
            start=start,
        )


CARBON: Mapping[str, float] = {"kg": 1.0}


def objective_weights(scenario: Scenario) -> dict[str, float]:
    """Weights of the day's account in the scenario's objective."""
    price = scenario.policy.carbon_price_usd_per_t
    if price is not None:
        return {"usd": 1.0, "kg": price / 1000.0}
    names = {"carbon": "kg", "cost": "usd", "energy": "kwh", "performance": "servers"}
    return {names[scenario.policy.objective]: 1.0}


def objective_name(scenario: Scenario, *, least_carbon: bool = False) -> str:
    """What is minimised, with its unit."""
    price = scenario.policy.carbon_price_usd_per_t
    if price is not None:
        return f"USD/day with carbon at {price:g} USD/t"
    own = {
        "carbon": "kgCO2e/day",
        "cost": "USD/day",
        "energy": "facility kWh/day",
        "performance": "servers, on the fastest option of each model",
    }[scenario.policy.objective]
    if not least_carbon or scenario.policy.objective == "carbon":
        return own
    return f"kgCO2e/day, within {OWN_OPTIMUM_SLACK:.1%} of the least {own}"


def _late_workloads(attempt: Attempt) -> set[str]:
    """Workloads whose predicted latency misses their SLO."""
    reports = slo_reports(attempt.operation, attempt.terms)
    return {report.workload for report in reports if not report.meets_slo}


def _sizes_to_hold(attempt: Attempt) -> dict[str, int]:
    """Pool sizes to judge the queues at next, where they differ from those held.

    Pools of late workloads are held at the replicas they have. Once nothing is late, pools that
    grew past the size they were held at are held at their new one: they were judged too hard.
    """
    late = _late_workloads(attempt)
    pools = {use.service.pool_id for use in attempt.operation.uses if use.service.workload in late}
    actual = {pool: attempt.operation.pool_replicas(pool) for pool in sorted(pools)}
    if not late:
        actual = {
            pool: attempt.operation.pool_replicas(pool)
            for pool, size in attempt.held.items()
            if attempt.operation.pool_replicas(pool) > size
        }
    return {pool: k for pool, k in actual.items() if k > 0 and attempt.held.get(pool) != k}


def _plan(scenario: Scenario, catalog: Catalog, attempt: Attempt, least_carbon: bool) -> Plan:
    solution, terms, operation = attempt.solution, attempt.terms, attempt.operation
    intensity = hourly_intensity(scenario.site, catalog)
    series = hourly_series(operation, terms, catalog, intensity)
    reports = slo_reports(operation, terms)
    carbon = carbon_parts(operation, terms, scenario, catalog)
    direct = _direct_kgco2e(scenario.site, catalog, series, terms.pue)
    pools = pool_rows(operation, terms, scenario, catalog)
    proven = solution.gap <= PROVEN_GAP and not attempt.held
    return Plan(
        engine_version=ecoserve.__version__,
        catalog_version=catalog.version,
        scenario_fingerprint=scenario.fingerprint(),
        status=Status.OPTIMAL if proven else Status.FEASIBLE,
        gap=solution.gap,
        bound=solution.bound,
        objective=solution.objective,
        objective_name=objective_name(scenario, least_carbon=least_carbon),
        fleet=tuple(
            FleetEntry(site=scenario.site.name, server=server, variant="full", count=count)
            for server, count in operation.counts.items()
        ),
        pools=pools,
        carbon_parts=carbon,
        cost_parts=cost_parts(operation, scenario, catalog, series.it_power_kw, terms.pue),
        hourly=series,
        pue=terms.pue,
        direct_kgco2e_per_year=direct,
        market_kgco2e_per_year=_market_kgco2e(scenario.site, carbon, series, terms.pue, direct),
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
            own_gap=solution.own_gap,
            own_slack=OWN_OPTIMUM_SLACK,
        ),
    )


def _direct_kgco2e(site: Site, catalog: Catalog, series: HourlySeries, pue: float) -> float | None:
    """What power stations burn for the year's electricity; None where no such hours are known."""
    intensity = direct_intensity(site, catalog)
    if intensity is None:
        return None
    day_kwh = facility_kwh(np.array(series.it_power_kw), pue)
    return kg_from_g(float(day_kwh @ intensity)) * DAYS_PER_YEAR


def _market_kgco2e(
    site: Site, carbon: Sequence[CarbonPart], series: HourlySeries, pue: float, direct: float | None
) -> float | None:
    """The year's electricity by the site's contracts; None where it has none."""
    if site.market is None:
        return None
    located = sum(part.kgco2e_per_year for part in carbon if part.kind == "operational")
    mean_kw = sum(series.it_power_kw) / len(series.it_power_kw)
    energy_kwh = facility_kwh(mean_kw, pue) * HOURS_PER_YEAR
    return market_based_kgco2e(site.market, located if direct is None else direct, energy_kwh)
