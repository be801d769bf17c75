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
from ecoserve.formulation import branching_levels
from ecoserve.planner import GAP, NODES, objective_weights, plan_fleet
from ecoserve.pricing import objective_terms, price_account
from ecoserve.scenario import Scenario, read_scenario
from ecoserve.solver import Limits, Progress, Watch, climb
from ecoserve.structure import build_structure, price_terms
from tests.bench.memory import peak_mb

SHOWN_AT_S = (1.0, 2.0, 5.0, 10.0)
SMALL_GAP = 1e-4
SWEEP = 200
WORKERS = 2


def presets() -> dict[str, Any]:
    """The gap of the plan shown after some seconds, from the click; of every preset."""
    catalog = _catalog()
    rows = {}
    for name, scenario in sorted(load_presets().items()):
        seen, end_s = _search(scenario, catalog, GAP["interactive"])
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
    """Two requests/s on an 8B model, to a hundredth of a percent, by each objective."""
    catalog = _catalog()
    base = next(iter(load_presets().values())).model_dump(mode="json")
    chat = next(w for w in base["workloads"] if w["kind"] == "online")
    base["workloads"] = [chat | {"llm": "llama_3_1_8b", "rate_rps": 2.0}]
    rows = {}
    for objective in ("carbon", "cost", "energy"):
        base["policy"]["objective"] = objective
        seen, end_s = _search(read_scenario(base), catalog, SMALL_GAP)
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
    scenario: Scenario, catalog: Catalog, gap: float
) -> tuple[list[tuple[float, Progress]], float]:
    """What a search tells, with wall seconds since the scenario was given."""
    started = time.perf_counter()
    structure = build_structure(scenario, catalog, {})
    terms = price_terms(scenario, catalog, structure.demands, structure.options, structure.eligible)
    account = price_account(structure.problem, terms)
    goal = objective_terms(structure.problem, account, objective_weights(scenario))
    seen: list[tuple[float, Progress]] = []
    climb(
        structure.program.with_objective(goal),
        branching_levels(structure.problem, terms),
        Limits(gap=gap, nodes=NODES["interactive"]),
        watch=Watch(report=lambda told: seen.append((time.perf_counter() - started, told))),
    )
    return seen, time.perf_counter() - started


def _catalog() -> Catalog:
    with tempfile.TemporaryDirectory() as folder:
        return load_catalog(ensure_catalog(Path(folder) / "catalog.duckdb"))


ROWS = {"presets": presets, "small": small, "sweep": sweep}

if __name__ == "__main__":
    sys.stdout.write(json.dumps({**ROWS[sys.argv[1]](), "peak_mb": peak_mb()}) + "\n")
