"""Times plans of the default preset in a process of its own; prints one JSON object."""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

PRESET = "azure-chat-and-code"


def main() -> None:
    started = time.perf_counter()
    from app.presets import load_presets
    from catalog_db.reader import ensure_catalog, load_catalog
    from ecoserve.planner import plan_fleet
    from ecoserve.scenario import read_scenario
    from ecoserve.structure import Memory

    imported = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        catalog = load_catalog(ensure_catalog(Path(folder) / "catalog.duckdb"))
    loaded = time.perf_counter()
    scenario = load_presets()[PRESET]
    edited_data = scenario.model_dump(mode="json")
    edited_data["site"] |= {"intensity": "custom", "custom_gco2e_per_kwh": [250.0]}
    edited = read_scenario(edited_data)
    rows = {}
    memory = Memory()
    for name, asked, effort, remembers in (
        ("quick, cold", scenario, "quick", False),
        ("interactive, cold", scenario, "interactive", False),
        ("interactive, first with memory", scenario, "interactive", True),
        ("quick, after one edit", edited, "quick", True),
        ("interactive, after one edit", edited, "interactive", True),
    ):
        wall, cpu = time.perf_counter(), time.process_time()
        plan = plan_fleet(asked, catalog, effort, memory=memory if remembers else None)
        rows[name] = {
            "wall_s": time.perf_counter() - wall,
            "cpu_s": time.process_time() - cpu,
            "gap": plan.gap,
        }
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = {
        "import_s": imported - started,
        "catalog_s": loaded - imported,
        "plans": rows,
        "peak_mb": peak_kib * 1024 / 1e6,
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
