"""What ``schema.sql`` declares: tables, columns, units, keys and rules, read from it once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType

import duckdb

NUMBERS = frozenset({"DOUBLE", "INTEGER"})

COLUMNS = """
    SELECT table_name, column_name, data_type, coalesce(comment, ''), is_nullable
    FROM duckdb_columns() WHERE NOT internal ORDER BY table_oid, column_index
"""
CONSTRAINTS = """
    SELECT table_name, constraint_type, constraint_column_names, expression, referenced_table
    FROM duckdb_constraints() WHERE constraint_type <> 'NOT NULL' ORDER BY constraint_index
"""
TABLES = "SELECT table_name, coalesce(comment, '') FROM duckdb_tables() WHERE NOT internal"


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the schema declares it; ``comment`` starts with the unit where it has one."""

    name: str
    type: str
    comment: str
    nullable: bool
    references: str | None
    """Table whose ids it holds."""

    @property
    def quoted(self) -> str:
        """The name as SQL wants it."""
        return f'"{self.name}"'

    @property
    def is_list(self) -> bool:
        """Whether a cell holds several values."""
        return self.type.endswith("]")

    @property
    def unit(self) -> str:
        """The unit of a number, which is how its comment starts.

        >>> Column("memory_gb_per_s", "DOUBLE", "GB/s, data sheet", False, None).unit
        'GB/s'
        """
        is_number = self.type.split("[")[0] in NUMBERS
        return re.split(r"[,;:] ", self.comment)[0] if is_number else ""


@dataclass(frozen=True, slots=True)
class Check:
    """A rule for the cells of one row, as DuckDB prints it."""

    columns: tuple[str, ...]
    expression: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table as the schema declares it."""

    name: str
    comment: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    """Columns that name a row; none where the table has one row only."""
    checks: tuple[Check, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Of its columns."""
        return tuple(column.name for column in self.columns)


def read_schema() -> str:
    """The SQL that creates the empty catalog, with plain newlines."""
    content = (resources.files("catalog_db") / "schema.sql").read_bytes()
    return content.decode("utf-8").replace("\r\n", "\n")


@cache
def schema() -> Mapping[str, Table]:
    """Every table by name."""
    with duckdb.connect() as con:
        con.execute(read_schema())
        comments = dict(con.execute(TABLES).fetchall())
        columns = con.execute(COLUMNS).fetchall()
        constraints = con.execute(CONSTRAINTS).fetchall()
    return MappingProxyType(
        {
            name: _table(
                name,
                comment,
                [row[1:] for row in columns if row[0] == name],
                [row[1:] for row in constraints if row[0] == name],
            )
            for name, comment in comments.items()
        }
    )


def _table(
    name: str, comment: str, columns: list[tuple[str, ...]], constraints: list[tuple[str, ...]]
) -> Table:
    of_kind = {
        kind: [
            (tuple(dict.fromkeys(row[1])), row[2], row[3]) for row in constraints if row[0] == kind
        ]
        for kind in ("PRIMARY KEY", "FOREIGN KEY", "CHECK")
    }
    references = {names[0]: other for names, _, other in of_kind["FOREIGN KEY"]}
    return Table(
        name=name,
        comment=comment,
        columns=tuple(
            Column(column, kind, text, bool(nullable), references.get(column))
            for column, kind, text, nullable in columns
        ),
        key=next((names for names, _, _ in of_kind["PRIMARY KEY"]), ()),
        checks=tuple(Check(names, expression) for names, expression, _ in of_kind["CHECK"]),
    )
