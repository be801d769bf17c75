"""The fleet as an integer program: shares are continuous, servers and replicas whole.

Columns (a day of 24 h on the users' clock; d workload, i site, s kind of server at a site, g group
of kinds that differ in the host only, p pool, b length bucket, h hour, k part of the day):

    n           servers of all kinds                                    integer
    n(a)        of those that hold the same accelerators, a             integer
    up(k), up(a,k)  of both, how many are on where servers are parked   integer
    cards(a,m,k)    accelerators given to an LLM m                      integer
    x(s)        servers of a kind                                       integer
    on(s,k)     of those switched on; x(s) where nothing is parked      integer
    w(g,p,k)    replicas of a pool that are up on a group               integer
    z(d,p,b)    share of a bucket's requests                            0..1
    load(d,p)   mean busy replicas                                      >= 0
    u(d,p,h)    replica-hours of offline work run at h                  >= 0

Rows come from :mod:`ecoserve.constraints`, one family each. Units: servers, replicas, kW. The day's
account in kg, USD and kWh is a price per column (:mod:`ecoserve.pricing`), so that a cleaner grid
or a longer life changes no row.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import pulp

from ecoserve.links import most_linked_replicas
from ecoserve.service import Service
from ecoserve.terms import FULL, FleetTerms, ServerTerms
from ecoserve.units import HOURS_PER_DAY

Column: TypeAlias = Any
"""A ``pulp.LpVariable``; PuLP is untyped."""
EQ, LE, GE = pulp.LpConstraintEQ, pulp.LpConstraintLE, pulp.LpConstraintGE


@dataclass(slots=True, kw_only=True)
class FleetProblem:
    """The program and the handles to read its solution with."""

    lp: pulp.LpProblem = field(default_factory=lambda: pulp.LpProblem("fleet", pulp.LpMinimize))
    total: Column = None
    alike: dict[str, Column] = field(default_factory=dict)
    up: dict[int, Column] = field(default_factory=dict)
    alike_up: dict[tuple[str, int], Column] = field(default_factory=dict)
    cards: dict[tuple[str, str, int], Column] = field(default_factory=dict)
    x: dict[str, Column] = field(default_factory=dict)
    on: dict[tuple[str, int], Column] = field(default_factory=dict)
    w: dict[tuple[str, str, int], Column] = field(default_factory=dict)
    z: dict[tuple[str, int], Column] = field(default_factory=dict)
    load: dict[str, Column] = field(default_factory=dict)
    u: dict[tuple[str, int], Column] = field(default_factory=dict)
    pools: dict[str, list[Service]] = field(default_factory=dict)
    """The services of each pool on accelerators."""
    homes: dict[str, list[str]] = field(default_factory=dict)
    """The groups that can hold each pool."""

    def row(self, name: str, terms: Iterable[tuple[Column, float]], sense: int, rhs: float) -> None:
        """Adds ``terms sense rhs`` under a unique name."""
        listed = list(terms)
        expression = pulp.LpAffineExpression(listed)
        if len(expression) != len(listed):  # PuLP keeps the last of two terms, silently
            raise ValueError(f"row {name} names a column twice")
        self.lp.addConstraint(pulp.LpConstraint(expression, sense, name, rhs))

    def rendered(self, names: Sequence[str], most_terms: int = 8) -> list[str]:
        """Rows of these families as text, in the order they were added; long ones shortened."""
        found = []
        for row in self.lp.constraints():
            if row.name.partition("(")[0] in names:
                terms = [f"{value:+.6g} {column.name}" for column, value in row.items()]
                more = [f"... {len(terms) - most_terms} more"] if len(terms) > most_terms else []
                sense = pulp.LpConstraintSenses[row.sense]
                left = " ".join([*terms[:most_terms], *more])
                found.append(f"{row.name}: {left} {sense} {-float(row.constant) + 0.0:.6g}")
        return found

    def replicas_of(self, pool_id: str, period: int) -> list[tuple[Column, float]]:
        """The pool's replicas in a part of the day, over all groups."""
        return [(self.w[group, pool_id, period], 1.0) for group in self.homes.get(pool_id, [])]

    def tp_of(self, pool_id: str) -> int:
        """Accelerators of one replica."""
        return self.pools[pool_id][0].device.tp

    @property
    def whole(self) -> list[Column]:
        """Every column that must be a whole number."""
        counts = [self.total, *self.up.values(), *self.alike.values(), *self.alike_up.values()]
        servers = [*self.x.values(), *self.on.values()]
        unique = {column.name: column for column in servers}
        return [*counts, *unique.values(), *self.cards.values(), *self.w.values()]

    @property
    def levels(self) -> list[list[Any]]:
        """What to decide first: sums before their parts, servers before what runs on them.

        A tuple stands for its sum: a pool's replicas over all groups.
        """
        by_pool: dict[tuple[str, int], list[Column]] = {}
        for (_, pool_id, k), column in self.w.items():
            by_pool.setdefault((pool_id, k), []).append(column)
        pools = [tuple(columns) for columns in by_pool.values()]
        parked = [column for column in self.on.values() if column.name.startswith("on(")]
        sums = [[self.total], [*self.up.values()], [*self.alike.values()]]
        servers = [[*self.alike_up.values()], [*self.x.values()], parked]
        found = [*sums, *servers, [*self.cards.values()], pools, [*self.w.values()]]
        return [level for level in found if level]


