"""KV moved between prefill and decode pools, and the NICs it has to fit."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ecoserve.service import Service
from ecoserve.terms import FleetTerms, ServerTerms
from ecoserve.units import BYTES_PER_GB, HOURS_PER_DAY


def peak_kv_gb_per_s(
    service: Service, terms: FleetTerms, bucket: int, hours: Sequence[int]
) -> float:
    """KV that a bucket moves a second in the busiest of these hours, all of it in this pool."""
    demand = terms.demand_of(service)
    burst = terms.burst if demand.is_online else 1.0
    peak = float(demand.rate_rps[bucket] * demand.peak_ratio[list(hours)].max()) * burst
    return peak * float(service.kv_bytes[bucket]) / BYTES_PER_GB


def kv_may_bind(group: Sequence[Service], terms: FleetTerms, server: ServerTerms) -> bool:
    """Whether a fully busy replica could move more KV than the NICs behind it do.

    Where none can, the pool's capacity rows say it already.
    """
    most = 0.0
    for service in group:
        where = terms.masks[service.id] & (service.kv_bytes > 0)
        if where.any():
            rate = service.kv_bytes[where] / service.load_s[where] / BYTES_PER_GB
            most = max(most, float(rate.max()))
    return most > link_gb_per_s(server, group[0].device.tp)


def link_gb_per_s(server: ServerTerms, tp: int) -> float:
    """NIC bandwidth behind one replica."""
    return server.kv_gb_per_s * tp / server.n_accelerators


def most_linked_replicas(
    group: Sequence[Service], terms: FleetTerms, homes: Sequence[ServerTerms]
) -> int:
    """Replicas whose NICs would carry all the KV of a prefill or decode pool, were it one pool.

    0 where capacity asks for more anyway; servers without a NIC carry nothing in any number.
    """
    tp = group[0].device.tp
    linked = [home for home in homes if link_gb_per_s(home, tp) > 0]
    if not any(kv_may_bind(group, terms, home) for home in linked):
        return 0
    hours = range(HOURS_PER_DAY)
    moved = sum(
        peak_kv_gb_per_s(service, terms, int(bucket), hours)
        for service in group
        for bucket in terms.masks[service.id].nonzero()[0]
    )
    return math.ceil(moved / min(link_gb_per_s(home, tp) for home in linked))
