"""The fleet as an integer program: shares are continuous, servers and replicas whole.

Columns (day of 24 h at one site; d workload, p pool, s server kind, b length bucket, h hour):

    x(s)      servers of a kind                        integer
    w(s,p)    replicas of a pool on a server kind      integer
    z(d,p,b)  share of a bucket's requests             0..1
    load(d,p) mean busy replicas                       >= 0
    u(d,p,h)  replica-hours of offline work run at h   >= 0

Rows, one ``define_*`` function per family. Units: servers, replicas, kW. The day's account in kg,
USD and kWh is a price per column (:mod:`ecoserve.pricing`), so that a cleaner grid or a longer life
changes no row.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pulp
from numpy.typing import NDArray

from ecoserve.demand import WorkloadDemand, hours_from_arrival
from ecoserve.options import Mask, Service
from ecoserve.units import BYTES_PER_GB, HOURS_PER_DAY

Array = NDArray[np.float64]
Column: TypeAlias = Any
"""A ``pulp.LpVariable``; PuLP is untyped."""
PACKING_SIZES = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTerms:
    """What one server of a kind adds to the account, and what it offers."""

    id: str
    accelerator_id: str
    n_accelerators: int
    idle_kw: float
    """At the wall, on and serving nothing."""
    embodied_kg_per_day: float
    usd_per_day: float
    """Everything but electricity."""
    spare_sockets: float
    """CPU sockets left for offline work."""
    kv_gb_per_s: float
    """NIC bandwidth that KV transfer may use."""
    max_count: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetTerms:
    """Everything the program is made of; no look-ups remain."""

    demands: tuple[WorkloadDemand, ...]
    services: tuple[Service, ...]
    masks: Mapping[str, Mask]
    on_time: Mapping[str, Array]
    utilisation: Mapping[str, float]
    servers: tuple[ServerTerms, ...]
    kg_per_kwh: Array
    """Carbon of a kWh at the meter by local hour, shape (24,)."""
    pue: float
    usd_per_kwh: float
    psu_efficiency: float
    burst: float
    min_replicas: int
    shift: bool
    _by_name: Mapping[str, WorkloadDemand] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        by_name = {demand.workload.name: demand for demand in self.demands}
        object.__setattr__(self, "_by_name", by_name)

    def demand_of(self, service: Service) -> WorkloadDemand:
        """The workload behind a service."""
        return self._by_name[service.workload]

    def is_movable(self, service: Service) -> bool:
        """Offline work that may wait; the rest runs as it arrives.

        Work in prefill and decode pools does not wait: its KV cache would have to lie somewhere
        between the two phases.
        """
        demand = self.demand_of(service)
        whole = service.role in ("mixed", "host_cpu")
        return whole and not demand.is_online and self.shift and demand.workload.deadline_h > 1

    def dynamic_kw(self, service: Service) -> Array:
        """kW at the wall of a busy replica above idle, shape (buckets,).

        Offline batches mix lengths, so there it is the load-weighted mean over the workload.
        """
        per_bucket = service.dynamic_w / (1000.0 * self.psu_efficiency)
        demand = self.demand_of(service)
        if demand.is_online:
            return np.asarray(per_bucket)
        load = np.where(self.masks[service.id], demand.rate_rps * service.load_s, 0.0)
        return np.full_like(per_bucket, float(load @ per_bucket / load.sum()))


@dataclass(slots=True, kw_only=True)
class FleetProblem:
    """The program and the handles to read its solution with."""

    lp: pulp.LpProblem
    x: dict[str, Column] = field(default_factory=dict)
    w: dict[tuple[str, str], Column] = field(default_factory=dict)
    z: dict[tuple[str, int], Column] = field(default_factory=dict)
    load: dict[str, Column] = field(default_factory=dict)
    u: dict[tuple[str, int], Column] = field(default_factory=dict)
    homes: dict[str, list[Column]] = field(default_factory=dict)
    """The replica columns of each pool, one per server kind that can hold it."""
    tp_of: dict[str, int] = field(default_factory=dict)

    def row(self, name: str, terms: Iterable[tuple[Column, float]], sense: int, rhs: float) -> None:
        """Adds ``terms sense rhs`` under a unique name."""
        listed = list(terms)
        expression = pulp.LpAffineExpression(listed)
        if len(expression) != len(listed):  # PuLP keeps the last of two terms, silently
            raise ValueError(f"row {name} names a column twice")
        self.lp.addConstraint(pulp.LpConstraint(expression, sense, name, rhs))

    def replicas_of(self, pool_id: str) -> list[tuple[Column, float]]:
        """The pool's replicas over all server kinds."""
        return [(column, 1.0) for column in self.homes.get(pool_id, [])]


