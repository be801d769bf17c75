"""`make bench`: times planning and the page, and says how accurate speed and power are.

Of its parts only those that are named run: `make bench PART="planning dashboard"`. Machines are
noisy: read ratios.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from statistics import median
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table

from tests.bench.dashboard_rows import dashboard_table
from tests.bench.replay_rows import replay_tables
from tests.bench.solver_rows import solver_table

RUNS = 3


def main() -> None:
    """Runs the parts that are named, or all, and prints a table of each."""
    wanted = sys.argv[1:] or list(PARTS)
    unknown = [part for part in wanted if part not in PARTS]
    if unknown:
        sys.exit(f"No part {', '.join(unknown)}; there are {', '.join(PARTS)}.")
    console = Console(width=110)
    for part in wanted:
        console.print(PARTS[part]())
    console.print(f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, Python {_python()}")


def _planning_table() -> Table:
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
    return table


def _catalog_table() -> Table:
    table = Table("what", "measured", "wanted", title="Catalog")
    _add_catalog(table)
    return table


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


PARTS: Mapping[str, Callable[[], RenderableType]] = {
    "planning": _planning_table,
    "catalog": _catalog_table,
    "dashboard": lambda: dashboard_table(_measured("dashboard")),
    "accuracy": lambda: _speed_tables(_measured("speed")),
    "replay": lambda: replay_tables(_measured),
    "solver": lambda: solver_table(_measured),
}


if __name__ == "__main__":
    main()
