"""Traffic for the replay: requests in the order of their arrival, drawn or from a log.

Streams: what is held at a time is bounded, however long the traffic is.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecoserve.demand import WorkloadDemand
from ecoserve.errors import EcoServeError
from ecoserve.request_log import RequestBatch
from ecoserve.units import HOURS_PER_DAY, SECONDS_PER_HOUR

Array = NDArray[np.float64]
Arrival = tuple[float, int, int, int]
"""Seconds since the replay began, position of the workload's demand, input and output tokens."""
WINDOW_S = 300.0
"""Within which the rate is constant: as long as the window that a log's burst is measured in."""
EVEN_BURST = 2.0
"""Up to here the rates of windows are even between 2 - burst and burst times the mean."""
REORDER_ROWS = 200_000
"""Requests of a log that are held to put them in order."""


SPREAD_S = 60.0
ROUNDING_H = 1e-7


class TraceError(EcoServeError):
    """Traffic that cannot be replayed; the message says why and what to do."""


def drawn(
    demands: Sequence[WorkloadDemand],
    *,
    start_h: float,
    duration_s: float,
    burst: float,
    seed: int,
    only: Sequence[int] | None = None,
) -> Iterator[Arrival]:
    """Arrivals as the scenario describes them; the same seed gives the same.

    Poisson in windows of five minutes; a window's mean is the hour's of the mean day, times a
    factor of mean 1 and at most ``burst`` for online workloads. Lengths are the means of the mix's
    buckets, rounded up or down so that their mean stays. ``start_h`` is on the users' clock.
    """
    chosen = range(len(demands)) if only is None else only
    streams = np.random.SeedSequence(seed).spawn(len(demands))
    dice = [np.random.default_rng(stream) for stream in streams]
    parts = [_drawn_workload(demands[w], w, start_h, duration_s, burst, dice[w]) for w in chosen]
    return parts[0] if len(parts) == 1 else heapq.merge(*parts)


def _drawn_workload(
    demand: WorkloadDemand,
    workload: int,
    start_h: float,
    duration_s: float,
    burst: float,
    rng: np.random.Generator,
) -> Iterator[Arrival]:
    total_rps, fraction = float(demand.rate_rps.sum()), demand.fraction
    for number in itertools.count():
        begin = number * WINDOW_S
        if begin >= duration_s:
            return
        width = min(WINDOW_S, duration_s - begin)
        hour = hour_at(start_h, begin) % HOURS_PER_DAY
        factor = window_factor(burst, rng) if demand.is_online else 1.0
        n = int(rng.poisson(total_rps * demand.hourly_ratio[hour] * factor * width))
        times = np.sort(begin + width * rng.random(n))
        bucket = rng.choice(len(fraction), n, p=fraction)
        isl, osl = whole(demand.isl_tokens[bucket], rng), whole(demand.osl_tokens[bucket], rng)
        yield from zip(times.tolist(), itertools.repeat(workload), isl, osl, strict=False)


def whole(tokens: Array, rng: np.random.Generator) -> list[int]:
    """Whole numbers of tokens, at least 1, rounded up or down so that means stay."""
    rounded: list[int] = (
        np.maximum(np.floor(tokens + rng.random(len(tokens))), 1).astype(int).tolist()
    )
    return rounded


def hour_at(start_h: float, now_s: float) -> int:
    """Hours since the first midnight: the hour of the day is its rest by 24.

    >>> hour_at(18.1, 0.9 * 3600)
    19
    """
    return math.floor(start_h + now_s / SECONDS_PER_HOUR + ROUNDING_H)


def window_factor(burst: float, rng: np.random.Generator) -> float:
    """Rate of a window over that of its hour: mean 1, at most ``burst``."""
    if burst <= EVEN_BURST:
        return float(rng.uniform(2.0 - burst, burst))
    return burst * float(rng.beta(1.0, burst - 1.0))


@dataclass(slots=True)
class LogOrder:
    """How far a log was from the order of its arrivals."""

    n_out_of_order: int = 0
    """Requests earlier than one before them, put in order."""
    n_too_late: int = 0
    """Of them those too far off to be put in order; they count as arriving with the ones they
    stand beside."""


def from_log(
    batches: Iterable[RequestBatch], workload: int, *, speed: float = 1.0, order: LogOrder
) -> Iterator[Arrival]:
    """The requests of a log, its first one at 0 s, its clock ``speed`` times as fast.

    ``order`` is filled in. Raises :class:`TraceError` for a log without times.
    """
    held: list[Arrival] = []
    origin: float | None = None
    last = previous = -np.inf
    for batch in batches:
        if batch.arrival_s is None:
            raise TraceError("the log has no times; a replay needs a column with arrival times")
        order.n_out_of_order += _out_of_order(batch.arrival_s, previous)
        previous = max(previous, float(batch.arrival_s.max(initial=-np.inf)))
        rows = zip(
            batch.arrival_s.tolist(), itertools.repeat(workload), batch.isl_tokens.tolist(),
            batch.osl_tokens.tolist(), strict=False,
        )  # fmt: skip
        held.extend(rows)
        if len(held) < 2 * REORDER_ROWS:
            continue
        held.sort(key=_arrival)
        ready, held = held[:-REORDER_ROWS], held[-REORDER_ROWS:]
        origin = ready[0][0] if origin is None else origin
        yield from _on_our_clock(ready, origin, speed, last, order)
        last = max(last, ready[-1][0])
    held.sort(key=_arrival)
    if held:
        origin = held[0][0] if origin is None else origin
        yield from _on_our_clock(held, origin, speed, last, order)


def _arrival(row: Arrival) -> float:
    return row[0]


def _out_of_order(arrival_s: Array, previous: float) -> int:
    if not len(arrival_s):
        return 0
    highest = np.maximum.accumulate(np.concatenate([[previous], arrival_s]))[:-1]
    return int((arrival_s < highest).sum())


def _on_our_clock(
    rows: Sequence[Arrival], origin: float, speed: float, last: float, order: LogOrder
) -> Iterator[Arrival]:
    for time_s, workload, isl, osl in rows:
        if time_s < last:
            order.n_too_late += 1
            time_s = last
        yield (time_s - origin) / speed, workload, isl, osl


def scaled(
    rows: Iterable[Arrival], ratio: float, seed: int, spread_s: float = SPREAD_S
) -> Iterator[Arrival]:
    """The same traffic from ``ratio`` times as many users: each request so many times on average.

    Copies follow the first within a minute, evenly, so that neither the shape over minutes nor the
    lengths change, and no two come together. Below 1, requests are left out.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, 3]))
    held: list[Arrival] = []
    for time_s, workload, isl, osl in rows:
        while held and held[0][0] <= time_s:
            yield heapq.heappop(held)
        copies = int(ratio + rng.random())
        if copies:
            yield time_s, workload, isl, osl
        for _ in range(copies - 1):
            heapq.heappush(held, (time_s + spread_s * rng.random(), workload, isl, osl))
    while held:
        yield heapq.heappop(held)


def beside(main: Iterable[Arrival], others: Iterator[Arrival]) -> Iterator[Arrival]:
    """Both in the order of their arrival, to the end of ``main``."""
    other = next(others, None)
    for row in main:
        while other is not None and other[0] <= row[0]:
            yield other
            other = next(others, None)
        yield row
