"""Where the replay differs from the plan, and what of the difference comes from where.

Energy and carbon differ for reasons that can be counted: more or fewer requests than planned for
these hours, other lengths, offline work at other hours, servers that wake up or finish. What is
left is *part load*: the plan counts every replica as idle or at its planned batch, and a replica
that cannot be packed works all the time at a smaller one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ecoserve.demand import WorkloadDemand
from ecoserve.operational import facility_kwh
from ecoserve.request_log import BURST_MINUTES
from ecoserve.runtime.meters import SECONDS_PER_MINUTE
from ecoserve.runtime.result import (
    TOLERANCE,
    Gap,
    PoolReplay,
    Reason,
    ReasonCode,
    Totals,
    WorkloadReplay,
)
from ecoserve.units import SECONDS_PER_HOUR, kg_from_g

if TYPE_CHECKING:
    from ecoserve.runtime.readings import Readings

Array = NDArray[np.float64]
OTHER_LENGTHS = 0.05
"""Relative difference of a mean length from which it is a reason."""
LEAST_SHARE = 0.01
"""Of the promise; smaller parts of a difference are not named."""


def gaps(
    readings: Readings,
    workloads: Sequence[WorkloadReplay],
    pools: Sequence[PoolReplay],
    totals: Totals,
    planned: Totals,
) -> tuple[Gap, ...]:
    """Energy, carbon, and every online workload's attainment beside its promise."""
    parts = [_part(readings, workload) for workload in workloads]
    kwh = planned.facility_energy_kwh, totals.facility_energy_kwh
    kg = planned.kgco2e, totals.kgco2e
    turning = _turning(readings)
    return (
        _total_gap("facility_energy_kwh", kwh, [p.kwh for p in parts], turning[0], pools, parts),
        _total_gap("kgco2e", kg, [p.kgco2e for p in parts], turning[1], pools, parts),
        *(
            _attainment_gap(readings, workload, pools)
            for workload in workloads
            if workload.percentile is not None and workload.requests
        ),
    )


