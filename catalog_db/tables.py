"""Questions the catalog pages and the terminal ask of a built catalog, answered by DuckDB.

Tables and columns are checked against the schema before they enter a statement; values are bound.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from catalog_db.csvfiles import BUILD_ORDER, PROVENANCE
from catalog_db.schema import NUMBERS, Column, schema
from catalog_db.store import Record, query
from ecoserve.catalog import nearest
from ecoserve.errors import CatalogError, UnknownIdError

Operator = Literal["is", "one_of", "contains", "at_least", "at_most"]

DEFAULT_LIMIT = 1000
SIGNS = {"at_least": ">=", "at_most": "<="}
NOT_FIGURES = frozenset({"id", "unit", *PROVENANCE})
"""Columns that say what a figure is, where it comes from and how far to trust it."""
SIZES = """
    SELECT name, n_rows, (SELECT count(DISTINCT row_id) FROM overlay_rows
        WHERE table_name = counts.name) AS n_own
    FROM counts
"""

SOURCES_OF_FIGURES = """
    WITH said AS (
        SELECT '' AS column_name, t.source_id, t.quality, t.note FROM {table} t WHERE t.id = ?
        UNION ALL
        SELECT c.column_name, c.source_id, c.quality, c.note FROM cell_sources c
        WHERE c.table_name = '{table}' AND c.row_id = ?
    )
    SELECT said.*, s.title AS source_title, s.publisher, s.url, s.licence
    FROM said JOIN sources s ON said.source_id = s.id
"""


@dataclass(frozen=True, slots=True)
class TableSize:
    """A table, what it holds, and how many of its rows are, or have figures of, the user's."""

    name: str
    comment: str
    n_rows: int
    n_own: int


@dataclass(frozen=True, slots=True)
class Filter:
    """What a column must satisfy.

    ``value`` is a number or text (a number may be given as text); a sequence for ``one_of``; None
    for empty cells (``is`` only). ``contains`` looks into text and ignores case; on a list ``is``
    asks for a member.
    """

    column: str
    operator: Operator
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One cell with what a reader needs to believe it."""

    column: str
    value: Any
    comment: str
    unit: str
    quality: str
    note: str
    source_id: str
    source_title: str
    publisher: str
    url: str
    licence: str
    is_own: bool
    """Whether the user gave it."""


def columns(table: str) -> tuple[Column, ...]:
    """Columns of a table in the schema's order. Raises :class:`UnknownIdError`."""
    if table not in BUILD_ORDER:
        raise UnknownIdError("table", table, nearest(table, BUILD_ORDER))
    return schema()[table].columns


def rows(
    path: Path,
    table: str,
    *,
    where: Sequence[Filter] = (),
    order_by: str | None = None,
    descending: bool = False,
    limit: int = DEFAULT_LIMIT,
    offset: int = 0,
) -> list[Record]:
    """Rows as stored (published units), each with ``is_own``; by key unless ``order_by`` is given.

    ``is_own`` says that the row is, or has figures of, the user's. Rows of a table with sources
    also have ``source_title``. Empty cells sort last. Raises :class:`UnknownIdError` for a table
    that is not there and :class:`CatalogError` for an unknown column or a filter that does not fit.
    """
    if limit < 0 or offset < 0:
        raise CatalogError("a page of rows has no negative length or start")
    known = columns(table)
    clause, values = _where(table, known, where)
    order = [f't."{name}"' for name in schema()[table].key]
    if order_by is not None:
        way = "DESC" if descending else "ASC"
        order.insert(0, f't."{_column(table, known, order_by).name}" {way} NULLS LAST')
    title, join = "", ""
    if any(column.name == "source_id" for column in known):
        title, join = "s.title AS source_title, ", " JOIN sources s ON t.source_id = s.id"
    sql = (
        f"SELECT t.*, {title}EXISTS ({_own(table)}) AS is_own FROM {table} t{join}{clause}"
        f" ORDER BY {', '.join(order)} LIMIT ? OFFSET ?"
    )
    return query(path, sql, [*values, limit, offset])


def count(path: Path, table: str, where: Sequence[Filter] = ()) -> int:
    """Number of rows that pass the filters; raises like :func:`rows`."""
    clause, values = _where(table, columns(table), where)
    return int(query(path, f"SELECT count(*) AS n FROM {table} t{clause}", values)[0]["n"])


def distinct_values(path: Path, table: str, column: str) -> tuple[Any, ...]:
    """The values a column takes, sorted, empty cells left out; those of lists one by one."""
    known = _column(table, columns(table), column)
    cell = f'unnest("{known.name}")' if known.is_list else f'"{known.name}"'
    sql = (
        f"SELECT DISTINCT value FROM (SELECT {cell} AS value FROM {table})"
        " WHERE value IS NOT NULL ORDER BY value"
    )
    return tuple(row["value"] for row in query(path, sql))


def table_sizes(path: Path) -> tuple[TableSize, ...]:
    """Every table with a CSV file, in the order of the schema."""
    counts = " UNION ALL ".join(
        f"SELECT '{table}' AS name, count(*) AS n_rows FROM {table}" for table in BUILD_ORDER
    )
    found = query(path, f"WITH counts AS ({counts}) {SIZES}")
    sizes = {row["name"]: TableSize(comment=schema()[row["name"]].comment, **row) for row in found}
    return tuple(sizes[table] for table in BUILD_ORDER)


