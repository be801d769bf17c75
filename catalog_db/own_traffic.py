"""Mixes of lengths and rate profiles of somebody's own as rows of their overlay."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from catalog_db.measured import csv_text
from catalog_db.schema import schema
from ecoserve.request_log import Arrivals, LengthCount, LogFindings
from ecoserve.rows import Quality

MIXES, BUCKETS, PERCENTILES, PROFILES = (
    f"{table}.csv"
    for table in ("length_mixes", "length_buckets", "length_percentiles", "rate_profiles")
)
MAX_ID_CHARS = 50
RATIO_DIGITS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnMix:
    """A joint histogram of lengths under a name of its own."""

    id: str
    name: str
    quality: Quality
    note: str
    counts: tuple[LengthCount, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnProfile:
    """How the rate moves over a day (24 ratios) or a week (168)."""

    id: str
    name: str
    utc_offset_h: int
    quality: Quality
    note: str
    hourly_ratio: tuple[float, ...]


def own_id(name: str, taken: Collection[str], prefix: str = "log") -> str:
    """An id for a row of this name that no row of the catalog has.

    >>> own_id("Chat (May).csv", {"log_chat_may_csv"}), own_id("日志", ())
    ('log_chat_may_csv_2', 'log')
    """
    words = re.findall(r"[a-z0-9]+", name.lower())
    stem = "_".join([prefix, *words])[:MAX_ID_CHARS].rstrip("_")
    numbered = (f"{stem}_{i}" for i in range(2, len(taken) + 3))
    return stem if stem not in taken else next(i for i in numbered if i not in taken)


def mix_of_log(
    findings: LogFindings, *, mix_id: str, name: str, file: str, utc_offset_h: int = 0
) -> OwnMix:
    """The lengths of a log as a mix."""
    return OwnMix(
        id=mix_id,
        name=name,
        quality="measured",
        note=_note(findings, file, utc_offset_h),
        counts=findings.counts,
    )


def profile_of_log(
    findings: LogFindings, *, profile_id: str, name: str, file: str, utc_offset_h: int = 0
) -> OwnProfile | None:
    """The shape of a log's day or week, on the log's clock; None where the log is too short."""
    arrivals = findings.arrivals
    if arrivals is None or not arrivals.hourly_rps:
        return None
    start = "" if arrivals.is_dated else " The log has no dates; its zero is taken as midnight."
    return OwnProfile(
        id=profile_id,
        name=name,
        utc_offset_h=utc_offset_h,
        quality="measured",
        note=_note(findings, file, utc_offset_h) + start,
        hourly_ratio=arrivals.hourly_ratio,
    )


def traffic_files(
    kept: Mapping[str, str], mix: OwnMix, profile: OwnProfile | None = None
) -> dict[str, str]:
    """The overlay's files with these rows, in place of older ones with their ids.

    ``kept``: the overlay's CSV files so far, by name.
    """
    row = {"id": mix.id, "name": mix.name, "kind": "histogram", "quality": mix.quality}
    files = {
        MIXES: _with_rows(kept, MIXES, "id", [{**row, "note": mix.note}]),
        BUCKETS: _with_rows(kept, BUCKETS, "mix_id", [_bucket(mix.id, c) for c in mix.counts]),
    }
    if PERCENTILES in kept:
        files[PERCENTILES] = _without(kept[PERCENTILES], "mix_id", mix.id)
    if profile is not None:
        files[PROFILES] = _with_rows(kept, PROFILES, "id", [_profile(profile)])
    return files


def _bucket(mix_id: str, count: LengthCount) -> dict[str, str]:
    return {
        "mix_id": mix_id,
        "isl_lo_tokens": _figure(count.isl_lo_tokens),
        "isl_hi_tokens": _figure(count.isl_hi_tokens),
        "osl_lo_tokens": _figure(count.osl_lo_tokens),
        "osl_hi_tokens": _figure(count.osl_hi_tokens),
        "requests": str(count.requests),
        "mean_isl_tokens": _figure(count.mean_isl_tokens),
        "mean_osl_tokens": _figure(count.mean_osl_tokens),
    }


def _profile(profile: OwnProfile) -> dict[str, str]:
    return {
        "id": profile.id,
        "name": profile.name,
        "utc_offset_h": str(profile.utc_offset_h),
        "hourly_ratio": json.dumps([round(r, RATIO_DIGITS) for r in profile.hourly_ratio]),
        "quality": profile.quality,
        "note": profile.note,
    }


def _figure(value: float) -> str:
    """The number in full, whole ones without a point."""
    return repr(int(value)) if value == int(value) else repr(value)


def _with_rows(
    kept: Mapping[str, str], file: str, key: str, rows: Sequence[Mapping[str, str]]
) -> str:
    old = list(csv.DictReader(io.StringIO(kept.get(file, ""))))
    own = {row[key] for row in rows}
    merged = [*(row for row in old if (row.get(key) or "").strip() not in own), *rows]
    known = schema()[file.removesuffix(".csv")].names
    columns = [name for name in known if any(row.get(name) for row in merged)]
    return csv_text(columns, [[row.get(name) or "" for name in columns] for row in merged])


def _without(text: str, key: str, row_id: str) -> str:
    reader = csv.DictReader(io.StringIO(text))
    columns = list(reader.fieldnames or ())
    rows = [row for row in reader if (row.get(key) or "").strip() != row_id]
    return csv_text(columns, [[row.get(name) or "" for name in columns] for row in rows])


def _note(findings: LogFindings, file: str, utc_offset_h: int) -> str:
    left_out = findings.n_rows - findings.n_used
    rows = "1 row" if left_out == 1 else f"{left_out:,} rows"
    bad = f", {rows} left out" if left_out else ""
    return f"{findings.n_used:,} requests of {file}{_when(findings.arrivals, utc_offset_h)}{bad}."


def _when(arrivals: Arrivals | None, utc_offset_h: int) -> str:
    if arrivals is None:
        return " without times"
    zone = f", clock UTC{utc_offset_h:+d} h" if utc_offset_h else ""
    return f" over {span_words(arrivals.duration_s)}{zone}"


def span_words(duration_s: float) -> str:
    """A stretch of time in the unit that fits.

    >>> span_words(58.4 * 60), span_words(7 * 86400.0), span_words(3 * 3600.0)
    ('58 minutes', '7.0 days', '3.0 hours')
    """
    if duration_s < 2 * 3600:
        return f"{duration_s / 60:.0f} minutes"
    if duration_s < 2 * 86400:
        return f"{duration_s / 3600:.1f} hours"
    return f"{duration_s / 86400:.1f} days"
