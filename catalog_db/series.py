"""Reads what the catalog keeps in more than one row: length histograms and hours of the day."""

from __future__ import annotations

import duckdb

from catalog_db.store import records
from ecoserve.lengths import buckets_from_percentiles
from ecoserve.rows import IntensityKind, LengthBucket, Season

HourlyIntensities = dict[tuple[Season, IntensityKind], tuple[float, ...]]

SERIES_PROFILES = """
    WITH hours AS (
        SELECT s.zone_id, s.kind, s.hour % 24 AS hour_of_day, s.gco2e_per_kwh,
            month(make_date(z.year, 1, 1) + CAST(s.hour // 24 AS INTEGER)) AS month
        FROM grid_series s JOIN grid_zones z ON s.zone_id = z.id
    ),
    seasons AS (
        SELECT *, unnest(['year', ['djf', 'mam', 'jja', 'son'][(month % 12) // 3 + 1]]) AS season
        FROM hours
    ),
    means AS (
        SELECT zone_id, season, kind, hour_of_day, avg(gco2e_per_kwh) AS mean
        FROM seasons GROUP BY ALL
    )
    SELECT zone_id, season, kind, list(mean ORDER BY hour_of_day) AS hours
    FROM means GROUP BY ALL
"""
"""Hour-of-day means of the users' full years, in the zone's standard time."""


def hourly_intensities(con: duckdb.DuckDBPyConnection) -> dict[str, HourlyIntensities]:
    """Mean gCO2e/kWh by hour of day of every zone, season and kind; full years go first."""
    zones: dict[str, HourlyIntensities] = {
        row["id"]: {} for row in records(con, "SELECT id FROM grid_zones")
    }
    profiles = "SELECT zone_id, season, kind, hourly_gco2e_per_kwh AS hours FROM grid_profiles"
    for row in [*records(con, profiles), *records(con, SERIES_PROFILES)]:
        zones[row["zone_id"]][row["season"], row["kind"]] = tuple(row["hours"])
    return zones


def length_buckets(con: duckdb.DuckDBPyConnection) -> dict[str, tuple[LengthBucket, ...]]:
    """The joint histogram of every mix, measured or made from its marginal percentiles."""
    return _histograms(con) | _from_percentiles(con)


def _histograms(con: duckdb.DuckDBPyConnection) -> dict[str, tuple[LengthBucket, ...]]:
    rows = records(
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


def _from_percentiles(con: duckdb.DuckDBPyConnection) -> dict[str, tuple[LengthBucket, ...]]:
    marginals: dict[str, dict[str, dict[float, float]]] = {}
    for row in records(con, "SELECT * FROM length_percentiles ORDER BY mix_id, field, percentile"):
        fields = marginals.setdefault(row["mix_id"], {"isl": {}, "osl": {}})
        fields[row["field"]][row["percentile"]] = row["tokens"]
    means = {row["id"]: row for row in records(con, "SELECT * FROM length_mixes")}
    return {
        mix_id: buckets_from_percentiles(
            fields["isl"],
            fields["osl"],
            isl_mean=means[mix_id]["isl_mean_tokens"],
            osl_mean=means[mix_id]["osl_mean_tokens"],
        )
        for mix_id, fields in marginals.items()
    }
