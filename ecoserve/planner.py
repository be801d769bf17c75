"""From a scenario and a catalog to a plan.

    demand -> options -> queues -> rows -> search -> account -> Plan

The replicas behind each queue are only known after a solve; where the plan's own latencies then
miss an SLO, the pool sizes are held and the program is solved again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ecoserve.account import read_operation
from ecoserve.assembly import Attempt, assembled
from ecoserve.catalog import Catalog
from ecoserve.errors import InfeasibleError, SolverError
from ecoserve.fleet_rule import FREE, FleetRule
from ecoserve.infeasible import explanation
from ecoserve.narrowing import narrow
from ecoserve.objective import OWN_OPTIMUM_SLACK, account_caps, objective_weights
from ecoserve.optimum import least
from ecoserve.plan import Plan
from ecoserve.pools import queue_sizes, slo_reports
from ecoserve.pricing import account_value, price_account
from ecoserve.restriction import ANYWHERE, Restriction
from ecoserve.scenario import Scenario, check_scenario
from ecoserve.search import Effort, Search, effort_for
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

    asked = _Asked(
        scenario, catalog, effort, least_carbon_tie_break, memory or Memory(), restriction, rule,
        watch or Watch(), start,
    )  # fmt: skip
    best = _solved(asked)
    plan = assembled(scenario, catalog, best, least_carbon=least_carbon_tie_break)
    busy = _without_idle_servers(plan)
    if effort == "quick" and rule == FREE and busy is not None:
        again = _solved(replace(asked, start=busy))
        if _rank(again) < _rank(best):
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
    memory: Memory | None = None,
) -> Attempt:
    """What :func:`plan_fleet` makes its plan of, with the program of every kind behind it."""
    asked = _Asked(
        scenario, catalog, effort, False, memory or Memory(), ANYWHERE, FREE, Watch(), None
    )
    best = _solved(asked)
    if best.structure.kinds is None:
        return best
    structure = _structure(asked, best.held)
    return replace(best, structure=structure, terms=structure.terms_for(scenario, catalog))


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question and how to look for its answer."""

    scenario: Scenario
    catalog: Catalog
    effort: Effort
    tie_break: bool
    memory: Memory
    restriction: Restriction
    rule: FleetRule
    watch: Watch
    start: Plan | None


def _solved(asked: _Asked) -> Attempt:
    """The best of the rounds; its bound holds for all of them."""
    check_scenario(asked.scenario, asked.catalog)
    first = _attempt(asked, {}, _structure(asked, {}))
    if not first.solution.is_feasible:
        if asked.rule != FREE:
            raise InfeasibleError("no such fleet serves this traffic within its limits")
        if first.solution.termination is not Termination.INFEASIBLE:
            raise SolverError("no fleet was found in time; allow fewer kinds", "time_limit")
        raise explanation(first.structure.program, first.terms)
    attempts, choices = [first], _choices(asked, first)
    asked = replace(asked, watch=asked.watch.silent)  # bounds of a round hold for its sizes only
    while len(attempts) < HOLD_ROUNDS and (news := _sizes_to_hold(attempts[-1])):
        again = _again(asked, {**attempts[-1].held, **news}, first.structure, choices)
        if again is None:  # at the sizes held; the rounds before it stand
            break
        attempts.append(again)
    best = min(attempts, key=_rank)
    bound = min(attempt.solution.bound for attempt in attempts)
    hurried = any(attempt.solution.is_hurried for attempt in attempts)
    return replace(best, solution=replace(best.solution, bound=bound, began_hurried=hurried))


def _choices(asked: _Asked, first: Attempt) -> list[tuple[frozenset[str] | None, float]]:
    """Kinds to look for later answers among, and up to which objective no other is needed.

    First those that an answer near the ``first`` could pay for, then all.
    """
    few = None
    if asked.rule == FREE:
        problem, terms = first.structure.problem, first.terms
        weights = objective_weights(asked.scenario)
        account = price_account(problem, terms)
        known = account_value(account, weights, first.solution.values)
        few = narrow(problem, terms, account, weights, known)
    return [(None, math.inf)] if few is None else [(few.kinds, few.up_to), (None, math.inf)]