EQ, LE, GE = pulp.LpConstraintEQ, pulp.LpConstraintLE, pulp.LpConstraintGE


def fleet_problem(terms: FleetTerms) -> FleetProblem:
    """All columns and rows; the objective comes from :mod:`ecoserve.pricing`."""
    problem = FleetProblem(lp=pulp.LpProblem("fleet", pulp.LpMinimize))
    define_columns(problem, terms)
    define_serve(problem, terms)
    define_phases(problem, terms)
    define_on_time(problem, terms)
    define_token_pace(problem, terms)
    define_load(problem, terms)
    define_work(problem, terms)
    define_capacity(problem, terms)
    define_packing(problem, terms)
    define_replicas(problem, terms)
    define_presence(problem, terms)
    define_reuse(problem, terms)
    define_kv_transfer(problem, terms)
    return problem


def branching_levels(problem: FleetProblem, terms: FleetTerms) -> list[list[Any]]:
    """What to decide first, sums before their parts: how much at all, then of which kind.

    All servers; those with an accelerator; an LLM's replicas on it; a pool's; servers of a kind; a
    pool's replicas on a kind.
    """
    by_accelerator: dict[str, list[Column]] = {}
    for server in terms.servers:
        by_accelerator.setdefault(server.accelerator_id, []).append(problem.x[server.id])
    by_llm: dict[tuple[str, str], list[Column]] = {}
    for pool_id, group in _pools(problem, terms).items():
        device = group[0].device
        columns = by_llm.setdefault((device.llm_id, device.accelerator_id), [])
        columns += problem.homes[pool_id]
    servers = list(problem.x.values())
    return [
        [servers],
        list(by_accelerator.values()),
        list(by_llm.values()),
        list(problem.homes.values()),
        servers,
        list(problem.w.values()),
    ]


