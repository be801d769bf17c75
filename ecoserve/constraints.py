"""The rows of the fleet program: one family, one function, one sentence, one golden text.

Those about requests are in :mod:`ecoserve.traffic_rows`; here are servers, replicas and limits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ecoserve.demand import WorkloadDemand
from ecoserve.formulation import (
    EQ,
    GE,
    LE,
    Column,
    FleetProblem,
    define_columns,
    part_mark,
    runs_on_host,
)
from ecoserve.links import kv_may_bind, link_gb_per_s, peak_kv_gb_per_s
from ecoserve.service import Service
from ecoserve.terms import FleetTerms, ServerTerms
from ecoserve.traffic_rows import (
    Terms,
    define_carried_work,
    define_load,
    define_on_time,
    define_phases,
    define_serve,
    define_token_pace,
    define_work,
    services_of,
)
from ecoserve.units import HOURS_PER_DAY

PACKING_SIZES = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One kind of row: ``name(indices)``, what it says, and the function that adds its rows."""

    name: str
    indices: str
    sentence: str
    define: Callable[[FleetProblem, FleetTerms], None]


def fleet_problem(terms: FleetTerms) -> FleetProblem:
    """All columns and rows; the objective comes from :mod:`ecoserve.pricing`."""
    problem = FleetProblem()
    define_columns(problem, terms)
    for family in FAMILIES:
        family.define(problem, terms)
    return problem


def define_capacity(problem: FleetProblem, terms: FleetTerms) -> None:
    """Each hour a pool's load, bursts included, stays within the planned utilisation."""
    for pool_id, group in problem.pools.items():
        for hour in _binding_hours(group, terms):
            up = problem.replicas_of(pool_id, terms.period_of(hour))
            replicas = [(column, -terms.utilisation[pool_id] * v) for column, v in up]
            columns = _hour_load(problem, terms, group, hour)
            problem.row(f"capacity({pool_id},{hour})", [*columns, *replicas], LE, 0.0)


def _binding_hours(group: Sequence[Service], terms: FleetTerms) -> list[int]:
    """Per part of the day, the hours that no other hour exceeds in every workload.

    All hours where work can be moved.
    """
    if any(terms.is_movable(service) for service in group):
        return list(range(HOURS_PER_DAY))
    ratios = np.array([terms.demand_of(service).peak_ratio for service in group])
    found: list[int] = []
    for hours in terms.periods:
        _, first = np.unique(ratios[:, hours], axis=1, return_index=True)
        mine = sorted(hours[i] for i in first)
        found += [
            h for h in mine if not any((ratios[:, h] <= ratios[:, o]).all() for o in mine if o != h)
        ]
    return sorted(found)


def _hour_load(
    problem: FleetProblem, terms: FleetTerms, group: Sequence[Service], hour: int
) -> Terms:
    columns = []
    for service in group:
        demand = terms.demand_of(service)
        if terms.is_movable(service):
            columns.append((problem.u[service.id, hour], 1.0))
        else:
            burst = terms.burst if demand.is_online else 1.0
            ratio = float(burst * demand.peak_ratio[hour])
            columns.append((problem.load[service.id], ratio))
    return columns