def define_columns(problem: FleetProblem, terms: FleetTerms) -> None:
    """Servers, replicas where a pool fits a server, and shares where a bucket may go."""
    for service in terms.services:
        if terms.masks[service.id].any():
            _define_service_columns(problem, terms, service)
            if service.role != "host_cpu":
                problem.pools.setdefault(service.pool_id, []).append(service)
    most: dict[str, float] = dict.fromkeys(terms.groups, 0.0)
    for pool_id, group in problem.pools.items():
        problem.homes[pool_id] = homes_of(group[0], terms)
        homes = [terms.groups[home][0] for home in problem.homes[pool_id]]
        busy = _most_replicas(pool_id, group, terms)
        at_most = max(busy, most_linked_replicas(group, terms, homes))
        for home in problem.homes[pool_id]:
            most[home] += at_most * group[0].device.tp
            for k in range(len(terms.periods)):
                name = f"w({home},{pool_id}{part_mark(terms, k)})"
                column = problem.lp.add_variable(name, 0, at_most, pulp.LpInteger)
                problem.w[home, pool_id, k] = column
    for server in terms.servers:
        _define_server_columns(problem, terms, server, most[server.group_id])
    _define_counts(problem, terms)


def _define_counts(problem: FleetProblem, terms: FleetTerms) -> None:
    """Sums of whole columns: to say that a sum is whole tells the search more than its parts."""

    def count(name: str) -> Column:
        return problem.lp.add_variable(name, 0, None, pulp.LpInteger)

    problem.total = count("n")
    alike = {server.group_id: server.alike for server in terms.servers}
    for name in dict.fromkeys(alike.values()):
        problem.alike[name] = count(f"n({name})")
    for k in range(len(terms.periods) if terms.parks else 0):
        problem.up[k] = count(f"up({k})")
        for name in problem.alike:
            problem.alike_up[name, k] = count(f"up({name},{k})")
    for group_id, pool_id, k in problem.w:
        llm_id = problem.pools[pool_id][0].device.llm_id
        key = (alike[group_id], llm_id, k)
        if key not in problem.cards:
            name = f"cards({alike[group_id]},{llm_id}{part_mark(terms, k)})"
            problem.cards[key] = count(name)


def part_mark(terms: FleetTerms, period: int) -> str:
    """What a part of the day adds to a name; nothing where the day is one."""
    return f",{period}" if terms.parks else ""


def _define_server_columns(
    problem: FleetProblem, terms: FleetTerms, server: ServerTerms, accelerators: float
) -> None:
    at_most = _most_servers(problem, terms, server, accelerators)
    add = problem.lp.add_variable
    problem.x[server.id] = add(f"x({server.id})", 0, at_most, pulp.LpInteger)
    for k in range(len(terms.periods)):
        problem.on[server.id, k] = (
            add(f"on({server.id},{k})", 0, at_most, pulp.LpInteger)
            if terms.parks
            else problem.x[server.id]
        )


def _define_service_columns(problem: FleetProblem, terms: FleetTerms, service: Service) -> None:
    problem.load[service.id] = problem.lp.add_variable(f"load({service.id})", 0)
    for bucket in np.flatnonzero(terms.masks[service.id]):
        name = f"z({service.id},{bucket})"
        problem.z[service.id, int(bucket)] = problem.lp.add_variable(name, 0, 1)
    if terms.is_movable(service):
        for hour in range(HOURS_PER_DAY):
            name = f"u({service.id},{hour})"
            problem.u[service.id, hour] = problem.lp.add_variable(name, 0)


def _most_replicas(pool_id: str, group: Sequence[Service], terms: FleetTerms) -> int:
    """Enough for everything the pool could ever serve, all in the same hour."""
    busy = 0.0
    for service in group:
        demand, mask = terms.demand_of(service), terms.masks[service.id]
        day = float(demand.rate_rps[mask] @ service.load_s[mask])
        peak = HOURS_PER_DAY if terms.is_movable(service) else demand.peak_ratio.max()
        busy += day * float(peak) * (terms.burst if demand.is_online else 1.0)
    return max(terms.min_replicas, math.ceil(busy / terms.utilisation[pool_id]))


def _most_servers(
    problem: FleetProblem, terms: FleetTerms, server: ServerTerms, accelerators: float
) -> int:
    """Enough for all those replicas, one server each, and for all offline work on its CPUs."""
    on_host = [s for s in terms.services if s.id in problem.load and runs_on_host(s, server)]
    busy = sum(float(terms.demand_of(s).rate_rps @ s.load_s) * HOURS_PER_DAY for s in on_host)
    enough: int = math.ceil(accelerators)
    enough += math.ceil(busy / server.spare_sockets) if busy and server.spare_sockets else 0
    asked = sum(limit.at_least for limit in terms.limits if limit.server_id == server.server_id)
    enough = max(enough, asked)
    return enough if server.max_count is None else min(enough, server.max_count)


def runs_on_host(service: Service, server: ServerTerms) -> bool:
    """Whether a service's work runs on the CPU sockets of this kind of server."""
    device = service.device
    if device.server_id != server.server_id or service.site != server.site:
        return False
    return (device.variant or FULL) == server.variant


def homes_of(service: Service, terms: FleetTerms) -> list[str]:
    """The groups at the service's site whose servers hold one of its replicas."""
    device = service.device
    return [
        group_id
        for group_id, (server, *_) in terms.groups.items()
        if server.site == service.site
        and server.accelerator_id == device.accelerator_id
        and device.tp <= server.n_accelerators
    ]


def with_kinds(terms: FleetTerms, kinds: frozenset[str]) -> FleetTerms:
    """The same terms without other kinds of server, nor what runs on none of these."""
    servers = tuple(kind for kind in terms.servers if kind.id in kinds)
    some = replace(terms, servers=servers)
    kept = (s for s in terms.services if homes_of(s, some) or _is_on_a_host(s, servers))
    return replace(some, services=tuple(kept))


def _is_on_a_host(service: Service, servers: Sequence[ServerTerms]) -> bool:
    return any(runs_on_host(service, server) for server in servers)
