"""A replay of four minutes, made by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ecoserve.plan import SloReport
from ecoserve.runtime.result import (
    Gap,
    MinuteSeries,
    PoolReplay,
    PowerLayer,
    Quantiles,
    Reason,
    Replay,
    Totals,
    WorkloadReplay,
)

SLO = (
    SloReport(
        workload="chat", percentile=0.9, ttft_s=0.5, tpot_s=0.04, ttft_limit_s=1.0,
        tpot_limit_s=0.05,
    ),
)  # fmt: skip
MINUTES = MinuteSeries(
    arrivals=(60, 30, 0, 10),
    waiting=(0, 7, 2, 0),
    deferred=(0, 0, 0, 0),
    running=(3.0, 4.0, 2.0, 1.0),
    busy_replicas=(1.0, 1.0, 0.5, 0.5),
    up_replicas=(2, 2, 2, 2),
    it_power_kw=(2.0, 3.0, 2.0, 1.0),
    gco2e_per_kwh=(100.0, 100.0, 200.0, 200.0),
    kgco2e=(0.0, 0.0, 0.0, 0.0),
)
CHAT = WorkloadReplay(
    name="chat", kind="online", requests=100, carried_in=0, served=100, too_long=0, deferred=0,
    percentile=0.9, ttft_attainment=0.98, tpot_attainment=0.99, both_attainment=0.97,
    ttft_s=Quantiles(mean=0.2, p50=0.2, p90=0.5, p99=0.9),
    tpot_s=Quantiles(mean=0.02, p50=0.02, p90=0.03, p99=0.04),
    deadline_misses=0, mean_isl_tokens=100.0, mean_osl_tokens=10.0, in_system=1.0,
    facility_energy_kwh=1.0, kgco2e=0.1,
)  # fmt: skip
BATCH = replace(
    CHAT, name="papers", kind="offline", percentile=None, ttft_attainment=None,
    tpot_attainment=None, both_attainment=None, deferred=5, served=40, requests=45,
)  # fmt: skip
POOL = PoolReplay(
    site="home", workloads=("chat",), llm="m", accelerator="a30", server="s", role="mixed",
    replicas=2, utilisation=0.5, planned_utilisation=0.4, batch=3.0, planned_batch=6.0,
    preemptions=0,
)  # fmt: skip


def layer(kind: Any, side: Any, workload: str, *it_power_kw: float) -> PowerLayer:
    return PowerLayer(kind=kind, side=side, site="home", workload=workload, it_power_kw=it_power_kw)


def gap(quantity: str, planned: float, replayed: float, *reasons: str, workload: str = "") -> Gap:
    return Gap(
        quantity=quantity, workload=workload, planned=planned, replayed=replayed,
        within_tolerance=not reasons,
        reasons=tuple(Reason(code="burst", message=m, amount=replayed - planned) for m in reasons),
    )  # fmt: skip


def replay_of(*workloads: WorkloadReplay, gaps: tuple[Gap, ...] = ()) -> Replay:
    """From half past seven."""
    totals = Totals(facility_energy_kwh=1.0, operational_kgco2e=0.1, embodied_kgco2e=0.1)
    return Replay(
        start_h=7.5,
        simulated_s=240.0,
        routing="packed",
        offline="carbon",
        workloads=workloads,
        pools=(POOL,),
        minutes=MINUTES,
        layers=(
            layer("online", "accelerator", "chat", 1.0, 2.0, 0.5, 0.0),
            layer("offline", "host", "papers", 0.0, 0.0, 0.5, 0.0),
            layer("standing", "host", "", 1.0, 1.0, 1.0, 1.0),
        ),
        totals=totals,
        planned=totals,
        gaps=gaps or (gap("facility_energy_kwh", 1.0, 1.0), gap("kgco2e", 1.0, 0.969)),
        started_late=0,
        spilled=0,
        most_in_flight=9,
    )
