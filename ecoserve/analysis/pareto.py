"""Carbon against cost: the front that no fleet can pass, at once, and fleets near it.

The front is that of the linear relaxation, so a proven bound: one HiGHS model, cost capped lower
and lower (an epsilon-constraint), each answer from the basis of the one before. What one USD less
of cap adds in carbon is the carbon price at which that point is the best; whole fleets are planned
at such prices, and those that another beats in both are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecoserve.analysis.edits import edited, for_carbon
from ecoserve.catalog import Catalog
from ecoserve.plan import Plan
from ecoserve.planner import Effort
from ecoserve.pricing import objective_terms, price_account
from ecoserve.program import Program
from ecoserve.questions import Progress, Question, Runner, serially
from ecoserve.relaxation import Relaxation
from ecoserve.scenario import Scenario, check_scenario
from ecoserve.structure import Memory, Structure, build_structure, structure_key
from ecoserve.units import DAYS_PER_YEAR, HOURS_PER_DAY

FRONT_POINTS = 20
PRICES = 6
"""Carbon prices, beside none and carbon alone, at which whole fleets are planned."""
SAME = 1e-6
"""Relative difference below which two accounts are the same."""
KG_PER_T = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontPoint:
    """A corner that no fleet can pass: at this cost, no less carbon."""

    usd_per_h: float
    kgco2e_per_year: float
    usd_per_t: float
    """Carbon price at which this point is the best; what the next tonne less costs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPoint:
    """A whole fleet near the front."""

    plan: Plan
    carbon_price_usd_per_t: float | None
    """The price it was planned at; None where carbon alone counted."""

    @property
    def usd_per_h(self) -> float:
        """What the fleet costs."""
        return self.plan.usd_per_h

    @property
    def kgco2e_per_year(self) -> float:
        """What the fleet emits."""
        return self.plan.kgco2e_per_year

    @property
    def gap(self) -> float:
        """How far its objective may be from the best possible at its price."""
        return self.plan.gap


@dataclass(frozen=True, slots=True, kw_only=True)
class Pareto:
    """Carbon against cost: the bound, and fleets, both from the cheapest on."""

    bound: tuple[FrontPoint, ...]
    fleets: tuple[FleetPoint, ...]


class Front:
    """The relaxation of one scenario with both accounts as rows, kept alive between points."""

    def __init__(self, structure: Structure, scenario: Scenario, catalog: Catalog) -> None:
        terms = structure.terms_for(scenario, catalog)
        problem = structure.problem
        account = price_account(problem, terms)
        capped = structure.program
        self._row = {}
        for name in ("kg", "usd"):
            self._row[name] = len(capped.row_lower)
            capped = capped.with_row_at_most(name, account[name], np.inf)
        self._program: dict[str, Program] = {
            name: capped.with_objective(objective_terms(problem, account, {name: 1.0}))
            for name in self._row
        }
        self._name = "usd"
        self._live = Relaxation(self._program[self._name])

    def least(self, name: str, **at_most: float) -> tuple[dict[str, float], float]:
        """(kg and USD of the day with least ``name`` under these caps, price of the other's cap).

        The price is what a unit of that cap is worth; 0 where it does not bind.
        """
        if name != self._name:
            self._live.set_prices(self._program[name].cost)
            self._name = name
        for other, row in self._row.items():
            self._live.set_limit(row, at_most.get(other, np.inf))
        found = self._live.solve()
        (capped,) = set(self._row) - {name}
        sums = found.row_values
        day = {key: float(sums[row]) for key, row in self._row.items()}
        return day, -float(found.row_prices[self._row[capped]])


def pareto(
    scenario: Scenario,
    catalog: Catalog,
    effort: Effort = "interactive",
    *,
    run: Runner = serially,
    on_progress: Progress | None = None,
) -> Pareto:
    """The bound first, then whole fleets at its carbon prices; both free of dominated points.

    Raises :class:`~ecoserve.errors.InfeasibleError` where nothing serves the traffic.
    """
    bound = pareto_bound(scenario, catalog)
    questions = [_question(scenario, price) for price in _prices(bound)]
    answers = run(questions, catalog, effort, on_progress)
    points = [
        FleetPoint(plan=a.plan, carbon_price_usd_per_t=q.scenario.policy.carbon_price_usd_per_t)
        for q, a in zip(questions, answers, strict=True)
        if a.plan is not None
    ]
    if not points:
        answers[0].expect()
    return Pareto(bound=bound, fleets=undominated_points(points))


def pareto_bound(
    scenario: Scenario,
    catalog: Catalog,
    n_points: int = FRONT_POINTS,
    memory: Memory | None = None,
) -> tuple[FrontPoint, ...]:
    """The relaxation's front from the cheapest to the least carbon, one point if they are one."""
    asked, memory = for_carbon(scenario), memory or Memory()
    check_scenario(asked, catalog)
    key = structure_key(asked, catalog, {})
    structure = memory.structure(key)
    if structure is None:
        structure = build_structure(asked, catalog, {})
        memory.keep_structure(key, structure)
    return _front(Front(structure, asked, catalog), n_points)


def _front(front: Front, n_points: int) -> tuple[FrontPoint, ...]:
    """From the cheapest on; closer together there, where a convex front is steepest."""
    cheapest, _ = front.least("usd")
    cleanest, _ = front.least("kg")
    floor = cheapest["usd"] * (1.0 + SAME)
    if cleanest["usd"] <= floor:
        return (_point(cleanest, 0.0),)
    caps = floor + (cleanest["usd"] - floor) * np.linspace(1.0, 0.0, n_points) ** 2
    points = [_point(*front.least("kg", usd=float(cap))) for cap in caps]
    return tuple(reversed(points))


def _point(day: dict[str, float], kg_per_usd: float) -> FrontPoint:
    return FrontPoint(
        usd_per_h=day["usd"] / HOURS_PER_DAY,
        kgco2e_per_year=day["kg"] * DAYS_PER_YEAR,
        usd_per_t=KG_PER_T / kg_per_usd if kg_per_usd > SAME else np.inf,
    )


def _prices(bound: Sequence[FrontPoint]) -> list[float | None]:
    """No price, some of the bound's own, and carbon alone."""
    known = sorted({round(p.usd_per_t, 2) for p in bound if 0 < p.usd_per_t <= MOST_USD_PER_T})
    if len(known) > PRICES:
        places = np.linspace(0, len(known) - 1, PRICES).round().astype(int)
        known = [known[place] for place in places]
    return [0.0, *known, None]


MOST_USD_PER_T = 1e5
"""The highest carbon price that a scenario may name."""


def _question(scenario: Scenario, price: float | None) -> Question:
    wanted = edited(for_carbon(scenario), {"policy.carbon_price_usd_per_t": price})
    label = "carbon alone" if price is None else f"{price:g} USD/t"
    return Question(scenario=wanted, label=label)


def undominated_points(points: Sequence[FleetPoint]) -> tuple[FleetPoint, ...]:
    """From the cheapest on, each with less carbon than all cheaper ones; equals count once."""
    kept: list[FleetPoint] = []
    for point in sorted(points, key=lambda p: (p.usd_per_h, p.kgco2e_per_year)):
        if not kept or point.kgco2e_per_year < kept[-1].kgco2e_per_year * (1.0 - SAME):
            kept.append(point)
    return tuple(kept)
