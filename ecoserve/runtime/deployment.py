"""A plan made ready to run: its pools with their paces, who may go where, and what servers draw.

Everything is read from the plan, its scenario and the catalog; nothing is decided here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecoserve.catalog import Catalog
from ecoserve.demand import WorkloadDemand, workload_demands
from ecoserve.offers import nic_gb_per_s
from ecoserve.options import KV_LINK_EFFICIENCY, services
from ecoserve.performance import prefill_s
from ecoserve.plan import FleetEntry, Plan, Pool, Role, ServedTraffic
from ecoserve.power import cpu_pool_w, power_model, server_idle_w
from ecoserve.rows import Server
from ecoserve.runtime.pace import Pace, accelerator_pace, socket_pace
from ecoserve.scenario import Scenario
from ecoserve.service import Service
from ecoserve.structure import site_terms
from ecoserve.terms import FULL
from ecoserve.units import BYTES_PER_GB, HOURS_PER_DAY, HOURS_PER_YEAR, g_from_kg, kw_from_w
from ecoserve.variants import trimmed

Array = NDArray[np.float64]
CHUNK_TOKENS = 8192
"""Tokens of prompts that a step takes beside the batch: ``max_num_batched_tokens``, which vLLM sets
to this on accelerators with 70 GiB and more when it serves."""
SMALL_CHUNK_TOKENS = 2048
"""The same on smaller accelerators, on A100s and on CPUs."""
SMALL_CHUNKS_ON = "a100"
CHUNK_MEMORY_GB = 75.0
"""70 GiB."""
LOWEST_SHARE = 1e-9
PATIENCE = 0.25
"""Of the TTFT limit, for which prompts wait rather than begin another replica."""
MOST_PATIENCE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What a pool may serve of one workload; arrays by cell of input length, shortest first."""

    workload: int
    weight: Array
    """Share of the cell's requests, over all lengths of answers."""
    flow_rps: Array
    """Requests of the cell that it is planned to serve, on the mean day."""
    share: Array
    """Of a replica that such a request is planned to take, over all lengths of answers."""
    load_s: Array
    """Replica-seconds of such a request as planned; of a socket shared with its host, with the
    turns of the host in between."""
    extra_s: float
    """Front end and network, in front of the first token."""
    cached_ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployedPool:
    """Replicas of one LLM in one role on one kind of server."""

    plan: Pool
    site: int
    pace: Pace
    chunk_tokens: int
    traffic: tuple[Traffic, ...]
    up_by_hour: tuple[int, ...]
    """Replicas, 24 figures on the users' clock."""
    online_by_hour: tuple[float, ...]
    """Of them, how many online work is planned to take, bursts and headroom included."""
    kv_s_per_token: float
    """Transfer time of a token's KV cache; 0 where nothing is sent."""
    patience: int
    """Prompts that may wait in front of a replica before the next one is begun."""
    standby_kw: float
    """A replica's part of what its server draws while it is on."""

    @property
    def role(self) -> Role:
        """Mixed, prefill, decode or host CPU."""
        return self.plan.role


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteDraw:
    """What the servers of one site draw whatever they serve, and the grid they draw it from."""

    name: str
    pue: float
    gco2e_per_kwh: tuple[float, ...]
    """24 figures on the users' clock, like all below."""
    standing_kw: tuple[float, ...]
    """At the wall: on and idle, or parked."""
    waking_kw: tuple[float, ...]
    """Of the servers that are switched on at the beginning of each hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """All that the replay needs to know of a plan."""

    demands: tuple[WorkloadDemand, ...]
    edges: tuple[tuple[int, ...], ...]
    """By workload: the longest input of every cell but the last."""
    pools: tuple[DeployedPool, ...]
    sites: tuple[SiteDraw, ...]
    wake_s: float
    embodied_kgco2e_per_h: float
    standing_backlog: tuple[Array, ...]
    """By workload, shape (24,): requests that wait at the beginning of each hour, as planned."""


def deploy(plan: Plan, scenario: Scenario, catalog: Catalog) -> Deployment:
    """Reads a plan of this scenario.

    Raises ValueError for a plan that does not say what share of each bucket its pools serve.
    """
    demands = workload_demands(scenario, catalog)
    offered = {_key(s): s for s in services(scenario, catalog, demands)}
    cells = [_cells(demand, catalog) for demand in demands]
    names = [site.name for site in scenario.sites]
    pools = tuple(
        _pool(pool, names.index(pool.site), demands, cells, offered, scenario, catalog)
        for pool in plan.pools
    )
    return Deployment(
        demands=demands,
        edges=tuple(edges for edges, _ in cells),
        pools=pools,
        sites=tuple(_sites(plan, scenario, catalog)),
        wake_s=catalog.host_power_value("wake_s"),
        embodied_kgco2e_per_h=plan.embodied_kgco2e_per_year / HOURS_PER_YEAR,
        standing_backlog=tuple(_backlog(plan, demand) for demand in demands),
    )


_Key = tuple[str, int, str, str, int, str, float, str]


def _key(service: Service) -> _Key:
    device = service.device
    host = f"{device.server_id} {device.variant or FULL}" if not device.accelerator_id else ""
    place = device.accelerator_id or host
    return (
        service.workload, service.site, device.llm_id, place, device.tp, device.precision,
        device.power_cap_ratio, service.role,
    )  # fmt: skip


def _service(workload: str, pool: Pool, site: int, offered: Mapping[_Key, Service]) -> Service:
    places = [pool.accelerator]
    if not pool.accelerator:
        places = [f"{pool.server} {variant}" for variant in pool.variant.split("+")]
    keys = [
        (workload, site, pool.llm, place, pool.tp, pool.precision, pool.power_cap_ratio, pool.role)
        for place in places
    ]
    return next(offered[key] for key in keys if key in offered)


def _cells(demand: WorkloadDemand, catalog: Catalog) -> tuple[tuple[int, ...], NDArray[np.int64]]:
    """Input lengths at which the mix is cut, and each bucket's cell."""
    buckets = [b for b in catalog.length_mix(demand.workload.mix).buckets if b.fraction > 0]
    ends = sorted({b.isl_hi_tokens for b in buckets})
    cell = np.array([ends.index(b.isl_hi_tokens) for b in buckets])
    return tuple(math.floor(end) for end in ends[:-1]), cell


