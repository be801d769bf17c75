"""`make bench`: times planning and the page, and says how accurate speed and power are.

Machines are noisy: read ratios.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console, Group
from rich.table import Table

from tests.bench.page import measure
from tests.bench.solver_rows import solver_table

RUNS = 3


def main() -> None:
    """Runs everything and prints the table."""
    console = Console(width=110)
    runs = [_measured("planning") for _ in range(RUNS)]
    table = Table("what", "measured", "wanted", title="EcoServe planner, default preset")
    for name in runs[0]["plans"]:
        rows = [run["plans"][name] for run in runs]
        wall, cpu = (median(row[key] for row in rows) for key in ("wall_s", "cpu_s"))
        wanted = "1 s" if name == "interactive, cold" else ""
        measured = f"{wall:.2f} s ({cpu:.2f} s CPU), gap {rows[0]['gap']:.2%}"
        table.add_row(f"plan {name}", measured, wanted)
    table.add_row("start: imports", f"{median(run['import_s'] for run in runs):.2f} s", "")
    table.add_row("start: catalog built", f"{median(run['catalog_s'] for run in runs):.2f} s", "")
    table.add_row("planning process, peak", f"{max(r['peak_mb'] for r in runs):.0f} MB", "500 MB")
    _add_catalog(table)
    with tempfile.TemporaryDirectory() as folder:
        ours, trivial = measure(Path(folder))
    table.add_row("slider to chart, trivial page", f"{trivial.median_s:.2f} s", "")
    ratio = ours.median_s / trivial.median_s
    table.add_row(
        "slider to chart, Plan page", f"{ours.median_s:.2f} s = {ratio:.1f} x", "3 x trivial"
    )
    table.add_row("slider to proof, Plan page", f"{median(ours.settled):.2f} s", "")
    table.add_row("dashboard server, memory", f"{ours.peak_mb:.0f} MB", "500 MB")
    console.print(table)
    console.print(_speed_tables(_measured("speed")))
    console.print(solver_table(_measured))
    console.print(f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, Python {_python()}")


def _add_catalog(table: Table) -> None:
    found = _measured("catalog")
    table.add_row("catalog: build", f"{found['build_s']:.2f} s", "")
    table.add_row("catalog: load_catalog(), warm", f"{found['load_s'] * 1000:.0f} ms", "200 ms")
    table.add_row("catalog: a page's query", f"{found['query_s'] * 1000:.1f} ms", "20 ms")
    table.add_row("catalog: figures of a row", f"{found['figures_s'] * 1000:.1f} ms", "20 ms")
    table.add_row(
        f"catalog: {found['n_queries']:,} queries from 16 threads",
        f"{found['n_wrong']} wrong, {found['threads_s']:.1f} s",
        "0 wrong",
    )
    table.add_row(
        f"catalog: {found['n_footprints']} footprints", f"{found['footprints_s']:.2f} s", ""
    )


def _speed_tables(found: dict[str, Any]) -> Group:
    """Accuracy, with what was wanted and at least, and the time that fits and profiles take."""
    accuracy = Table(
        "quantity", "error", "wanted", "at least", "bias", "points", "held out",
        title=f"Accuracy on what was held out, {found['n_points']:,} points in the catalog",
    )  # fmt: skip
    for row in found["accuracy"]:
        ratios = (row["mape"], row["wanted"], row["at_least"])
        said = ["" if ratio is None else f"{ratio:.1%}" for ratio in ratios]
        has_goal = row["at_least"] is not None
        missed = " (missed)" if has_goal and row["mape"] > row["at_least"] else ""
        accuracy.add_row(
            row["quantity"], said[0] + missed, said[1], said[2], f"{row['bias']:+.1%}",
            str(row["n"]), row["held_out"],
        )  # fmt: skip
    times = Table("what", "measured", "wanted", title="Time of speed and power")
    times.add_row("all fits, cross-validated", f"{found['fits_s']:.1f} s", "60 s")
    searched = f"{found['n_buckets']} buckets x {found['n_options']} options with SLO search"
    times.add_row(searched, f"{found['options_s']:.2f} s", "0.5 s")
    times.add_row("one profile with SLO search", f"{found['profile_s'] * 1000:.1f} ms", "5 ms")
    shared = found["shared"]
    said = f"{shared['n_predicted']:,} of {shared['n_rows']:,}" if shared else "not on this machine"
    times.add_row("more points of the sources, predicted", said, "")
    return Group(accuracy, times)


def _python() -> str:
    return platform.python_version()


def _measured(program: str, *row: str) -> dict[str, Any]:
    """One run in a fresh process, so that "cold" means cold and peak memory is its own."""
    command = [sys.executable, "-m", f"tests.bench.{program}", *row]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


if __name__ == "__main__":
    main()
