"""What ``--json`` prints beyond a plan, as plain data."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.cli_options import OVERLAY_VARIABLE
from app.terminal import emit_json, say
from app.why import fleet_whys
from ecoserve import __version__
from ecoserve.catalog import Catalog
from ecoserve.errors import InfeasibleError, SolverError
from ecoserve.link import DecodedLink
from ecoserve.plan import Note, Plan, plan_record
from ecoserve.scenario import Scenario
from ecoserve.units import g_from_kg

if TYPE_CHECKING:
    from catalog_db.overlay import Overlay
    from ecoserve.comparison import Comparison
    from ecoserve.embodied import Footprint
    from ecoserve.embodied_parts import EmbodiedPart, Side
    from ecoserve.footprints import FootprintCheck
    from ecoserve.what_ifs import WhatIf

Record = dict[str, Any]
MAX_FACTS = 7
OWN = "is_own"
"""Key that marks rows that are, or have figures of, the user's own; their number in a table."""
LAST_COLUMNS = ("source_id", "quality", "note", "source_title", OWN)


def read_overlay(folder: Path | None) -> Overlay | None:
    """The user's own rows in ``folder``; none without one. Raises :class:`OverlayError`."""
    from catalog_db.overlay import Overlay

    if folder is None:
        return None
    overlay = Overlay.from_folder(folder.expanduser())
    if overlay.ignored:
        say(f"warning: {overlay.ignored_in_words()}")
    return overlay


def named_overlay() -> Overlay | None:
    """The rows in the folder that the environment names, which ``ecoserve app`` hands on so."""
    folder = os.environ.get(OVERLAY_VARIABLE, "").strip()
    return read_overlay(Path(folder) if folder else None)


def check_library(file: Path) -> None:
    """Makes the library of scenarios where there is none yet. Raises :class:`LibraryError`."""
    from catalog_db.library import Library

    Library(file.expanduser()).prepare()


def catalog_path(overlay: Overlay | None = None) -> Path:
    """The catalog database with the user's own rows, built where it is not there yet."""
    from catalog_db.reader import ensure_catalog

    return ensure_catalog(overlay=overlay)


def open_catalog(overlay: Overlay | None = None) -> Catalog:
    """The catalog with the user's own rows, read once per command."""
    from catalog_db.reader import load_catalog

    return load_catalog(catalog_path(overlay))


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


@contextmanager
def failure_as_json(
    as_json: bool, catalog: Catalog, scenario: Scenario | None = None
) -> Iterator[None]:
    """With ``--json`` an infeasible or stopped case is an answer too: one object on stdout."""
    try:
        yield
    except (InfeasibleError, SolverError) as error:
        if as_json:
            emit_json({**stamp(catalog, scenario), **failure_record(error)})
        raise


def explained_record(plan: Plan, scenario: Scenario, catalog: Catalog, seconds: float) -> Record:
    """The JSON object of ``ecoserve plan --json``; ``why`` says why a member of the fleet is there.

    ``scenario`` is the one planned.
    """
    record = plan_record(plan, seconds)
    whys = fleet_whys(plan, scenario, catalog)
    told = zip(record["fleet"], whys, strict=True)
    return record | {"fleet": [{**entry, "why": why} for entry, why in told]}


def comparison_record(
    comparison: Comparison, scenario: Scenario, catalog: Catalog, seconds: float
) -> Record:
    """The JSON object of ``ecoserve compare --json``; ``scenario`` is the one compared."""
    plans = {name: plan_record(plan, seconds) for name, plan in comparison.plans.items()}
    ours = explained_record(comparison.plans["ecoserve"], scenario, catalog, seconds)
    plans["ecoserve"] = ours
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
                "usd_per_h": step.usd_per_h,
                "within_gap": step.within_gap,
                "worth_kgco2e_per_year_range": step.worth_range_kgco2e_per_year,
            }
            for step in comparison.waterfall
        ],
        "what_ifs": [_what_if_record(world, comparison, seconds) for world in comparison.what_ifs],
    }


def _what_if_record(world: WhatIf, comparison: Comparison, seconds: float) -> Record:
    """``change`` is that of the total carbon against our plan, as a fraction."""
    ours, plan = comparison.plans["ecoserve"], world.plan
    return {
        "key": world.key,
        "what_if": world.what,
        "change": None if plan is None else plan.kgco2e_per_year / ours.kgco2e_per_year - 1.0,
        "plan": None if plan is None else plan_record(plan, seconds),
        "reason": world.reason,
    }


