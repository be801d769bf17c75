"""A replay as it is asked for on a page, and what a worker needs to run it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.replays import LogTraffic, OwnTraffic, Traffic, scale_to_peak, workload_of
from ecoserve.catalog import Catalog
from ecoserve.demand import WorkloadDemand, workload_demands
from ecoserve.runtime.replay import Settings
from ecoserve.scenario import Scenario
from ecoserve.units import SECONDS_PER_HOUR

if TYPE_CHECKING:
    from catalog_db.log_head import LogColumns

MAX_UNPACKED_BYTES = 1_000_000_000
"""Of a log that a visitor uploads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogAsked:
    """Which log, and how it is read."""

    file: str
    """Its name."""
    content: str
    """A fingerprint of its bytes."""
    columns: LogColumns
    workload: str
    """That it stands for."""
    to_peak: bool
    """Whether with as many more requests as the plan's busiest hour has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayAsked:
    """Traffic and policies of one replay."""

    hours: float
    """At most; a log may end before."""
    start_h: float
    seed: int
    routing: str
    offline: str
    forecast_error: float
    log: LogAsked | None = None
    """None: drawn from the scenario."""

    @property
    def name(self) -> str:
        """Short, the same for the same."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]


def settings_of(asked: ReplayAsked) -> Settings:
    """How the runtime is to replay it."""
    return Settings(
        start_h=asked.start_h,
        duration_s=asked.hours * SECONDS_PER_HOUR if asked.log is None else None,
        routing=asked.routing,
        offline=asked.offline,
        forecast_error=asked.forecast_error,
        seed=asked.seed,
    )


def traffic_of(
    asked: ReplayAsked,
    scenario: Scenario,
    catalog: Catalog,
    file: Path | None,
    on_bytes: Callable[[int, int], None] | None = None,
) -> Traffic:
    """The requests that are asked for; those of a log are read from ``file``.

    Raises what :func:`scale_to_peak` raises where the log's rate is to be scaled.
    """
    demands = workload_demands(scenario, catalog)
    if asked.log is None or file is None:
        return OwnTraffic(
            demands=demands, scenario=scenario, start_h=asked.start_h,
            duration_s=asked.hours * SECONDS_PER_HOUR, seed=asked.seed,
        )  # fmt: skip
    log, number = asked.log, workload_of(asked.log.workload, demands)
    scale = 1.0
    if log.to_peak:
        scale = scale_to_peak(file, log.columns, demands[number], MAX_UNPACKED_BYTES)
    return LogTraffic(
        source=file,
        columns=log.columns,
        demands=demands,
        workload=number,
        scenario=scenario,
        start_h=asked.start_h,
        scale=scale,
        speed=1.0,
        seed=asked.seed,
        until_s=asked.hours * SECONDS_PER_HOUR,
        max_bytes=MAX_UNPACKED_BYTES,
        progress=on_bytes,
    )


def busiest_hour(demands: tuple[WorkloadDemand, ...] | list[WorkloadDemand]) -> int:
    """The hour of the day in which people send most requests; of all work where none is online."""
    online = [demand for demand in demands if demand.is_online] or list(demands)
    by_hour = sum(demand.rate_rps.sum() * demand.peak_ratio for demand in online)
    return int(by_hour.argmax())


def drawn_requests(
    demands: tuple[WorkloadDemand, ...] | list[WorkloadDemand], start_h: float, hours: float
) -> int:
    """About how many requests these hours draw."""
    n = 0.0
    for demand in demands:
        rate = demand.rate_rps.sum()
        for k in range(math.ceil(hours)):
            part = min(1.0, hours - k)
            n += rate * demand.hourly_ratio[int(start_h + k) % 24] * SECONDS_PER_HOUR * part
    return round(n)
