"""From a scenario and a catalog to a plan.

    demand -> options -> queues -> rows -> search -> account -> Plan

The replicas behind each queue are only known after a solve; where the plan's own latencies then
miss an SLO, the pool sizes are held and the program is solved again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ecoserve.account import read_operation
from ecoserve.assembly import Attempt, assembled
from ecoserve.catalog import Catalog
from ecoserve.errors import InfeasibleError, SolverError
from ecoserve.fleet_rule import FREE, FleetRule
from ecoserve.infeasible import explanation
from ecoserve.objective import account_caps, objective_weights
from ecoserve.optimum import least
from ecoserve.plan import Plan
from ecoserve.pools import slo_reports
from ecoserve.restriction import ANYWHERE, Restriction
from ecoserve.scenario import Scenario, check_scenario
from ecoserve.search import Effort, Search
from ecoserve.solver import Termination, Watch
from ecoserve.structure import Memory, Structure, build_structure, structure_key, with_held

__all__ = ["Attempt", "Effort", "plan_fleet", "solve_fleet"]

HOLD_ROUNDS = 4


def plan_fleet(
    scenario: Scenario,
    catalog: Catalog,
    effort: Effort = "interactive",
    *,
    least_carbon_tie_break: bool = False,
    restriction: Restriction = ANYWHERE,
    memory: Memory | None = None,
    rule: FleetRule = FREE,
    watch: Watch | None = None,
    start: Plan | None = None,
) -> Plan:
    """The best fleet for the scenario's objective that the effort allows.

    ``least_carbon_tie_break`` then takes the least-carbon plan within 0.5 % of that optimum, as
    baselines are defined. ``restriction`` names the accelerators of each role. ``memory`` makes
    plans after a small edit quicker. ``rule`` holds the fleet, or some of it. ``watch`` is told of
    better answers and may stop the search. ``start`` is the plan of a like question: the search
    begins at its fleet where that serves here too. Raises
    :class:`~ecoserve.errors.ScenarioError` for a scenario that contradicts the catalog,
    :class:`~ecoserve.errors.InfeasibleError` naming the slices nobody can serve,
    :class:`~ecoserve.errors.SolverError` when the solver stops without an answer.
    """

    def solved(start: Plan | None) -> Attempt:
        return solve_fleet(
            scenario, catalog, effort, least_carbon_tie_break=least_carbon_tie_break,
            restriction=restriction, memory=memory, rule=rule, watch=watch, start=start,
        )  # fmt: skip

    best = solved(start)
    plan = assembled(scenario, catalog, best, least_carbon=least_carbon_tie_break)
    busy = _without_idle_servers(plan)
    if effort == "quick" and rule == FREE and busy is not None:
        again = solved(busy)
        if again.solution.objective < best.solution.objective:
            return assembled(scenario, catalog, again, least_carbon=least_carbon_tie_break)
    return plan


def _without_idle_servers(plan: Plan) -> Plan | None:
    """The plan less servers that serve nothing, which rounding up may leave; None without any."""
    used = {(pool.site, pool.server) for pool in plan.pools}
    busy = tuple(entry for entry in plan.fleet if (entry.site, entry.server) in used)
    return None if busy == plan.fleet else replace(plan, fleet=busy)


def solve_fleet(
    scenario: Scenario,
    catalog: Catalog,
    effort: Effort = "interactive",
    *,
    least_carbon_tie_break: bool = False,
    restriction: Restriction = ANYWHERE,
    memory: Memory | None = None,
    rule: FleetRule = FREE,
    watch: Watch | None = None,
    start: Plan | None = None,
) -> Attempt:
    """What :func:`plan_fleet` makes its plan of, with the program behind it."""
    check_scenario(scenario, catalog)
    asked = _Asked(
        effort, least_carbon_tie_break, memory or Memory(), restriction, rule, watch or Watch(),
        start,
    )  # fmt: skip
    first = _attempt(scenario, catalog, {}, asked)
    if not first.solution.is_feasible:
        if rule != FREE:
            raise InfeasibleError("no such fleet serves this traffic within its limits")
        if first.solution.termination is not Termination.INFEASIBLE:
            raise SolverError("no fleet was found in time; allow fewer kinds", "time_limit")
        raise explanation(first.structure.program, first.terms)
    attempts = [first]
    while len(attempts) < HOLD_ROUNDS and (news := _sizes_to_hold(attempts[-1])):
        held = {**attempts[-1].held, **news}
        try:
            attempt = _attempt(scenario, catalog, held, asked, first.structure)
        except InfeasibleError:  # at the sizes held; the rounds before it stand
            break
        if not attempt.solution.is_feasible:
            break
        attempts.append(attempt)
    best = min(attempts, key=lambda a: (len(_late_workloads(a)), a.solution.objective))
    bound = min(attempt.solution.bound for attempt in attempts)
    return replace(best, solution=replace(best.solution, bound=bound))


@dataclass(frozen=True, slots=True)
class _Asked:
    """How to look for an answer."""

    effort: Effort
    tie_break: bool
    memory: Memory
    restriction: Restriction
    rule: FleetRule
    watch: Watch
    start: Plan | None


def _attempt(
    scenario: Scenario,
    catalog: Catalog,
    held: Mapping[str, int],
    asked: _Asked,
    base: Structure | None = None,
) -> Attempt:
    key = structure_key(scenario, catalog, held, asked.restriction)
    structure = asked.memory.structure(key)
    if structure is None:
        if base is None:
            structure = build_structure(scenario, catalog, held, asked.restriction)
        else:
            structure = with_held(base, scenario, catalog, held)
        asked.memory.keep_structure(key, structure)
    terms = structure.terms_for(scenario, catalog)
    search = Search(
        structure=structure,
        terms=terms,
        effort=asked.effort,
        memory=asked.memory,
        key=key if asked.rule == FREE else f"{key} {asked.rule}",
        caps=account_caps(scenario),
        rule=asked.rule,
        watch=asked.watch,
        start=asked.start,
    )
    solution = least(search, objective_weights(scenario), least_carbon=asked.tie_break)
    operation = read_operation(structure.problem, terms, solution)
    return Attempt(
        structure=structure, terms=terms, solution=solution, operation=operation, held=dict(held)
    )


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