def footprint_record(
    footprint: Footprint, others: Sequence[Footprint], accelerator_years: float, host_years: float
) -> Record:
    """The keys of ``ecoserve embodied --json``; ``others`` are the same under the other sets."""
    return {
        **_totals(footprint),
        "id": footprint.id,
        "parts": [_part_record(part) for part in footprint.parts],
        "per_hour": {
            "accelerator_years": accelerator_years,
            "host_years": host_years,
            "accelerator_gco2e": _per_hour_g(footprint, "accelerator", accelerator_years),
            "host_gco2e": _per_hour_g(footprint, "host", host_years),
            "total_gco2e": g_from_kg(footprint.total_kgco2e_per_h(accelerator_years, host_years)),
        },
        "other_sets": [_totals(other) for other in others],
    }


def validation_record(checks: Sequence[FootprintCheck]) -> Record:
    """The keys of ``ecoserve embodied --validate --json``."""
    return {"checks": [_check_record(check) for check in checks]}


def _totals(footprint: Footprint) -> Record:
    return {
        "coefficients": footprint.coefficients,
        "total_kgco2e": footprint.total_kgco2e,
        "low": footprint.low_kgco2e,
        "high": footprint.high_kgco2e,
    }


def _part_record(part: EmbodiedPart) -> Record:
    return {
        "part": part.part,
        "side": part.side,
        "kgco2e": part.kgco2e,
        "low": part.low_kgco2e,
        "high": part.high_kgco2e,
        "basis": part.basis,
        "coefficient_ids": list(part.coefficient_ids),
        "source_id": part.source_id,
        "quality": part.quality,
        "is_own": part.is_own,
        "note": part.note,
    }


def _per_hour_g(footprint: Footprint, side: Side, years: float) -> float:
    return g_from_kg(footprint.side_kgco2e_per_h(side, years))


def _check_record(check: FootprintCheck) -> Record:
    published = check.footprint
    return {
        "id": published.id,
        "name": published.name,
        "kind": published.kind,
        "boundary": published.boundary,
        "trust": published.trust,
        "source_id": published.source_id,
        "published_kgco2e": published.kgco2e,
        "published_low": published.low,
        "published_high": published.high,
        "coefficients": check.coefficients,
        "ours_kgco2e": check.ours_kgco2e,
        "low": check.low_kgco2e,
        "high": check.high_kgco2e,
        "ratio": check.ratio,
        "within_our_band": check.within_our_band,
        "band_ratio": check.band_ratio,
        "within_published_band": check.within_published_band,
        "in_sample": check.in_sample,
        "lines": [asdict(line) for line in check.lines],
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
    """Every table of the catalog with its number of rows, and how many are the user's own."""
    from catalog_db import tables

    return [
        {"id": size.name, "rows": size.n_rows, OWN: size.n_own, "holds": size.comment}
        for size in tables.table_sizes(path)
    ]


def with_ids(table: str, rows: Sequence[Mapping[str, Any]]) -> list[Record]:
    """The rows with their id first; a row without one is named by its key."""
    from catalog_db.schema import schema

    key = schema()[table].key
    return [{"id": "/".join(str(row[name]) for name in key), **row} for row in rows]


def short_columns(rows: Sequence[Mapping[str, Any]], asked_for: Sequence[str] = ()) -> list[str]:
    """The first columns of a listing, those asked for, source and quality.

    Rows of the user's own are marked in a column at the end, where there are any.
    """
    if not rows:
        return ["id"]
    short = [name for name, value in rows[0].items() if not isinstance(value, list | tuple)]
    facts = [name for name in short if name not in LAST_COLUMNS][:MAX_FACTS]
    facts += [name for name in asked_for if name in short and name not in facts]
    mark = [OWN] if any(row.get(OWN) for row in rows) else []
    return facts + [name for name in LAST_COLUMNS[:2] if name in short] + mark


def row_record(path: Path, table: str, row_id: str) -> Record:
    """The keys of ``ecoserve catalog show --json``: the row, and each figure with its source."""
    from catalog_db import tables

    figures = [asdict(figure) for figure in tables.figures(path, table, row_id)]
    [row] = tables.rows(path, table, where=[tables.Filter("id", "is", row_id)])
    return {"row": row, "figures": figures}


def build_record(path: Path) -> Record:
    """What a build reports: the path, and the number of rows, ours and the user's own."""
    sizes = table_sizes(path)
    return {
        "path": str(path),
        "n_rows": sum(size["rows"] for size in sizes),
        "n_own_rows": sum(size[OWN] for size in sizes),
    }
