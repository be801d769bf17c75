"""The account of a fleet: carbon, cost and hours recomputed from the parts, not from the program.

Works from whole servers and replicas, shares and run hours and adds up by part and workload what
the program added up by column, so that the two check each other. The watts of a busy replica are
those the program was given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecoserve.catalog import Catalog
from ecoserve.cost import server_cost
from ecoserve.embodied import node_footprint
from ecoserve.embodied_parts import EmbodiedPart
from ecoserve.formulation import FleetProblem
from ecoserve.offers import stock_in_service
from ecoserve.operational import facility_kwh
from ecoserve.plan import CarbonPart, CostPart, SiteDay
from ecoserve.power import wall_w
from ecoserve.rows import Server
from ecoserve.scenario import Scenario
from ecoserve.service import Service, at_site
from ecoserve.solver import Solution
from ecoserve.terms import FULL, FleetTerms, ServerTerms, SiteTerms
from ecoserve.units import DAYS_PER_YEAR, HOURS_PER_DAY, kw_from_w
from ecoserve.variants import trimmed

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """How a service is used: shape (buckets,) shares, (24,) busy replicas by hour.

    ``busy_replicas`` are those of the mean day, ``peak_replicas`` those of the busiest days.
    """

    service: Service
    shares: Array
    busy_replicas: Array
    peak_replicas: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A fleet at work: whole counts and uses, nothing priced yet."""

    counts: Mapping[str, int]
    """Servers by kind; only those bought, or owned and used."""
    on: Mapping[tuple[str, int], int]
    """Of those switched on, by (kind, part of the day)."""
    replicas: Mapping[tuple[str, str], tuple[int, ...]]
    """Replicas that are up by (group, pool), one figure per part of the day."""
    uses: tuple[Use, ...]

    def pool_replicas(self, pool_id: str) -> int:
        """Replicas of a pool over all groups, in the part of the day with most."""
        held = [parts for (_, pool), parts in self.replicas.items() if pool == pool_id]
        return max((sum(part) for part in zip(*held, strict=True)), default=0)

    def up(self, pool_id: str, terms: FleetTerms) -> Array:
        """Replicas of a pool that are up, by hour, shape (24,)."""
        held = [parts for (_, pool), parts in self.replicas.items() if pool == pool_id]
        return sum((by_hour(parts, terms) for parts in held), np.zeros(HOURS_PER_DAY))

    def servers_on(self, kind: str, terms: FleetTerms) -> Array:
        """Servers of a kind that are on, by hour, shape (24,)."""
        return by_hour([self.on.get((kind, k), 0) for k in range(len(terms.periods))], terms)


def by_hour(parts: Sequence[int], terms: FleetTerms) -> Array:
    """One figure per part of the day as one per hour, shape (24,)."""
    hours = np.zeros(HOURS_PER_DAY)
    for period, value in zip(terms.periods, parts, strict=True):
        hours[list(period)] = value
    return hours


def read_operation(problem: FleetProblem, terms: FleetTerms, solution: Solution) -> Operation:
    """Reads counts and shares out of a solved program; shares under 1e-9 are noise."""
    counts = {s: round(solution[column]) for s, column in problem.x.items()}
    on = {key: round(solution[column]) for key, column in problem.on.items()}
    n_periods = len(terms.periods)
    replicas = {
        (group, pool): tuple(round(solution[problem.w[group, pool, k]]) for k in range(n_periods))
        for group, pool, k in problem.w
        if k == 0
    }
    uses = []
    for service in terms.services:
        if service.id not in problem.load:
            continue
        shares = np.zeros(len(service.load_s))
        for bucket in np.flatnonzero(terms.masks[service.id]):
            share = solution[problem.z[service.id, int(bucket)]]
            shares[bucket] = share if share > 1e-9 else 0.0
        if shares.any():
            uses.append(_use(problem, terms, solution, service, shares))
    return Operation(
        counts={s: n for s, n in counts.items() if n > 0},
        on={(s, k): n for (s, k), n in on.items() if n > 0},
        replicas={key: parts for key, parts in replicas.items() if any(parts)},
        uses=tuple(uses),
    )


def _use(
    problem: FleetProblem, terms: FleetTerms, solution: Solution, service: Service, shares: Array
) -> Use:
    demand = terms.demand_of(service)
    if terms.is_movable(service):
        run = [max(0.0, solution[problem.u[service.id, h]]) for h in range(HOURS_PER_DAY)]
        busy = peak = np.array(run)
    else:
        mean = float(demand.rate_rps @ (service.load_s * shares))
        busy, peak = mean * demand.hourly_ratio, mean * demand.peak_ratio
    return Use(service=service, shares=shares, busy_replicas=busy, peak_replicas=peak)


