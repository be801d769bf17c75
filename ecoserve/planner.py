"""From a scenario and a catalog to a plan.

    demand -> options -> queues -> rows -> search -> account -> Plan

The replicas behind each queue are only known after a solve; where the plan's own latencies then
miss an SLO, the pool sizes are held and the program is solved again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

import ecoserve
from ecoserve.account import (
    Operation,
    carbon_parts,
    cost_parts,
    read_operation,
    sunk_kgco2e_per_year,
)
from ecoserve.catalog import Catalog
from ecoserve.errors import InfeasibleError, SolverError
from ecoserve.fleet_rule import FREE, FleetRule
from ecoserve.hourly import site_days
from ecoserve.infeasible import ROOM, cap_missed, explanation, fits, fitted, limit_groups
from ecoserve.notes import plan_notes
from ecoserve.operational import (
    direct_intensity,
    facility_kwh,
    market_based_kgco2e,
)
from ecoserve.plan import FleetEntry, Plan, SiteDay, Status
from ecoserve.pools import late_requests, pool_rows, slo_reports
from ecoserve.pricing import (
    Account,
    Coefficients,
    account_value,
    dominated_kinds,
    most_tie_break,
    objective_terms,
    price_account,
)
from ecoserve.program import Program
from ecoserve.relaxation import Relaxation
from ecoserve.restriction import ANYWHERE, Restriction
from ecoserve.scenario import Scenario, check_scenario
from ecoserve.solver import Limits, Solution, Start, Termination, Watch, climb, solve
from ecoserve.starting import start_values
from ecoserve.structure import Memory, Structure, build_structure, structure_key, with_held
from ecoserve.terms import FleetTerms
from ecoserve.units import DAYS_PER_YEAR, HOURS_PER_DAY, kg_from_g

Effort = Literal["quick", "interactive", "report"]
"""quick: relaxation and repair; interactive: to 1 %; report: to 0.1 %."""

GAP: Mapping[Effort, float] = {"quick": 0.01, "interactive": 0.01, "report": 0.0008}
"""A report's is a little less than the 0.1 % it promises: tie-break prices come off the bound."""
NODES: Mapping[Effort, int] = {"quick": 0, "interactive": 150, "report": 400}
OWN_NODES: Mapping[Effort, int] = {"quick": 0, "interactive": 400, "report": 400}
"""For a baseline's own optimum, which is asked for once and then remembered."""
SMALL_PROGRAM = 4000
"""Columns up to which HiGHS proves an interactive answer in a few seconds."""
PROOF_TIME_S = 60.0
PROVEN_GAP = 1e-4
"""Up to this gap an answer is called optimal."""
CAP_TOLERANCE = 1e-9
"""Of a cap, by which rounding may miss it."""
ROOM_PRICE = 10.0
"""Of the relaxed objective, for missing a site's limit by as much as the limit."""
ROOM_NODES = 60
"""Least search for a fleet within the room of every site."""
HOLD_ROUNDS = 4
OWN_OPTIMUM_SLACK = 0.005
"""A baseline is the least-carbon plan within this share of its own optimum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One solved program, read as a fleet at work."""

    structure: Structure
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
    plan = _plan(scenario, catalog, best, least_carbon_tie_break)
    busy = _without_idle_servers(plan)
    if effort == "quick" and rule == FREE and busy is not None:
        again = solved(busy)
        if again.solution.objective < best.solution.objective:
            return _plan(scenario, catalog, again, least_carbon_tie_break)
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
    solution = search.least(objective_weights(scenario), least_carbon=asked.tie_break)
    operation = read_operation(structure.problem, terms, solution)
    return Attempt(
        structure=structure, terms=terms, solution=solution, operation=operation, held=dict(held)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Answers for one structure at one set of prices."""

    structure: Structure
    terms: FleetTerms
    effort: Effort
    memory: Memory
    key: str
    caps: Mapping[str, float]
    """Most of the day's account, by its entries' names."""
    rule: FleetRule = FREE
    watch: Watch = field(default_factory=Watch)
    start: Plan | None = None
    """Of a like question."""

    def least(self, weights: Mapping[str, float], *, least_carbon: bool) -> Solution:
        """The least of the weighted account; then, if asked, the least carbon within 0.5 % of it.

        The objective of the answer is the account's own, without the tie-break price.
        """
        account = price_account(self.structure.problem, self.terms)
        goal = objective_terms(self.structure.problem, account, weights)
        program = self._priced(goal, account, [])
        staged = least_carbon and weights != CARBON
        gap = min(GAP[self.effort], OWN_OPTIMUM_SLACK) if staged else GAP[self.effort]
        nodes = (OWN_NODES if staged else NODES)[self.effort]
        limits = Limits(gap=gap, nodes=nodes)
        key = f"{self.key} {sorted(weights)}"
        first: Mapping[str, float] | None = None
        if self.start is not None:
            first = start_values(self.start, self.structure.problem, self.terms, program)
            key = f"{key} from {sorted(first.items())}"
            limits = replace(limits, nodes=max(1, nodes))  # a start alone is no answer
        if self.caps:  # another plan may break them; a fleet that keeps them is a better start
            first = self._within_caps(account)
            if not first:
                return self._solve(self.structure.program.with_objective(goal), key, limits)
            limits = replace(limits, nodes=max(1, nodes))
        if not first and self.rule.fleet is None:
            first = self._within_room(program, limits)
        if self.effort != "quick":
            first = self._quick_values(goal, account, first)
        found = self._solve(program, key, limits, first)
        if not found.is_feasible:
            return found
        if staged:
            (name,) = weights
            own_best = account_value(account, weights, found.values)
            own_gap = found.gap
            limit = own_best * (1.0 + OWN_OPTIMUM_SLACK)
            goal = objective_terms(self.structure.problem, account, CARBON)
            capped = self._priced(goal, account, [(account[name], limit)])
            key = f"{self.key} carbon within {name}"
            limits = Limits(gap=GAP[self.effort], nodes=NODES[self.effort])
            found = self._solve(capped, key, limits, found.values)
            weights = CARBON
            found = replace(found, own_gap=own_gap)
        value = account_value(account, weights, found.values)
        tie = most_tie_break(self.structure.problem, self.terms, account, weights, value)
        return replace(found, objective=value, bound=min(found.bound - tie, value))

    def _within_caps(self, account: Account) -> Mapping[str, float]:
        """A fleet within every cap of the account; nothing where none keeps the other limits.

        Found by looking for the least of each capped account in turn, within the caps before it.
        Raises :class:`InfeasibleError` with the least there is.
        """
        kept: list[tuple[Coefficients, float]] = []
        values: Mapping[str, float] = {}
        alone = replace(self, caps={})
        for name, most in self.caps.items():
            if not kept:  # the plan without the cap, so that its own value is never refused
                found = alone.least({name: 1.0}, least_carbon=False)
            else:
                goal = objective_terms(self.structure.problem, account, {name: 1.0})
                program = alone._priced(goal, account, kept)
                limits = Limits(gap=GAP[self.effort], nodes=max(1, NODES[self.effort]))
                found = alone._solve(program, f"{self.key} least {name}", limits, values or None)
            if not found.is_feasible:
                return {}
            least = account_value(account, {name: 1.0}, found.values)
            if least > most * (1.0 + CAP_TOLERANCE):
                raise cap_missed(name, most, least, found.bound)
            kept.append((account[name], most))
            values = found.values
        return values

    def _within_room(self, program: Program, limits: Limits) -> Mapping[str, float] | None:
        """A fleet within the power and space of every site; None where no site limits any.

        Missing a limit is allowed, but dear, so that the search has answers to begin with. Raises
        what :func:`~ecoserve.infeasible.fitted` does where that is not enough.
        """
        groups = limit_groups(program, ROOM)
        if not groups:
            return None
        try:
            scale = abs(Relaxation(program.loosened(groups, 0.0)).solve().objective)
        except SolverError:  # other limits are missed too: the search will prove it
            return None
        loose = program.loosened(groups, ROOM_PRICE * max(scale, 1.0))
        for nodes in (0, max(limits.nodes or 0, ROOM_NODES)):
            found, _ = self._search(loose, replace(limits, nodes=nodes), None)
            if found.values and fits(found.values, program):
                return found.values
        return fitted(program, self.terms, found.values)

    def _quick_values(
        self, goal: Coefficients, account: Account, first: Mapping[str, float] | None
    ) -> Mapping[str, float] | None:
        """A quick answer to begin with, so that more effort never gives less."""
        quick = replace(self, effort="quick")
        limits = Limits(gap=GAP["quick"], nodes=0 if first is None else 1)
        start = None if first is None else Start(values=first)
        found, _ = quick._search(quick._priced(goal, account, []), limits, start)
        return found.values or None

    def _priced(
        self, goal: Coefficients, account: Account, rows: Sequence[tuple[Coefficients, float]]
    ) -> Program:
        """The structure's rows at today's prices, with caps on the account.

        Kinds of server that another beats in everything priced are closed, which spares the search
        their twins.
        """
        caps = [*rows, *((account[name], most) for name, most in self.caps.items())]
        problem = self.structure.problem
        priced = [goal, *(terms for terms, _ in caps)]
        closed = dominated_kinds(problem, self.terms, priced)
        structure = self.structure
        base = structure.program if self.effort == "quick" else structure.program_with_cuts()
        program = base.with_objective(goal)
        program = program.with_closed([problem.x[kind] for kind in closed])
        for terms, at_most in caps:
            program = program.with_row_at_most("cap", terms, at_most)
        return self.rule.applied(program, problem, self.terms)

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
        stopped = (Termination.TIME_LIMIT, Termination.CANCELLED)
        if self.effort != "quick" and found.termination not in stopped:
            self.memory.keep_answer(asked, found)
        return found

    def _search(
        self, program: Program, limits: Limits, start: Start | None
    ) -> tuple[Solution, Any]:
        """The solver's ladder; on large programs HiGHS's own solver is only asked for a report."""
        if self.rule.fleet is not None:
            return self._of_held_fleet(program, limits), None
        affordable = self.effort == "report" or len(program.names) <= SMALL_PROGRAM
        proof = Limits(gap=limits.gap, time_s=PROOF_TIME_S)
        return climb(
            program,
            self.structure.problem.levels,
            limits,
            coarse=list(self.structure.problem.on.values()),
            kinds=list(self.structure.problem.alike.values()),
            proof=proof if affordable and self.effort != "quick" else None,
            start=start,
            watch=self.watch,
        )

    def _of_held_fleet(self, program: Program, limits: Limits) -> Solution:
        """With the servers given there is little left to round: HiGHS's own solver at once."""
        found = solve(program, Limits(gap=limits.gap, time_s=PROOF_TIME_S))
        if not found.is_feasible and found.termination is Termination.TIME_LIMIT:
            raise SolverError("no plan for these servers was found in time", "time_limit")
        return found


CARBON: Mapping[str, float] = {"kg": 1.0}


def account_caps(scenario: Scenario) -> dict[str, float]:
    """The scenario's caps as most of a day's account."""
    policy = scenario.policy
    caps = {}
    if policy.max_kgco2e_per_year is not None:
        caps["kg"] = policy.max_kgco2e_per_year / DAYS_PER_YEAR
    if policy.max_usd_per_h is not None:
        caps["usd"] = policy.max_usd_per_h * HOURS_PER_DAY
    return caps


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
    intensities = [site.kg_per_kwh / kg_from_g(1.0) for site in terms.sites]
    days = site_days(operation, terms, catalog, intensities)
    reports = slo_reports(operation, terms)
    pools = pool_rows(operation, terms, catalog)
    fleet = _fleet(operation, terms)
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
        fleet=fleet,
        pools=pools,
        carbon_parts=carbon_parts(operation, terms, scenario, catalog),
        cost_parts=cost_parts(operation, terms, scenario, catalog, days),
        site_days=days,
        sunk_kgco2e_per_year=sunk_kgco2e_per_year(scenario, catalog),
        direct_kgco2e_per_year=_direct_kgco2e(scenario, catalog, days),
        market_kgco2e_per_year=_market_kgco2e(scenario, catalog, days),
        output_tokens_per_year=sum(d.output_tokens_per_year for d in terms.demands),
        slo=reports,
        blocked=(),
        notes=plan_notes(
            scenario=scenario,
            catalog=catalog,
            fleet=fleet,
            pools=pools,
            reports=reports,
            late=late_requests(operation, terms),
            held=bool(attempt.held),
            stopped_by_time=solution.termination is Termination.TIME_LIMIT,
            own_gap=solution.own_gap,
            own_slack=OWN_OPTIMUM_SLACK,
        ),
    )


