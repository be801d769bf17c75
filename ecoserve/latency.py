"""TTFT under load: the queue in front of a pool, who is on time, what users see.

A pool of k replicas planned at utilisation rho makes its requests wait. Each (option, bucket) pair
thus has a share of requests that start within the SLO; the workload keeps its percentile p when the
shares it is given add up to p on time. Where the usual utilisation (1 - headroom) makes too many
wait, a pool is planned at a lower one: more replicas, shorter queues.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from ecoserve.demand import WorkloadDemand
from ecoserve.errors import BlockedSlice
from ecoserve.queueing import Queue
from ecoserve.scenario_parts import Policy, Slo
from ecoserve.service import Mask, Service

Array = NDArray[np.float64]

UTILISATION_STEPS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
"""Planned utilisations tried for a pool, as shares of 1 - headroom, largest first."""
SHARE_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Eligibility:
    """What each service can promise; arrays and masks by service id, shape (buckets,)."""

    masks: Mapping[str, Mask]
    """Buckets whose requests fit in memory."""
    on_time: Mapping[str, Array]
    """Share of a bucket's requests that start within TTFT, margin included; 1 without an SLO."""
    utilisation: Mapping[str, float]
    """Planned utilisation by pool id."""
    blocked: tuple[BlockedSlice, ...]
    """Why some workload cannot keep its percentile whatever is bought; empty when all can."""


def eligibility(
    services: Sequence[Service],
    demands: Sequence[WorkloadDemand],
    policy: Policy,
    held_replicas: Mapping[str, int],
) -> Eligibility:
    """Judges every pair; ``held_replicas`` fixes k by pool id, others get what they would need."""
    by_name = {demand.workload.name: demand for demand in demands}
    on_time: dict[str, Array] = {}
    utilisation: dict[str, float] = {}
    for pool_id, group in _by_pool(services).items():
        planned, shares = _plan_pool(group, by_name, policy, held_replicas.get(pool_id))
        on_time |= shares
        utilisation[pool_id] = planned
    blocked = [
        item
        for demand in demands
        for item in _blocked(
            demand, [s for s in services if s.workload == demand.workload.name], on_time
        )
    ]
    return Eligibility(
        masks={service.id: service.fits for service in services},
        on_time=on_time,
        utilisation=utilisation,
        blocked=tuple(blocked),
    )


def _by_pool(services: Sequence[Service]) -> dict[str, list[Service]]:
    pools: dict[str, list[Service]] = {}
    for service in services:
        pools.setdefault(service.pool_id, []).append(service)
    return pools


def _plan_pool(
    group: Sequence[Service],
    demands: Mapping[str, WorkloadDemand],
    policy: Policy,
    held: int | None,
) -> tuple[float, dict[str, Array]]:
    """The highest utilisation at which the pool is on time often enough, and the shares there.

    Often enough: for the percentile's share of the requests it may get, or for as many as it would
    be without any wait. Where no step reaches that, the usual utilisation stands.
    """
    top = 1.0 - policy.headroom
    sure = {s.id: np.ones(len(s.fits)) for s in group}
    waiting = [s for s in group if demands[s.workload].is_online and s.queued_s.any()]
    if not waiting:
        return top, sure
    wanted = {
        s.id: min(_coverage(s, _start_now(s, demands), demands), _slo(s, demands).percentile)
        for s in waiting
    }
    usual: dict[str, Array] | None = None
    for step in UTILISATION_STEPS:
        queue = _planned_queue(waiting, demands, policy, top * step, held)
        shares = {s.id: on_time_share(s, _slo(s, demands), queue) for s in waiting}
        usual = usual or shares
        if all(
            _coverage(s, shares[s.id], demands) >= wanted[s.id] - SHARE_TOLERANCE for s in waiting
        ):
            return top * step, sure | shares
    return top, sure | (usual or {})


def _planned_queue(
    waiting: Sequence[Service],
    demands: Mapping[str, WorkloadDemand],
    policy: Policy,
    utilisation: float,
    held: int | None,
) -> Queue:
    """The queue if the pool served all it can of its online workloads at this utilisation."""
    rates = [np.where(s.fits, demands[s.workload].rate_rps, 0.0) for s in waiting]
    peaks = [float(demands[s.workload].peak_ratio.max()) for s in waiting]
    busy = policy.burst * sum(
        peak * float(rate @ s.load_s) for peak, rate, s in zip(peaks, rates, waiting, strict=True)
    )
    servers = held or max(policy.min_replicas, math.ceil(busy / utilisation - 1e-9))
    at_most = utilisation if held else min(utilisation, busy / servers)
    times = np.concatenate([service.queued_s for service in waiting])
    return queue_of(np.concatenate(rates), times, servers, at_most)


def queue_of(rates: Array, services_s: Array, servers: int, utilisation: float) -> Queue:
    """A queue whose service times are a mixture weighted by ``rates``; both shape (n,)."""
    total = rates.sum()
    if total <= 0:
        return Queue(servers, utilisation, 0.0, 0.0)
    mean = float(rates @ services_s / total)
    second = float(rates @ services_s**2 / total)
    variation = second / mean**2 - 1.0 if mean > 0 else 0.0
    return Queue(servers, utilisation, mean, max(variation, 0.0))


def on_time_share(service: Service, slo: Slo, queue: Queue) -> Array:
    """P(own TTFT + wait, with the model's error margin, <= limit) by bucket."""
    margin = 1.0 + service.device.replica.error_band
    return np.asarray(1.0 - queue.exceedance(slo.ttft_s / margin - service.own_ttft_s))


