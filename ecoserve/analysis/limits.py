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

from ecoserve.catalog import Catalog
from ecoserve.objective import account_caps, objective_weights
from ecoserve.planner import Attempt, Effort, solve_fleet
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
    """What a little more of a workload adds to the day, per request a second."""

    workload: str
    unit: str
    """Of what is minimised, a day."""
    fleet_as_it_is: float
    fleet_grown: float

    @property
    def sentence(self) -> str:
        """The price in words."""
        return (
            f"a little more of {self.workload} costs {self.fleet_as_it_is:.3g} {self.unit} per "
            f"request/s as long as the fleet has room, {self.fleet_grown:.3g} with the servers it "
            "needs in the end"
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


OF_THE_DAY = ("capacity", "reuse", "kv_transfer")
"""Families whose limits are those of the servers and replicas there are."""
OF_THE_FLEET = ("at_most", "power", "space", "cap")
"""Families that say which servers there may be; judged with servers bought by the fraction."""
WORDS: Mapping[str, str] = {
    "capacity": "one more replica in {subject} would save {worth}",
    "reuse": "one more spare CPU socket in the {subject} servers would save {worth}",
    "kv_transfer": "1 GB/s more for the KV cache of {subject} would save {worth}",
    "at_most": "one more {subject} allowed would save up to {worth}",
    "power": "1 kW more at {subject} would save up to {worth}",
    "space": "one rack unit more at {subject} would save up to {worth}",
    "cap": "1 {subject} a day more under the cap would save up to {worth}",
}


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
    for name, at_most in account_caps(scenario).items():
        program = program.with_row_at_most(f"cap({name})", account[name], at_most)
    whole = problem.whole
    held = program.with_values({column: round(best.solution[column]) for column in whole})
    as_it_is, grown = _Live(held), _Live(program)
    unit = " + ".join(UNITS[name] for name in weights) + "/day"
    rows = list(_named_rows(program))
    binding = [
        *_binding(rows, OF_THE_DAY, as_it_is, best, unit),
        *_binding(rows, OF_THE_FLEET, grown, best, unit),
    ]
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
        self.row_prices, self.column_prices = self.first.row_prices, self.first.column_prices

    def binds(self, rows: Sequence[int], columns: Sequence[int]) -> bool:
        """Whether any of these limits has a price."""
        prices = (*self.row_prices[rows], *self.column_prices[columns])
        return any(abs(float(price)) > NO_PRICE for price in prices)

    def worth(self, rows: Sequence[int], columns: Sequence[int], wider: float) -> float:
        """What the objective loses with all these limits so much wider."""
        self._widen(rows, columns, wider)
        objective = self.live.solve().objective
        self._widen(rows, columns, 0.0)
        return self.first.objective - objective

    def _widen(self, rows: Sequence[int], columns: Sequence[int], by: float) -> None:
        for row in rows:
            self.live.set_limit(row, float(self.program.row_upper[row]) + by)
        for column in columns:
            lower, upper = float(self.program.lower[column]), float(self.program.upper[column])
            self.live.set_bounds(column, lower, upper + by)


def _named_rows(program: Program) -> Iterator[tuple[int, str, str]]:
    """(place, family, subject) of every row: ``capacity(pool,7)`` is ``capacity`` of ``pool``."""
    for place, name in enumerate(program.row_names):
        family, _, inside = name.partition("(")
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
    row_prices, at_bounds = found.row_prices, found.column_prices * found.values
    prices = {demand.index: 0.0 for demand in best.terms.demands}
    for place, family, subject in _named_rows(program):
        if family in TRAFFIC:
            prices[int(subject)] += float(row_prices[place] * program.row_lower[place])
    workload_of = {service.id: service.workload_index for service in best.terms.services}
    for (service_id, _), column in problem.z.items():
        prices[workload_of[service_id]] += float(at_bounds[program.index[column.name]])
    return prices


def _binding(
    rows: Sequence[tuple[int, str, str]],
    families: Sequence[str],
    live: _Live,
    best: Attempt,
    unit: str,
) -> Iterator[BindingLimit]:
    """What one unit more is worth of everything these families limit, hours taken together."""
    limits: dict[tuple[str, str], list[int]] = {}
    for place, family, subject in rows:
        if family in families and _in_use(best, family, subject):
            limits.setdefault((family, subject), []).append(place)
    for (family, subject), places in limits.items():
        columns = _counts(best, subject) if family == "at_most" else []
        if live.binds(places, columns):
            wider = best.terms.utilisation[subject] if family == "capacity" else 1.0
            worth = live.worth(places, columns, wider)
            yield _limit(family, _named(best, family, subject), worth, unit)


def _counts(best: Attempt, server_id: str) -> list[int]:
    """The columns that count a server; a limit on it bounds them too."""
    index, x = best.structure.program.index, best.structure.problem.x
    kinds = [k for k in best.terms.servers if k.server_id == server_id and not k.is_owned]
    return [index[x[kind.id].name] for kind in kinds if x[kind.id].name in index]


def _in_use(best: Attempt, family: str, subject: str) -> bool:
    """Whether a pool has replicas, and a kind of host servers; other limits always count."""
    if family in ("capacity", "kv_transfer"):
        return best.operation.pool_replicas(subject) > 0
    if family == "reuse":
        kinds = {kind.id: (kind.group_id, kind.variant) for kind in best.terms.servers}
        return any(kinds[kind] == kinds[subject] for kind in best.operation.counts)
    return True


def _named(best: Attempt, family: str, subject: str) -> str:
    """The site or the unit behind an index; pools and servers go by their ids."""
    if family in ("power", "space"):
        return best.terms.sites[int(subject)].name
    return UNITS[subject] if family == "cap" else subject


def _limit(family: str, subject: str, worth: float, unit: str) -> BindingLimit:
    text = WORDS[family].format(subject=subject, worth=f"{worth:.3g} {unit}")
    return BindingLimit(family=family, subject=subject, unit=unit, worth=worth, sentence=text)


NO_PRICE = 1e-9
"""Dual values up to this are noise."""
