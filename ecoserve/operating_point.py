"""The batch a replica is planned at: the largest that keeps memory and latency limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ecoserve.demand import WorkloadDemand
from ecoserve.performance import Replica, kv_batch_limit
from ecoserve.service import Array, Mask, Words


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint:
    """The chosen batch per bucket (at least 1, so that the figures are always defined)."""

    fits: Mask
    keeps_tpot: Mask
    batch: Array
    bound_by: Words
    step_s: Array


def operating_point(
    replica: Replica,
    demand: WorkloadDemand,
    interference_s: Array,
    before_first_s: Array,
    max_num_seqs: int,
    step_of: Callable[[Array], Array],
) -> OperatingPoint:
    """Largest batch within memory and, for online workloads, within TPOT and TTFT with the margin.

    Shape (buckets,) all: ``interference_s``, what each other sequence adds to a token;
    ``before_first_s``, what comes before a request's first step in this pool; ``step_of`` gives
    the step of a batch. Where even one request alone would start late, it starts least late alone:
    a batch of one, so that a looser limit never lowers the throughput. Larger batches have longer
    steps, so the search halves the range.
    """
    limit = kv_batch_limit(replica, demand.isl_tokens, demand.osl_tokens, max_num_seqs)
    alone = np.ones_like(limit)
    chosen, keeps_tpot = np.maximum(limit, 1.0), np.ones(len(limit), dtype=bool)
    bound_by = np.where(limit >= max_num_seqs, "max_num_seqs", "memory")
    slo, margin = demand.workload.slo, 1.0 + replica.error_band
    if slo is not None:
        first = step_of(alone)
        keeps_tpot = first * margin <= slo.tpot_s
        starts = (before_first_s + first) * margin <= slo.ttft_s

        def paced(batch: Array, step: Array) -> Mask:
            return np.asarray((step + (batch - 1) * interference_s) * margin <= slo.tpot_s)

        def keeps(batch: Array) -> Mask:
            step = step_of(batch)
            return paced(batch, step) & ((before_first_s + step) * margin <= slo.ttft_s)

        chosen = largest_batch(keeps, np.where(keeps_tpot & starts, chosen, alone))
        one_more = chosen + 1.0
        late = np.where(paced(one_more, step_of(one_more)), "ttft", "tpot")
        bound_by = np.where(chosen < limit, late, bound_by)
    return OperatingPoint(
        fits=limit >= 1, keeps_tpot=keeps_tpot, batch=chosen, bound_by=bound_by,
        step_s=step_of(chosen),
    )  # fmt: skip


def largest_batch(keeps: Callable[[Array], Mask], limit: Array) -> Array:
    """The largest whole batch up to ``limit`` that ``keeps``, and 1 where there is none.

    Shape of ``limit``, whole numbers >= 1; what a batch keeps, every smaller one keeps.
    """
    low, high = np.where(keeps(limit), limit, 1.0), limit
    while (high - low > 1.0).any():
        middle = np.floor((low + high) / 2.0)
        kept = keeps(middle)
        low, high = np.where(kept, middle, low), np.where(kept, high, middle)
    return low