def figure(path: Path, table: str, row_id: str, column: str) -> Figure:
    """One figure with its unit, quality and source, which may differ from its row's.

    Raises like :func:`figures`, and :class:`CatalogError` for a column that holds no figure.
    """
    _column(table, [c for c in columns(table) if c.name not in NOT_FIGURES], column)
    return next(item for item in figures(path, table, row_id) if item.column == column)


def figures(path: Path, table: str, row_id: str) -> tuple[Figure, ...]:
    """Every figure of a row, without id, unit, source, quality and note, which each of them has.

    Raises :class:`UnknownIdError` for a row that is not there and :class:`CatalogError` for a
    table whose rows have no id and source of their own.
    """
    known = columns(table)
    if not {"id", *PROVENANCE} <= {column.name for column in known}:
        raise CatalogError(f"the rows of {table} have no id and source of their own")
    row = _row(path, table, row_id)
    found = query(path, SOURCES_OF_FIGURES.format(table=table), [row_id, row_id])
    said = {origin.pop("column_name"): origin for origin in found}
    own = _own_columns(path, table, row_id)
    return tuple(
        Figure(
            column=column.name,
            value=row[column.name],
            comment=column.comment,
            unit=_unit(column, row),
            is_own="" in own or column.name in own,
            **said.get(column.name, said[""]),
        )
        for column in known
        if column.name not in NOT_FIGURES
    )


def _row(path: Path, table: str, row_id: str) -> Record:
    found = rows(path, table, where=[Filter("id", "is", row_id)])
    if not found:
        ids = tuple(row["id"] for row in query(path, f"SELECT id FROM {table} ORDER BY id"))
        raise UnknownIdError(table, row_id, nearest(row_id, ids))
    return found[0]


def _own_columns(path: Path, table: str, row_id: str) -> frozenset[str]:
    sql = "SELECT column_name FROM overlay_rows WHERE table_name = ? AND row_id = ?"
    return frozenset(row["column_name"] for row in query(path, sql, [table, row_id]))


def _unit(column: Column, row: Record) -> str:
    """Rows with a unit of their own have it for their numbers."""
    return str(row["unit"]) if "unit" in row and column.type in NUMBERS else column.unit


def _own(table: str) -> str:
    if table == "cell_sources":
        return (
            "SELECT 1 FROM overlay_rows o WHERE o.table_name = t.table_name"
            " AND o.row_id = t.row_id AND o.column_name IN ('', t.column_name)"
        )
    key = schema()[table].key[0]
    return f"SELECT 1 FROM overlay_rows o WHERE o.table_name = '{table}' AND o.row_id = t.\"{key}\""


def _where(table: str, known: Sequence[Column], where: Sequence[Filter]) -> tuple[str, list[Any]]:
    tests, values = [], []
    for wanted in where:
        test, bound = _test(_column(table, known, wanted.column), wanted)
        tests.append(test)
        values += bound
    return (f" WHERE {' AND '.join(tests)}" if tests else ""), values


def _test(column: Column, wanted: Filter) -> tuple[str, list[Any]]:
    if column.is_list and wanted.operator not in ("is", "contains"):
        raise CatalogError(f"{column.name} holds lists: it can be asked what it is or contains")
    cell = f't."{column.name}"'
    if wanted.operator == "contains":
        text = f"array_to_string({cell}, ' ')" if column.is_list else f"CAST({cell} AS VARCHAR)"
        return f"contains(lower({text}), lower(?))", [str(wanted.value)]
    if wanted.operator == "one_of":
        slots = ", ".join("?" for _ in wanted.value) or "NULL"
        return f"{cell} IN ({slots})", [_value(column, value) for value in wanted.value]
    if wanted.operator == "is":
        if wanted.value is None:
            return f"{cell} IS NULL", []
        test = f"list_contains({cell}, ?)" if column.is_list else f"{cell} = ?"
        return test, [_value(column, wanted.value)]
    if wanted.operator not in SIGNS:
        raise CatalogError(f"no filter {str(wanted.operator)[:40]!r}")
    return f"{cell} {SIGNS[wanted.operator]} ?", [_value(column, wanted.value)]


def _value(column: Column, value: object) -> object:
    """The value in the column's type. Raises :class:`CatalogError` where it has none there."""
    text = str(value).strip()
    if column.type.startswith("VARCHAR"):
        return str(value)
    if column.type == "BOOLEAN":
        if text.lower() not in ("true", "false"):
            raise CatalogError(f"{column.name} is true or false, not {text[:40]!r}")
        return text.lower() == "true"
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise CatalogError(f"{column.name} is a number, not {text[:40]!r}")
    return number


def _column(table: str, known: Sequence[Column], name: str) -> Column:
    for column in known:
        if column.name == name:
            return column
    names = tuple(column.name for column in known)
    near = nearest(name, names) or names
    raise CatalogError(f"{table} has no column {name[:40]!r}; nearest: {', '.join(near)}")
