"""What a unit of each column of the fleet program adds to the day's account.

Intensity, PUE, prices, lifetimes and coefficients enter here and nowhere else in the program.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ecoserve.formulation import Column, FleetProblem, runs_on_host
from ecoserve.links import kv_may_bind
from ecoserve.operational import facility_kwh
from ecoserve.service import Service
from ecoserve.terms import FleetTerms, ServerTerms, SiteTerms

Array = NDArray[np.float64]
Coefficients: TypeAlias = dict[Column, float]
Account: TypeAlias = Mapping[str, Coefficients]

SPARE_REPLICA_PRICE = 1e-5
"""Objective units per accelerator in a pool; breaks ties, decides nothing."""
SPARE_SERVER_PRICE = 1e-4
"""Objective units per server, for where servers cost nothing."""


def price_account(problem: FleetProblem, terms: FleetTerms) -> dict[str, Coefficients]:
    """account: what a unit of each column adds to the day's kgCO2e, USD, facility kWh and servers.

    Only these depend on intensity, PUE, prices, lifetimes and coefficients; no row does.
    """
    kwh: Coefficients = {}
    kg: Coefficients = {}
    usd: Coefficients = {}
    for column, site, column_kwh, column_kg in _energy_terms(problem, terms):
        kwh[column] = kwh.get(column, 0.0) + column_kwh
        kg[column] = kg.get(column, 0.0) + column_kg
        usd[column] = usd.get(column, 0.0) + column_kwh * site.usd_per_kwh
    for server in terms.servers:
        column = problem.x[server.id]
        kg[column] = kg.get(column, 0.0) + server.embodied_kg_per_day
        usd[column] = usd.get(column, 0.0) + server.usd_per_day
    bought = [problem.x[server.id] for server in terms.servers if not server.is_owned]
    servers: Coefficients = dict.fromkeys(bought, 1.0)
    return {"kg": kg, "usd": usd, "kwh": kwh, "servers": servers}


def objective_terms(
    problem: FleetProblem, account: Account, weights: Mapping[str, float]
) -> Coefficients:
    """A weighted sum of the account's entries ``kg``, ``usd``, ``kwh``, ``servers``.

    Of equal answers the one with the fewest servers, then the fewest accelerators in pools wins, by
    prices far below what any account resolves.
    """
    n_periods = 1 + max((k for *_, k in problem.w), default=0)
    total: Coefficients = {
        column: SPARE_REPLICA_PRICE * problem.tp_of(pool) / n_periods
        for (_, pool, _), column in problem.w.items()
    }
    total |= dict.fromkeys(problem.x.values(), SPARE_SERVER_PRICE)
    for name, weight in weights.items():
        for column, value in account[name].items():
            total[column] = total.get(column, 0.0) + weight * value
    return total


def most_tie_break(
    problem: FleetProblem,
    terms: FleetTerms,
    account: Account,
    weights: Mapping[str, float],
    value: float,
) -> float:
    """The most that tie-break prices can add to an answer no dearer than ``value``.

    A server of n accelerators adds at most its own price and n replica prices; so many servers as
    ``value`` pays for at the cheapest such rate, or as there are.
    """
    rates, owned = [0.0], 0.0
    for server in terms.servers:
        column = problem.x[server.id]
        cost = sum(weight * account[name].get(column, 0.0) for name, weight in weights.items())
        tie = SPARE_SERVER_PRICE + SPARE_REPLICA_PRICE * server.n_accelerators
        if server.is_owned and server.max_count is not None:
            owned += tie * server.max_count
        elif cost > 0:
            rates.append(tie / cost)
    return value * max(rates) + owned


def dominated_kinds(
    problem: FleetProblem, terms: FleetTerms, priced: Sequence[Coefficients]
) -> list[str]:
    """Kinds of server that another with the same accelerators beats in every one of ``priced``.

    Only where neither is limited in number and the sockets of the worse one serve nothing that
    those of the better one could not.
    """
    limited = {limit.server_id for limit in terms.limits}
    free = [s for s in terms.servers if s.max_count is None and s.server_id not in limited]
    linked = {
        (group[0].site, group[0].device.accelerator_id)
        for group in problem.pools.values()
        if any(kv_may_bind(group, terms, kind) for kind in free if _holds(kind, group[0]))
    }
    on_sockets = {kind.id: _on_sockets(kind, problem, terms) for kind in free}
    dropped: list[str] = []
    for worse in free:
        for better in free:
            if better.id == worse.id or better.id in dropped or better.alike != worse.alike:
                continue
            slower = better.kv_gb_per_s < worse.kv_gb_per_s
            if slower and (worse.site, worse.accelerator_id) in linked:
                continue
            if better.on_kw > worse.on_kw or better.rack_units > worse.rack_units:
                continue
            if not _hosts_as_well(on_sockets[better.id], on_sockets[worse.id]):
                continue
            pairs = [(_price(better, problem, p), _price(worse, problem, p)) for p in priced]
            if all((b <= w + 1e-12).all() for b, w in pairs):
                dropped.append(worse.id)
                break
    return dropped


def _on_sockets(
    kind: ServerTerms, problem: FleetProblem, terms: FleetTerms
) -> dict[str, tuple[float, Service]]:
    """Offline work a kind's sockets can take: (spare sockets, service) by workload."""
    return {
        service.workload: (kind.spare_sockets, service)
        for service in terms.services
        if service.id in problem.load and runs_on_host(service, kind)
    }