def _start_now(service: Service, demands: Mapping[str, WorkloadDemand]) -> Array:
    """On-time shares without any wait: 0 or 1."""
    margin = 1.0 + service.device.replica.error_band
    return (service.own_ttft_s * margin <= _slo(service, demands).ttft_s).astype(float)


def _slo(service: Service, demands: Mapping[str, WorkloadDemand]) -> Slo:
    slo = demands[service.workload].workload.slo
    assert slo is not None, "only online services queue"
    return slo


def _coverage(service: Service, shares: Array, demands: Mapping[str, WorkloadDemand]) -> float:
    return float(demands[service.workload].fraction @ (shares * service.fits))


def _blocked(
    demand: WorkloadDemand, mine: Sequence[Service], on_time: Mapping[str, Array]
) -> list[BlockedSlice]:
    """The slices to blame where even the best option for each keeps too few on time."""
    begun = _best(mine, ("mixed", "prefill"), on_time, demand)
    ones = {service.id: service.keeps_tpot.astype(float) for service in mine}
    finished = _best(mine, ("mixed", "decode"), ones, demand)
    nowhere = ~_served(demand, mine)
    slo = demand.workload.slo
    late = np.zeros(len(nowhere), dtype=bool)
    for best in (begun, finished) if slo is not None else ():
        assert slo is not None
        if float(demand.fraction @ best) < slo.percentile - SHARE_TOLERANCE:
            late |= best < slo.percentile - SHARE_TOLERANCE
    to_blame = np.flatnonzero((nowhere | late) & (demand.rate_rps > 0))
    return [
        BlockedSlice(demand.slice_name(int(b)), _reason(demand, mine, on_time, int(b)))
        for b in to_blame
    ]


def _best(
    mine: Sequence[Service],
    roles: Sequence[str],
    shares: Mapping[str, Array],
    demand: WorkloadDemand,
) -> Array:
    """The best share any service in these roles offers each bucket; 0 where none fits."""
    best = np.zeros(len(demand.rate_rps))
    for service in mine:
        if service.role in roles:
            best = np.maximum(best, shares[service.id] * service.fits)
    return best


def _served(demand: WorkloadDemand, mine: Sequence[Service]) -> Mask:
    """Buckets with a mixed or host pool, or with both a prefill and a decode pool."""
    found = {role: np.zeros(len(demand.rate_rps), bool) for role in ("whole", "prefill", "decode")}
    for service in mine:
        role = service.role if service.role in found else "whole"
        found[role] |= service.fits
    return np.asarray(found["whole"] | (found["prefill"] & found["decode"]))


def _reason(
    demand: WorkloadDemand, mine: Sequence[Service], on_time: Mapping[str, Array], bucket: int
) -> str:
    slo = demand.workload.slo
    if not mine:
        accepted = ", ".join(demand.workload.precisions)
        return (
            f"precision: no allowed hardware runs {demand.llm.name} at {accepted}, or none whose "
            "speed with this stack is known"
        )
    fitting = [s for s in mine if s.fits[bucket] and s.role in ("mixed", "decode", "host_cpu")]
    starting = [s for s in mine if s.fits[bucket] and s.role in ("mixed", "prefill")]
    if not fitting or not starting or slo is None:
        return "memory: no allowed hardware holds the model and one such request"
    if not any(service.keeps_tpot[bucket] for service in fitting):
        best = min(fitting, key=lambda s: float(s.tpot_s[bucket]))
        return (
            f"TPOT: {best.tpot_s[bucket] * 1000:.3g} ms at best, alone on {_place(best)}; "
            f"the limit is {slo.tpot_s * 1000:.3g} ms, {_margin(best)}"
        )
    best = max(starting, key=lambda s: (float(on_time[s.id][bucket]), -float(s.own_ttft_s[bucket])))
    return (
        f"TTFT: {on_time[best.id][bucket]:.0%} on time at best, {best.own_ttft_s[bucket]:.3g} s "
        f"before any wait on {_place(best)}; the limit is {slo.ttft_s:.3g} s, {_margin(best)}"
    )


def _margin(service: Service) -> str:
    return f"with a margin of {service.device.replica.error_band:.0%} for the model's error"


def _place(service: Service) -> str:
    device = service.device
    return f"{device.tp} x {device.accelerator_id or device.server_id} at {device.precision}"


def mixture_quantile_s(
    weights: Array, own_s: Array, queues: Sequence[Queue], percentile: float
) -> float:
    """The TTFT that a share ``percentile`` of a mixture of streams does not exceed.

    ``weights`` and ``own_s`` have shape (streams,), one queue each; TTFT = own + wait.
    """
    total = weights.sum()
    probability = np.array([queue.wait_probability for queue in queues])
    scale = np.array([max(queue.tail_scale_s, 1e-12) for queue in queues])

    def too_many(limit_s: float) -> float:
        wait = limit_s - own_s
        tail = np.where(wait < 0, 1.0, probability * np.exp(-np.maximum(wait, 0.0) / scale))
        return float(weights @ tail / total) - (1.0 - percentile)

    if too_many(0.0) <= 0:
        return 0.0
    upper = float((own_s + 50.0 * scale).max())
    return float(brentq(too_many, 0.0, upper, xtol=1e-6))


def weighted_quantile(values: Array, weights: Array, percentile: float) -> float:
    """Smallest value that a share ``percentile`` of the weight does not exceed."""
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) >= percentile * weights.sum() - 1e-12
    return float(values[order][reached][0])