def _fleet(operation: Operation, terms: FleetTerms) -> tuple[FleetEntry, ...]:
    return tuple(
        FleetEntry(
            site=terms.sites[kind.site].name,
            server=kind.server_id,
            variant=kind.variant,
            count=operation.counts[kind.id],
            owned=kind.is_owned,
            on_by_hour=tuple(int(n) for n in operation.servers_on(kind.id, terms)),
        )
        for kind in terms.servers
        if kind.id in operation.counts
    )


def _direct_kgco2e(scenario: Scenario, catalog: Catalog, days: Sequence[SiteDay]) -> float | None:
    """What power stations burn for the year's electricity; None where no such hours are known."""
    burnt = [_burnt_kgco2e(n, scenario, catalog, day) for n, day in enumerate(days)]
    known = [kg for kg in burnt if kg is not None]
    return sum(known) if len(known) == len(burnt) else None


def _burnt_kgco2e(
    site_index: int, scenario: Scenario, catalog: Catalog, day: SiteDay
) -> float | None:
    site = scenario.sites[site_index]
    intensity = direct_intensity(site, catalog)
    if intensity is None:
        return None
    home_h = catalog.region(scenario.site.region).utc_offset_h
    ahead_h = catalog.region(site.region).utc_offset_h - home_h
    day_kwh = facility_kwh(np.array(day.hourly.it_power_kw), day.pue)
    return kg_from_g(float(day_kwh @ np.roll(intensity, -ahead_h))) * DAYS_PER_YEAR


def _market_kgco2e(scenario: Scenario, catalog: Catalog, days: Sequence[SiteDay]) -> float | None:
    """The year's electricity by the sites' contracts; None where a site has none."""
    total = 0.0
    for index, (site, day) in enumerate(zip(scenario.sites, days, strict=True)):
        if site.market is None:
            return None
        kwh = facility_kwh(np.array(day.hourly.it_power_kw), day.pue)
        located = kg_from_g(float(kwh @ np.array(day.hourly.gco2e_per_kwh))) * DAYS_PER_YEAR
        direct = _burnt_kgco2e(index, scenario, catalog, day)
        year_kwh = float(kwh.sum()) * DAYS_PER_YEAR
        total += market_based_kgco2e(site.market, located if direct is None else direct, year_kwh)
    return total