def dynamic_kw(use: Use, terms: FleetTerms) -> Array:
    """kW at the wall above idle by hour, shape (24,)."""
    kw, demand = terms.dynamic_kw(use.service), terms.demand_of(use.service)
    if not demand.is_online:
        return np.asarray(use.busy_replicas * kw[0])
    busy = demand.rate_rps * use.service.load_s * use.shares
    return np.asarray(float(busy @ kw) * demand.hourly_ratio)


def idle_kw(kind: ServerTerms, operation: Operation, terms: FleetTerms) -> tuple[Array, Array]:
    """kW at the wall by hour: of servers that are on, without their work, and of parked ones."""
    on = operation.servers_on(kind.id, terms)
    parked = operation.counts.get(kind.id, 0) - on
    return on * kind.on_kw, parked * kind.parked_kw


def accelerators_of_idle(kind: ServerTerms, catalog: Catalog) -> float:
    """Their share of what a server draws that is on and serves nothing."""
    server = built_server(kind, catalog)
    cards = server.n_accelerators * catalog.accelerator(server.accelerator_id).idle_w
    return kw_from_w(wall_w(cards, catalog)) / kind.on_kw


def carbon_parts(
    operation: Operation, terms: FleetTerms, scenario: Scenario, catalog: Catalog
) -> tuple[CarbonPart, ...]:
    """Every term of the year's carbon, by workload; shared terms go by busy accelerator-hours."""
    keys = workload_keys(operation, terms)
    found = [
        *_active_parts(operation, terms),
        *_idle_parts(operation, terms, catalog, keys),
        *_embodied_parts(operation, terms, scenario, catalog, keys),
    ]
    merged: dict[tuple[str, str, str, str], float] = {}
    for part in found:
        key = (part.kind, part.side, part.part, part.workload)
        merged[key] = merged.get(key, 0.0) + part.kgco2e_per_year
    return tuple(
        CarbonPart(kind=kind, side=side, part=part, workload=workload, kgco2e_per_year=kg)  # type: ignore[arg-type]
        for (kind, side, part, workload), kg in merged.items()
    )


def workload_keys(operation: Operation, terms: FleetTerms) -> dict[str, dict[str, float]]:
    """Per group of servers, each workload's share of its busy accelerator-hours; sums to 1.

    A group that serves nothing is shared like the fleet as a whole.
    """
    hours: dict[str, dict[str, float]] = {group_id: {} for group_id in terms.groups}
    overall: dict[str, float] = {}
    for use in operation.uses:
        for group_id, part in _where(use, operation).items():
            amount = part * float(use.busy_replicas.sum()) * use.service.device.tp
            for book in (hours[group_id], overall):
                book[use.service.workload] = book.get(use.service.workload, 0.0) + amount
    return {group_id: _normalised(book or overall) for group_id, book in hours.items()}


def _where(use: Use, operation: Operation) -> dict[str, float]:
    """The groups behind a use, with the share of its replicas on each."""
    service = use.service
    if service.role == "host_cpu":
        return {at_site(service.device.server_id, service.site): 1.0}
    held = {
        group: float(max(parts))
        for (group, pool), parts in operation.replicas.items()
        if pool == service.pool_id
    }
    return _normalised(held)


def _normalised(book: Mapping[str, float]) -> dict[str, float]:
    total = sum(book.values())
    return {key: value / total for key, value in book.items()}


def _active_parts(operation: Operation, terms: FleetTerms) -> Iterator[CarbonPart]:
    for use in operation.uses:
        on_host = use.service.role == "host_cpu"
        yield from _electricity(
            dynamic_kw(use, terms),
            "host" if on_host else "accelerator",
            "offline work on CPUs" if on_host else "serving",
            {use.service.workload: 1.0},
            terms.site_of(use.service),
        )


def _idle_parts(
    operation: Operation,
    terms: FleetTerms,
    catalog: Catalog,
    keys: Mapping[str, Mapping[str, float]],
) -> Iterator[CarbonPart]:
    for kind in terms.servers:
        if kind.id not in operation.counts:
            continue
        site, key = terms.sites[kind.site], keys[kind.group_id]
        on, parked = idle_kw(kind, operation, terms)
        of_cards = accelerators_of_idle(kind, catalog)
        yield from _electricity(on * of_cards, "accelerator", "idle", key, site)
        yield from _electricity(on * (1.0 - of_cards), "host", "on", key, site)
        if parked.any():
            yield from _electricity(parked, "host", "parked", key, site)


