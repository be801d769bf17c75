"""What a plan says about its pools: how full they are and what their users see."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from ecoserve.account import Operation, Use, by_hour
from ecoserve.catalog import Catalog
from ecoserve.demand import WorkloadDemand
from ecoserve.formulation import runs_on_host
from ecoserve.latency import mixture_quantile_s, queue_of, weighted_quantile
from ecoserve.offers import host_sockets
from ecoserve.plan import BatchBound, Pool, ServedTraffic, SloReport
from ecoserve.queueing import Queue
from ecoserve.terms import FleetTerms, ServerTerms
from ecoserve.units import HOURS_PER_DAY

Array = NDArray[np.float64]
MAX_REPORTED_UTILISATION = 0.999
WHOLE = 1e-6
"""Solver noise on a whole number of replicas."""


def pool_rows(operation: Operation, terms: FleetTerms, catalog: Catalog) -> tuple[Pool, ...]:
    """One row per pool and server, host CPU pools included."""
    rows = []
    for (group_id, pool_id), parts in sorted(operation.replicas.items()):
        uses = [use for use in operation.uses if use.service.pool_id == pool_id]
        if uses:
            kinds = [kind for kind in terms.groups[group_id] if kind.id in operation.counts]
            here = by_hour(parts, terms)
            rows.append(_pool(uses, kinds, here, operation.up(pool_id, terms), terms))
    for use in operation.uses:
        if use.service.role == "host_cpu":
            alike = [kind for kind in terms.servers if runs_on_host(use.service, kind)]
            home = catalog.server(use.service.device.server_id)
            sockets = host_sockets(home, catalog)
            up = sum((operation.servers_on(k.id, terms) for k in alike), np.zeros(HOURS_PER_DAY))
            rows.append(_pool([use], alike, np.ceil(sockets * up), sockets * up, terms))
    return tuple(rows)


def _pool(
    uses: Sequence[Use],
    kinds: Sequence[ServerTerms],
    here: Array,
    up: Array,
    terms: FleetTerms,
) -> Pool:
    """``kinds``: the servers it may be on; ``here``, ``up``: replicas there and in all by hour."""
    service = uses[0].service
    weight = np.concatenate([_busy_by_bucket(use, terms) for use in uses])
    busy = np.sum([use.peak_replicas for use in uses], axis=0)
    part = here / np.maximum(up, WHOLE)
    on_host = service.role == "host_cpu"
    planned = 1.0 if on_host else terms.utilisation[service.pool_id]
    bursts = [use.peak_replicas * (terms.burst if _online(use, terms) else 1.0) for use in uses]
    taken = np.sum(bursts, axis=0) / planned

    def mean(field: str) -> float:
        values = np.concatenate([getattr(use.service, field) for use in uses])
        return float(weight @ values / weight.sum())

    return Pool(
        site=terms.site_of(service).name,
        workloads=tuple(use.service.workload for use in uses),
        llm=service.device.llm_id,
        server=kinds[0].server_id,
        variant="+".join(dict.fromkeys(kind.variant for kind in kinds)),
        accelerator=service.device.accelerator_id,
        tp=service.device.tp,
        precision=service.device.precision,
        kv_precision=service.device.kv_precision,
        power_cap_ratio=service.device.power_cap_ratio,
        stack=service.device.replica.params.stack,
        role=service.role,
        replicas=int(here.max()),
        replicas_by_hour=tuple(int(n) for n in here),
        utilisation=float(np.max(busy / np.maximum(up, WHOLE))),
        planned_utilisation=planned,
        busy_by_hour=tuple(float(n) for n in busy * part),
        taken_by_hour=tuple(float(n) for n in taken * part),
        served=tuple(_served(uses, terms, float((busy * part).sum() / busy.sum()))),
        batch=mean("batch"),
        batch_bound_by=_bound_by(uses, weight),
        power_w=mean("busy_w"),
        fitted=bool(mean("fitted") >= 1.0 - 1e-9),
        provenance=service.device.provenance,
    )


def _served(uses: Sequence[Use], terms: FleetTerms, part: float) -> Iterator[ServedTraffic]:
    """``part``: of the pool's work, that on these servers."""
    for use in uses:
        demand, served = terms.demand_of(use.service), use.shares > 0
        isl, osl = demand.isl_tokens[served], demand.osl_tokens[served]
        yield ServedTraffic(
            workload=use.service.workload,
            share=part * float(demand.fraction @ use.shares),
            isl_tokens=(float(isl.min()), float(isl.max())),
            osl_tokens=(float(osl.min()), float(osl.max())),
            bucket_shares=tuple(float(share) for share in part * use.shares),
        )


def _bound_by(uses: Sequence[Use], weight: Array) -> BatchBound:
    """What holds the batch of most of the work; ``weight``: busy replicas, uses by buckets."""
    words = np.concatenate([use.service.bound_by for use in uses])
    return max(get_args(BatchBound), key=lambda word: float(weight[words == word].sum()))