def define_columns(problem: FleetProblem, terms: FleetTerms) -> None:
    """Servers, replicas where a pool fits a server kind, and shares where a bucket may go."""
    for service in terms.services:
        if terms.masks[service.id].any():
            _define_service_columns(problem, terms, service)
    for pool_id, group in _pools(problem, terms).items():
        at_most = _most_replicas(pool_id, group, terms)
        problem.tp_of[pool_id] = group[0].device.tp
        for server in _homes(group[0], terms):
            name = f"w({server.id},{pool_id})"
            column = problem.lp.add_variable(name, 0, at_most, pulp.LpInteger)
            problem.w[server.id, pool_id] = column
            problem.homes.setdefault(pool_id, []).append(column)
    for server in terms.servers:
        at_most = _most_servers(problem, terms, server)
        problem.x[server.id] = problem.lp.add_variable(
            f"x({server.id})", 0, at_most, pulp.LpInteger
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


def _most_servers(problem: FleetProblem, terms: FleetTerms, server: ServerTerms) -> int:
    """Enough for all those replicas, and for all offline work on its CPUs at once."""
    slots = sum(
        problem.tp_of[pool] * column.upBound for (home, pool), column in problem.w.items()
        if home == server.id
    )  # fmt: skip
    busy = sum(
        float((terms.demand_of(s).rate_rps @ s.load_s) * HOURS_PER_DAY)
        for s in terms.services
        if s.device.server_id == server.id and s.id in problem.load
    )
    enough: int = math.ceil(slots) + math.ceil(busy / server.spare_sockets if busy else 0.0)
    return enough if server.max_count is None else min(enough, server.max_count)


def _homes(service: Service, terms: FleetTerms) -> Iterator[ServerTerms]:
    device = service.device
    for server in terms.servers:
        on_cpu = device.server_id == server.id
        on_card = device.accelerator_id == server.accelerator_id
        if on_cpu or (on_card and device.tp <= server.n_accelerators):
            yield server


def _shares(
    problem: FleetProblem, terms: FleetTerms, demand: WorkloadDemand, roles: Sequence[str]
) -> list[list[tuple[Column, float]]]:
    """Per bucket, the share columns of a workload's services in these roles."""
    columns: list[list[tuple[Column, float]]] = [[] for _ in demand.rate_rps]
    for service in _services_of(terms, demand):
        if service.role in roles:
            for bucket in np.flatnonzero(terms.masks[service.id]):
                columns[bucket].append((problem.z[service.id, int(bucket)], 1.0))
    return columns


def _services_of(terms: FleetTerms, demand: WorkloadDemand) -> list[Service]:
    return [s for s in terms.services if s.workload == demand.workload.name]


def define_serve(problem: FleetProblem, terms: FleetTerms) -> None:
    """serve: every bucket is served whole or begun in a prefill pool, in full."""
    for demand in terms.demands:
        shares = _shares(problem, terms, demand, ("mixed", "prefill", "host_cpu"))
        for bucket, columns in enumerate(shares):
            if demand.rate_rps[bucket] > 0:
                problem.row(f"serve({demand.index},{bucket})", columns, EQ, 1.0)


def define_phases(problem: FleetProblem, terms: FleetTerms) -> None:
    """phases: what is begun in a prefill pool is finished in a decode pool."""
    for demand in terms.demands:
        begun = _shares(problem, terms, demand, ("prefill",))
        finished = _shares(problem, terms, demand, ("decode",))
        for bucket, (first, second) in enumerate(zip(begun, finished, strict=True)):
            if first or second:
                columns = first + [(column, -1.0) for column, _ in second]
                problem.row(f"phases({demand.index},{bucket})", columns, EQ, 0.0)


def define_on_time(problem: FleetProblem, terms: FleetTerms) -> None:
    """on_time: the percentile's share of a workload's requests starts within its TTFT limit."""
    for demand in terms.demands:
        if demand.workload.slo is not None:
            columns = _weighted_shares(problem, terms, demand, ("mixed", "prefill"), terms.on_time)
            percentile = demand.workload.slo.percentile
            problem.row(f"on_time({demand.index})", columns, GE, percentile)


def define_token_pace(problem: FleetProblem, terms: FleetTerms) -> None:
    """token_pace: the percentile's share of a workload's requests keeps its TPOT limit."""
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
) -> list[tuple[Column, float]]:
    """A workload's share columns in these roles times its request mix and a weight."""
    fraction = demand.fraction
    return [
        (problem.z[service.id, int(b)], float(fraction[b] * weight[service.id][b]))
        for service in _services_of(terms, demand)
        if service.role in roles
        for b in np.flatnonzero(terms.masks[service.id])
    ]


def define_load(problem: FleetProblem, terms: FleetTerms) -> None:
    """load: mean busy replicas of a service are the replica-seconds its shares bring per second."""
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
    """work: offline replica-hours run within the day, none before it arrived or after its deadline.

    A deadline of 24 h leaves the whole cyclic day open; shorter ones carry work from the hour it
    arrived in to the hours that may run it.
    """
    for service in terms.services:
        if service.id not in problem.load or not terms.is_movable(service):
            continue
        demand, load = terms.demand_of(service), problem.load[service.id]
        run = [(problem.u[service.id, h], 1.0) for h in range(HOURS_PER_DAY)]
        if demand.workload.deadline_h >= HOURS_PER_DAY:
            problem.row(f"work({service.id})", [*run, (load, -float(HOURS_PER_DAY))], EQ, 0.0)
        else:
            _define_carried_work(problem, service, demand)


def _define_carried_work(problem: FleetProblem, service: Service, demand: WorkloadDemand) -> None:
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


def define_capacity(problem: FleetProblem, terms: FleetTerms) -> None:
    """capacity: each hour a pool's load, bursts included, stays within the planned utilisation."""
    for pool_id, group in _pools(problem, terms).items():
        replicas = [(c, -terms.utilisation[pool_id] * v) for c, v in problem.replicas_of(pool_id)]
        for hour in _binding_hours(group, terms):
            columns = _hour_load(problem, terms, group, hour)
            problem.row(f"capacity({pool_id},{hour})", [*columns, *replicas], LE, 0.0)


def _pools(problem: FleetProblem, terms: FleetTerms) -> dict[str, list[Service]]:
    pools: dict[str, list[Service]] = {}
    for service in terms.services:
        if service.id in problem.load and service.role != "host_cpu":
            pools.setdefault(service.pool_id, []).append(service)
    return pools


