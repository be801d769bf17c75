"""Replays in a worker. Each takes the worker's bench and the catalog's path first."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from app.replay_asks import ReplayAsked, settings_of, traffic_of
from app.replays import Simulation, Traffic, simulated
from app.solving.worker import Bench
from ecoserve.plan import Plan
from ecoserve.planner import Effort
from ecoserve.runtime.repair import repair
from ecoserve.runtime.result import Replay
from ecoserve.runtime.saving import scheduling_saving
from ecoserve.runtime.trace import Arrival
from ecoserve.scenario import Scenario
from ecoserve.units import SECONDS_PER_HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class SavingSeen:
    """The carbon of offline work above idle, in clean hours and started at once."""

    aware_kgco2e: float
    blind_kgco2e: float
    aware_misses: int
    blind_misses: int
    hours: float
    """Of arrivals; all of their work was done."""

    @property
    def ratio(self) -> float:
        """Carbon saved over that of starting at once; 0 without offline work."""
        return 1.0 - self.aware_kgco2e / self.blind_kgco2e if self.blind_kgco2e else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundSeen:
    """A plan with some headroom, and who kept it in its replay."""

    headroom: float
    kgco2e_per_year: float
    usd_per_h: float
    missed: tuple[str, ...]
    """Workloads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairSeen:
    """The rounds of raising the headroom, the plan as it was first."""

    rounds: tuple[RoundSeen, ...]
    gave_up: str


def replayed(
    bench: Bench, path: Path, scenario: Scenario, plan: Plan, asked: ReplayAsked, file: Path | None
) -> Simulation:
    """What becomes of the traffic."""
    catalog, bar = bench.catalog(path), _Bar(bench, asked, 1)
    traffic = traffic_of(asked, scenario, catalog, file, bar.on_bytes)
    return simulated(plan, scenario, catalog, traffic, settings_of(asked), on_progress=bar.show)


def saved(
    bench: Bench, path: Path, scenario: Scenario, plan: Plan, asked: ReplayAsked
) -> SavingSeen:
    """What waiting for clean hours saves against starting at once."""
    catalog, bar = bench.catalog(path), _Bar(bench, asked, 2)
    traffic = traffic_of(asked, scenario, catalog, None)
    found = scheduling_saving(
        plan, scenario, catalog, bar.counted(traffic), settings_of(asked), bar.show
    )
    return SavingSeen(
        aware_kgco2e=found.aware_kgco2e,
        blind_kgco2e=found.blind_kgco2e,
        aware_misses=found.aware.deadline_misses,
        blind_misses=found.blind.deadline_misses,
        hours=asked.hours,
    )


def repaired(
    bench: Bench,
    path: Path,
    scenario: Scenario,
    plan: Plan,
    asked: ReplayAsked,
    file: Path | None,
    effort: Effort,
) -> RepairSeen:
    """More headroom until every limit holds, or why there are no more rounds."""
    catalog, bar = bench.catalog(path), _Bar(bench, asked, None)
    traffic = traffic_of(asked, scenario, catalog, file, bar.on_bytes)
    found = repair(
        plan, scenario, catalog, bar.counted(traffic), settings_of(asked), effort, bar.show
    )
    rounds = tuple(
        RoundSeen(
            headroom=one.headroom,
            kgco2e_per_year=one.plan.kgco2e_per_year,
            usd_per_h=one.plan.usd_per_h,
            missed=missed(one.replay),
        )
        for one in found.rounds
    )
    return RepairSeen(rounds=rounds, gave_up=found.gave_up)


def missed(seen: Replay) -> tuple[str, ...]:
    """Workloads whose promise was not kept."""
    return tuple(workload.name for workload in seen.workloads if not workload.meets_slo)


class _Bar:
    """Tells how far replays are: by the clock, of a log by the bytes that were read."""

    def __init__(self, bench: Bench, asked: ReplayAsked, n: int | None) -> None:
        self._bench, self._n = bench, n
        self._total_s = asked.hours * SECONDS_PER_HOUR if asked.log is None else None
        self._share, self._round = 0.0, 0 if n != 1 else 1

    def counted(self, traffic: Traffic) -> Callable[[], Iterable[Arrival]]:
        """The traffic, each time for one more replay."""

        def arrivals() -> Iterable[Arrival]:
            self._round, self._share = self._round + 1, 0.0
            return traffic()

        return arrivals

    def on_bytes(self, done: int, total: int) -> None:
        """Of the log."""
        self._share = done / max(total, 1)

    def show(self, requests: int, now_s: float) -> None:
        """See :data:`~ecoserve.runtime.replay.Progress`."""
        if self._total_s is not None:
            self._share = min(1.0, now_s / self._total_s)
        words = f"{requests:,} requests in {now_s / SECONDS_PER_HOUR:.1f} h so far"
        which = "" if self._n == 1 else f" no. {self._round}{f' of {self._n}' if self._n else ''}"
        whole = self._n or 1
        self._bench.tell(
            (min(self._round, whole) - 1 + self._share) / whole, f"Replay{which}: {words}"
        )