def _busy_by_bucket(use: Use, terms: FleetTerms) -> Array:
    return np.asarray(terms.demand_of(use.service).rate_rps * use.service.load_s * use.shares)


def slo_reports(operation: Operation, terms: FleetTerms) -> tuple[SloReport, ...]:
    """Predicted TTFT and TPOT of each online workload at its percentile, in the busiest window.

    TTFT is the quantile of the mixture over buckets and pools of own prefill plus wait; TPOT that
    of the planned batches. Both without the margin that was used to choose the options.
    """
    queues = _queues(operation, terms)
    return tuple(
        _slo_report(demand, operation, queues) for demand in terms.demands if demand.is_online
    )


def _slo_report(
    demand: WorkloadDemand, operation: Operation, queues: dict[str, Queue]
) -> SloReport:
    slo = demand.workload.slo
    assert slo is not None, "online workloads have an SLO"
    mine = [u for u in operation.uses if u.service.workload == demand.workload.name]
    starting = [u for u in mine if u.service.role in ("mixed", "prefill")]
    decoding = [u for u in mine if u.service.role in ("mixed", "decode")]
    weights = np.concatenate([demand.rate_rps * u.shares for u in starting])
    own_s = np.concatenate([u.service.own_ttft_s for u in starting])
    lines = [queues[u.service.pool_id] for u in starting for _ in u.shares]
    tpot_s = np.concatenate([u.service.tpot_s for u in decoding])
    decoded = np.concatenate([demand.rate_rps * u.shares for u in decoding])
    return SloReport(
        workload=demand.workload.name,
        percentile=slo.percentile,
        ttft_s=mixture_quantile_s(weights, own_s, lines, slo.percentile),
        tpot_s=weighted_quantile(tpot_s, decoded, slo.percentile),
        ttft_limit_s=slo.ttft_s,
        tpot_limit_s=slo.tpot_s,
    )


def late_requests(operation: Operation, terms: FleetTerms) -> dict[str, float]:
    """Per online workload, the share of requests that miss a limit even without waiting."""
    late = {d.workload.name: 0.0 for d in terms.demands if d.is_online}
    for use in operation.uses:
        demand = terms.demand_of(use.service)
        slo = demand.workload.slo
        if slo is None:
            continue
        missed = np.zeros(len(use.shares), dtype=bool)
        if use.service.role in ("mixed", "prefill"):
            missed |= use.service.own_ttft_s > slo.ttft_s
        if use.service.role in ("mixed", "decode"):
            missed |= use.service.tpot_s > slo.tpot_s
        late[use.service.workload] += float(demand.fraction @ (use.shares * missed))
    return late


def _queues(operation: Operation, terms: FleetTerms) -> dict[str, Queue]:
    """The queue before each pool that starts online requests, as loaded in its busiest window."""
    pools: dict[str, list[Use]] = {}
    for use in operation.uses:
        if use.service.role in ("mixed", "prefill"):
            pools.setdefault(use.service.pool_id, []).append(use)
    return {pool_id: _queue(pool_id, uses, operation, terms) for pool_id, uses in pools.items()}


def queue_sizes(operation: Operation, terms: FleetTerms) -> dict[str, int]:
    """Replicas before which online requests wait in the window that is worst for them, by pool.

    Fewer than the pool has where some are parked then, or busy with offline work.
    """
    return {pool_id: queue.servers for pool_id, queue in _queues(operation, terms).items()}


def _queue(pool_id: str, uses: Sequence[Use], operation: Operation, terms: FleetTerms) -> Queue:
    """The queue of a pool's online requests in the hour that is worst for them.

    Replicas take turns: those busy with offline work in an hour are not there for online requests.
    """
    replicas = operation.up(pool_id, terms)
    online = [use for use in uses if _online(use, terms)]
    if not online:
        return Queue(operation.pool_replicas(pool_id), 0.0, 0.0, 0.0)
    busy = np.sum([terms.burst * use.peak_replicas for use in online], axis=0)
    others = [use.peak_replicas for use in uses if not _online(use, terms)]
    others.append(np.zeros_like(busy))
    free = np.maximum(np.ceil(replicas - np.sum(others, axis=0) - WHOLE), 1.0)
    worst = int(np.argmax(busy / free))
    servers = int(free[worst])
    utilisation = min(float(busy[worst]) / servers, MAX_REPORTED_UTILISATION)
    rates = [terms.demand_of(u.service).rate_rps * u.shares for u in online]
    times = [u.service.queued_s for u in online]
    return queue_of(np.concatenate(rates), np.concatenate(times), servers, utilisation)


def _online(use: Use, terms: FleetTerms) -> bool:
    return terms.demand_of(use.service).is_online
