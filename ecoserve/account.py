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
from ecoserve.embodied import server_footprint
from ecoserve.formulation import FleetProblem, FleetTerms
from ecoserve.operational import electricity_usd_per_kwh, facility_kwh
from ecoserve.options import Service
from ecoserve.plan import CarbonPart, CostPart, HourlySeries
from ecoserve.power import host_on_w, server_idle_w, wall_w
from ecoserve.scenario import Scenario
from ecoserve.solver import Solution
from ecoserve.units import DAYS_PER_YEAR, HOURS_PER_DAY, kw_from_w

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
    """Servers by kind; only those bought."""
    replicas: Mapping[tuple[str, str], int]
    """Replicas by (server kind, pool)."""
    uses: tuple[Use, ...]

    def pool_replicas(self, pool_id: str) -> int:
        """Replicas of a pool over all server kinds."""
        return sum(n for (_, pool), n in self.replicas.items() if pool == pool_id)


def read_operation(problem: FleetProblem, terms: FleetTerms, solution: Solution) -> Operation:
    """Reads counts and shares out of a solved program; shares under 1e-9 are noise."""
    counts = {s: round(solution[column]) for s, column in problem.x.items()}
    replicas = {key: round(solution[column]) for key, column in problem.w.items()}
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
        replicas={key: n for key, n in replicas.items() if n > 0},
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


def hourly_series(
    operation: Operation, terms: FleetTerms, catalog: Catalog, intensity: Array
) -> HourlySeries:
    """IT power of the planned day beside the grid's intensity in gCO2e/kWh."""
    idle = sum(
        n * kw_from_w(server_idle_w(catalog.server(s), catalog))
        for s, n in operation.counts.items()
    )
    online, offline = np.zeros(HOURS_PER_DAY), np.zeros(HOURS_PER_DAY)
    for use in operation.uses:
        target = online if terms.demand_of(use.service).is_online else offline
        target += dynamic_kw(use, terms)
    return HourlySeries(
        gco2e_per_kwh=_floats(intensity),
        it_power_kw=_floats(idle + online + offline),
        online_it_power_kw=_floats(online),
        offline_it_power_kw=_floats(offline),
    )


def carbon_parts(
    operation: Operation, terms: FleetTerms, scenario: Scenario, catalog: Catalog
) -> tuple[CarbonPart, ...]:
    """Every term of the year's carbon, by workload; shared terms go by busy accelerator-hours."""
    keys = workload_keys(operation, terms)
    found = [
        *_active_parts(operation, terms),
        *_idle_parts(operation, terms, catalog, keys),
        *_embodied_parts(operation, scenario, catalog, keys),
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
    """Per server kind, each workload's share of its busy accelerator-hours; sums to 1.

    A kind that serves nothing is shared like the fleet as a whole.
    """
    hours: dict[str, dict[str, float]] = {server: {} for server in operation.counts}
    overall: dict[str, float] = {}
    for use in operation.uses:
        for server, part in _where(use, operation).items():
            amount = part * float(use.busy_replicas.sum()) * use.service.device.tp
            for book in (hours.setdefault(server, {}), overall):
                book[use.service.workload] = book.get(use.service.workload, 0.0) + amount
    return {server: _normalised(book or overall) for server, book in hours.items()}


def _where(use: Use, operation: Operation) -> dict[str, float]:
    """The server kinds behind a use, with the share of its replicas on each."""
    if use.service.role == "host_cpu":
        return {use.service.device.server_id: 1.0}
    pool = use.service.pool_id
    held = {s: float(n) for (s, p), n in operation.replicas.items() if p == pool}
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
            terms,
        )


def _idle_parts(
    operation: Operation,
    terms: FleetTerms,
    catalog: Catalog,
    keys: Mapping[str, Mapping[str, float]],
) -> Iterator[CarbonPart]:
    for server_id, count in operation.counts.items():
        server = catalog.server(server_id)
        cards = server.n_accelerators * catalog.accelerator(server.accelerator_id).idle_w
        for side, part, watts in (
            ("accelerator", "idle", cards),
            ("host", "on", host_on_w(server, catalog)),
        ):
            kw = np.full(HOURS_PER_DAY, count * kw_from_w(wall_w(watts, catalog)))
            yield from _electricity(kw, side, part, keys[server_id], terms)


def _electricity(
    it_kw: Array, side: str, part: str, key: Mapping[str, float], terms: FleetTerms
) -> Iterator[CarbonPart]:
    """Carbon of an IT load by hour, and of the facility's overhead on it."""
    it_kg = float(it_kw @ terms.kg_per_kwh) * DAYS_PER_YEAR
    overhead_kw = facility_kwh(it_kw, terms.pue) - it_kw
    overhead_kg = float(overhead_kw @ terms.kg_per_kwh) * DAYS_PER_YEAR
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
    scenario: Scenario,
    catalog: Catalog,
    keys: Mapping[str, Mapping[str, float]],
) -> Iterator[CarbonPart]:
    hardware = scenario.hardware
    years = {"accelerator": hardware.accelerator_years, "host": hardware.host_years}
    for server_id, count in operation.counts.items():
        made = server_footprint(server_id, scenario.policy.coefficients, catalog)
        for part in made.parts:
            for workload, share in keys[server_id].items():
                yield CarbonPart(
                    kind="embodied", side=part.side, part=part.part, workload=workload,
                    kgco2e_per_year=count * part.kgco2e / years[part.side] * share,
                )  # fmt: skip


def cost_parts(
    operation: Operation, scenario: Scenario, catalog: Catalog, it_kw: Sequence[float], pue: float
) -> tuple[CostPart, ...]:
    """The bill per hour of a mean day under the scenario's price convention."""
    costs = [
        (n, server_cost(catalog.server(s), scenario.hardware, catalog))
        for s, n in operation.counts.items()
    ]
    if scenario.hardware.offer == "rental":
        return (CostPart(part="rental", usd_per_h=sum(n * c.rental for n, c in costs)),)
    mean_kwh = facility_kwh(sum(it_kw) / len(it_kw), pue)
    price = electricity_usd_per_kwh(scenario.site, catalog)
    return (
        CostPart(part="accelerators", usd_per_h=sum(n * c.accelerators for n, c in costs)),
        CostPart(part="hosts", usd_per_h=sum(n * c.hosts for n, c in costs)),
        CostPart(part="colocation", usd_per_h=sum(n * c.colocation for n, c in costs)),
        CostPart(part="electricity", usd_per_h=mean_kwh * price),
    )


def _floats(values: Array) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
