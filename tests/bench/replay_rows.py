"""The replay's measurements as tables, each in a process of its own, with what was wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Group
from rich.table import Table

from app.presets import load_presets

Found = dict[str, Any]
WANTED_PER_S = {1.0: 10_000, 10.0: 3_000}
FEW_ROWS, MANY_ROWS = 250_000, 1_000_000
"""The smaller one is longer already than what the reader holds to put rows in order."""
MOST_GAP = 0.10
NO_LOGS = "the request logs beside the repository are not on this machine"


def replay_tables(measured: Callable[..., Found]) -> Group:
    """Runs everything; ``measured(program, *row)`` gives a row's figures."""
    return Group(_speed(measured), _presets(measured))


def _speed(measured: Callable[..., Found]) -> Table:
    table = Table(
        "Azure conversation log, 19,366 requests", "requests per CPU s", "wanted", "per s",
        "batch",
        title="Replay: speed and memory",
    )  # fmt: skip
    found = measured("replay", "speed")
    if not found["rows"]:
        table.add_row(NO_LOGS, "", "", "", "")
    for row in found["rows"]:
        wanted = WANTED_PER_S[row["speed"]]
        missed = " (missed)" if row["per_cpu_s"] < wanted else ""
        table.add_row(
            f"{row['fleet']}, {row['speed']:g} x its rate",
            f"{row['per_cpu_s']:,.0f}{missed}", f"{wanted:,}", f"{row['per_s']:,.0f}",
            f"{row['batch']:.1f}",
        )  # fmt: skip
    few, many = (measured("replay", "memory", str(n)) for n in (FEW_ROWS, MANY_ROWS))
    grown = f"{many['peak_mb']:.0f} MB; {FEW_ROWS:,} rows: {few['peak_mb']:.0f} MB"
    table.add_row(f"a log of {MANY_ROWS:,} rows, peak memory", grown, "no more", "", "")
    return table


def _presets(measured: Callable[..., Found]) -> Table:
    table = Table(
        "preset", "traffic", "requests", "energy", "carbon", "kept, asked", "late",
        title=f"Replayed beside planned; wanted: kept as asked, none late, within {MOST_GAP:.0%}",
    )  # fmt: skip
    for name in load_presets():
        rows = measured("replay", "preset", name)["rows"]
        for row in rows:
            table.add_row(name, row["traffic"], f"{row['requests']:,}", *_figures(row))
        if len(rows) == 1:
            table.add_row(name, NO_LOGS)
    return table


def _figures(row: Found) -> Sequence[str]:
    totals = [
        f"{row[what]:+.1%}{' (missed)' if abs(row[what]) > MOST_GAP else ''}"
        for what in ("energy", "carbon")
    ]
    kept = [
        f"{name} {share:.1%}, {asked:.0%}{'' if is_met else ' (missed)'}"
        for name, share, asked, _, is_met in row["workloads"]
        if share is not None
    ]
    return (*totals, "; ".join(kept), f"{sum(late for *_, late, _ in row['workloads']):,}")
