"""What binds, and what a little more or less of it is worth, in the units of the objective.

Two prices of traffic: with the servers and replicas as they are (the day's work is planned anew, so
this is mostly electricity), and with servers bought by the fraction (the relaxation: what growth
costs in the long run). These are dual values of the linear programs; a mixed-integer program has
none of its own. Dual values also say which limits bind; what one unit more of a limit is worth is
then tried, since where limits tie a dual value may promise more than there is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ecoserve.catalog import Catalog
from ecoserve.planner import Attempt, Effort, objective_weights, solve_fleet
from ecoserve.pricing import objective_terms, price_account
from ecoserve.program import Program
from ecoserve.relaxation import Relaxation, Relaxed
from ecoserve.scenario import Scenario
from ecoserve.structure import Memory

TRAFFIC = ("serve", "on_time", "token_pace")
"""Families whose right-hand sides are a workload's own."""
WORTH_SAYING = 1e-3
"""Smaller shares of the objective are left out."""
UNITS = {"kg": "kgCO2e", "usd": "USD", "kwh": "kWh", "servers": "servers"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficPrice:
    """What one more request a second of a workload adds to the day."""

    workload: str
    unit: str
    """Of what is minimised, a day."""
    fleet_as_it_is: float
    fleet_grown: float

    @property
    def sentence(self) -> str:
        """The price in words."""
        return (
            f"1 more request/s of {self.workload} costs {self.fleet_as_it_is:.3g} {self.unit} "
            f"on the fleet as it is, {self.fleet_grown:.3g} with the servers it needs in the end"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingLimit:
    """A limit that holds the answer back, and what one unit more of it saves a day."""

    family: str
    subject: str
    """The pool, server or site it limits."""
    unit: str
    worth: float
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitReport:
    """Prices of traffic by workload, and what binds, the most valuable first."""

    objective: float
    """A day of the fleet as it is."""
    unit: str
    traffic: tuple[TrafficPrice, ...]
    binding: tuple[BindingLimit, ...]


FLOWS = ("phases", "load", "work", "arrive", "run")
"""Families that only carry traffic along; their prices are parts of its own."""
WORDS: Mapping[str, str] = {
    "capacity": "one more replica in {subject} would save {worth}",
    "reuse": "one more spare CPU socket in the {subject} servers would save {worth}",
    "kv_transfer": "1 GB/s more for the KV cache of {subject} would save {worth}",
    "limit": "one more {subject} allowed would save up to {worth}",
}
OTHER = "a limit one unit wider, {family} of {subject}, would save {worth}"


def limit_report(
    scenario: Scenario,
    catalog: Catalog,
    effort: Effort = "interactive",
    *,
    memory: Memory | None = None,
) -> LimitReport:
    """Prices at the plan's own fleet; raises as :func:`~ecoserve.planner.plan_fleet` does."""
    best = solve_fleet(scenario, catalog, effort, memory=memory)
    weights = objective_weights(scenario)
    problem = best.structure.problem
    account = price_account(problem, best.terms)
    program = best.structure.program.with_objective(objective_terms(problem, account, weights))
    whole = [*problem.x.values(), *problem.w.values()]
    held = program.with_values({column: round(best.solution[column]) for column in whole})
    as_it_is, grown = _Live(held), _Live(program)
    unit = " + ".join(UNITS[name] for name in weights) + "/day"
    binding = [*_rows_that_bind(best, as_it_is, unit), *_full_limits(best, grown, catalog, unit)]
    least = WORTH_SAYING * best.solution.objective
    binding = [limit for limit in binding if limit.worth > least]
    return LimitReport(
        objective=best.solution.objective,
        unit=unit,
        traffic=_traffic(best, as_it_is.first, grown.first, unit),
        binding=tuple(sorted(binding, key=lambda b: (-b.worth, b.family, b.subject))),
    )


class _Live:
    """A relaxation with its first answer, to try changes against."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.live = Relaxation(program)
        self.first = self.live.solve()

    def worth_of_rows(self, places: Sequence[int], wider: float) -> float:
        """What the objective loses with all these limits so much wider."""
        limits = self.program.row_upper
        for place in places:
            self.live.set_limit(place, limits[place] + wider)
        objective = self.live.solve().objective
        for place in places:
            self.live.set_limit(place, limits[place])
        return self.first.objective - objective

    def worth_of_column(self, place: int) -> float:
        """What the objective loses with one more allowed of a column."""
        lower, upper = float(self.program.lower[place]), float(self.program.upper[place])
        self.live.set_bounds(place, lower, upper + 1.0)
        objective = self.live.solve().objective
        self.live.set_bounds(place, lower, upper)
        return self.first.objective - objective


def _named_rows(best: Attempt) -> Iterator[tuple[int, str, str]]:
    """(place, family, subject) of every row: ``capacity(pool,7)`` is ``capacity`` of ``pool``."""
    for place, row in enumerate(best.structure.problem.lp.constraints()):
        family, _, inside = row.name.partition("(")
        yield place, family, inside.removesuffix(")").split(",")[0]


def _traffic(
    best: Attempt, as_it_is: Relaxed, grown: Relaxed, unit: str
) -> tuple[TrafficPrice, ...]:
    """Per workload: the price of all of its traffic over its rate.

    Its requests are shares that sum to one, so more of it is more of everything that its shares
    need: by duality the price of its own rows' right-hand sides and of its shares' bounds.
    """
    short, long = (_traffic_prices(best, found) for found in (as_it_is, grown))
    return tuple(
        TrafficPrice(
            workload=demand.workload.name,
            unit=unit,
            fleet_as_it_is=short[demand.index] / float(demand.rate_rps.sum()),
            fleet_grown=long[demand.index] / float(demand.rate_rps.sum()),
        )
        for demand in best.terms.demands
    )


def _traffic_prices(best: Attempt, found: Relaxed) -> dict[int, float]:
    program, problem = best.structure.program, best.structure.problem
    prices = {demand.index: 0.0 for demand in best.terms.demands}
    for place, family, subject in _named_rows(best):
        if family in TRAFFIC:
            prices[int(subject)] += float(found.row_prices[place] * program.row_lower[place])
    workload_of = {service.id: service.workload_index for service in best.terms.services}
    for (service_id, _), column in problem.z.items():
        place = program.index[column.name]
        at_bound = float(found.column_prices[place] * found.values[place])
        prices[workload_of[service_id]] += at_bound
    return prices


def _rows_that_bind(best: Attempt, held: _Live, unit: str) -> Iterator[BindingLimit]:
    """What one unit more is worth of everything that rows limit, hours taken together."""
    limits: dict[tuple[str, str], list[int]] = {}
    at_most = np.isneginf(held.program.row_lower)
    for place, family, subject in _named_rows(best):
        if at_most[place] and family not in FLOWS and _in_use(best, subject):
            limits.setdefault((family, subject), []).append(place)
    for (family, subject), places in limits.items():
        if np.abs(held.first.row_prices[places]).max() > NO_PRICE:
            wider = best.terms.utilisation[subject] if family == "capacity" else 1.0
            yield _limit(family, subject, held.worth_of_rows(places, wider), unit)


def _in_use(best: Attempt, subject: str) -> bool:
    """Whether the pool or server kind is in the fleet; what is neither counts as used."""
    problem, operation = best.structure.problem, best.operation
    if subject in problem.homes:
        return operation.pool_replicas(subject) > 0
    return subject not in problem.x or subject in operation.counts


def _full_limits(
    best: Attempt, grown: _Live, catalog: Catalog, unit: str
) -> Iterator[BindingLimit]:
    """Server kinds of which no more are allowed, by what one more would save in the long run."""
    allowed = {server.id: server.max_count for server in best.terms.servers}
    for server_id, column in best.structure.problem.x.items():
        place = grown.program.index.get(column.name)
        if place is None or allowed[server_id] is None:
            continue
        if grown.first.column_prices[place] < -NO_PRICE:
            worth = grown.worth_of_column(place)
            yield _limit("limit", catalog.server(server_id).name, worth, unit)


def _limit(family: str, subject: str, worth: float, unit: str) -> BindingLimit:
    words = WORDS.get(family, OTHER)
    text = words.format(family=family, subject=subject, worth=f"{worth:.3g} {unit}")
    return BindingLimit(family=family, subject=subject, unit=unit, worth=worth, sentence=text)


NO_PRICE = 1e-9
"""Dual values up to this are noise."""
