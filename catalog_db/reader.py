"""Reads the catalog database into the engine's frozen :class:`Catalog`, converting units once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from catalog_db.build import build_catalog, catalog_version
from ecoserve.catalog import (
    TABLES,
    Accelerator,
    Catalog,
    EmbodiedCoefficient,
    GridProfile,
    Host,
    LengthBucket,
    LengthMix,
    Llm,
    PowerParameters,
    Quantity,
    RateProfile,
    Region,
    Server,
    ServingParameters,
    Source,
    nearest,
)
from ecoserve.errors import CatalogError, UnknownIdError
from ecoserve.units import s_from_ms, s_from_us

CATALOG_VARIABLE = "ECOSERVE_CATALOG"
"""Environment variable with the path of the catalog database."""

QUERYABLE = (*TABLES, "length_buckets")
"""Tables that :func:`query_rows` shows."""

T = TypeVar("T")
Record = dict[str, Any]


def default_catalog_path() -> Path:
    """``ECOSERVE_CATALOG``, else a file in the user's cache folder named by the version."""
    named = os.environ.get(CATALOG_VARIABLE)
    if named:
        return Path(named).expanduser()
    return _cache_folder() / "ecoserve" / f"catalog-{catalog_version()}.duckdb"


def ensure_catalog(path: Path | None = None) -> Path:
    """The path of a catalog built from the packaged CSV files, built now if it is not there.

    Raises :class:`CatalogError` rather than overwrite a file that is no catalog.
    """
    target = path if path is not None else default_catalog_path()
    if not target.exists() or stored_version(target) != catalog_version():
        build_catalog(target)
    return target


def stored_version(path: Path) -> str:
    """Version of the catalog at ``path``."""
    with _open(path) as con:
        row = con.execute("SELECT version FROM catalog_meta").fetchone()
    return str(row[0]) if row else ""


def load_catalog(path: Path) -> Catalog:
    """The catalog at ``path`` in the engine's units."""
    with _open(path) as con:
        version = con.execute("SELECT version FROM catalog_meta").fetchall()[0][0]
        buckets = _buckets(con)
        return Catalog(
            version=version,
            sources=_table(con, "sources", lambda r: Source(**r)),
            accelerators=_table(con, "accelerators", lambda r: Accelerator(**r)),
            hosts=_table(con, "hosts", _host),
            servers=_table(con, "servers", _server),
            llms=_table(con, "llms", _llm),
            host_power=_table(con, "host_power", lambda r: Quantity(**r)),
            prices=_table(con, "prices", lambda r: Quantity(**r)),
            embodied_coefficients=_table(
                con, "embodied_coefficients", lambda r: EmbodiedCoefficient(**r)
            ),
            serving_parameters=_table(con, "serving_parameters", _serving),
            power_parameters=_table(con, "power_parameters", _power),
            length_mixes=_table(
                con, "length_mixes", lambda r: LengthMix(**r, buckets=buckets[r["id"]])
            ),
            rate_profiles=_table(con, "rate_profiles", _rate_profile),
            regions=_table(con, "regions", lambda r: Region(**r)),
            grid_profiles=_table(con, "grid_profiles", _grid_profile),
        )


def query_rows(path: Path, table: str) -> list[Record]:
    """All rows of a table as stored (published units), each with the title of its source."""
    if table not in QUERYABLE:
        raise UnknownIdError("table", table, nearest(table, QUERYABLE))
    with _open(path) as con:
        return _records(con, _listing(table))


def _listing(table: str) -> str:
    if table == "sources":
        return "SELECT * FROM sources ORDER BY id"
    if table == "length_buckets":
        return "SELECT * FROM length_buckets ORDER BY mix_id, isl_lo_tokens, osl_lo_tokens"
    return (
        f"SELECT t.*, s.title AS source_title FROM {table} t"
        " JOIN sources s ON t.source_id = s.id ORDER BY t.id"
    )


@contextmanager
def _open(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    if not path.is_file():
        raise CatalogError(f"no catalog at {path}; build it with 'ecoserve catalog build'")
    try:
        with duckdb.connect(
            str(path), read_only=True, config={"enable_external_access": "false"}
        ) as con:
            yield con
    except duckdb.Error as error:
        raise CatalogError(f"{path} is not a readable catalog: {error}") from error


def _records(con: duckdb.DuckDBPyConnection, sql: str) -> list[Record]:
    cursor = con.execute(sql)
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _table(con: duckdb.DuckDBPyConnection, table: str, make: Callable[[Record], T]) -> dict[str, T]:
    rows = _records(con, f"SELECT * FROM {table} ORDER BY id")
    return {row["id"]: make(row) for row in rows}


def _buckets(con: duckdb.DuckDBPyConnection) -> dict[str, tuple[LengthBucket, ...]]:
    rows = _records(
        con,
        "SELECT mix_id, isl_lo_tokens, isl_hi_tokens, osl_lo_tokens, osl_hi_tokens,"
        " requests / sum(requests) OVER (PARTITION BY mix_id) AS fraction,"
        " mean_isl_tokens AS isl_tokens, mean_osl_tokens AS osl_tokens FROM length_buckets"
        " ORDER BY mix_id, isl_lo_tokens, osl_lo_tokens",
    )
    mixes: dict[str, list[LengthBucket]] = {}
    for row in rows:
        mixes.setdefault(row.pop("mix_id"), []).append(LengthBucket(**row))
    return {mix_id: tuple(buckets) for mix_id, buckets in mixes.items()}


def _host(row: Record) -> Host:
    return Host(max_dram_gb=row.pop("max_dram_gib"), **row)


def _server(row: Record) -> Server:
    return Server(dram_gb=row.pop("dram_gib"), **row)


def _llm(row: Record) -> Llm:
    return Llm(aliases=tuple(row.pop("aliases")), **row)


def _power(row: Record) -> PowerParameters:
    return PowerParameters(
        sequence_layer_s=s_from_us(row.pop("sequence_layer_us")),
        phases=tuple(row.pop("phases")),
        precisions=tuple(row.pop("precisions")),
        **row,
    )


def _serving(row: Record) -> ServingParameters:
    return ServingParameters(
        allreduce_latency_s=s_from_us(row.pop("allreduce_latency_us")),
        t0_s=s_from_ms(row.pop("t0_ms")),
        t_layer_s=s_from_us(row.pop("t_layer_us")),
        t_seq_s=s_from_us(row.pop("t_seq_us")),
        t_request_s=s_from_ms(row.pop("t_request_ms")),
        **row,
    )


def _rate_profile(row: Record) -> RateProfile:
    return RateProfile(hourly_ratio=tuple(row.pop("hourly_ratio")), **row)


def _grid_profile(row: Record) -> GridProfile:
    hours = tuple(row.pop("hourly_gco2e_per_kwh"))
    return GridProfile(hourly_gco2e_per_kwh=hours, **row)


def _cache_folder() -> Path:
    chosen = os.environ.get("XDG_CACHE_HOME")
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path.home() / ".cache"
