"""What a replay comes to, beside what the plan promised for the same hours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ecoserve.plan import Role

TOLERANCE = 0.10
"""Share of the promise beyond which a difference needs a reason."""

ReasonCode = Literal["volume", "burst", "lengths", "offline_hours", "part_load", "waking", "queues"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantiles:
    """Of a stream, within 1 %; NaN where nothing was seen."""

    mean: float
    p50: float
    p90: float
    p99: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadReplay:
    """What became of a workload's requests."""

    name: str
    kind: Literal["online", "offline"]
    requests: int
    """That came."""
    carried_in: int
    """Offline requests that waited from the hours before, as the plan has it."""
    served: int
    too_long: int
    """No pool that serves the workload has the memory for them."""
    deferred: int
    """Offline requests that still wait at the end."""
    percentile: float | None
    """Of the SLO; None for offline work, like the three shares."""
    ttft_attainment: float | None
    """Share of the requests within the limit, those not served counting as late; None where none
    came."""
    tpot_attainment: float | None
    both_attainment: float | None
    ttft_s: Quantiles
    tpot_s: Quantiles
    deadline_misses: int
    """Served past their deadline, or waiting past it."""
    mean_isl_tokens: float
    """Of what was served."""
    mean_osl_tokens: float
    in_system: float
    """Requests under way, mean over the time of the replay; for offline work, waiting ones too."""
    facility_energy_kwh: float
    """What serving it drew above idle, at the meter; likewise its carbon."""
    kgco2e: float

    @property
    def unserved(self) -> int:
        """Requests that were not served and do not wait either."""
        return self.requests + self.carried_in - self.served - self.deferred

    @property
    def attainment(self) -> float | None:
        """The lower of the two shares: the SLO limits each quantile by itself."""
        if self.ttft_attainment is None or self.tpot_attainment is None:
            return None
        return min(self.ttft_attainment, self.tpot_attainment)

    @property
    def meets_slo(self) -> bool:
        """Both limits kept at the percentile; for offline work, every deadline."""
        if self.attainment is None or self.percentile is None:
            return self.deadline_misses == 0 and self.unserved == 0
        return self.attainment >= self.percentile


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolReplay:
    """How full a pool was."""

    site: str
    workloads: tuple[str, ...]
    llm: str
    accelerator: str
    """Empty for host CPUs."""
    server: str
    role: Role
    replicas: int
    """At most."""
    utilisation: float
    """Share of the time that its replicas were up in which they worked."""
    planned_utilisation: float
    """Of the plan, over the same hours."""
    batch: float
    """Mean while working."""
    planned_batch: float
    preemptions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MinuteSeries:
    """The replay by minute; every tuple has one figure per minute."""

    arrivals: tuple[int, ...]
    waiting: tuple[int, ...]
    """Requests in front of replicas at the end of the minute; work that waits for cleaner hours
    is ``deferred``."""
    deferred: tuple[int, ...]
    running: tuple[float, ...]
    """Sequences in batches, mean over the minute."""
    busy_replicas: tuple[float, ...]
    up_replicas: tuple[int, ...]
    it_power_kw: tuple[float, ...]
    gco2e_per_kwh: tuple[float, ...]
    """What a mean kWh of all sites carries."""
    kgco2e: tuple[float, ...]
    """Of the electricity, facility overhead included."""

    @property
    def utilisation(self) -> tuple[float, ...]:
        """Working replicas over those that are up."""
        pairs = zip(self.busy_replicas, self.up_replicas, strict=True)
        return tuple(busy / up if up else 0.0 for busy, up in pairs)

    @property
    def batch(self) -> tuple[float, ...]:
        """Mean sequences of a working replica."""
        pairs = zip(self.running, self.busy_replicas, strict=True)
        return tuple(n / busy if busy > 0 else 0.0 for n, busy in pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerLayer:
    """One layer of the IT power by minute."""

    kind: Literal["online", "offline", "standing"]
    side: Literal["accelerator", "host"]
    site: str
    workload: str
    """Empty for what draws in any case."""
    it_power_kw: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Electricity at the meter and carbon of the hours replayed."""

    facility_energy_kwh: float
    operational_kgco2e: float
    embodied_kgco2e: float
    """A share of making the fleet by the time."""

    @property
    def kgco2e(self) -> float:
        """Both."""
        return self.operational_kgco2e + self.embodied_kgco2e


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """What part of a difference comes from."""

    code: ReasonCode
    message: str
    amount: float
    """In the unit of what differs; 0 where it cannot be told apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A promise and what the replay made of it."""

    quantity: str
    """``facility_energy_kwh``, ``kgco2e``, or ``attainment`` of a workload."""
    workload: str
    """Empty for totals."""
    planned: float
    replayed: float
    within_tolerance: bool
    reasons: tuple[Reason, ...]
    """Where it is not within the tolerance; the largest first."""

    @property
    def ratio(self) -> float:
        """(replayed - planned) / planned; NaN for a promise of nothing."""
        return (self.replayed - self.planned) / self.planned if self.planned else float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A plan's hours as they went."""

    start_h: float
    """Hour of the day at which it begins, on the users' clock."""
    simulated_s: float
    routing: str
    offline: str
    workloads: tuple[WorkloadReplay, ...]
    pools: tuple[PoolReplay, ...]
    minutes: MinuteSeries
    layers: tuple[PowerLayer, ...]
    totals: Totals
    planned: Totals
    gaps: tuple[Gap, ...]
    started_late: int
    """Offline requests that started after their deadline; they are among the misses."""
    spilled: int
    """Requests that found no room where the plan wanted them and went elsewhere."""
    most_in_flight: int
    """Requests in front of or on replicas at one time."""

    @property
    def deadline_misses(self) -> int:
        """Of all offline work."""
        return sum(workload.deadline_misses for workload in self.workloads)

    @property
    def meets_slos(self) -> bool:
        """Every workload keeps what it was promised."""
        return all(workload.meets_slo for workload in self.workloads)

    def workload(self, name: str) -> WorkloadReplay:
        """By name; raises KeyError."""
        for workload in self.workloads:
            if workload.name == name:
                return workload
        raise KeyError(name)


def replay_record(replay: Replay) -> dict[str, Any]:
    """The replay as plain data: most of the JSON object of ``ecoserve simulate --json``."""
    return {
        "start_h": replay.start_h,
        "simulated_seconds": replay.simulated_s,
        "routing": replay.routing,
        "offline": replay.offline,
        "workloads": [_workload_record(workload) for workload in replay.workloads],
        "facility_energy_kwh": replay.totals.facility_energy_kwh,
        "kgco2e": replay.totals.kgco2e,
        "operational_kgco2e": replay.totals.operational_kgco2e,
        "embodied_kgco2e": replay.totals.embodied_kgco2e,
        "deadline_misses": replay.deadline_misses,
        "started_late": replay.started_late,
        "meets_slos": replay.meets_slos,
        "planned": {**asdict(replay.planned), "kgco2e": replay.planned.kgco2e},
        "gaps": [{**asdict(gap), "ratio": gap.ratio} for gap in replay.gaps],
        "pools": [asdict(pool) for pool in replay.pools],
        "minutes": _minutes_record(replay.minutes),
        "spilled": replay.spilled,
        "most_in_flight": replay.most_in_flight,
    }


def _workload_record(workload: WorkloadReplay) -> dict[str, Any]:
    return {
        **asdict(workload),
        "unserved": workload.unserved,
        "attainment": workload.attainment,
        "meets_slo": workload.meets_slo,
    }


def _minutes_record(minutes: MinuteSeries) -> dict[str, Sequence[float]]:
    return {name: list(values) for name, values in asdict(minutes).items()}
