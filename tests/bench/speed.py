"""Accuracy of speed and power, and how long fits and profiles take; prints one JSON object.

The points are those of the catalog. More of the sources' points lie beside a checkout in
``../shared/data/perf`` on machines that have them: they are validated too, and nothing else is read
from there.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import Any

N_ISL, N_OSL = 20, 10
N_OPTIONS = 60
REPEATS = 7
SHARED = Path(__file__).parents[3] / "shared" / "data" / "perf"


def main() -> None:
    from catalog_db.calibrate import parameter_files
    from catalog_db.reader import ensure_catalog, load_catalog
    from ecoserve.accuracy import accuracy_rows

    with tempfile.TemporaryDirectory() as folder:
        catalog = load_catalog(ensure_catalog(Path(folder) / "catalog.duckdb"))
    started = time.perf_counter()
    parameter_files(catalog)
    fits_s = time.perf_counter() - started
    rows = [asdict(row) for row in accuracy_rows(catalog)]
    result = {
        "accuracy": rows,
        "fits_s": fits_s,
        "n_points": len(catalog.measured_points),
        **_options(catalog),
        "profile_s": _profile_s(catalog),
        "shared": _shared(catalog),
    }
    sys.stdout.write(json.dumps(result) + "\n")


def _options(catalog: Any) -> dict[str, Any]:
    """Time of at least sixty options, each with its largest batch for 200 length buckets."""
    from ecoserve.demand import workload_demands
    from ecoserve.options import services
    from ecoserve.rows import LengthBucket, LengthMix
    from ecoserve.scenario import read_scenario

    buckets = tuple(
        LengthBucket(
            isl_lo_tokens=100.0 * i, isl_hi_tokens=100.0 * (i + 1), osl_lo_tokens=50.0 * o,
            osl_hi_tokens=50.0 * (o + 1), fraction=1 / (N_ISL * N_OSL),
            isl_tokens=100.0 * i + 50, osl_tokens=50.0 * o + 25,
        )
        for i in range(N_ISL)
        for o in range(N_OSL)
    )  # fmt: skip
    mix = LengthMix(
        id="bench", name="bench", source_id="planning_assumptions", quality="assumed",
        note="200 buckets", buckets=buckets,
    )  # fmt: skip
    known = replace(catalog, length_mixes={**catalog.length_mixes, mix.id: mix})
    workload = {
        "name": "chat", "llm": "llama_3_1_8b", "mix": mix.id, "rate_rps": 10.0,
        "slo": {"ttft_s": 2.0, "tpot_s": 0.1},
    }  # fmt: skip
    accelerators: list[str] = []
    found: tuple[Any, ...] = ()
    for accelerator_id in sorted({s.accelerator_id for s in known.servers.values()}):
        accelerators.append(accelerator_id)
        scenario = read_scenario(
            {
                "name": "bench",
                "workloads": [workload],
                "site": {"region": "aws_us_west_1", "intensity": "annual"},
                "hardware": {"accelerators": accelerators},
            }
        )
        demands = workload_demands(scenario, known)
        found = services(scenario, known, demands)
        if len(found) >= N_OPTIONS:
            break
    seconds = [_seconds(lambda: services(scenario, known, demands)) for _ in range(REPEATS)]
    return {
        "options_s": median(seconds),
        "n_options": len(found),
        "n_buckets": len(found[0].batch),
    }


def _profile_s(catalog: Any) -> float:
    from ecoserve.profile import profile_at_slo
    from ecoserve.profile_query import ProfileQuery

    query = ProfileQuery(
        llm_id="llama_3_1_8b", accelerator_id="h100_sxm_80gb", tp=1, stack="vllm_v1",
        precision="bf16", isl_tokens=1000, osl_tokens=200,
    )  # fmt: skip
    return median(
        _seconds(lambda: profile_at_slo(catalog, query, ttft_s=2.0, tpot_s=0.05))
        for _ in range(REPEATS)
    )


def _seconds(work: Any) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _shared(catalog: Any) -> dict[str, Any] | None:
    """How many of the sources' points are predicted, by phase; None where they are not there."""
    from catalog_db.measured import NUMBERS, read_points
    from ecoserve.prediction import predict
    from ecoserve.validation import error_groups

    points: list[Any] = []
    for file in sorted(SHARED.glob("*_points.csv")):
        text = file.read_text(encoding="utf-8")
        if set(NUMBERS) <= set(text.splitlines()[0].split(",")):
            points += read_points(text, catalog.point_conventions)
    if not points:
        return None
    answers = [predict(point, catalog) for point in points]
    groups = error_groups(points, answers)
    n_predicted = sum(group.n for group in groups if group.quantity == "latency")
    return {"n_rows": len(points), "n_predicted": n_predicted}


if __name__ == "__main__":
    main()
