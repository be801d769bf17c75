"""Recycle as a plan: how many accelerators and hosts to buy and to retire in which year.

First a rolling integer program: in each year the purchases and retirements of that year are whole,
those of later years continuous; then the year is held and the next one becomes whole. Then, unless
it has to be quick, the whole horizon at once from there, for the bound and for what rolling missed.
Accelerators are counted in sets, those of one server; a set of a later generation does more work.
A fleet of several kinds is bought in the mix it has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from ecoserve.cohort_program import SIDES, Life, Market, Side, cohort_program, column
from ecoserve.errors import SolverError
from ecoserve.plan import Status
from ecoserve.program import Program
from ecoserve.refresh import PlannedFleet, YearCarbon, mean_year
from ecoserve.solver import Limits, Solution, relative_gap, solve
from ecoserve.trends import LifecycleAssumptions
from ecoserve.units import DAYS_PER_YEAR

YEAR_LIMITS = Limits(gap=1e-4, nodes=500)
"""Of one year's program."""
PROVEN_GAP = 1e-4
"""Up to this gap a plan is called optimal."""
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """Sets of accelerators, or hosts, that are bought and retired together.

    They serve from the start of year ``bought`` to the start of year ``retired``.
    """

    side: Side
    bought: int
    retired: int
    generation: int
    """Of the accelerators on sale in the year of purchase; 0 is today's."""
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortPlan:
    """Purchases and retirements over the horizon, and what they emit."""

    accelerator_years: int
    """How long accelerators may serve."""
    host_years: int
    cohorts: tuple[Cohort, ...]
    years: tuple[YearCarbon, ...]
    bound_kgco2e_per_year: float
    """No plan in whole servers emits less."""

    @property
    def kgco2e_per_year(self) -> float:
        """Mean annual carbon, from the parts."""
        return mean_year(self.years).total

    @property
    def gap(self) -> float:
        """How far above the bound the plan is, as a fraction of itself."""
        return relative_gap(self.kgco2e_per_year, self.bound_kgco2e_per_year)

    @property
    def status(self) -> Status:
        """Proven only where the plan meets the bound."""
        return Status.OPTIMAL if self.gap <= PROVEN_GAP else Status.FEASIBLE

    def bought(self, side: Side, year: int) -> int:
        """How many are bought at the start of a year."""
        return sum(c.count for c in self.cohorts if c.side == side and c.bought == year)

    def retired(self, side: Side, year: int) -> int:
        """How many are retired at the end of a year; at the horizon's end none is."""
        ended = (c for c in self.cohorts if c.side == side and c.retired == year + 1)
        return sum(c.count for c in ended) if year + 1 < len(self.years) else 0

    def serving(self, side: Side, year: int) -> int:
        """How many are there during a year, at work or off."""
        there = (c for c in self.cohorts if c.side == side and c.bought <= year < c.retired)
        return sum(c.count for c in there)


def plan_cohorts(
    fleet: PlannedFleet,
    assumptions: LifecycleAssumptions,
    accelerator_years: int,
    host_years: int,
    *,
    nodes: int = 300,
    on_progress: Progress = lambda done, total, label: None,
) -> CohortPlan:
    """The least-carbon purchases found, no part serving beyond its years.

    ``nodes`` bounds the search over the whole horizon; with 0 rolling has the last word, and the
    bound is the relaxation's. Raises :class:`SolverError` where a program has no answer.
    """
    market = Market(
        fleet=fleet,
        trends=assumptions,
        accelerator_years=accelerator_years,
        host_years=host_years,
    )
    solution = _rolled(market, on_progress)
    if nodes > 0:
        program = cohort_program(market, market.horizon - 1, {})
        limits = Limits(gap=PROVEN_GAP, nodes=nodes)
        found = _answer(program, limits, solution.values)
        bound = max(found.bound, solution.bound)
        solution = replace(min(found, solution, key=lambda s: s.objective), bound=bound)
    on_progress(market.horizon + 1, market.horizon + 1, "purchases")
    counts = _counts(market, solution)
    return CohortPlan(
        accelerator_years=accelerator_years,
        host_years=host_years,
        cohorts=_cohorts(counts, assumptions),
        years=tuple(_year(market, counts, solution, year) for year in range(market.horizon)),
        bound_kgco2e_per_year=solution.bound * DAYS_PER_YEAR,
    )


def _rolled(market: Market, on_progress: Progress) -> Solution:
    """Year by year; its bound is that of the first relaxation."""
    solution = _answer(cohort_program(market, None, {}), YEAR_LIMITS)
    bound, held = solution.objective, dict[Life, int]()
    for year in range(market.horizon):
        on_progress(year, market.horizon + 1, f"purchases of year {year + 1}")
        solution = _answer(cohort_program(market, year, held), YEAR_LIMITS)
        counts = _counts(market, solution)
        held |= {life: n for life, n in counts.items() if life[2] == year + 1}
    return replace(solution, bound=bound)


def _counts(market: Market, solution: Solution) -> dict[Life, int]:
    return {life: round(solution.values[column("x", *life)]) for life in market.lives()}


def _answer(program: Program, limits: Limits, start: Mapping[str, float] | None = None) -> Solution:
    solution = solve(program, limits, start)
    if not solution.is_feasible:
        raise SolverError("no purchases were found", solution.termination.value)
    return solution


def _cohorts(held: Mapping[Life, int], trends: LifecycleAssumptions) -> tuple[Cohort, ...]:
    return tuple(
        Cohort(
            side=side,
            bought=bought,
            retired=retired,
            generation=trends.generation(bought),
            count=count,
        )
        for (side, bought, retired), count in sorted(held.items())
        if count > 0
    )


def _year(market: Market, counts: Mapping[Life, int], solution: Solution, year: int) -> YearCarbon:
    """Making from the whole counts, running from what is at work."""
    making = {
        side: sum(
            _charge(market, life, count, solution)
            for life, count in counts.items()
            if life[0] == side and life[1] <= year < life[2]
        )
        for side in SIDES
    }
    running = {
        side: sum(
            solution.values.get(column("on", *key), 0.0) * market.running_kgco2e(*key)
            for key in market.at_work()
            if key[0] == side and key[2] == year
        )
        for side in SIDES
    }
    return YearCarbon(
        operational_accelerator=running["accelerator"],
        operational_host=running["host"],
        embodied_accelerator=making["accelerator"],
        embodied_host=making["host"],
    )


def _charge(market: Market, life: Life, count: int, solution: Solution) -> float:
    """kgCO2e of making that units of one life are charged in each year that they are there."""
    side, bought, retired = life
    at_end = 0.0
    if retired == market.horizon:
        at_end = min(solution.values.get(column("last", side, bought), 0.0), count)
    left = at_end * market.credit_ratio(side, bought)
    return market.making_kgco2e(side, bought) * (count - left) / (retired - bought)
