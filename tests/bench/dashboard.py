"""The dashboard's figures as one JSON line: page, crowd, upload, baselines, links.

Everything stays on this machine, on ports of its own, and ends by itself.
"""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import ecoserve
from app.presets import load_presets
from app.session import DEFAULT_PRESET
from app.solving.desk import Desk
from app.solving.manager import Manager
from app.solving.tasks import Task
from catalog_db.reader import ensure_catalog, load_catalog
from ecoserve.analysis.edits import edited
from ecoserve.link import decode_link, encode_link
from ecoserve.scenario import Scenario
from tests.bench.page import (
    INTENSITY,
    LOADS,
    chromium,
    cold_load_s,
    peak_memory_mb,
    plan_edits,
    trivial_edits,
    upload_s,
)
from tests.bench.users import crowd
from tests.e2e.server import running_app

N_USERS, PAUSE_S, ROUNDS = 20, 8.0, 4
LOG_ROWS = 1_000_000
BASELINES = ("cost", "energy", "performance", "splitwise")
PUES = (1.21, 1.22, 1.23)
"""Of scenarios that nobody has asked about."""
N_DECODED = 50


def main() -> None:
    """Measures and prints."""
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Path(folder))
    print(json.dumps({**found, "baselines": baselines(), "decode_s": slowest_link_s()}))


def measured(scratch: Path) -> dict[str, Any]:
    """What a browser and a crowd see of one server."""
    log = scratch / "log.csv"
    write_log(log)
    with chromium() as browser:
        trivial = trivial_edits(browser, scratch / "trivial")
        with running_app(scratch / "app") as server:
            first = cold_load_s(browser, server.url)
            edits = plan_edits(browser, server.url)
            loads = [cold_load_s(browser, server.url) for _ in range(LOADS)]
            with peak_memory_mb(server) as crowd_mb:
                seen = crowd(server.url, INTENSITY, edits.values, N_USERS, PAUSE_S, ROUNDS)
            with peak_memory_mb(server) as upload_mb:
                uploaded = upload_s(browser, server.url, log, f"{LOG_ROWS:,} of {LOG_ROWS:,} rows")
    return {
        "trivial": trivial,
        "first_load_s": first,
        "loads": loads,
        **asdict(edits),
        "crowd": seen.edits,
        "crowd_errors": seen.errors,
        "crowd_mb": crowd_mb[0],
        "upload_s": uploaded,
        "upload_mb": upload_mb[0],
    }


def write_log(path: Path) -> None:
    """A day and a bit of requests at one every 0.1 s, lengths that differ."""
    with path.open("w", encoding="utf-8") as file:
        file.write("arrival_time,prompt_tokens,completion_tokens\n")
        for i in range(LOG_ROWS):
            file.write(f"{i / 10:.1f},{100 + i * 37 % 4000},{20 + i * 17 % 500}\n")


def baselines() -> dict[str, float]:
    """Seconds to the first and to the last of a plan and four baselines, quick, on two workers."""
    path = ensure_catalog()
    catalog = load_catalog(path)
    manager = Manager(imports=("app.solving.questions",))
    manager.warm_up()
    preset = load_presets()[DEFAULT_PRESET]
    runs = []
    for pue in (1.2, *PUES):  # the first wakes the workers
        desk = Desk(catalog, path, Task(manager, "bench", "baselines", pue))
        runs.append(_asked(desk, edited(preset, {"site.pue": pue})))
    manager.close()
    first, last = (median(part) for part in zip(*runs[1:], strict=True))
    return {"first_s": first, "last_s": last}


def _asked(desk: Desk, scenario: Scenario) -> tuple[float, float]:
    started = time.perf_counter()
    requests = [desk.baseline_request(scenario, name, "quick") for name in BASELINES]
    plan, *others = desk.task.ask_all([desk.plan_request(scenario, "quick"), *requests])
    plan.result()
    first = time.perf_counter() - started
    for other in others:
        other.result()
    return first, time.perf_counter() - started


def slowest_link_s() -> float:
    """To open the largest scenario of those packaged, whole instead of as a difference."""
    presets = load_presets()
    links = [encode_link(preset, {}, ecoserve.__version__, "") for preset in presets.values()]
    longest, taken = max(links, key=len), []
    for _ in range(N_DECODED):
        started = time.perf_counter()
        decode_link(longest, presets)
        taken.append(time.perf_counter() - started)
    return max(taken)


if __name__ == "__main__":
    main()
