"""Reads the catalog database into the engine's frozen :class:`Catalog`, converting units once."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import duckdb

from catalog_db.build import build_catalog, catalog_version
from catalog_db.measured import aliases_from, conventions_from, plans_from, point_from
from catalog_db.overlay import Overlay
from catalog_db.series import hourly_intensities, length_buckets
from catalog_db.store import Record, query, reading, records
from ecoserve.catalog import Catalog
from ecoserve.rows import (
    Accelerator,
    CellSource,
    Cpu,
    Die,
    EmbodiedCoefficient,
    FootprintLine,
    GridZone,
    Host,
    HostVariant,
    LengthBucket,
    LengthMix,
    Llm,
    MeasuredCpu,
    PowerParameters,
    PowerPlan,
    Price,
    ProductFootprint,
    Provider,
    Quantity,
    RateProfile,
    Region,
    RentalPrice,
    Server,
    ServingParameters,
    Source,
)
from ecoserve.units import s_from_ms, s_from_us

CATALOG_VARIABLE = "ECOSERVE_CATALOG"
"""Environment variable with the path of the catalog database."""

MAX_CACHED = 20
"""Catalogs kept in the cache folder, those used last."""

T = TypeVar("T")


def default_catalog_path(overlay: Overlay | None = None) -> Path:
    """``ECOSERVE_CATALOG``, else a file in the user's cache folder named by the version.

    With an overlay the name always carries the version, so that several overlays have their place
    side by side; where the catalog lies in a folder that is read-only, they have it in the cache.
    """
    named = os.environ.get(CATALOG_VARIABLE)
    if named is None or not named.strip():
        return _cache_folder() / f"catalog-{catalog_version(overlay=overlay)}.duckdb"
    path = Path(named).expanduser()
    if overlay is None:
        return path
    name = f"{path.stem}-{catalog_version(overlay=overlay)}{path.suffix}"
    read_only = path.exists() and not os.access(path.parent, os.W_OK)
    return _cache_folder() / name if read_only else path.with_name(name)


def ensure_catalog(path: Path | None = None, overlay: Overlay | None = None) -> Path:
    """The path of a catalog of the packaged CSV files and the overlay, built now if need be.

    Raises :class:`CatalogError` rather than overwrite a file that is no catalog, and
    :class:`CatalogBuildError` with everything that is wrong with an overlay.
    """
    target = path if path is not None else default_catalog_path(overlay)
    if not target.exists() or stored_version(target) != catalog_version(overlay=overlay):
        build_catalog(target, overlay=overlay)
    if target.parent == _cache_folder():
        _keep_last_used(target)
    return target


def stored_version(path: Path) -> str:
    """Version of the catalog at ``path``."""
    return str(query(path, "SELECT version FROM catalog_meta")[0]["version"])


def load_catalog(path: Path) -> Catalog:
    """The catalog at ``path`` in the engine's units."""
    with reading(path) as con:
        read = _Reader(con)
        dies = read.groups("dies", "product_id", lambda r: Die(**r))
        cpus = read.table("cpus", lambda r: Cpu(dies=dies[r["id"]], **r))
        lines = read.groups("product_footprint_parts", "footprint_id", lambda r: FootprintLine(**r))
        buckets = length_buckets(con)
        hours = hourly_intensities(con)
        own = _overlay_figures(con)
        own_points = {row_id for table, row_id, _ in own if table == "measured_points"}
        conventions = conventions_from(records(con, "SELECT * FROM point_conventions"))
        return Catalog(
            version=con.execute("SELECT version FROM catalog_meta").fetchall()[0][0],
            sources=read.table("sources", lambda r: Source(**r)),
            providers=read.table("providers", lambda r: Provider(**r)),
            accelerators=read.table("accelerators", lambda r: _accelerator(r, dies)),
            cpus=cpus,
            hosts=read.table("hosts", lambda r: _host(r, cpus)),
            servers=read.table("servers", lambda r: Server(dram_gb=r.pop("dram_gib"), **r)),
            rental_prices=read.table("rental_prices", lambda r: RentalPrice(**r)),
            host_variants=read.table("host_variants", _host_variant),
            llms=read.table("llms", lambda r: Llm(aliases=tuple(r.pop("aliases")), **r)),
            host_power=read.table("host_power", lambda r: Quantity(**r)),
            prices=read.table("prices", lambda r: Price(**r)),
            trends=read.table("trends", lambda r: Quantity(**r)),
            embodied_coefficients=read.table(
                "embodied_coefficients", lambda r: EmbodiedCoefficient(**r)
            ),
            product_footprints=read.table(
                "product_footprints",
                lambda r: ProductFootprint(
                    dram_gb=r.pop("dram_gib"),
                    fitted_sets=tuple(r.pop("fitted_sets")),
                    lines=lines.get(r["id"], ()),
                    **r,
                ),
            ),
            serving_parameters=read.table("serving_parameters", _serving),
            power_parameters=read.table("power_parameters", _power),
            length_mixes=read.table("length_mixes", lambda r: _mix(r, buckets)),
            rate_profiles=read.table(
                "rate_profiles",
                lambda r: RateProfile(hourly_ratio=tuple(r.pop("hourly_ratio")), **r),
            ),
            grid_zones=read.table(
                "grid_zones", lambda r: GridZone(hourly_gco2e_per_kwh=hours[r["id"]], **r)
            ),
            regions=read.table("regions", lambda r: Region(**r)),
            accelerator_aliases=aliases_from(records(con, "SELECT * FROM accelerator_aliases")),
            measured_cpus=read.table("measured_cpus", lambda r: MeasuredCpu(**r)),
            point_conventions=conventions,
            measured_points=tuple(
                replace(point_from(row, conventions), is_own=row["id"] in own_points)
                for row in records(con, "SELECT * FROM measured_points ORDER BY id")
            ),
            calibration_plans=plans_from(
                records(con, "SELECT * FROM calibration_plans ORDER BY id")
            ),
            power_plans=read.table(
                "power_plans", lambda r: PowerPlan(families=tuple(r.pop("families")), **r)
            ),
            cell_sources=_cell_sources(con),
            overlay_figures=own,
        )


