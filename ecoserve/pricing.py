"""What a unit of each column of the fleet program adds to the day's account.

Intensity, PUE, prices, lifetimes and coefficients enter here and nowhere else in the program.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

import numpy as np

from ecoserve.formulation import Column, FleetProblem, FleetTerms
from ecoserve.operational import facility_kwh
from ecoserve.units import HOURS_PER_DAY

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
    for column, column_kwh, column_kg in _energy_terms(problem, terms):
        kwh[column] = column_kwh
        kg[column] = column_kg
        usd[column] = column_kwh * terms.usd_per_kwh
    for server in terms.servers:
        column = problem.x[server.id]
        kg[column] += server.embodied_kg_per_day
        usd[column] += server.usd_per_day
    servers: Coefficients = {column: 1.0 for column in problem.x.values()}
    return {"kg": kg, "usd": usd, "kwh": kwh, "servers": servers}


def objective_terms(
    problem: FleetProblem, account: Account, weights: Mapping[str, float]
) -> Coefficients:
    """A weighted sum of the account's entries ``kg``, ``usd``, ``kwh``, ``servers``.

    Of equal answers the one with the fewest servers, then the fewest accelerators in pools wins, by
    prices far below what any account resolves.
    """
    total: Coefficients = {
        column: SPARE_REPLICA_PRICE * problem.tp_of[pool] for (_, pool), column in problem.w.items()
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
    ``value`` pays for at the cheapest such rate.
    """
    rates = []
    for server in terms.servers:
        column = problem.x[server.id]
        cost = sum(weight * account[name].get(column, 0.0) for name, weight in weights.items())
        tie = SPARE_SERVER_PRICE + SPARE_REPLICA_PRICE * server.n_accelerators
        rates.append(tie / cost if cost > 0 else 0.0)
    return value * max(rates, default=0.0)


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
) -> Iterator[tuple[Column, float, float]]:
    """(column, facility kWh/day, kgCO2e/day) of one unit of each column that draws power."""
    facility_per_it = facility_kwh(1.0, terms.pue)
    kg_of_hour = facility_kwh(terms.kg_per_kwh, terms.pue)
    day_kg, day_kwh = float(kg_of_hour.sum()), facility_per_it * HOURS_PER_DAY
    for server in terms.servers:
        yield problem.x[server.id], server.idle_kw * day_kwh, server.idle_kw * day_kg
    for service in terms.services:
        if service.id not in problem.load:
            continue
        kw, demand = terms.dynamic_kw(service), terms.demand_of(service)
        if terms.is_movable(service):
            for hour in range(HOURS_PER_DAY):
                column = problem.u[service.id, hour]
                yield column, float(kw[0] * facility_per_it), float(kw[0] * kg_of_hour[hour])
            continue
        shape_kg = float(demand.hourly_ratio @ kg_of_hour)
        for bucket in np.flatnonzero(terms.masks[service.id]):
            mean_kw = float(demand.rate_rps[bucket] * service.load_s[bucket] * kw[bucket])
            column = problem.z[service.id, int(bucket)]
            yield column, mean_kw * day_kwh, mean_kw * shape_kg