def _hosts_as_well(
    better: Mapping[str, tuple[float, Service]], worse: Mapping[str, tuple[float, Service]]
) -> bool:
    """Whether what runs on the worse one's sockets runs there too, no slower and no hungrier."""
    for workload, (sockets, service) in worse.items():
        if workload not in better:
            return False
        more, other = better[workload]
        where = service.fits
        if more < sockets or not (where <= other.fits).all():
            return False
        slower = other.load_s > service.load_s
        hungrier = other.dynamic_w * other.load_s > service.dynamic_w * service.load_s
        if ((slower | hungrier) & where).any():
            return False
    return True


def _holds(kind: ServerTerms, service: Service) -> bool:
    place = (service.site, service.device.accelerator_id)
    return (kind.site, kind.accelerator_id) == place


def _price(server: ServerTerms, problem: FleetProblem, priced: Coefficients) -> Array:
    """What a server adds: there all day, and on in each part of the day."""
    columns = [problem.x[server.id]]
    columns += [column for (kind, _), column in problem.on.items() if kind == server.id]
    return np.array([priced.get(column, 0.0) for column in dict.fromkeys(columns)])


def account_value(
    account: Account, weights: Mapping[str, float], values: Mapping[str, float]
) -> float:
    """The objective at these column values, without the tie-break."""
    return sum(
        weight * value * values.get(column.name, 0.0)
        for name, weight in weights.items()
        for column, value in account[name].items()
    )


def _energy_terms(
    problem: FleetProblem, terms: FleetTerms
) -> Iterator[tuple[Column, SiteTerms, float, float]]:
    """(column, site, facility kWh/day, kgCO2e/day) of a unit of each column that draws power."""
    for server in terms.servers:
        site = terms.sites[server.site]
        there = server.parked_kw if terms.parks else 0.0
        hours = facility_kwh(np.ones_like(site.kg_per_kwh), site.pue)
        if there:
            yield _drawn(problem.x[server.id], site, there * hours)
        for k, period in enumerate(terms.periods):
            on = np.zeros_like(hours)
            on[list(period)] = (server.on_kw - there) * hours[list(period)]
            yield _drawn(problem.on[server.id, k], site, on)
    for service in terms.services:
        if service.id in problem.load:
            yield from _serving_terms(problem, terms, service)


def _drawn(column: Column, site: SiteTerms, kwh: Array) -> tuple[Column, SiteTerms, float, float]:
    return column, site, float(kwh.sum()), float(kwh @ site.kg_per_kwh)


def _serving_terms(
    problem: FleetProblem, terms: FleetTerms, service: Service
) -> Iterator[tuple[Column, SiteTerms, float, float]]:
    site, demand = terms.site_of(service), terms.demand_of(service)
    facility_kw = facility_kwh(terms.dynamic_kw(service), site.pue)
    if terms.is_movable(service):
        for hour, kg_per_kwh in enumerate(site.kg_per_kwh):
            kwh = float(facility_kw[0])
            yield problem.u[service.id, hour], site, kwh, kwh * float(kg_per_kwh)
        return
    for bucket in np.flatnonzero(terms.masks[service.id]):
        mean_kw = float(demand.rate_rps[bucket] * service.load_s[bucket] * facility_kw[bucket])
        column = problem.z[service.id, int(bucket)]
        yield _drawn(column, site, mean_kw * demand.hourly_ratio)