def _pool(
    pool: Pool,
    site: int,
    demands: Sequence[WorkloadDemand],
    cells: Sequence[tuple[tuple[int, ...], NDArray[np.int64]]],
    offered: Mapping[_Key, Service],
    scenario: Scenario,
    catalog: Catalog,
) -> DeployedPool:
    server = _built(catalog.server(pool.server), pool.variant.split("+")[0], catalog)
    on_host = pool.role == "host_cpu"
    pace_ratio = catalog.host_power_value("cpu_spare_ratio") if on_host else 1.0
    found: list[Traffic] = []
    online = np.zeros(HOURS_PER_DAY)
    service: Service | None = None
    for row in pool.served:
        index = next(i for i, d in enumerate(demands) if d.workload.name == row.workload)
        demand = demands[index]
        service = _service(row.workload, pool, site, offered)
        shares = _bucket_shares(row, demand)
        trip = scenario.sites[site].round_trip_s if demand.is_online else 0.0
        traffic = _traffic(index, demand, service, shares, cells[index][1], trip, pace_ratio)
        found.append(traffic)
        if demand.is_online:
            busy = float(demand.rate_rps @ (service.load_s * shares))
            online += busy * demand.peak_ratio * scenario.policy.burst / pool.planned_utilisation
    assert service is not None, "a pool serves something"
    replica = service.device.replica
    nic = KV_LINK_EFFICIENCY * nic_gb_per_s(server) * pool.tp / server.n_accelerators
    sends = pool.role == "prefill"
    standby_kw = kw_from_w(server_idle_w(server, catalog)) * pool.tp / server.n_accelerators
    return DeployedPool(
        plan=pool,
        site=site,
        pace=_pace(pool, service, server, scenario, catalog),
        chunk_tokens=_chunk_tokens(pool.accelerator, catalog),
        traffic=tuple(found),
        up_by_hour=pool.replicas_by_hour,
        online_by_hour=tuple(float(n) for n in online),
        kv_s_per_token=replica.kv_bytes_per_token / (nic * BYTES_PER_GB) if sends else 0.0,
        patience=_patience(pool, demands, service),
        standby_kw=standby_kw if pool.accelerator else 0.0,
    )


def _chunk_tokens(accelerator_id: str, catalog: Catalog) -> int:
    if not accelerator_id or SMALL_CHUNKS_ON in accelerator_id:
        return SMALL_CHUNK_TOKENS
    is_large = catalog.accelerator(accelerator_id).memory_gb >= CHUNK_MEMORY_GB
    return CHUNK_TOKENS if is_large else SMALL_CHUNK_TOKENS


def _patience(pool: Pool, demands: Sequence[WorkloadDemand], service: Service) -> int:
    """How many mean prompts take ``PATIENCE`` of the shortest TTFT limit; at least one."""
    found = [MOST_PATIENCE]
    for demand in demands:
        slo = demand.workload.slo
        if slo is not None and demand.workload.name in pool.workloads:
            mean = np.array([float(demand.fraction @ demand.isl_tokens)])
            seconds = prefill_s(service.device.replica, mean, demand.workload.prefix_cache_hit)
            found.append(int(PATIENCE * slo.ttft_s / float(seconds[0])))
    return max(1, min(found))


