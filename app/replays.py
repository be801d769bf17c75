"""Replays for the terminal and the pages: of a request log, or of the scenario's own traffic."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from ecoserve.catalog import Catalog
from ecoserve.demand import WorkloadDemand
from ecoserve.errors import Problem, ScenarioError
from ecoserve.plan import Plan
from ecoserve.planner import Effort
from ecoserve.request_log import LogFindings
from ecoserve.request_tally import LogTally
from ecoserve.runtime.readings import replay
from ecoserve.runtime.repair import Repair, repair
from ecoserve.runtime.replay import Progress, Settings
from ecoserve.runtime.result import Replay
from ecoserve.runtime.saving import Saving, scheduling_saving
from ecoserve.runtime.trace import Arrival, LogOrder, TraceError, beside, drawn, from_log, scaled
from ecoserve.scenario import Scenario

if TYPE_CHECKING:
    from catalog_db.log_file import LogSource
    from catalog_db.request_log import LogColumns

LONGEST_S = 400 * 86_400.0
"""Other workloads are drawn for as long as any log may last."""


@dataclass(slots=True, kw_only=True)
class LogTraffic:
    """One workload's requests from a log, those of the others drawn from the scenario."""

    source: LogSource
    columns: LogColumns | None
    demands: Sequence[WorkloadDemand]
    workload: int
    scenario: Scenario
    start_h: float
    scale: float
    """How many times as many requests."""
    speed: float
    seed: int
    until_s: float = math.inf
    """Requests from here on are left out."""
    progress: Callable[[int, int], None] | None = None
    tally: LogTally = field(default_factory=LogTally)
    """Of the last reading: the rows that were left out, and the rest."""
    order: LogOrder = field(default_factory=LogOrder)

    def __call__(self) -> Iterator[Arrival]:
        """The arrivals from the beginning."""
        from catalog_db.request_log import requests

        self.tally, self.order = LogTally(), LogOrder()
        batches = requests(self.source, self.columns, self.tally, self.progress)
        whole = from_log(batches, self.workload, speed=self.speed, order=self.order)
        more = whole if self.scale == 1.0 else scaled(whole, self.scale, self.seed)
        mine = itertools.takewhile(lambda row: row[0] < self.until_s, more)
        others = [n for n in range(len(self.demands)) if n != self.workload]
        if not others:
            return mine
        drawn_others = drawn(
            self.demands, start_h=self.start_h, duration_s=LONGEST_S,
            burst=self.scenario.policy.burst, seed=self.seed, only=others,
        )  # fmt: skip
        return beside(mine, drawn_others)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTraffic:
    """All workloads' requests drawn from the scenario."""

    demands: Sequence[WorkloadDemand]
    scenario: Scenario
    start_h: float
    duration_s: float
    seed: int

    def __call__(self) -> Iterator[Arrival]:
        """The arrivals from the beginning."""
        return drawn(
            self.demands, start_h=self.start_h, duration_s=self.duration_s,
            burst=self.scenario.policy.burst, seed=self.seed,
        )  # fmt: skip


Traffic: TypeAlias = LogTraffic | OwnTraffic


def workload_of(name: str | None, demands: Sequence[WorkloadDemand]) -> int:
    """Position of the workload that a log stands for: the one named, else the first online one.

    Raises :class:`ScenarioError` where no workload with traffic is called so.
    """
    if name is None:
        return next((n for n, demand in enumerate(demands) if demand.is_online), 0)
    for number, demand in enumerate(demands):
        if demand.workload.name == name:
            return number
    names = ", ".join(demand.workload.name for demand in demands)
    told = f"no workload is called {name[:60]}; there are: {names}"
    raise ScenarioError([Problem("workload", told)])


def peak_hour(demand: WorkloadDemand) -> int:
    """The hour of the day in which the workload has most requests."""
    return int(demand.peak_ratio.argmax())


def scale_to_peak(source: LogSource, columns: LogColumns | None, demand: WorkloadDemand) -> float:
    """How many times as many requests bring a log to the plan's rate of the busiest hour.

    Reads the log once. Raises :class:`TraceError` where it has no times.
    """
    from catalog_db.request_log import read_log

    arrivals = read_log(source, columns).arrivals
    mean_rps = arrivals.mean_rps if arrivals else None
    if not mean_rps:
        raise TraceError("the log has no times, or one only; its rate cannot be scaled")
    return float(demand.rate_rps.sum() * demand.peak_ratio.max()) / mean_rps


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """A replay and what was asked for beside it."""

    scenario: Scenario
    """As it was planned in the end, and its plan."""
    plan: Plan
    replay: Replay
    log: LogFindings | None
    """What the log says; None where traffic was drawn."""
    order: LogOrder | None
    repair: Repair | None
    saving: Saving | None


def simulated(
    plan: Plan,
    scenario: Scenario,
    catalog: Catalog,
    traffic: Traffic,
    settings: Settings,
    fix: Effort | None = None,
    on_progress: Progress | None = None,
    *,
    saving: bool = False,
) -> Simulation:
    """Replays traffic against a plan of the scenario.

    ``fix``: with which effort to plan again until every limit holds. ``saving``: also with offline
    work started at once.
    """
    mended: Repair | None = None
    if fix is None:
        seen = replay(plan, scenario, catalog, traffic(), settings, on_progress)
    else:
        mended = repair(plan, scenario, catalog, traffic, settings, fix, on_progress)
        last = mended.last
        plan, scenario, seen = last.plan, last.scenario, last.replay
    findings = traffic.tally.findings() if isinstance(traffic, LogTraffic) else None
    order = traffic.order if isinstance(traffic, LogTraffic) else None
    saved: Saving | None = None
    if saving:
        saved = scheduling_saving(plan, scenario, catalog, traffic, settings, on_progress)
    return Simulation(
        scenario=scenario, plan=plan, replay=seen, log=findings, order=order, repair=mended,
        saving=saved,
    )  # fmt: skip
