"""The dashboard's measurements as a table, with what was wanted."""

from __future__ import annotations

from statistics import median, quantiles
from typing import Any

from rich.table import Table

MOST_TRIVIAL = 2.5


def dashboard_table(found: dict[str, Any]) -> Table:
    """One row per figure; what misses its mark says so."""
    table = Table("what", "measured", "wanted", title="Dashboard, default preset, in Chromium")
    trivial, known = p90(found["trivial"]), p90(found["known"])
    _add_s(table, "first visitor of a fresh server, to the first chart", found["first_load_s"])
    _add_s(table, "cold load to the first chart, p90", p90(found["loads"]), 4.0)
    _add_s(table, "slider to changed chart, trivial page, p90", trivial)
    _add_s(table, "slider to changed chart, Plan page, planned before, p90", known, 0.5)
    _add(
        table, "the same / trivial page, p90 and median",
        f"{known / trivial:.1f} x, {median(found['known']) / median(found['trivial']):.1f} x",
        f"{MOST_TRIVIAL} x", known > MOST_TRIVIAL * trivial,
    )  # fmt: skip
    anew = median(found["anew"])
    _add_s(table, "the same, planned anew, median", anew, 1.0)
    _add_s(table, "the same, planned anew, p90", p90(found["anew"]), 1.0)
    _add(table, "the same / trivial page", f"{anew / median(found['trivial']):.1f} x", "")
    _add_s(table, "slider to settled: proof of plan and baseline", median(found["settled"]))
    parts = found["baselines"]
    _add_s(table, "plan of four baselines and it, quick: the first", parts["first_s"])
    _add_s(table, "the same: all of them", parts["last_s"], 5.0)
    _add_crowd(table, found)
    _add_s(table, "a log of 1,000,000 rows: chosen to shown", found["upload_s"], 15.0)
    _add_mb(table, "the same: server's memory at its highest", found["upload_mb"])
    decode = found["decode_s"]
    _add(table, "a whole scenario's link opened", f"{decode:.1e} s", "0.05 s", decode > 0.05)
    return table


def p90(values: list[float]) -> float:
    """The ninth decile, between the two nearest."""
    return quantiles(values, n=10, method="inclusive")[-1]


def _add_crowd(table: Table, found: dict[str, Any]) -> None:
    edits, errors = found["crowd"], found["crowd_errors"]
    _add_s(table, f"20 users, an edit every 8 s ({len(edits)} edits), p90", p90(edits), 2.0)
    _add(table, "the same: errors", f"{len(errors)} {' '.join(errors[:1])}", "none", bool(errors))
    _add_mb(table, "the same: server's memory, without its workers", found["crowd_mb"])


def _add_s(table: Table, what: str, seconds: float, wanted: float | None = None) -> None:
    missed = wanted is not None and seconds > wanted
    _add(table, what, f"{seconds:.2f} s", "" if wanted is None else f"{wanted:g} s", missed)


def _add_mb(table: Table, what: str, memory_mb: float, wanted: float = 500.0) -> None:
    _add(table, what, f"{memory_mb:.0f} MB", f"{wanted:.0f} MB", memory_mb > wanted)


def _add(table: Table, what: str, measured: str, wanted: str, missed: bool = False) -> None:
    table.add_row(what, f"{measured} (missed)" if missed else measured, wanted)
