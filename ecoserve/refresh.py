"""Recycle as a policy: accelerators and hosts of a planned fleet replaced every so many years.

The fleet serves the scenario's traffic over a horizon. In year 0 it is bought as planned; a part
is replaced when its life is over, by what is then on sale, and added to when traffic grows.
Amounts are continuous; whole servers are the business of :mod:`ecoserve.cohorts`. Of what is
there the newest works, the rest stays off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ecoserve.catalog import Catalog
from ecoserve.embodied import node_footprint
from ecoserve.errors import Problem, ScenarioError
from ecoserve.plan import FleetEntry, Plan
from ecoserve.rows import Server
from ecoserve.scenario import Scenario
from ecoserve.trends import LifecycleAssumptions
from ecoserve.variants import trimmed

CONVENTION = (
    "Embodied carbon: parts still at work when the horizon ends are charged straight-line, for the "
    "years they served of the life they were bought for; parts retired before, or off by then, are "
    "charged whole."
)
ACCELERATOR_YEARS = tuple(range(2, 9))
HOST_YEARS = tuple(range(2, 13))
WHOLE_HOST = "full"
SMALLEST_AMOUNT = 1e-9
"""Of the fleet; less is rounding, not a purchase."""
TIE_KG = 1e-6
"""Policies within this of each other per year count as equal; the longer lives win."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFleet:
    """What a lifecycle study needs of a plan: servers, their making and their electricity.

    ``sunk_*`` is the part of the making that is owned already: it is charged to nobody, only its
    replacement is. Electricity includes the facility's overhead.
    """

    servers: int
    accelerator_kgco2e: float
    host_kgco2e: float
    accelerator_kgco2e_per_year: float
    host_kgco2e_per_year: float
    sunk_accelerator_kgco2e: float = 0.0
    sunk_host_kgco2e: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class YearCarbon:
    """kgCO2e of one year of the horizon; making is spread over the years that a part serves."""

    operational_accelerator: float
    operational_host: float
    embodied_accelerator: float
    embodied_host: float

    @property
    def total(self) -> float:
        """Of all four."""
        return self.operational + self.embodied

    @property
    def operational(self) -> float:
        """Electricity of both sides."""
        return self.operational_accelerator + self.operational_host

    @property
    def embodied(self) -> float:
        """Making of both sides."""
        return self.embodied_accelerator + self.embodied_host