def built_server(kind: ServerTerms, catalog: Catalog) -> Server:
    """The server of a kind with the DRAM and SSD it is bought with."""
    server = catalog.server(kind.server_id)
    if kind.variant == FULL:
        return server
    return trimmed(server, catalog.host_variant(kind.variant), catalog)


def _electricity(
    it_kw: Array, side: str, part: str, key: Mapping[str, float], site: SiteTerms
) -> Iterator[CarbonPart]:
    """Carbon of an IT load by hour, and of the facility's overhead on it."""
    it_kg = float(it_kw @ site.kg_per_kwh) * DAYS_PER_YEAR
    overhead_kw = facility_kwh(it_kw, site.pue) - it_kw
    overhead_kg = float(overhead_kw @ site.kg_per_kwh) * DAYS_PER_YEAR
    for workload, share in key.items():
        yield CarbonPart(
            kind="operational", side=side, part=part, workload=workload,  # type: ignore[arg-type]
            kgco2e_per_year=it_kg * share,
        )  # fmt: skip
        yield CarbonPart(
            kind="operational", side="facility", part="cooling and losses", workload=workload,
            kgco2e_per_year=overhead_kg * share,
        )  # fmt: skip


def _embodied_parts(
    operation: Operation,
    terms: FleetTerms,
    scenario: Scenario,
    catalog: Catalog,
    keys: Mapping[str, Mapping[str, float]],
) -> Iterator[CarbonPart]:
    """Of what is bought; what is owned has been emitted already."""
    for kind in terms.servers:
        count = operation.counts.get(kind.id, 0)
        if not count or kind.is_owned:
            continue
        for part, kgco2e_per_year in _making(built_server(kind, catalog), scenario, catalog):
            for workload, share in keys[kind.group_id].items():
                yield CarbonPart(
                    kind="embodied", side=part.side, part=part.part, workload=workload,
                    kgco2e_per_year=count * kgco2e_per_year * share,
                )  # fmt: skip


def _making(
    server: Server, scenario: Scenario, catalog: Catalog
) -> Iterator[tuple[EmbodiedPart, float]]:
    """The parts of a server, each with its share of a year."""
    hardware = scenario.hardware
    years = {"accelerator": hardware.accelerator_years, "host": hardware.host_years}
    for part in node_footprint(server, scenario.policy.coefficients, catalog).parts:
        yield part, part.kgco2e / years[part.side]


def sunk_kgco2e_per_year(scenario: Scenario, catalog: Catalog) -> float:
    """A year's share of making the whole stock in service: emitted already, in no total."""
    return sum(
        count * sum(kg for _, kg in _making(catalog.server(server_id), scenario, catalog))
        for (_, server_id), count in stock_in_service(scenario).items()
    )


def cost_parts(
    operation: Operation,
    terms: FleetTerms,
    scenario: Scenario,
    catalog: Catalog,
    days: Sequence[SiteDay],
) -> tuple[CostPart, ...]:
    """The bill per hour of a mean day under the scenario's price convention."""
    bill: dict[str, float] = {}
    for kind in terms.servers:
        count = operation.counts.get(kind.id, 0)
        cost = server_cost(built_server(kind, catalog), scenario.hardware, catalog)
        capital = 0 if kind.is_owned else count
        for part, usd in (
            ("accelerators", capital * cost.accelerators),
            ("hosts", capital * cost.hosts),
            ("colocation", count * cost.colocation),
            ("rental", count * cost.rental),
        ):
            bill[part] = bill.get(part, 0.0) + usd
    if scenario.hardware.offer == "rental":
        return (CostPart(part="rental", usd_per_h=bill["rental"]),)
    electricity = sum(
        facility_kwh(float(np.mean(day.hourly.it_power_kw)), day.pue) * site.usd_per_kwh
        for day, site in zip(days, terms.sites, strict=True)
    )
    return (
        CostPart(part="accelerators", usd_per_h=bill["accelerators"]),
        CostPart(part="hosts", usd_per_h=bill["hosts"]),
        CostPart(part="colocation", usd_per_h=bill["colocation"]),
        CostPart(part="electricity", usd_per_h=electricity),
    )
