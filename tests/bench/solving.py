"""Presets, small services and sweeps through the planner; one row per process, one JSON object."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed

from app.presets import load_presets
from catalog_db.reader import ensure_catalog, load_catalog
from ecoserve.catalog import Catalog
from ecoserve.planner import Effort, plan_fleet
from ecoserve.scenario import Scenario, read_scenario
from ecoserve.solver import Progress, Watch
from tests.bench.memory import peak_mb

SHOWN_AT_S = (1.0, 2.0, 5.0, 10.0)
SWEEP = 200
WORKERS = 2


def presets() -> dict[str, Any]:
    """The gap of the plan shown after some seconds, of CPU from the click on; of every preset."""
    catalog = _catalog()
    rows = {}
    for name, scenario in sorted(load_presets().items()):
        seen, end_s = _search(scenario, catalog, "interactive")
        first = seen[0][1].best.objective
        shown = [[p for s, p in seen if s <= at][-1:] for at in SHOWN_AT_S]
        rows[name] = {
            "gaps": [p[0].best.gap if p else None for p in shown],
            "n_worse": sum(p[0].best.objective > first * (1 + 1e-9) for p in shown if p),
            "first_s": seen[0][0],
            "first_gap": seen[0][1].best.gap,
            "end_s": end_s,
            "end_gap": seen[-1][1].best.gap,
            "nodes": seen[-1][1].nodes,
        }
    return {"presets": rows}


def small() -> dict[str, Any]:
    """Two requests/s on an 8B model, to a tenth of a percent, by each objective."""
    catalog = _catalog()
    base = next(iter(load_presets().values())).model_dump(mode="json")
    chat = next(w for w in base["workloads"] if w["kind"] == "online")
    base["workloads"] = [chat | {"llm": "llama_3_1_8b", "rate_rps": 2.0}]
    rows = {}
    for objective in ("carbon", "cost", "energy"):
        base["policy"]["objective"] = objective
        seen, end_s = _search(read_scenario(base), catalog, "report")
        rows[objective] = {"s": end_s, "gap": seen[-1][1].best.gap, "nodes": seen[-1][1].nodes}
    return {"small": rows}


def sweep(n: int = SWEEP) -> dict[str, Any]:
    """Quick plans at many intensities, on two processes against one after the other."""
    catalog = _catalog()
    base = next(iter(load_presets().values())).model_dump(mode="json")
    base["site"]["intensity"] = "custom"
    scenarios = []
    for i in range(n):
        base["site"]["custom_gco2e_per_kwh"] = [20.0 + 4.0 * i]
        scenarios.append(read_scenario(base))
    plan = delayed(_objective)
    with Parallel(n_jobs=WORKERS, batch_size=10) as workers:
        workers(plan(scenario, catalog) for scenario in scenarios[: 2 * WORKERS])  # start them
        started = time.perf_counter()
        spread = workers(plan(scenario, catalog) for scenario in scenarios)
        spread_s = time.perf_counter() - started
    started = time.perf_counter()
    serial = [_objective(scenario, catalog) for scenario in scenarios]
    serial_s = time.perf_counter() - started
    return {
        "n": n, "serial_s": serial_s, "spread_s": spread_s, "ratio": serial_s / spread_s,
        "n_different": sum(a != b for a, b in zip(spread, serial, strict=True)),
    }  # fmt: skip


def _objective(scenario: Scenario, catalog: Catalog) -> float:
    return plan_fleet(scenario, catalog, "quick").objective


def _search(
    scenario: Scenario, catalog: Catalog, effort: Effort
) -> tuple[list[tuple[float, Progress]], float]:
    """What a plan's first search tells, with CPU seconds since the scenario was given."""
    seen: list[tuple[float, Progress]] = []
    started = time.process_time()

    def note(told: Progress) -> None:
        if not seen or told.best.bound >= seen[-1][1].best.bound:  # a later round starts lower
            seen.append((time.process_time() - started, told))

    plan_fleet(scenario, catalog, effort, watch=Watch(report=note))
    return seen, time.process_time() - started


def _catalog() -> Catalog:
    with tempfile.TemporaryDirectory() as folder:
        return load_catalog(ensure_catalog(Path(folder) / "catalog.duckdb"))


ROWS = {"presets": presets, "small": small, "sweep": sweep}

if __name__ == "__main__":
    sys.stdout.write(json.dumps({**ROWS[sys.argv[1]](), "peak_mb": peak_mb()}) + "\n")
