"""What ``--json`` prints beyond a plan, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecoserve import __version__
from ecoserve.catalog import TABLES, Catalog, nearest
from ecoserve.errors import InfeasibleError, SolverError, UnknownIdError
from ecoserve.link import DecodedLink
from ecoserve.plan import Note, plan_record
from ecoserve.scenario import Scenario

if TYPE_CHECKING:
    from ecoserve.baselines import Comparison
    from ecoserve.embodied import Footprint

Record = dict[str, Any]
MAX_FACTS = 7
LAST_COLUMNS = ("source_id", "quality", "note", "source_title")


def catalog_path() -> Path:
    """The catalog database, built where it is not there yet."""
    from catalog_db.reader import ensure_catalog

    return ensure_catalog()


def open_catalog() -> Catalog:
    """The catalog, read once per command."""
    from catalog_db.reader import load_catalog

    return load_catalog(catalog_path())


def stamp(catalog: Catalog, scenario: Scenario | None = None, notes: Sequence[Note] = ()) -> Record:
    """The keys that every JSON object has."""
    return {
        "engine_version": __version__,
        "catalog_version": catalog.version,
        "scenario_fingerprint": scenario.fingerprint() if scenario else None,
        "notes": [asdict(note) for note in notes],
    }


def failure_record(error: InfeasibleError | SolverError) -> Record:
    """The answer that there is none, and why."""
    if isinstance(error, SolverError):
        note = Note(f"solver_{error.termination}", str(error))
        return {"status": "stopped", "blocked": [], "notes": [asdict(note)]}
    blocked = [{"slice": b.slice, "reason": b.reason} for b in error.blocked]
    note = Note("infeasible", str(error))
    return {"status": "infeasible", "blocked": blocked, "notes": [asdict(note)]}


def comparison_record(comparison: Comparison, seconds: float) -> Record:
    """The JSON object of ``ecoserve compare --json``."""
    plans = {name: plan_record(plan, seconds) for name, plan in comparison.plans.items()}
    ours = plans["ecoserve"]
    shared = ("engine_version", "catalog_version", "scenario_fingerprint", "notes")
    return {
        **{key: ours[key] for key in shared},
        "seconds": seconds,
        "plans": plans,
        "savings": dict(comparison.savings),
        "best_single": comparison.best_single,
        "blocked": [{"slice": k, "reason": reason} for k, reason in comparison.blocked.items()],
        "waterfall": [
            {
                "step": step.step,
                "kgco2e_per_year": step.kgco2e_per_year,
                "within_gap": step.within_gap,
            }
            for step in comparison.waterfall
        ],
    }


def footprint_record(footprint: Footprint) -> Record:
    """The keys of ``ecoserve embodied --json``."""
    return {
        "id": footprint.id,
        "coefficients": footprint.coefficients,
        "total_kgco2e": footprint.total_kgco2e,
        "low": footprint.low_kgco2e,
        "high": footprint.high_kgco2e,
        "parts": [
            {
                "part": part.part,
                "side": part.side,
                "kgco2e": part.kgco2e,
                "low": part.low_kgco2e,
                "high": part.high_kgco2e,
                "source_id": part.source_id,
                "quality": part.quality,
            }
            for part in footprint.parts
        ],
    }


def link_notes(decoded: DecodedLink, catalog: Catalog) -> list[Note]:
    """What is not as it was when the link was made."""
    notes = []
    if decoded.engine_version != __version__:
        made = f"made with engine {decoded.engine_version}, this is {__version__}"
        notes.append(Note("link_engine_version", f"{made}; figures may differ"))
    if decoded.catalog_version != catalog.version:
        made = f"made with catalog {decoded.catalog_version}, this is {catalog.version}"
        notes.append(Note("link_catalog_version", f"{made}; figures may differ"))
    if not decoded.is_exact:
        changed = "a preset or default has changed since; the scenario is not the one shared"
        notes.append(Note("link_not_exact", changed))
    return notes


def table_sizes(path: Path) -> list[Record]:
    """Every table of the catalog with its number of rows."""
    from catalog_db.reader import query_rows

    return [{"id": table, "rows": len(query_rows(path, table))} for table in TABLES]


def with_ids(rows: Sequence[Mapping[str, Any]]) -> list[Record]:
    """The rows with their id first."""
    return [{"id": row.get("id"), **row} for row in rows]


def short_columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The first columns of a listing, with source and quality; ``catalog show`` has them all."""
    if not rows:
        return ["id"]
    short = [name for name, value in rows[0].items() if not isinstance(value, list | tuple)]
    facts = [name for name in short if name not in LAST_COLUMNS][:MAX_FACTS]
    return facts + [name for name in LAST_COLUMNS[:2] if name in short]


def find_row(path: Path, table: str, row_id: str) -> Record:
    """One row of a table; raises :class:`UnknownIdError` with the nearest ids."""
    from catalog_db.reader import query_rows

    rows = {str(row.get("id")): dict(row) for row in query_rows(path, table)}
    if row_id not in rows:
        raise UnknownIdError(table, row_id, nearest(row_id, tuple(rows)))
    return rows[row_id]