@dataclass(frozen=True, slots=True)
class _Share:
    """What the plan says a workload draws above idle, and how much of the difference is known."""

    planned: float
    volume: float
    lengths: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One workload: energy at the meter and its carbon."""

    workload: WorkloadReplay
    expected: float
    """Requests that the plan serves in these hours."""
    kwh: _Share
    kgco2e: _Share


def _part(readings: Readings, workload: WorkloadReplay) -> _Part:
    demand = next(d for d in readings.deployment.demands if d.workload.name == workload.name)
    hours = readings.hours()
    kwh = kg = day_kwh = 0.0
    for day in readings.plan.site_days:
        for load in day.loads:
            if load.workload == workload.name:
                at_meter = facility_kwh(np.array(load.it_power_kw), day.pue)
                kwh += float(at_meter @ hours)
                kg += kg_from_g(float((at_meter * hours) @ np.array(day.hourly.gco2e_per_kwh)))
                day_kwh += float(at_meter.sum())
    per_day = float(demand.rate_rps.sum()) * SECONDS_PER_HOUR
    if workload.kind == "online":
        expected = per_day * float(demand.hourly_ratio @ hours)
    else:
        expected = per_day * 24.0 * kwh / day_kwh if day_kwh else 0.0
    more = workload.served / expected - 1.0 if expected else 0.0
    longer = (1.0 + more) * _lengths_ratio(demand, workload) if expected else 0.0
    return _Part(
        workload=workload,
        expected=expected,
        kwh=_Share(kwh, more * kwh, longer * kwh),
        kgco2e=_Share(kg, more * kg, longer * kg),
    )


def _lengths_ratio(demand: WorkloadDemand, workload: WorkloadReplay) -> float:
    """How much more energy the lengths seen take, by the tokens of both phases in equal parts."""
    if not workload.served:
        return 0.0
    isl = float(demand.fraction @ demand.isl_tokens)
    osl = float(demand.fraction @ demand.osl_tokens)
    more = workload.mean_isl_tokens / isl + workload.mean_osl_tokens / osl
    return more / 2.0 - 1.0


def _turning(readings: Readings) -> tuple[float, float]:
    """Energy and carbon of servers that wake up or stay on to finish."""
    kwh = kg = 0.0
    minute_h = readings.lit * SECONDS_PER_MINUTE / SECONDS_PER_HOUR
    for site in range(len(readings.deployment.sites)):
        more_kwh, more_kg = readings.facility(readings.turning_kw(site) * minute_h, site)
        kwh, kg = kwh + more_kwh, kg + more_kg
    return kwh, kg


def _total_gap(
    quantity: str,
    promise: tuple[float, float],
    shares: Sequence[_Share],
    turning: float,
    pools: Sequence[PoolReplay],
    parts: Sequence[_Part],
) -> Gap:
    planned, replayed = promise
    within = abs(replayed - planned) <= TOLERANCE * planned
    known = list(_known(shares, turning, parts))
    rest = replayed - planned - sum(reason.amount for reason in known)
    reasons = [*known, Reason(code="part_load", message=_part_load_words(pools), amount=rest)]
    large = [reason for reason in reasons if abs(reason.amount) >= LEAST_SHARE * planned]
    large.sort(key=lambda reason: -abs(reason.amount))
    return Gap(
        quantity=quantity, workload="", planned=planned, replayed=replayed,
        within_tolerance=within, reasons=() if within else tuple(large),
    )  # fmt: skip


def _known(shares: Sequence[_Share], turning: float, parts: Sequence[_Part]) -> Iterator[Reason]:
    for share, part in zip(shares, parts, strict=True):
        name, served = part.workload.name, part.workload.served
        online = part.workload.kind == "online"
        code: ReasonCode = "volume" if online else "offline_hours"
        words = f"{served:,} requests of {name} served, {part.expected:,.0f} planned for then"
        yield Reason(code=code, message=words, amount=share.volume)
        yield Reason(code="lengths", message=_lengths_words(part.workload), amount=share.lengths)
    words = "servers wake up before they are needed and stay on until their work ends"
    yield Reason(code="waking", message=words, amount=turning)


def _lengths_words(workload: WorkloadReplay) -> str:
    isl, osl = workload.mean_isl_tokens, workload.mean_osl_tokens
    return f"requests of {workload.name} have {isl:,.0f} tokens in and {osl:,.0f} out on average"


def _part_load_words(pools: Sequence[PoolReplay]) -> str:
    """Of the pool that works most beyond what is planned."""
    spread = max(pools, key=lambda p: (p.utilisation - p.planned_utilisation) * p.replicas)
    return (
        f"replicas that cannot be packed work longer at smaller batches: {_pool_words(spread)} are"
        f" at work {spread.utilisation:.0%} of the time with {spread.batch:.3g} requests at once,"
        f" planned {spread.planned_utilisation:.0%} with {spread.planned_batch:.3g}"
    )


def _pool_words(pool: PoolReplay) -> str:
    return f"the {pool.role.replace('_', ' ')} replicas on {pool.accelerator or pool.server}"


def _attainment_gap(
    readings: Readings, workload: WorkloadReplay, pools: Sequence[PoolReplay]
) -> Gap:
    assert workload.percentile is not None
    attained = workload.attainment or 0.0
    return Gap(
        quantity="attainment",
        workload=workload.name,
        planned=workload.percentile,
        replayed=attained,
        within_tolerance=workload.meets_slo,
        reasons=() if workload.meets_slo else tuple(_why_late(readings, workload, pools)),
    )


def _why_late(
    readings: Readings, workload: WorkloadReplay, pools: Sequence[PoolReplay]
) -> Iterator[Reason]:
    number, demand = next(
        (n, d)
        for n, d in enumerate(readings.deployment.demands)
        if d.workload.name == workload.name
    )
    arrivals = readings.run.arrivals[number]
    minute_rps, seen_rps = max(arrivals) / SECONDS_PER_MINUTE, peak_rps(arrivals)
    hours = readings.hours() > 0
    planned_rps = float((demand.rate_rps.sum() * demand.peak_ratio[hours]).max(initial=0.0))
    planned_rps *= readings.scenario.policy.burst
    if minute_rps > planned_rps:
        words = (
            f"the busiest minute of {workload.name} has {minute_rps:.3g} requests/s, the busiest"
            f" {BURST_MINUTES} minutes {seen_rps:.3g}; planned for {planned_rps:.3g}, burst"
            " included"
        )
        yield Reason(code="burst", message=words, amount=minute_rps - planned_rps)
    isl = float(demand.fraction @ demand.isl_tokens)
    osl = float(demand.fraction @ demand.osl_tokens)
    longer = max(workload.mean_isl_tokens / isl, workload.mean_osl_tokens / osl) - 1.0
    if longer > OTHER_LENGTHS:
        words = f"{_lengths_words(workload)}, planned {isl:,.0f} and {osl:,.0f}"
        yield Reason(code="lengths", message=words, amount=longer)
    yield Reason(code="queues", message=_queue_words(workload, pools), amount=0.0)


def _queue_words(workload: WorkloadReplay, pools: Sequence[PoolReplay]) -> str:
    slow = (workload.tpot_attainment or 0.0) < (workload.ttft_attainment or 0.0)
    phases = ("mixed", "decode") if slow else ("mixed", "prefill")
    mine = [p for p in pools if workload.name in p.workloads and p.role in phases]
    fullest = max(mine, key=lambda p: p.utilisation)
    what = "answers are slow" if slow else "first tokens are late"
    return (
        f"{what}: {_pool_words(fullest)} are at work {fullest.utilisation:.0%} of the time with"
        f" {fullest.batch:.3g} requests at once, planned {fullest.planned_utilisation:.0%} with"
        f" {fullest.planned_batch:.3g}"
    )


def peak_rps(per_minute: Sequence[int]) -> float:
    """Requests/s of the busiest five minutes, of all where there are fewer.

    >>> peak_rps([60, 120, 120, 120, 120, 120, 0])
    2.0
    """
    width = min(BURST_MINUTES, len(per_minute))
    sums = np.convolve(per_minute, np.ones(width), mode="valid")
    return float(sums.max()) / (width * SECONDS_PER_MINUTE)