@dataclass(frozen=True, slots=True)
class _Reader:
    """Turns the rows of a table into the engine's records."""

    con: duckdb.DuckDBPyConnection

    def table(self, table: str, make: Callable[[Record], T]) -> dict[str, T]:
        """Every row of a table by its id."""
        rows = records(self.con, f"SELECT * FROM {table} ORDER BY id")
        return {row["id"]: make(row) for row in rows}

    def groups(self, table: str, key: str, make: Callable[[Record], T]) -> dict[str, tuple[T, ...]]:
        """The rows of a table that share a key, by that key, each group in the order of ids."""
        groups: dict[str, list[T]] = {}
        for row in records(self.con, f"SELECT * FROM {table} ORDER BY id"):
            groups.setdefault(row[key], []).append(make(row))
        return {name: tuple(rows) for name, rows in groups.items()}


def _accelerator(row: Record, dies: Mapping[str, tuple[Die, ...]]) -> Accelerator:
    latency_us = row.pop("allreduce_latency_us")
    return Accelerator(
        dies=dies[row["id"]],
        allreduce_latency_s=None if latency_us is None else s_from_us(latency_us),
        **row,
    )


def _host(row: Record, cpus: Mapping[str, Cpu]) -> Host:
    return Host(cpu=cpus[row.pop("cpu_id")], max_dram_gb=row.pop("max_dram_gib"), **row)


def _host_variant(row: Record) -> HostVariant:
    in_gb = {name.replace("_gib", "_gb"): value for name, value in row.items()}
    return HostVariant(**in_gb)


def _power(row: Record) -> PowerParameters:
    return PowerParameters(
        sequence_layer_s=s_from_us(row.pop("sequence_layer_us")),
        phases=tuple(row.pop("phases")),
        precisions=tuple(row.pop("precisions")),
        u_mem_min=row.pop("u_mem_min") or 0.0,
        u_cmp_min=row.pop("u_cmp_min") or 0.0,
        **_rests_on(row),
        **row,
    )


def _serving(row: Record) -> ServingParameters:
    return ServingParameters(
        allreduce_latency_s=s_from_us(row.pop("allreduce_latency_us")),
        t0_s=s_from_ms(row.pop("t0_ms")),
        t_layer_s=s_from_us(row.pop("t_layer_us")),
        t_seq_s=s_from_us(row.pop("t_seq_us")),
        t_request_s=s_from_ms(row.pop("t_request_ms")),
        **_rests_on(row),
        **row,
    )


def _rests_on(row: Record) -> Record:
    return {
        "measured_on": tuple(row.pop("measured_on") or ()),
        "sibling_error_band": row.pop("sibling_error_band") or 0.0,
    }


def _mix(row: Record, buckets: Mapping[str, tuple[LengthBucket, ...]]) -> LengthMix:
    named = {name: row[name] for name in ("id", "name", "source_id", "quality", "note")}
    return LengthMix(buckets=buckets[row["id"]], **named)


def _cell_sources(con: duckdb.DuckDBPyConnection) -> dict[tuple[str, str, str], CellSource]:
    cells = [CellSource(**row) for row in records(con, "SELECT * FROM cell_sources")]
    return {(cell.table_name, cell.row_id, cell.column_name): cell for cell in cells}


def _overlay_figures(con: duckdb.DuckDBPyConnection) -> frozenset[tuple[str, str, str]]:
    rows = con.execute("SELECT table_name, row_id, column_name FROM overlay_rows").fetchall()
    return frozenset((table, row_id, column) for table, row_id, column in rows)


def _cache_folder() -> Path:
    return _user_cache() / "ecoserve"


def _user_cache() -> Path:
    chosen = os.environ.get("XDG_CACHE_HOME")
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path.home() / ".cache"


def _keep_last_used(target: Path) -> None:
    """Remove cached catalogs that were not used for long; what cannot be removed stays."""
    with contextlib.suppress(OSError):
        os.utime(target)
        cached = [f for f in target.parent.glob("catalog-*.duckdb") if f != target]
        for file in sorted(cached, key=lambda f: f.stat().st_mtime)[: 1 - MAX_CACHED]:
            file.unlink()
