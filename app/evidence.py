"""How far the catalog's figures can be trusted, counted and set side by side for the charts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from app.figures_catalog import QUALITIES, CoefficientBand, QualityCount
from app.figures_footprints import FootprintPoint, SplitLine
from app.text import band_width, catalog_words, column_words, sentence_list
from catalog_db import tables
from catalog_db.schema import NUMBERS
from ecoserve.catalog import Catalog
from ecoserve.footprints import FootprintCheck
from ecoserve.rows import EmbodiedCoefficient

Values = tuple[str, float, float, float, bool]
"""Set, central, low, high, whether assumed."""

ALL_ROWS = 1_000_000
SWITCH = "0 or 1"
"""Unit of coefficients that switch a rule on; they are no carbon."""
MIN_FIGURES = 10
"""Tables with fewer figures are left out of the picture."""


def quality_counts(path: Path, catalog: Catalog) -> tuple[QualityCount, ...]:
    """How many figures of every table with sources are of which quality.

    A figure is a number, or a list of numbers, that is not empty; its quality is its own where it
    has one, else its row's.
    """
    counted = [_count(path, size.name, catalog) for size in tables.table_sizes(path)]
    return tuple(row for row in counted if row.total >= MIN_FIGURES)


def _count(path: Path, table: str, catalog: Catalog) -> QualityCount:
    columns = tables.columns(table)
    if not {"id", "quality"} <= {column.name for column in columns}:
        return QualityCount(column_words(table), {})
    numbers = [column.name for column in columns if column.type.split("[")[0] in NUMBERS]
    counts = dict.fromkeys(QUALITIES, 0)
    for row in tables.rows(path, table, limit=ALL_ROWS):
        for name in numbers:
            if row[name] is not None:
                own = catalog.cell_sources.get((table, row["id"], name))
                counts[own.quality if own else row["quality"]] += 1
    return QualityCount(column_words(table), counts)


def footprint_point(check: FootprintCheck) -> FootprintPoint:
    """A check as the chart wants it."""
    row = check.footprint
    return FootprintPoint(
        product=row.name,
        set_id=check.coefficients,
        published_kgco2e=row.kgco2e,
        published_low_kgco2e=row.low,
        published_high_kgco2e=row.high,
        kgco2e=check.ours_kgco2e,
        low_kgco2e=check.low_kgco2e,
        high_kgco2e=check.high_kgco2e,
        in_sample=check.in_sample,
    )


def out_of_sample_words(checks: Sequence[FootprintCheck], set_id: str) -> str:
    """How many published footprints a set covers that it does not come from, and how easily."""
    free = [check for check in checks if check.coefficients == set_id and not check.in_sample]
    if not free:
        return f"no published footprint here is one that set {set_id} was not fitted to"
    covered = sum(check.within_our_band for check in free)
    width = sorted(check.band_ratio for check in free)[len(free) // 2]
    return (
        f"{covered} of {len(free)} published footprints that set {set_id} was not fitted to lie "
        f"in its band, typically {band_width(width)}"
    )


def split_lines(check: FootprintCheck) -> tuple[SplitLine, ...]:
    """The lines of a check as the chart wants them."""
    return tuple(
        SplitLine(line.part, line.published_kgco2e, line.ours_kgco2e) for line in check.lines
    )


def coefficient_rows(catalog: Catalog) -> tuple[CoefficientBand, ...]:
    """The coefficients that at least two sets give in the same unit, keys alike in one."""
    known: dict[tuple[str, str, str], list[EmbodiedCoefficient]] = {}
    for row in catalog.embodied_coefficients.values():
        known.setdefault((row.item, row.unit, row.key), []).append(row)
    alike: dict[tuple[str, str, tuple[Values, ...]], list[str]] = {}
    for (item, unit, key), rows in sorted(known.items()):
        if len(rows) > 1 and unit != SWITCH:
            alike.setdefault((item, unit, tuple(_values(row) for row in rows)), []).append(key)
    return tuple(
        CoefficientBand(
            item=coefficient_words(item, keys), unit=unit, set_id=set_id,
            value=value, low=low, high=high, assumed=assumed,
        )
        for (item, unit, rows_alike), keys in alike.items()
        for set_id, value, low, high, assumed in rows_alike
    )  # fmt: skip


def _values(row: EmbodiedCoefficient) -> Values:
    return row.set, row.value, row.low, row.high, row.quality == "assumed"


def coefficient_words(item: str, keys: Sequence[str]) -> str:
    """A coefficient in words.

    >>> coefficient_words("memory_kg_per_gb", ["hbm3", "hbm3e"]), coefficient_words("fans_kg", [""])
    ('memory, HBM3 and HBM3E', 'fans')
    """
    words = catalog_words(item.partition("_kg")[0])
    named = sentence_list([catalog_words(key) for key in keys if key])
    return f"{words}, {named}" if named else words
