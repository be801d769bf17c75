"""The full hourly program, as a reference: every share of online work is free in every hour.

The planner holds online shares constant over the day; here a bucket may go elsewhere at night.
Built as a matrix, for whole requests (no prefill and decode pools) and offline work due in a day.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ecoserve.formulation import FleetProblem
from ecoserve.program import Program
from ecoserve.terms import FleetTerms
from ecoserve.units import HOURS_PER_DAY

Array = NDArray[np.float64]


def hourly_program(program: Program, problem: FleetProblem, terms: FleetTerms) -> Program:
    """The planner's program with a share column per hour where it has one for the day.

    Rows of the day hold for each hour alone (``serve``), for each hour's own load (``capacity``)
    or for the day's traffic (``on_time``, ``token_pace``); all else stays as it is.
    """
    wide = _Wide(program)
    names = [row.name for row in problem.lp.constraints()]
    online = [d for d in terms.demands if d.is_online]
    shares = {
        (s.id, int(b)): wide.add_hours(program.index[problem.z[s.id, int(b)].name])
        for s in terms.services
        if terms.demand_of(s).is_online
        for b in np.flatnonzero(s.fits)
    }
    for demand in online:
        services = [s for s in terms.services if s.workload == demand.workload.name]
        weight = demand.hourly_ratio / HOURS_PER_DAY
        kg = terms.sites[0].pue * terms.sites[0].kg_per_kwh * demand.hourly_ratio
        for service in services:
            kw = terms.dynamic_kw(service) * demand.rate_rps * service.load_s
            for bucket in np.flatnonzero(service.fits):
                wide.price(shares[service.id, int(bucket)], float(kw[bucket]) * kg)
        for bucket in range(len(demand.rate_rps)):
            wide.drop(names.index(f"serve({demand.index},{bucket})"))
            taken = [shares[s.id, bucket] for s in services if (s.id, bucket) in shares]
            for hour in range(HOURS_PER_DAY):
                wide.add_row([(t[hour], 1.0) for t in taken], 1.0, 1.0)
        for family, limit in (("on_time", terms.on_time), ("token_pace", None)):
            wide.drop(names.index(f"{family}({demand.index})"))
            row = [
                (column, float(demand.fraction[b] * share * weight[hour]))
                for s in services
                for b in np.flatnonzero(s.fits)
                for share in [(s.keeps_tpot if limit is None else limit[s.id])[b]]
                if share > 0
                for hour, column in enumerate(shares[s.id, int(b)])
            ]
            slo = demand.workload.slo
            wide.add_row(row, slo.percentile if slo else 0.0, np.inf)
    _define_capacity(wide, names, problem, terms, shares)
    return wide.program()


def _define_capacity(
    wide: _Wide,
    names: list[str],
    problem: FleetProblem,
    terms: FleetTerms,
    shares: dict[tuple[str, int], list[int]],
) -> None:
    """Each hour of a pool: its own online load and the offline work run then."""
    index = wide.given.index
    pools: dict[str, list] = {}
    for service in terms.services:
        pools.setdefault(service.pool_id, []).append(service)
    for number, name in enumerate(names):
        if name.startswith("capacity(") or name.startswith("load("):
            is_online_load = name.startswith("load(") and any(
                name == f"load({s.id})" for g in pools.values() for s in g
                if terms.demand_of(s).is_online
            )  # fmt: skip
            if name.startswith("capacity(") or is_online_load:
                wide.drop(number)
    for pool_id, group in pools.items():
        replicas = [
            (index[c.name], -terms.utilisation[pool_id] * v)
            for c, v in problem.replicas_of(pool_id, 0)
        ]
        for hour in range(HOURS_PER_DAY):
            row = list(replicas)
            for s in group:
                demand = terms.demand_of(s)
                if not demand.is_online:
                    row.append((index[problem.u[s.id, hour].name], 1.0))
                    continue
                ratio = terms.burst * demand.peak_ratio[hour]
                row += [
                    (shares[s.id, int(b)][hour], float(ratio * demand.rate_rps[b] * s.load_s[b]))
                    for b in np.flatnonzero(s.fits)
                ]
            wide.add_row(row, -np.inf, 0.0)


class _Wide:
    """A program to which columns and rows are added."""

    def __init__(self, given: Program) -> None:
        self.given = given
        self._n = len(given.names)
        self._cost: list[float] = []
        self._gone_rows: set[int] = set()
        self._gone_columns: list[int] = []
        self._rows: list[list[tuple[int, float]]] = []
        self._bounds: list[tuple[float, float]] = []

    def add_hours(self, replaced: int) -> list[int]:
        """24 columns between 0 and 1 in place of one, which is closed."""
        self._gone_columns.append(replaced)
        first = self._n + len(self._cost)
        self._cost += [0.0] * HOURS_PER_DAY
        return list(range(first, first + HOURS_PER_DAY))

    def price(self, columns: list[int], cost: Array) -> None:
        for column, value in zip(columns, cost, strict=True):
            self._cost[column - self._n] = float(value)

    def drop(self, row: int) -> None:
        self._gone_rows.add(row)

    def add_row(self, terms: list[tuple[int, float]], low: float, high: float) -> None:
        self._rows.append(terms)
        self._bounds.append((low, high))

    def program(self) -> Program:
        old, n_new = self.given, len(self._cost)
        kept = [r for r in range(len(old.row_lower)) if r not in self._gone_rows]
        spans = [slice(old.starts[r], old.starts[r + 1]) for r in kept]
        lengths = [s.stop - s.start for s in spans] + [len(row) for row in self._rows]
        upper = old.upper.copy()
        upper[self._gone_columns] = 0.0
        names = [f"hour({i})" for i in range(n_new)]
        return replace(
            old,
            names=[*old.names, *names],
            index={**old.index, **{name: self._n + i for i, name in enumerate(names)}},
            whole=[*old.whole, *([False] * n_new)],
            lower=np.append(old.lower, np.zeros(n_new)),
            upper=np.append(upper, np.ones(n_new)),
            cost=np.append(old.cost, self._cost),
            row_lower=np.append(old.row_lower[kept], [low for low, _ in self._bounds]),
            row_upper=np.append(old.row_upper[kept], [high for _, high in self._bounds]),
            starts=np.cumsum([0, *lengths], dtype=np.int32),
            columns=np.concatenate(
                [*(old.columns[s] for s in spans), *([c for c, _ in r] for r in self._rows)]
            ).astype(np.int32),
            values=np.concatenate(
                [*(old.values[s] for s in spans), *([v for _, v in r] for r in self._rows)]
            ),
        )