def _binding_hours(group: Sequence[Service], terms: FleetTerms) -> list[int]:
    """Hours that no other hour exceeds in every workload; all where work can be moved."""
    if any(terms.is_movable(service) for service in group):
        return list(range(HOURS_PER_DAY))
    ratios = np.array([terms.demand_of(service).peak_ratio for service in group])
    _, first = np.unique(ratios, axis=1, return_index=True)
    hours = sorted(int(h) for h in first)
    return [
        h for h in hours if not any((ratios[:, h] <= ratios[:, o]).all() for o in hours if o != h)
    ]


def _hour_load(
    problem: FleetProblem, terms: FleetTerms, group: Sequence[Service], hour: int
) -> list[tuple[Column, float]]:
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
    """packing: groups of at least k accelerators nest into the servers of a kind, k = 1, 2, 4, 8.

    Exact for power-of-two groups; a replica never spans servers.
    """
    tp_of = problem.tp_of
    for server in terms.servers:
        pools = [(p, c) for (s, p), c in problem.w.items() if s == server.id]
        for size in PACKING_SIZES:
            groups = [(column, float(tp_of[p])) for p, column in pools if tp_of[p] >= size]
            if groups:
                room = float(size * (server.n_accelerators // size))
                columns = [*groups, (problem.x[server.id], -room)]
                problem.row(f"packing({server.id},{size})", columns, LE, 0.0)


def define_replicas(problem: FleetProblem, terms: FleetTerms) -> None:
    """replicas: at least so many replicas able to start, and to finish, each online workload."""
    for demand in terms.demands:
        if not demand.is_online:
            continue
        for phase in ("prefill", "decode"):
            pools = {
                s.pool_id: None
                for s in _services_of(terms, demand)
                if s.role in ("mixed", phase) and s.id in problem.load
            }
            columns = [column for pool_id in pools for column in problem.replicas_of(pool_id)]
            problem.row(f"replicas({demand.index},{phase})", columns, GE, float(terms.min_replicas))


def define_presence(problem: FleetProblem, terms: FleetTerms) -> None:
    """presence: each online workload lives on at least one whole server.

    Implied by whole replicas; said aloud it keeps the relaxation of small services honest.
    """
    for demand in terms.demands:
        pools = {s.pool_id for s in _services_of(terms, demand) if s.id in problem.load}
        homes = {server: None for (server, pool) in problem.w if pool in pools}
        if demand.is_online:
            columns = [(problem.x[server], 1.0) for server in homes]
            problem.row(f"presence({demand.index})", columns, GE, 1.0)


def define_reuse(problem: FleetProblem, terms: FleetTerms) -> None:
    """reuse: offline work on host CPUs stays within the spare sockets of the servers bought."""
    by_server: dict[str, list[Service]] = {}
    for service in terms.services:
        if service.role == "host_cpu" and service.id in problem.load:
            by_server.setdefault(service.device.server_id, []).append(service)
    spare = {server.id: server.spare_sockets for server in terms.servers}
    for server_id, group in by_server.items():
        sockets = (problem.x[server_id], -spare[server_id])
        for hour in _binding_hours(group, terms):
            columns = _hour_load(problem, terms, group, hour)
            problem.row(f"reuse({server_id},{hour})", [*columns, sockets], LE, 0.0)


def define_kv_transfer(problem: FleetProblem, terms: FleetTerms) -> None:
    """kv_transfer: KV moved between pools at the peak fits the NICs behind the pool's replicas."""
    by_server = {server.id: server for server in terms.servers}
    for pool_id, group in _pools(problem, terms).items():
        if group[0].role not in ("prefill", "decode"):
            continue
        moved = [
            (problem.z[s.id, int(b)], _peak_kv_gb_per_s(s, terms, int(b)))
            for s in group
            for b in np.flatnonzero(terms.masks[s.id])
        ]
        links = [
            (column, -_link_gb_per_s(by_server[server_id], group[0].device.tp))
            for (server_id, pool), column in problem.w.items()
            if pool == pool_id
        ]
        problem.row(f"kv_transfer({pool_id})", [*moved, *links], LE, 0.0)


def _peak_kv_gb_per_s(service: Service, terms: FleetTerms, bucket: int) -> float:
    demand = terms.demand_of(service)
    peak = float(demand.rate_rps[bucket] * demand.peak_ratio.max()) * terms.burst
    return peak * float(service.kv_bytes[bucket]) / BYTES_PER_GB


def _link_gb_per_s(server: ServerTerms, tp: int) -> float:
    return server.kv_gb_per_s * tp / server.n_accelerators