def _bucket_shares(row: ServedTraffic, demand: WorkloadDemand) -> Array:
    if len(row.bucket_shares) != len(demand.rate_rps):
        raise ValueError(f"the plan does not say which lengths of {row.workload} a pool serves")
    return np.array(row.bucket_shares)


def _traffic(
    index: int,
    demand: WorkloadDemand,
    service: Service,
    shares: Array,
    cell: NDArray[np.int64],
    trip_s: float,
    pace_ratio: float,
) -> Traffic:
    """Means over the answers' lengths, which nobody knows when a request comes."""
    n = int(cell.max()) + 1
    flow = demand.rate_rps * shares
    rate = np.asarray(np.bincount(cell, demand.rate_rps, n), dtype=float)
    served = np.asarray(np.bincount(cell, flow, n), dtype=float)

    def mean(values: Array) -> Array:
        """By cell, of what is served; where nothing is, of all."""
        chosen = np.where(served[cell] > 0, flow, demand.rate_rps)
        weight = np.bincount(cell, chosen, n)
        return np.asarray(np.bincount(cell, chosen * values, n) / weight)

    starts = service.role in ("mixed", "prefill")
    front = service.device.replica.params.t_request_s if starts else 0.0
    weight = served / rate
    return Traffic(
        workload=index,
        weight=np.where(weight > LOWEST_SHARE, weight, 0.0),
        flow_rps=served,
        share=mean(1.0 / service.batch),
        load_s=mean(service.load_s) / pace_ratio,
        extra_s=front + (trip_s if starts else 0.0),
        cached_ratio=demand.workload.prefix_cache_hit,
    )


def _pace(
    pool: Pool, service: Service, server: Server, scenario: Scenario, catalog: Catalog
) -> Pace:
    psu, seqs = catalog.host_power_value("psu_efficiency"), scenario.hardware.max_num_seqs
    replica = service.device.replica
    if pool.role == "host_cpu":
        spare = catalog.host_power_value("cpu_spare_ratio")
        return socket_pace(replica, seqs, cpu_pool_w(server, catalog), spare, psu)
    power = power_model(catalog.accelerator(pool.accelerator), catalog)
    return accelerator_pace(replica, power, seqs, pool.power_cap_ratio, psu)


def _built(server: Server, variant: str, catalog: Catalog) -> Server:
    """With the DRAM and SSD it is bought with."""
    return server if variant == FULL else trimmed(server, catalog.host_variant(variant), catalog)


def _sites(plan: Plan, scenario: Scenario, catalog: Catalog) -> Iterator[SiteDraw]:
    parked_kw = kw_from_w(catalog.host_power_value("parked_w"))
    for terms in site_terms(scenario, catalog):
        standing, waking = np.zeros(HOURS_PER_DAY), np.zeros(HOURS_PER_DAY)
        for entry in (entry for entry in plan.fleet if entry.site == terms.name):
            on, on_kw = _on(entry), _on_kw(entry, catalog)
            standing += on * on_kw + (entry.count - on) * parked_kw
            waking += np.maximum(on - np.roll(on, 1), 0.0) * (on_kw - parked_kw)
        yield SiteDraw(
            name=terms.name,
            pue=terms.pue,
            gco2e_per_kwh=tuple(float(g_from_kg(kg)) for kg in terms.kg_per_kwh),
            standing_kw=tuple(float(kw) for kw in standing),
            waking_kw=tuple(float(kw) for kw in waking),
        )


def _on(entry: FleetEntry) -> Array:
    return np.array(entry.on_by_hour or (entry.count,) * HOURS_PER_DAY, dtype=float)


def _on_kw(entry: FleetEntry, catalog: Catalog) -> float:
    server = _built(catalog.server(entry.server), entry.variant, catalog)
    return kw_from_w(server_idle_w(server, catalog))


def _backlog(plan: Plan, demand: WorkloadDemand) -> Array:
    """Requests waiting at the beginning of each hour of the cyclic planned day.

    The energy of the hours stands for their work: what arrived less what ran, from the hour at
    which nothing waits.
    """
    ahead = np.zeros(HOURS_PER_DAY)
    total = 0.0
    for day in plan.site_days:
        for load in day.loads:
            if load.workload == demand.workload.name and load.kind == "offline":
                ahead += np.array(load.as_it_arrives_kw) - np.array(load.it_power_kw)
                total += sum(load.it_power_kw)
    if demand.is_online or total <= 0:
        return np.zeros(HOURS_PER_DAY)
    waiting = np.concatenate([[0.0], np.cumsum(ahead)[:-1]]) / total
    per_day = float(demand.rate_rps.sum()) * 86_400.0
    return np.asarray((waiting - waiting.min()) * per_day)
