"""The solver's measurements as a table, each in a process of its own, with what was wanted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.table import Table

Found = dict[str, Any]


def solver_table(measured: Callable[..., Found]) -> Table:
    """Runs everything; ``measured(program, row)`` gives a row's figures."""
    table = Table("what", "measured", "wanted", "peak", title="Solver: ratios of CPU time, one run")
    _add_melange(table, measured("melange"))
    _add_m24(table, measured("instances", "m24"))
    _add_hourly(table, measured("instances", "hourly"))
    _add_l1r(table, measured("instances", "l1r"))
    _add_sites(table, measured("instances", "sites"))
    _add_edits(table, measured("instances", "edits"))
    _add_presets(table, measured("solving", "presets"))
    _add_small(table, measured("solving", "small"))
    _add_sweep(table, measured("solving", "sweep"))
    return table


def _peak(found: Found) -> str:
    return f"{found['peak_mb']:.0f} MB"


def _add_melange(table: Table, found: Found) -> None:
    inputs = f"{found['n']} inputs, {found['n_stopped']} stopped at 20 s"
    table.add_row(
        "Mélange's program: ours dearer", f"{found['n_worse']} of {inputs}", "never", _peak(found)
    )
    saved = f"median {found['median_saving']:.2%}, most {found['most_saving']:.1%}"
    table.add_row("Mélange's program: cost saved", saved, "", "")
    ratio = f"median {found['median_ratio']:.0f} x, least {found['least_ratio']:.1f} x"
    table.add_row("Mélange's program: CBC's time / ours", ratio, "median 20 x", "")
    table.add_row("Mélange's program: at least 10 x", f"{found['share_10x']:.0%}", "75 %", "")


def _add_m24(table: Table, found: Found) -> None:
    proof, report = found["proof"], found["report"]
    name = f"100 buckets x 30 options ({proof['columns']:,} columns)"
    whole_s = proof["build_s"] + proof["solve_s"]
    said = f"{whole_s:.1f} s CPU, gap {proof['gap']:.2%}, {proof['nodes']} nodes"
    table.add_row(f"{name}: proof of 1 %", said, "5 s CPU", _peak(found))
    _add_first(table, report, f"{report['first_s'] / found['highs_s']:.0%} of HiGHS's own")
    build = proof["build_s"] / proof["solve_s"]
    table.add_row("the same: build and hand-over / solve", f"{build:.0%}", "10 %", "")


def _add_first(table: Table, found: Found, beside: str) -> None:
    share = found["first_s"] / found["solve_s"]
    table.add_row(
        "the same: first answer, of the time to 0.1 %", f"{share:.0%} ({beside})", "10 %", ""
    )
    table.add_row(
        "the same: first answer over LP bound", f"{found['first_over_lp']:.2%}", "1 %", ""
    )


def _add_hourly(table: Table, found: Found) -> None:
    size = f"{found['columns']:,} columns / {found['hourly_columns']:,}"
    table.add_row("shares of the day / of each hour", size, "", _peak(found))
    said = (
        f"{found['lp_difference']:.2%}; where all hours are alike {found['flat_lp_difference']:.0e}"
    )
    table.add_row("the same: LP above the hourly one", said, "1e-6", "")
    said = f"{found['fleet_over_hourly']:.2%} (hourly gap {found['hourly_gap']:.2%})"
    table.add_row("the same: fleet, priced hourly, dearer by", said, "0.1 %", "")
    said = f"{found['mip_ratio']:.0f} x (LP alone {found['lp_ratio']:.0f} x)"
    table.add_row("the same: hourly time / ours", said, "15 x", "")


def _add_l1r(table: Table, found: Found) -> None:
    name = f"3 models x 200 buckets x 40 options ({found['columns']:,} columns)"
    whole_s = found["build_s"] + found["solve_s"]
    said = f"{whole_s:.1f} s CPU, {found['over_lp']:.2%} over LP"
    table.add_row(name, said, "10 s CPU, 0.5 %", _peak(found))
    build = found["build_s"] / found["relaxed_s"]
    table.add_row("the same: build and hand-over / LP", f"{build:.0%}", "25 %", "")


def _add_sites(table: Table, found: Found) -> None:
    whole_s = found["build_s"] + found["solve_s"]
    said = f"{whole_s:.0f} s CPU, {found['over_lp']:.2%} over LP"
    name = f"the same at 6 sites ({found['columns']:,} columns)"
    table.add_row(name, said, "90 s, 1 %", _peak(found))


def _add_edits(table: Table, found: Found) -> None:
    said = f"{found['edit_ratio']:.0f} x, answers apart {found['edit_difference']:.0e}"
    table.add_row("LP after an edit of prices, cold / warm", said, "10 x", _peak(found))
    said = f"{found['pareto_ratio']:.0f} x, answers apart {found['pareto_difference']:.0e}"
    table.add_row("LP Pareto front of 20 points, cold / warm", said, "15 x", "")


def _add_presets(table: Table, found: Found) -> None:
    for name, row in found["presets"].items():
        gaps = ", ".join("-" if gap is None else f"{gap:.1%}" for gap in row["gaps"])
        said = f"{gaps}; done at {row['end_s']:.1f} s CPU, {row['nodes']} nodes"
        table.add_row(f"{name}: gap after 1, 2, 5, 10 s CPU", said, "", _peak(found))
        first = f"{row['n_worse']} times (its gap {row['first_gap']:.0%})"
        table.add_row("the same: worse than the repaired LP", first, "never", "")


def _add_small(table: Table, found: Found) -> None:
    for objective, row in found["small"].items():
        said = f"{row['s']:.2f} s CPU, gap {row['gap']:.2%}"
        table.add_row(f"2 requests/s on 8B, {objective}", said, "1 s", _peak(found))


def _add_sweep(table: Table, found: Found) -> None:
    said = f"{found['ratio']:.2f} x (serial {found['serial_s']:.0f} s wall)"
    said += f", {found['n_different']} answers differ"
    table.add_row(f"{found['n']} scenarios on two workers", said, "1.8 x", _peak(found))