def mean_year(years: Sequence[YearCarbon]) -> YearCarbon:
    """The mean of the years, part by part."""
    return YearCarbon(
        **{
            name: sum(getattr(year, name) for year in years) / len(years)
            for name in YearCarbon.__slots__
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """A policy over the horizon: carbon by year."""

    accelerator_years: int
    host_years: int
    years: tuple[YearCarbon, ...]

    @property
    def is_joint(self) -> bool:
        """Whether accelerators and hosts are always replaced together."""
        return self.accelerator_years == self.host_years

    @property
    def mean(self) -> YearCarbon:
        """The mean year."""
        return mean_year(self.years)

    @property
    def kgco2e_per_year(self) -> float:
        """Mean annual carbon."""
        return self.mean.total


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshGrid:
    """Every policy, by accelerator years and host years."""

    policies: Mapping[tuple[int, int], Refresh]

    @property
    def best_joint(self) -> Refresh:
        """The least-carbon joint refresh."""
        return _least([policy for policy in self.policies.values() if policy.is_joint])

    @property
    def best_split(self) -> Refresh:
        """The least-carbon refresh of all; joint ones are split ones with equal years."""
        return _least(list(self.policies.values()))

    @property
    def recycle_kgco2e_per_year(self) -> float:
        """What Recycle saves: the best joint refresh minus the best split one; never negative."""
        return self.best_joint.kgco2e_per_year - self.best_split.kgco2e_per_year

    @property
    def recycle_ratio(self) -> float:
        """The same as a share of the best joint refresh; 0 where nothing is emitted."""
        return saving_ratio(self.best_split, self.best_joint)


def saving_ratio(policy: Refresh, other: Refresh) -> float:
    """Carbon saved by ``policy`` as a share of the other's; 0 where that emits nothing."""
    if other.kgco2e_per_year == 0.0:
        return 0.0
    return 1.0 - policy.kgco2e_per_year / other.kgco2e_per_year


def _least(policies: Sequence[Refresh]) -> Refresh:
    least = min(policy.kgco2e_per_year for policy in policies)
    equal = [policy for policy in policies if policy.kgco2e_per_year <= least + TIE_KG]
    return max(equal, key=lambda policy: (policy.accelerator_years, policy.host_years))


def planned_fleet(plan: Plan, scenario: Scenario, catalog: Catalog) -> PlannedFleet:
    """The fleet of a plan. Raises :class:`ScenarioError` where there is no server to refresh.

    Facility overhead goes to the sides as their IT electricity does.
    """
    if not plan.fleet:
        raise ScenarioError([Problem("fleet", "the plan has no server, so nothing to refresh")])
    made = {True: {"accelerator": 0.0, "host": 0.0}, False: {"accelerator": 0.0, "host": 0.0}}
    for entry in plan.fleet:
        server = _as_bought(entry, catalog)
        footprint = node_footprint(server, scenario.policy.coefficients, catalog)
        for part in footprint.parts:
            made[entry.owned][part.side] += entry.count * part.kgco2e
    electricity = plan.carbon_by("kind", "side")
    sides = {side: electricity.get(f"operational {side}", 0.0) for side in made[True]}
    it_kgco2e = sum(sides.values())
    overhead = plan.operational_kgco2e_per_year / it_kgco2e if it_kgco2e else 1.0
    return PlannedFleet(
        servers=sum(entry.count for entry in plan.fleet),
        accelerator_kgco2e=made[True]["accelerator"] + made[False]["accelerator"],
        host_kgco2e=made[True]["host"] + made[False]["host"],
        accelerator_kgco2e_per_year=overhead * sides["accelerator"],
        host_kgco2e_per_year=overhead * sides["host"],
        sunk_accelerator_kgco2e=made[True]["accelerator"],
        sunk_host_kgco2e=made[True]["host"],
    )


def _as_bought(entry: FleetEntry, catalog: Catalog) -> Server:
    server = catalog.server(entry.server)
    if entry.variant == WHOLE_HOST:
        return server
    return trimmed(server, catalog.host_variant(entry.variant), catalog)


def refresh_grid(
    fleet: PlannedFleet,
    assumptions: LifecycleAssumptions,
    accelerator_years: Sequence[int] = ACCELERATOR_YEARS,
    host_years: Sequence[int] = HOST_YEARS,
) -> RefreshGrid:
    """Every pair of lives; both ranges must share a number of years, or there is no joint one."""
    return RefreshGrid(
        policies={
            (cards, hosts): refresh(fleet, assumptions, cards, hosts)
            for cards in accelerator_years
            for hosts in host_years
        }
    )


def refresh(
    fleet: PlannedFleet, assumptions: LifecycleAssumptions, accelerator_years: int, host_years: int
) -> Refresh:
    """Accelerators replaced every ``accelerator_years``, hosts every ``host_years``.

    Accelerators are counted by their work, hosts by how many are on; both in fleets of year 0.
    """
    trends, horizon = assumptions, range(assumptions.horizon_years)
    cards = _Side.replaced([trends.demand_ratio(year) for year in horizon], accelerator_years)
    sets = [cards.total(year, lambda c: 1.0 / trends.accelerator_work_ratio(c)) for year in horizon]
    hosts = _Side.replaced(sets, host_years)
    card_kg = cards.made(
        fleet.accelerator_kgco2e, fleet.sunk_accelerator_kgco2e, trends.accelerator_making_ratio
    )
    host_kg = hosts.made(fleet.host_kgco2e, fleet.sunk_host_kgco2e, trends.host_making_ratio)
    years = tuple(
        YearCarbon(
            operational_accelerator=fleet.accelerator_kgco2e_per_year
            * trends.intensity_ratio(year)
            * cards.total(year, trends.accelerator_energy_ratio),
            operational_host=fleet.host_kgco2e_per_year
            * trends.intensity_ratio(year)
            * hosts.total(year, trends.host_energy_ratio),
            embodied_accelerator=cards.charge(card_kg, year),
            embodied_host=hosts.charge(host_kg, year),
        )
        for year in horizon
    )
    return Refresh(accelerator_years=accelerator_years, host_years=host_years, years=years)


@dataclass(frozen=True, slots=True)
class _Side:
    """One side of the fleet: what is needed each year and what was bought when."""

    needs: Sequence[float]
    life_years: int
    bought: Mapping[int, float]

    @classmethod
    def replaced(cls, needs: Sequence[float], life_years: int) -> _Side:
        """Buys each year what those still serving lack."""
        bought: dict[int, float] = {}
        for year, need in enumerate(needs):
            serving = sum(n for start, n in bought.items() if year - start < life_years)
            if need - serving > SMALLEST_AMOUNT:
                bought[year] = need - serving
        return cls(needs, life_years, bought)

    def total(self, year: int, ratio: Callable[[int], float]) -> float:
        """Sum over what is in use of its amount times the ratio of its year of purchase."""
        return sum(amount * ratio(start) for start, amount in self._in_use(year))

    def _in_use(self, year: int) -> Iterator[tuple[int, float]]:
        left = self.needs[year]
        for start in sorted(self.bought, reverse=True):
            if start <= year < start + self.life_years:
                amount = min(self.bought[start], left)
                left -= amount
                yield start, amount

    def made(
        self, fleet_kgco2e: float, sunk_kgco2e: float, ratio: Callable[[int], float]
    ) -> dict[int, float]:
        """kgCO2e of each purchase; of the first without what is sunk."""
        kgco2e = {start: fleet_kgco2e * n * ratio(start) for start, n in self.bought.items()}
        return {**kgco2e, 0: kgco2e[0] - sunk_kgco2e}

    def charge(self, made_kgco2e: Mapping[int, float], year: int) -> float:
        """A year's share of what is there: straight-line, but whole for what is off at the end."""
        there = (start for start in self.bought if start <= year < start + self.life_years)
        return sum(made_kgco2e[start] * self._charged_ratio(start) for start in there)

    def _charged_ratio(self, start: int) -> float:
        """Of its making, what a purchase is charged in each year that it is there."""
        horizon = len(self.needs)
        served = min(self.life_years, horizon - start)
        at_work = dict(self._in_use(horizon - 1)).get(start, 0.0) / self.bought[start]
        return at_work / self.life_years + (1.0 - at_work) / served