def _again(
    asked: _Asked,
    held: Mapping[str, int],
    base: Structure,
    choices: Sequence[tuple[frozenset[str] | None, float]],
) -> Attempt | None:
    """The answer at these pool sizes; None where nothing serves at them."""
    for kinds, up_to in choices:
        try:
            attempt = _attempt(asked, held, _structure(asked, held, base, kinds))
        except InfeasibleError:
            continue
        if attempt.solution.is_feasible and _reach(asked, attempt) <= up_to:
            return attempt
    return None


def _reach(asked: _Asked, attempt: Attempt) -> float:
    """The most that the objective may be of what an answer at these sizes was chosen among."""
    if not asked.tie_break:
        return attempt.solution.objective
    weights = objective_weights(asked.scenario)
    account = price_account(attempt.structure.problem, attempt.terms)
    return account_value(account, weights, attempt.solution.values) * (1.0 + OWN_OPTIMUM_SLACK)


def _structure(
    asked: _Asked,
    held: Mapping[str, int],
    base: Structure | None = None,
    kinds: frozenset[str] | None = None,
) -> Structure:
    key = _key(asked, held, kinds)
    structure = asked.memory.structure(key)
    if structure is None:
        if base is None:
            structure = build_structure(asked.scenario, asked.catalog, held, asked.restriction)
        else:
            structure = with_held(base, asked.scenario, asked.catalog, held, kinds)
        asked.memory.keep_structure(key, structure)
    return structure


def _key(asked: _Asked, held: Mapping[str, int], kinds: frozenset[str] | None) -> str:
    key = structure_key(asked.scenario, asked.catalog, held, asked.restriction)
    return key if kinds is None else f"{key} {sorted(kinds)}"


def _attempt(asked: _Asked, held: Mapping[str, int], structure: Structure) -> Attempt:
    key = _key(asked, held, structure.kinds)
    terms = structure.terms_for(asked.scenario, asked.catalog)
    search = Search(
        structure=structure,
        terms=terms,
        effort=effort_for(structure, asked.effort),
        memory=asked.memory,
        key=key if asked.rule == FREE else f"{key} {asked.rule}",
        caps=account_caps(asked.scenario),
        rule=asked.rule,
        watch=asked.watch,
        start=asked.start,
    )
    solution = least(search, objective_weights(asked.scenario), least_carbon=asked.tie_break)
    operation = read_operation(structure.problem, terms, solution)
    return Attempt(
        structure=structure, terms=terms, solution=solution, operation=operation, held=dict(held)
    )


def _rank(attempt: Attempt) -> tuple[int, float]:
    """Fewer late workloads first, then the better objective."""
    return len(_late_workloads(attempt)), attempt.solution.objective


def _late_workloads(attempt: Attempt) -> set[str]:
    """Workloads whose predicted latency misses their SLO."""
    reports = slo_reports(attempt.operation, attempt.terms)
    return {report.workload for report in reports if not report.meets_slo}


def _sizes_to_hold(attempt: Attempt) -> dict[str, int]:
    """Pool sizes to judge the queues at next, where they differ from those held.

    Pools of late workloads are held at the replicas that are up and free in their worst window.
    Once nothing is late, pools that grew past the size they were held at are held at their new one:
    they were judged too hard.
    """
    late = _late_workloads(attempt)
    sizes = queue_sizes(attempt.operation, attempt.terms)
    pools = {use.service.pool_id for use in attempt.operation.uses if use.service.workload in late}
    actual = {pool: sizes[pool] for pool in sorted(pools & sizes.keys())}
    if not late:
        actual = {
            pool: sizes[pool] for pool, size in attempt.held.items() if sizes.get(pool, 0) > size
        }
    return {pool: k for pool, k in actual.items() if attempt.held.get(pool) != k}
