"""Replays in a process of their own; prints one JSON object.

python -m tests.bench.replay speed            requests/s on the Azure conversation log
python -m tests.bench.replay memory ROWS      peak memory with a log of so many rows
python -m tests.bench.replay preset NAME [H]  promise beside replay, drawn and from both logs
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.presets import load_presets
from app.replays import LogTraffic, OwnTraffic, Traffic, peak_hour, scale_to_peak, workload_of
from catalog_db.reader import ensure_catalog, load_catalog
from ecoserve.catalog import Catalog
from ecoserve.demand import workload_demands
from ecoserve.plan import Plan
from ecoserve.planner import plan_fleet
from ecoserve.restriction import Restriction
from ecoserve.runtime.offline import default_offline
from ecoserve.runtime.readings import replay
from ecoserve.runtime.replay import Settings
from ecoserve.runtime.result import Replay
from ecoserve.scenario import Scenario, read_scenario

PRESET = "azure-chat-and-code"
LOGS = Path(__file__).parents[3] / "shared" / "data" / "workloads"
"""Beside the repository; not part of it."""
CONVERSATION, CODE = "requests_azure2023_conv.csv", "requests_azure2023_code.csv"
BUSY_H = 15.0
SPEEDS = (1.0, 10.0)
REPLICAS = (10, 100, 1_000)
EVERY_S = 0.04
"""Between two requests of a long log."""


def main() -> None:
    what, *more = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        catalog = load_catalog(ensure_catalog(Path(folder) / "catalog.duckdb"))
    found = {"speed": _speed, "memory": _memory, "preset": _preset}[what](catalog, *more)
    print(json.dumps(found))


def _speed(catalog: Catalog) -> dict[str, Any]:
    """The log on the default plan of its workload, and on pools of replicas for both phases."""
    if not (LOGS / CONVERSATION).exists():
        return {"rows": []}
    scenario = _chat_alone()
    rows = []
    plan = plan_fleet(scenario, catalog, "quick")
    for speed in SPEEDS:
        rows.append({"fleet": "default plan", **_timed(plan, scenario, catalog, speed)})
    both = plan_fleet(
        scenario, catalog, "quick", restriction=Restriction(prefill_on=(), decode_on=())
    )
    for n in REPLICAS:
        pool = replace(both.pools[0], replicas=n, replicas_by_hour=(n,) * 24)
        fleet = replace(both, pools=(pool,))
        for speed in SPEEDS:
            rows.append({"fleet": f"{n:,} replicas", **_timed(fleet, scenario, catalog, speed)})
    return {"rows": rows, "replicas_on": both.pools[0].accelerator}


def _chat_alone() -> Scenario:
    data = load_presets()[PRESET].model_dump(mode="json")
    data["workloads"] = data["workloads"][:1]
    return read_scenario(data)


def _timed(plan: Plan, scenario: Scenario, catalog: Catalog, speed: float) -> dict[str, float]:
    traffic = _of_log(CONVERSATION, scenario, catalog, "chat", speed=speed, scale=1.0)
    n_pools = max(sum(pool.replicas for pool in plan.pools), 1)
    wall, cpu = time.perf_counter(), time.process_time()
    seen = replay(plan, scenario, catalog, traffic(), Settings(start_h=BUSY_H))
    wall_s, cpu_s = time.perf_counter() - wall, time.process_time() - cpu
    n = sum(workload.served for workload in seen.workloads)
    busy = [pool.batch for pool in seen.pools if pool.role != "prefill"]
    return {
        "speed": speed, "requests": n, "per_s": n / wall_s, "per_cpu_s": n / cpu_s,
        "batch": max(busy), "replicas": n_pools,
    }  # fmt: skip


def _of_log(
    name: str, scenario: Scenario, catalog: Catalog, workload: str, *, speed: float, scale: float
) -> LogTraffic:
    demands = workload_demands(scenario, catalog)
    number = workload_of(workload, demands)
    ratio = scale or scale_to_peak(LOGS / name, None, demands[number])
    return LogTraffic(
        source=LOGS / name, columns=None, demands=demands, workload=number, scenario=scenario,
        start_h=float(peak_hour(demands[number])), scale=ratio, speed=speed, seed=0,
    )  # fmt: skip


def _memory(catalog: Catalog, n_rows: str) -> dict[str, Any]:
    """Peak memory of the process with a streamed log of so many requests."""
    scenario = _chat_alone()
    plan = plan_fleet(scenario, catalog, "quick")
    demands = workload_demands(scenario, catalog)
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
        file.writelines(_lines(int(n_rows)))
        file.flush()
        traffic = LogTraffic(
            source=Path(file.name), columns=None, demands=demands, workload=0, scenario=scenario,
            start_h=0.0, scale=1.0, speed=1.0, seed=0,
        )  # fmt: skip
        seen = replay(plan, scenario, catalog, traffic(), Settings())
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"served": seen.workloads[0].served, "peak_mb": peak_kib * 1024 / 1e6}


def _lines(n: int) -> Iterator[str]:
    yield "t_s,context_tokens,generated_tokens\n"
    for i in range(n):
        yield f"{EVERY_S * i:.3f},{200 + 37 * i % 1800},{20 + 11 * i % 280}\n"


def _preset(catalog: Catalog, name: str, hours: str = "24") -> dict[str, Any]:
    """A day drawn from the scenario, and both logs at the rate of the plan's busiest hour."""
    scenario = load_presets()[name]
    plan = plan_fleet(scenario, catalog)
    demands = workload_demands(scenario, catalog)
    duration_s = 3600.0 * float(hours)
    own = OwnTraffic(demands=demands, scenario=scenario, start_h=0.0, duration_s=duration_s, seed=0)
    rows = [{"traffic": "drawn", **_beside(plan, scenario, catalog, own, duration_s)}]
    for file, likes in ((CONVERSATION, "code"), (CODE, "chat")):
        if (LOGS / file).exists():
            mine = _stands_for(demands, likes)
            traffic = _of_log(file, scenario, catalog, mine, speed=1.0, scale=0.0)
            found = _beside(plan, scenario, catalog, traffic, None)
            rows.append({"traffic": f"{file} as {mine}", **found})
    return {"rows": rows}


def _stands_for(demands: Any, not_this: str) -> str:
    """The first online workload of another name; the first where there is none."""
    online = [d.workload.name for d in demands if d.is_online] or [demands[0].workload.name]
    return next((name for name in online if name != not_this), online[0])


def _beside(
    plan: Plan, scenario: Scenario, catalog: Catalog, traffic: Traffic, duration_s: float | None
) -> dict[str, Any]:
    settings = Settings(
        start_h=traffic.start_h, duration_s=duration_s, offline=default_offline(scenario)
    )
    begun = time.process_time()
    seen = replay(plan, scenario, catalog, traffic(), settings)
    return {**_record(seen), "cpu_s": time.process_time() - begun}


def _record(seen: Replay) -> dict[str, Any]:
    ratios = {gap.quantity: gap.ratio for gap in seen.gaps if not gap.workload}
    return {
        "requests": sum(workload.requests for workload in seen.workloads),
        "energy": ratios["facility_energy_kwh"],
        "carbon": ratios["kgco2e"],
        "workloads": [
            [w.name, w.attainment, w.percentile, w.deadline_misses, w.meets_slo]
            for w in seen.workloads
        ],
    }


if __name__ == "__main__":
    main()
