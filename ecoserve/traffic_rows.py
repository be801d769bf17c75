"""Rows of the fleet program about requests: all are served, on time, and their work is done.

One family, one function, one sentence, as in :mod:`ecoserve.constraints`, which lists them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ecoserve.demand import WorkloadDemand, hours_from_arrival
from ecoserve.formulation import EQ, GE, Column, FleetProblem
from ecoserve.service import Service
from ecoserve.terms import FleetTerms
from ecoserve.units import HOURS_PER_DAY

Array = NDArray[np.float64]
Terms = list[tuple[Column, float]]


def define_serve(problem: FleetProblem, terms: FleetTerms) -> None:
    """Every bucket is served whole or begun in a prefill pool, in full."""
    for demand in terms.demands:
        shares = _shares(problem, terms, demand, ("mixed", "prefill", "host_cpu"))
        for bucket, columns in enumerate(shares):
            if demand.rate_rps[bucket] > 0:
                problem.row(f"serve({demand.index},{bucket})", columns, EQ, 1.0)


def define_phases(problem: FleetProblem, terms: FleetTerms) -> None:
    """What is begun in a prefill pool is finished in a decode pool of the same site."""
    for demand in terms.demands:
        for site in terms.sites:
            begun = _shares(problem, terms, demand, ("prefill",), site.index)
            finished = _shares(problem, terms, demand, ("decode",), site.index)
            for bucket, (first, second) in enumerate(zip(begun, finished, strict=True)):
                if first or second:
                    columns = first + [(column, -1.0) for column, _ in second]
                    name = _site_row("phases", f"{demand.index},{bucket}", site.index)
                    problem.row(name, columns, EQ, 0.0)


def _site_row(family: str, indices: str, site: int) -> str:
    return f"{family}({indices},s{site})" if site else f"{family}({indices})"


def _shares(
    problem: FleetProblem,
    terms: FleetTerms,
    demand: WorkloadDemand,
    roles: Sequence[str],
    site: int | None = None,
) -> list[Terms]:
    """Per bucket, the share columns of a workload's services in these roles."""
    columns: list[Terms] = [[] for _ in demand.rate_rps]
    for service in services_of(terms, demand):
        if service.role in roles and site in (None, service.site):
            for bucket in np.flatnonzero(terms.masks[service.id]):
                columns[bucket].append((problem.z[service.id, int(bucket)], 1.0))
    return columns


def services_of(terms: FleetTerms, demand: WorkloadDemand) -> list[Service]:
    """A workload's services."""
    return [s for s in terms.services if s.workload == demand.workload.name]


def define_on_time(problem: FleetProblem, terms: FleetTerms) -> None:
    """The percentile's share of a workload's requests starts within its TTFT limit."""
    for demand in terms.demands:
        if demand.workload.slo is not None:
            columns = _weighted_shares(problem, terms, demand, ("mixed", "prefill"), terms.on_time)
            percentile = demand.workload.slo.percentile
            problem.row(f"on_time({demand.index})", columns, GE, percentile)


def define_token_pace(problem: FleetProblem, terms: FleetTerms) -> None:
    """The percentile's share of a workload's requests keeps its TPOT limit."""
    kept = {service.id: service.keeps_tpot.astype(float) for service in terms.services}
    for demand in terms.demands:
        if demand.workload.slo is not None:
            columns = _weighted_shares(problem, terms, demand, ("mixed", "decode"), kept)
            percentile = demand.workload.slo.percentile
            problem.row(f"token_pace({demand.index})", columns, GE, percentile)


def _weighted_shares(
    problem: FleetProblem,
    terms: FleetTerms,
    demand: WorkloadDemand,
    roles: Sequence[str],
    weight: Mapping[str, Array],
) -> Terms:
    """A workload's share columns in these roles times its request mix and a weight."""
    fraction = demand.fraction
    return [
        (problem.z[service.id, int(b)], float(fraction[b] * weight[service.id][b]))
        for service in services_of(terms, demand)
        if service.role in roles
        for b in np.flatnonzero(terms.masks[service.id])
    ]


def define_load(problem: FleetProblem, terms: FleetTerms) -> None:
    """Mean busy replicas of a service are the replica-seconds its shares bring per second."""
    for service in terms.services:
        if service.id not in problem.load:
            continue
        rate = terms.demand_of(service).rate_rps
        columns = [
            (problem.z[service.id, int(b)], float(rate[b] * service.load_s[b]))
            for b in np.flatnonzero(terms.masks[service.id])
        ]
        columns.append((problem.load[service.id], -1.0))
        problem.row(f"load({service.id})", columns, EQ, 0.0)


def define_work(problem: FleetProblem, terms: FleetTerms) -> None:
    """Offline replica-hours that may wait are all run within the cyclic day."""
    for service in _movable(problem, terms):
        load = (problem.load[service.id], -float(HOURS_PER_DAY))
        if terms.demand_of(service).workload.deadline_h >= HOURS_PER_DAY:
            run = [(problem.u[service.id, h], 1.0) for h in range(HOURS_PER_DAY)]
            problem.row(f"work({service.id})", [*run, load], EQ, 0.0)


def _movable(problem: FleetProblem, terms: FleetTerms) -> list[Service]:
    return [s for s in terms.services if s.id in problem.load and terms.is_movable(s)]


def define_carried_work(problem: FleetProblem, terms: FleetTerms) -> None:
    """Work with a deadline under a day is carried from its arrival to hours before its deadline."""
    for service in _movable(problem, terms):
        demand = terms.demand_of(service)
        if demand.workload.deadline_h >= HOURS_PER_DAY:
            continue
        open_hours = hours_from_arrival(demand.workload.deadline_h)
        carried = {
            (int(a), int(h)): problem.lp.add_variable(f"carry({service.id},{a},{h})", 0)
            for a, h in zip(*np.nonzero(open_hours), strict=True)
        }
        load = problem.load[service.id]
        for hour in range(HOURS_PER_DAY):
            leaving = [(column, 1.0) for (a, _), column in carried.items() if a == hour]
            arrived = (load, -float(demand.hourly_ratio[hour]))
            problem.row(f"arrive({service.id},{hour})", [*leaving, arrived], EQ, 0.0)
            running = [(column, 1.0) for (_, h), column in carried.items() if h == hour]
            run = (problem.u[service.id, hour], -1.0)
            problem.row(f"run({service.id},{hour})", [*running, run], EQ, 0.0)