def define_packing(problem: FleetProblem, terms: FleetTerms) -> None:
    """Replicas of at least k accelerators nest into the servers that are on, k = 1, 2, 4, 8.

    Exact for power-of-two replicas; none spans servers.
    """
    for group_id, kinds in terms.groups.items():
        mine = [p for p, homes in problem.homes.items() if group_id in homes]
        for size in PACKING_SIZES:
            large = [(p, problem.tp_of(p)) for p in mine if problem.tp_of(p) >= size]
            if not large:
                continue
            room = float(size * (kinds[0].n_accelerators // size))
            for k in range(len(terms.periods)):
                used = [(problem.w[group_id, p, k], float(tp)) for p, tp in large]
                on = [(problem.on[kind.id, k], -room) for kind in kinds]
                name = f"packing({group_id},{size}{part_mark(terms, k)})"
                problem.row(name, [*used, *on], LE, 0.0)


def define_park(problem: FleetProblem, terms: FleetTerms) -> None:
    """Only servers that are there are on."""
    if terms.parks:
        for (kind, k), column in problem.on.items():
            there = (problem.x[kind], -1.0)
            problem.row(f"park({kind},{k})", [(column, 1.0), there], LE, 0.0)


def define_replicas(problem: FleetProblem, terms: FleetTerms) -> None:
    """Always so many replicas are up that can start, and that can finish, each online workload."""
    for demand in terms.demands:
        if not demand.is_online:
            continue
        for phase in ("prefill", "decode"):
            able = _pools_of(problem, terms, demand, ("mixed", phase))
            for k in range(len(terms.periods)):
                columns = [term for pool_id in able for term in problem.replicas_of(pool_id, k)]
                name = f"replicas({demand.index},{phase}{part_mark(terms, k)})"
                problem.row(name, columns, GE, float(terms.min_replicas))


def _pools_of(
    problem: FleetProblem, terms: FleetTerms, demand: WorkloadDemand, roles: Sequence[str]
) -> list[str]:
    mine = (s for s in services_of(terms, demand) if s.role in roles and s.id in problem.load)
    return list(dict.fromkeys(s.pool_id for s in mine))


def define_presence(problem: FleetProblem, terms: FleetTerms) -> None:
    """Each online workload lives on at least one whole server that is on.

    Implied by whole replicas; said aloud it keeps the relaxation of small services honest.
    """
    for demand in terms.demands:
        if not demand.is_online:
            continue
        able = _pools_of(problem, terms, demand, ("mixed", "prefill", "decode"))
        homes = dict.fromkeys(group for pool_id in able for group in problem.homes[pool_id])
        kinds = [kind.id for group_id in homes for kind in terms.groups[group_id]]
        for k in range(len(terms.periods)):
            columns = [(problem.on[kind, k], 1.0) for kind in kinds]
            problem.row(f"presence({demand.index}{part_mark(terms, k)})", columns, GE, 1.0)


def define_reuse(problem: FleetProblem, terms: FleetTerms) -> None:
    """Offline work on host CPUs stays within the spare sockets of servers that are on.

    A trimmed host counts for what fits its own memory only.
    """
    for kinds in terms.groups.values():
        for variant in dict.fromkeys(kind.variant for kind in kinds):
            alike = [kind for kind in kinds if kind.variant == variant]
            group = [s for s in terms.services if s.id in problem.load and _on_any(s, alike)]
            for hour in _binding_hours(group, terms) if group else ():
                k = terms.period_of(hour)
                spare = [(problem.on[kind.id, k], -kind.spare_sockets) for kind in alike]
                columns = _hour_load(problem, terms, group, hour)
                name = f"reuse({alike[0].id},{hour})"
                problem.row(name, [*columns, *spare], LE, 0.0)


def _on_any(service: Service, kinds: Sequence[ServerTerms]) -> bool:
    return service.role == "host_cpu" and runs_on_host(service, kinds[0])


def define_kv_transfer(problem: FleetProblem, terms: FleetTerms) -> None:
    """KV moved between pools at the peak fits the NICs behind the pool's replicas."""
    for pool_id, group in problem.pools.items():
        homes = [terms.groups[home][0] for home in problem.homes[pool_id]]
        if not any(kv_may_bind(group, terms, home) for home in homes):
            continue
        for k, hours in enumerate(terms.periods):
            moved = [
                (problem.z[s.id, int(b)], peak_kv_gb_per_s(s, terms, int(b), hours))
                for s in group
                for b in np.flatnonzero(terms.masks[s.id])
            ]
            tp = problem.tp_of(pool_id)
            links = [
                (problem.w[home, pool_id, k], -link_gb_per_s(terms.groups[home][0], tp))
                for home in problem.homes[pool_id]
            ]
            problem.row(f"kv_transfer({pool_id}{part_mark(terms, k)})", [*moved, *links], LE, 0.0)


def define_limits(problem: FleetProblem, terms: FleetTerms) -> None:
    """Of a server so many are bought or rented as are asked for and can be had, over all sites."""
    for limit in terms.limits:
        bought = [
            (problem.x[kind.id], 1.0)
            for kind in terms.servers
            if kind.server_id == limit.server_id and not kind.is_owned
        ]
        if bought:
            problem.row(f"at_most({limit.server_id})", bought, LE, float(limit.at_most))
            if limit.at_least:
                problem.row(f"at_least({limit.server_id})", bought, GE, float(limit.at_least))


def define_power(problem: FleetProblem, terms: FleetTerms) -> None:
    """In no hour of the busiest days does a site's IT power exceed what it can feed."""
    for site in terms.sites:
        if site.max_it_power_kw is None:
            continue
        for hour in range(HOURS_PER_DAY):
            columns = _hour_kw(problem, terms, site.index, hour)
            problem.row(f"power({site.index},{hour})", columns, LE, site.max_it_power_kw)


def _hour_kw(problem: FleetProblem, terms: FleetTerms, site: int, hour: int) -> Terms:
    columns: Terms = []
    k = terms.period_of(hour)
    for kind in (kind for kind in terms.servers if kind.site == site):
        if terms.parks:
            columns.append((problem.x[kind.id], kind.parked_kw))
            columns.append((problem.on[kind.id, k], kind.on_kw - kind.parked_kw))
        else:
            columns.append((problem.x[kind.id], kind.on_kw))
    for service in (s for s in terms.services if s.site == site and s.id in problem.load):
        kw, demand = terms.dynamic_kw(service), terms.demand_of(service)
        if terms.is_movable(service):
            columns.append((problem.u[service.id, hour], float(kw[0])))
            continue
        busy = demand.rate_rps * service.load_s * demand.peak_ratio[hour] * kw
        columns += [
            (problem.z[service.id, int(b)], float(busy[b]))
            for b in np.flatnonzero(terms.masks[service.id])
        ]
    return columns


def define_space(problem: FleetProblem, terms: FleetTerms) -> None:
    """What is bought for a site fits the rack units left beside its stock."""
    for site in terms.sites:
        bought = [k for k in terms.servers if k.site == site.index and not k.is_owned]
        if site.free_rack_units is not None and bought:
            columns = [(problem.x[kind.id], kind.rack_units) for kind in bought]
            problem.row(f"space({site.index})", columns, LE, site.free_rack_units)


def define_counts(problem: FleetProblem, terms: FleetTerms) -> None:
    """Servers are counted, all, alike and switched on, and the accelerators given to an LLM."""
    sums: dict[str, tuple[Column, Terms]] = {"": (problem.total, [])}
    for name, column in problem.alike.items():
        sums[name] = (column, [])
    for kind in terms.servers:
        for name in ("", kind.alike):
            sums[name][1].append((problem.x[kind.id], 1.0))
    for k, column in problem.up.items():
        on = [(kind, problem.on[kind.id, k]) for kind in terms.servers]
        sums[f"on,{k}"] = (column, [(server, 1.0) for _, server in on])
        for name in problem.alike:
            mine = [(server, 1.0) for kind, server in on if kind.alike == name]
            sums[f"on,{name},{k}"] = (problem.alike_up[name, k], mine)
    for (name, llm_id, k), column in problem.cards.items():
        sums[f"{name},{llm_id}{part_mark(terms, k)}"] = (
            column,
            _cards(problem, terms, name, llm_id, k),
        )
    for indices, (column, counted) in sums.items():
        problem.row(f"count({indices})", [*counted, (column, -1.0)], EQ, 0.0)


def _cards(problem: FleetProblem, terms: FleetTerms, alike: str, llm_id: str, k: int) -> Terms:
    """The replicas of an LLM on servers alike, each times its accelerators."""
    return [
        (problem.w[group_id, pool_id, k], float(problem.tp_of(pool_id)))
        for pool_id, homes in problem.homes.items()
        if problem.pools[pool_id][0].device.llm_id == llm_id
        for group_id in homes
        if terms.groups[group_id][0].alike == alike
    ]


def _family(name: str, indices: str, define: Callable[[FleetProblem, FleetTerms], None]) -> Family:
    sentence = (define.__doc__ or "").split("\n")[0]
    return Family(name=name, indices=indices, sentence=sentence, define=define)


FAMILIES: tuple[Family, ...] = (
    _family("serve", "workload, bucket", define_serve),
    _family("phases", "workload, bucket, site", define_phases),
    _family("on_time", "online workload", define_on_time),
    _family("token_pace", "online workload", define_token_pace),
    _family("load", "service", define_load),
    _family("work", "offline service", define_work),
    _family("arrive, run", "offline service, hour", define_carried_work),
    _family("capacity", "pool, hour", define_capacity),
    _family("packing", "group, k, part of the day", define_packing),
    _family("park", "kind, part of the day", define_park),
    _family("replicas", "online workload, phase, part of the day", define_replicas),
    _family("presence", "online workload, part of the day", define_presence),
    _family("reuse", "kind, hour", define_reuse),
    _family("kv_transfer", "pool, part of the day", define_kv_transfer),
    _family("at_most, at_least", "server", define_limits),
    _family("power", "site, hour", define_power),
    _family("space", "site", define_space),
    _family("count", "accelerators of a server, LLM, part of the day", define_counts),
)
"""Every row of the program belongs to one of these. Caps on carbon and cost are rows on the day's
account (:mod:`ecoserve.pricing`), since they change with prices."""
