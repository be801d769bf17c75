"""Finds every bad cell of the staged CSV rows at once; the rules are those of ``schema.sql``.

Rows are staged as text in temporary tables ``raw_<table>`` with their line number, so that a
mistake can be named by file, line and column before anything is inserted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from catalog_db.csvfiles import CsvTable

UNREADABLE = {
    "DOUBLE": "NOT isfinite(coalesce(TRY_CAST({c} AS DOUBLE), 'nan'))",
    "INTEGER": "NOT regexp_full_match({c}, '-?[0-9]{{1,9}}')",
}
"""When a cell does not hold a value of its type; every other type: when the cast fails."""

CROSS_RULES = (
    (
        "servers",
        "host_id",
        "a host with the accelerator slots, vCPUs and DRAM of the server",
        "SELECT s.id FROM typed_servers s JOIN typed_hosts h ON s.host_id = h.id"
        " WHERE s.n_accelerators > h.max_accelerators OR s.vcpus > h.vcpus"
        " OR s.dram_gib > h.max_dram_gib",
    ),
    (
        "length_mixes",
        "id",
        "at least one row in length_buckets.csv",
        "SELECT id FROM typed_length_mixes"
        " WHERE id NOT IN (SELECT mix_id FROM typed_length_buckets WHERE mix_id IS NOT NULL)",
    ),
)
"""Rules across tables: table, column, what was expected, query for the ids that break it."""


@dataclass(frozen=True, slots=True, order=True)
class BadCell:
    """One mistake in a CSV file."""

    file: str
    line: int
    column: str
    expected: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}"
        return f"{where}: column {self.column}: expected {self.expected}"


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the schema declares it."""

    name: str
    type: str
    nullable: bool

    @property
    def quoted(self) -> str:
        """The name as SQL wants it."""
        return f'"{self.name}"'

    @property
    def cell(self) -> str:
        """The staged text; an empty cell is NULL unless the column is obligatory text."""
        keeps_empty = self.type == "VARCHAR" and not self.nullable
        return self.quoted if keeps_empty else f"nullif({self.quoted}, '')"


@dataclass(frozen=True, slots=True)
class Rule:
    """What the named columns must satisfy, and the FROM clause that finds the rows that do not."""

    column: str
    expected: str
    offenders: str


def columns_of(con: duckdb.DuckDBPyConnection, table: str) -> tuple[Column, ...]:
    """Columns of a table of the schema, in order."""
    rows = con.execute(
        "SELECT column_name, data_type, is_nullable FROM duckdb_columns()"
        " WHERE table_name = ? AND NOT internal ORDER BY column_index",
        [table],
    ).fetchall()
    return tuple(Column(*row) for row in rows)


def shape_problems(csv_table: CsvTable, columns: tuple[Column, ...]) -> list[BadCell]:
    """A wrong header, or rows with too many or too few cells."""
    wanted = tuple(column.name for column in columns)
    if csv_table.header != wanted:
        return [BadCell(csv_table.file, 1, "(header)", f"the columns {', '.join(wanted)}")]
    return [
        BadCell(csv_table.file, line, "(row)", f"{len(wanted)} cells, found {len(row)}")
        for line, row in zip(csv_table.lines, csv_table.rows, strict=True)
        if len(row) != len(wanted)
    ]


def stage(con: duckdb.DuckDBPyConnection, csv_table: CsvTable, columns: tuple[Column, ...]) -> None:
    """Put the text into ``raw_<table>`` and, cast to its types, into ``typed_<table>``."""
    name = csv_table.name
    texts = ", ".join(f"{c.quoted} VARCHAR" for c in columns)
    con.execute(f"CREATE TEMP TABLE raw_{name} (line INTEGER, {texts})")
    cells = [list(cell) for cell in zip(*csv_table.rows, strict=True)]
    if cells:
        slots = ", ".join("unnest(?)" for _ in range(len(columns) + 1))
        con.execute(f"INSERT INTO raw_{name} SELECT {slots}", [list(csv_table.lines), *cells])
    casts = ", ".join(f"TRY_CAST({c.cell} AS {c.type}) AS {c.quoted}" for c in columns)
    con.execute(f"CREATE TEMP TABLE typed_{name} AS SELECT line, {casts} FROM raw_{name}")


def row_problems(con: duckdb.DuckDBPyConnection, table: str) -> list[BadCell]:
    """Cells of the wrong type or missing, and rows that break a constraint of the table."""
    rules = [rule for c in columns_of(con, table) for rule in _cell_rules(table, c)]
    return _broken(con, table, [*rules, *_constraint_rules(con, table)])


def cross_problems(con: duckdb.DuckDBPyConnection) -> list[BadCell]:
    """Rows that break a rule across tables."""
    problems = []
    for table, column, expected, ids in CROSS_RULES:
        rule = Rule(column, expected, f"typed_{table} WHERE id IN ({ids})")
        problems += _broken(con, table, [rule])
    return problems


def _broken(con: duckdb.DuckDBPyConnection, table: str, rules: Sequence[Rule]) -> list[BadCell]:
    query = " UNION ALL ".join(
        f"(SELECT {number} AS rule, line FROM {rule.offenders})"
        for number, rule in enumerate(rules)
    )
    return [
        BadCell(f"{table}.csv", line, rules[number].column, rules[number].expected)
        for number, line in con.execute(query).fetchall()
    ]


def _cell_rules(table: str, column: Column) -> list[Rule]:
    test = UNREADABLE.get(column.type, f"TRY_CAST({{c}} AS {column.type}) IS NULL")
    unreadable = f"{column.cell} IS NOT NULL AND {test.format(c=column.quoted)}"
    rules = [Rule(column.name, f"a value of type {column.type}", f"raw_{table} WHERE {unreadable}")]
    if not column.nullable:
        empty = f"raw_{table} WHERE {column.cell} IS NULL"
        rules.append(Rule(column.name, "a value, the cell is empty", empty))
    return rules


def _constraint_rules(con: duckdb.DuckDBPyConnection, table: str) -> list[Rule]:
    constraints = con.execute(
        "SELECT constraint_type, expression, constraint_column_names, referenced_table,"
        " referenced_column_names FROM duckdb_constraints() WHERE table_name = ?"
        " AND constraint_type <> 'NOT NULL' ORDER BY constraint_index",
        [table],
    ).fetchall()
    rules = []
    for kind, expression, names, other, other_names in constraints:
        if kind == "FOREIGN KEY":
            rules.append(_foreign_key(table, names[0], other, other_names[0]))
        elif kind == "CHECK":
            offenders = f"typed_{table} WHERE NOT ({expression})"
            rules.append(Rule(_unique(names), _readable(expression), offenders))
        else:
            rules.append(_primary_key(table, names))
    return rules


def _primary_key(table: str, names: Sequence[str]) -> Rule:
    key = ", ".join(f'"{name}"' for name in names)
    again = f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY line) > 1"
    return Rule(_unique(names), "a key that no earlier row has", f"typed_{table} {again}")


def _foreign_key(table: str, name: str, other: str, other_name: str) -> Rule:
    known = f'SELECT "{other_name}" FROM typed_{other} WHERE "{other_name}" IS NOT NULL'
    orphan = f'"{name}" IS NOT NULL AND "{name}" NOT IN ({known})'
    return Rule(name, f"an id of {other}.csv", f"typed_{table} WHERE {orphan}")


def _readable(expression: str) -> str:
    wrapped = expression.startswith("((") or expression.count("(") == 1
    return expression[1:-1] if wrapped and expression.startswith("(") else expression


def _unique(names: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(names))
