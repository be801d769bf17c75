"""Finds every bad cell of the staged rows at once; the rules are those of ``schema.sql``.

Rows are staged as text in temporary tables ``raw_<table>`` and cast to their types in
``typed_<table>``, numbered by ``row_number``, so that a mistake can be named by file, line and
column before anything is inserted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import duckdb

from catalog_db.csvfiles import BUILD_ORDER, PROVENANCE, BadCell
from catalog_db.overlay import Staged, StagedRow, missing_columns, near
from catalog_db.schema import Column, schema
from catalog_db.wording import KINDS, in_words

UNREADABLE = {
    "DOUBLE": "NOT isfinite(coalesce(TRY_CAST({c} AS DOUBLE), 'nan'))",
    "INTEGER": "NOT regexp_full_match({c}, '-?[0-9]{{1,9}}')",
}
"""When a cell does not hold a value of its type; every other type: when the cast fails."""


@dataclass(frozen=True, slots=True)
class CrossRule:
    """A rule across tables: ``offenders`` finds the numbers of the rows that break it.

    Its second column is what was found there.
    """

    table: str
    column: str
    expected: str
    offenders: str
    ids_of: tuple[str, ...] = ()
    """Tables whose ids may stand there."""

    @property
    def reads(self) -> frozenset[str]:
        """Every table it looks at."""
        return frozenset(re.findall(r"typed_(\w+)", self.offenders))


CROSS_RULES = (
    CrossRule(
        "embodied_coefficients",
        "key",
        "empty, a node in nm (alone or with _pcie), a memory type, a form factor or an accelerator",
        "SELECT row_number, key FROM typed_embodied_coefficients WHERE key <> '' AND NOT"
        " regexp_full_match(key, '(28|20|14|10|8|7|5|3)(_pcie)?') AND key NOT IN"
        " (SELECT memory_type FROM typed_accelerators UNION ALL SELECT memory_type FROM typed_cpus"
        " UNION ALL SELECT form_factor FROM typed_accelerators"
        " UNION ALL SELECT id FROM typed_accelerators)",
    ),
    CrossRule(
        "dies",
        "product_id",
        "the id of an accelerator or of a cpu",
        "SELECT row_number, product_id FROM typed_dies WHERE product_id NOT IN"
        " (SELECT id FROM typed_accelerators UNION ALL SELECT id FROM typed_cpus)",
        ids_of=("accelerators", "cpus"),
    ),
    *(
        CrossRule(
            table,
            "id",
            "at least one row in dies.csv with this product_id",
            f"SELECT row_number, id FROM typed_{table}"
            " WHERE id NOT IN (SELECT product_id FROM typed_dies)",
        )
        for table in ("accelerators", "cpus")
    ),
    CrossRule(
        "servers",
        "n_accelerators",
        "at most the accelerators that its host takes",
        "SELECT s.row_number, s.n_accelerators || ' of ' || h.max_accelerators"
        " FROM typed_servers s JOIN typed_hosts h ON s.host_id = h.id"
        " WHERE s.n_accelerators > h.max_accelerators",
    ),
    CrossRule(
        "servers",
        "dram_gib",
        "at most the GiB that its host takes",
        "SELECT s.row_number, s.dram_gib || ' of ' || h.max_dram_gib"
        " FROM typed_servers s JOIN typed_hosts h ON s.host_id = h.id"
        " WHERE s.dram_gib > h.max_dram_gib",
    ),
    CrossRule(
        "servers",
        "vcpus",
        "at most the threads of its host: sockets x cores x threads per core",
        "SELECT s.row_number, s.vcpus || ' of ' || h.sockets * c.cores * c.threads_per_core"
        " FROM typed_servers s JOIN typed_hosts h ON s.host_id = h.id"
        " JOIN typed_cpus c ON h.cpu_id = c.id"
        " WHERE s.vcpus > h.sockets * c.cores * c.threads_per_core",
    ),
    CrossRule(
        "servers",
        "offer",
        "a row in rental_prices.csv for a server that is rented",
        "SELECT row_number, 'none' FROM typed_servers WHERE offer = 'rental'"
        " AND id NOT IN (SELECT server_id FROM typed_rental_prices)",
    ),
    CrossRule(
        "rental_prices",
        "server_id",
        "a server whose offer is rental",
        "SELECT p.row_number, p.server_id FROM typed_rental_prices p"
        " JOIN typed_servers s ON p.server_id = s.id WHERE s.offer <> 'rental'",
    ),
    *(
        CrossRule(
            "length_mixes",
            "kind",
            f"rows in {members}.csv for a mix of kind {kind}, and none for others",
            f"SELECT row_number, kind FROM typed_length_mixes WHERE (kind = '{kind}')"
            f" <> (id IN (SELECT mix_id FROM typed_{members} WHERE mix_id IS NOT NULL))",
        )
        for kind, members in (
            ("histogram", "length_buckets"),
            ("percentiles", "length_percentiles"),
        )
    ),
    *(
        CrossRule(
            "length_mixes",
            f"{side}_mean_tokens",
            f"two percentiles of {side}, or the median and the mean, for a mix of kind percentiles",
            f"SELECT row_number, id FROM typed_length_mixes m WHERE kind = 'percentiles' AND"
            " (SELECT count(*) + coalesce(count(*) FILTER (percentile = 50), 0)"
            f" * CAST(m.{side}_mean_tokens IS NOT NULL AS INTEGER) FROM typed_length_percentiles p"
            f" WHERE p.mix_id = m.id AND p.field = '{side}') < 2",
        )
        for side in ("isl", "osl")
    ),
    CrossRule(
        "length_percentiles",
        "tokens",
        "no fewer tokens than at the percentile below",
        "SELECT row_number, tokens FROM typed_length_percentiles QUALIFY tokens <"
        " lag(tokens) OVER (PARTITION BY mix_id, field ORDER BY percentile)",
    ),
    CrossRule(
        "llms",
        "aliases",
        "names that no other model has",
        "WITH names AS (SELECT row_number, id, unnest(aliases) AS alias FROM typed_llms)"
        " SELECT n.row_number, n.alias FROM names n WHERE"
        " n.alias IN (SELECT o.alias FROM names o WHERE o.id <> n.id)"
        " OR n.alias IN (SELECT m.id FROM typed_llms m)",
    ),
    CrossRule(
        "grid_zones",
        "id",
        "a row of season year and kind lifecycle in grid_profiles.csv, or a full year of kind"
        " lifecycle in grid_series.csv",
        "SELECT row_number, id FROM typed_grid_zones WHERE id NOT IN (SELECT zone_id"
        " FROM typed_grid_profiles WHERE season = 'year' AND kind = 'lifecycle'"
        " UNION ALL SELECT zone_id FROM typed_grid_series WHERE kind = 'lifecycle')",
    ),
    CrossRule(
        "grid_series",
        "hour",
        "every hour of the year from 0 to 8759, or to 8783 in a leap year",
        "SELECT min(row_number), count(DISTINCT hour) || ' hours up to ' || max(hour)"
        " FROM typed_grid_series GROUP BY zone_id, kind"
        " HAVING count(DISTINCT hour) NOT IN (8760, 8784) OR max(hour) >= count(DISTINCT hour)",
    ),
)
"""What no single row can show."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What the named columns must satisfy, and the FROM clause that finds the rows that do not."""

    columns: tuple[str, ...]
    expected: str
    offenders: str
    other: str = ""
    """Table whose rows the rule looks up."""


@dataclass(frozen=True, slots=True)
class _Known:
    """The staged rows, and the tables that do not have all of theirs."""

    staged: Mapping[str, Staged]
    broken: frozenset[str]
    partial: frozenset[str]
    nearest: dict[tuple[str, ...], str] = field(default_factory=dict)
    """Found before: the same unknown id often stands in many rows."""

    def ids(self, table: str) -> tuple[str, ...]:
        """Of the table's rows."""
        return tuple(row.cells["id"] for row in self.staged[table].rows)

    def hint(self, found: str, ids_of: Iterable[str], looked_up: Iterable[str]) -> str:
        """The nearest ids, where to see all, and which tables are not as the user wants them."""
        tables = tuple(ids_of)
        if (found, *tables) not in self.nearest:
            ids = tuple(row_id for table in tables for row_id in self.ids(table))
            self.nearest[found, *tables] = near(found, ids)
        lists = " and ".join(f"`ecoserve catalog list {table}`" for table in tables)
        unread = sorted(self.partial.intersection(looked_up))
        parts = [
            self.nearest[found, *tables],
            f"{lists} shows what there is" if lists else "",
            f"correct {unread[0]}.csv first, not all of its rows could be read" if unread else "",
        ]
        return "; ".join(part for part in parts if part)


def stage(con: duckdb.DuckDBPyConnection, table: str, staged: Staged) -> None:
    """Put the text into ``raw_<table>`` and, cast to its types, into ``typed_<table>``."""
    columns = schema()[table].columns
    texts = ", ".join(f"{c.quoted} VARCHAR" for c in columns)
    con.execute(f"CREATE TEMP TABLE raw_{table} (row_number INTEGER, {texts})")
    if staged.rows:
        cells = [[row.cells[c.name] for row in staged.rows] for c in columns]
        slots = ", ".join("unnest(?)" for _ in range(len(columns) + 1))
        numbers = list(range(len(staged.rows)))
        con.execute(f"INSERT INTO raw_{table} SELECT {slots}", [numbers, *cells])
    casts = ", ".join(f"TRY_CAST({_cell(c)} AS {c.type}) AS {c.quoted}" for c in columns)
    con.execute(f"CREATE TEMP TABLE typed_{table} AS SELECT row_number, {casts} FROM raw_{table}")


def all_problems(
    con: duckdb.DuckDBPyConnection,
    staged: Mapping[str, Staged],
    broken: Iterable[str],
    partial: Iterable[str] = (),
) -> list[BadCell]:
    """Everything wrong with the staged rows.

    Rules that look into a table of ours that is ``broken`` are left out. Tables in ``partial``
    have our rows, but not all of the user's: what is found with them says so.
    """
    state = _Known(staged, frozenset(broken), frozenset(partial))
    problems = [bad for table in staged for bad in _row_problems(con, table, state)]
    return [*problems, *_cross_problems(con, state), *_cell_source_problems(state)]


def _row_problems(
    con: duckdb.DuckDBPyConnection,
    table: str,
    state: _Known,
) -> Iterator[BadCell]:
    """Cells of the wrong type or missing, and rows that break a constraint of the table."""
    staged = state.staged[table]
    rules = [
        rule
        for rule in (*_cell_rules(table), *_constraint_rules(table))
        if rule.other not in state.broken and staged.missing.isdisjoint(rule.columns)
    ]
    if not rules:
        return
    query = " UNION ALL ".join(
        f"(SELECT {number} AS rule, row_number FROM {rule.offenders})"
        for number, rule in enumerate(rules)
    )
    absent: dict[str, set[str]] = {}
    for number, row_number in con.execute(query).fetchall():
        rule, row = rules[number], staged.rows[row_number]
        if not row.absent.isdisjoint(rule.columns):
            absent.setdefault(row.file, set()).update(row.absent.intersection(rule.columns))
            continue
        found = _found(row, rule.columns)
        hint = state.hint(found, (rule.other,), {rule.other}) if rule.other else ""
        yield _bad_cell(row, ", ".join(rule.columns), rule.expected, found, hint)
    for file, names in absent.items():
        in_order = [name for name in schema()[table].names if name in names]
        yield missing_columns(file, in_order, "rows with a new id need every required column")


def _cross_problems(con: duckdb.DuckDBPyConnection, state: _Known) -> Iterator[BadCell]:
    for rule in CROSS_RULES:
        if not rule.reads.isdisjoint(state.broken):
            continue
        for row_number, found in con.execute(rule.offenders).fetchall():
            row = state.staged[rule.table].rows[row_number]
            hint = state.hint(str(found), rule.ids_of, rule.reads - {rule.table})
            yield _bad_cell(row, rule.column, rule.expected, str(found), hint)


def _cell_source_problems(state: _Known) -> Iterator[BadCell]:
    """Cell sources that name no figure of the catalog."""
    if "cell_sources" in state.broken:
        return
    ids = {
        table: state.ids(table)
        for table in BUILD_ORDER
        if {"id", *PROVENANCE} <= set(schema()[table].names)
    }
    for row in state.staged["cell_sources"].rows:
        table, row_id = row.cells["table_name"], row.cells["row_id"]
        column = row.cells["column_name"]
        if table not in ids:
            yield _bad_cell(row, "table_name", f"one of {', '.join(ids)}", table)
        elif table in state.broken:
            continue
        elif row_id not in ids[table]:
            hint = state.hint(row_id, (table,), {table})
            yield _bad_cell(row, "row_id", f"an id of {table}.csv", row_id, hint)
        elif column not in schema()[table].names:
            yield _bad_cell(row, "column_name", f"a column of {table}.csv", column)


def _bad_cell(row: StagedRow, column: str, expected: str, found: str, hint: str = "") -> BadCell:
    return BadCell(row.file, row.line, column, expected, found, hint)


def _found(row: StagedRow, columns: Sequence[str]) -> str:
    if len(columns) == 1:
        text = row.cells[columns[0]]
        return text if text == text.strip() else repr(text)
    return ", ".join(f"{name} {row.cells[name] or 'empty'}" for name in columns)


def _cell_rules(table: str) -> Iterator[Rule]:
    for column in schema()[table].columns:
        test = UNREADABLE.get(column.type, f"TRY_CAST({{c}} AS {column.type}) IS NULL")
        unreadable = f"{_cell(column)} IS NOT NULL AND {test.format(c=column.quoted)}"
        expected = KINDS[column.type]
        yield Rule((column.name,), expected, f"raw_{table} WHERE {unreadable}")
        if not column.nullable:
            empty = f"raw_{table} WHERE {_cell(column)} IS NULL"
            yield Rule((column.name,), f"{expected}, the cell is empty", empty)


def _constraint_rules(table: str) -> Iterator[Rule]:
    declared = schema()[table]
    yield _primary_key(table, declared.key)
    for column in declared.columns:
        if column.references:
            yield _foreign_key(table, column.name, column.references)
    for check in declared.checks:
        offenders = f"typed_{table} WHERE NOT ({check.expression})"
        yield Rule(check.columns, in_words(check.expression), offenders)


def _cell(column: Column) -> str:
    """The staged text; an empty cell is NULL unless the column is obligatory text."""
    keeps_empty = column.type == "VARCHAR" and not column.nullable
    return column.quoted if keeps_empty else f"nullif({column.quoted}, '')"


def _primary_key(table: str, names: tuple[str, ...]) -> Rule:
    key = ", ".join(f'"{name}"' for name in names)
    is_whole = " AND ".join(f'"{name}" IS NOT NULL' for name in names)
    again = f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY row_number) > 1"
    offenders = f"typed_{table} WHERE {is_whole} {again}"
    return Rule(names, "a key that no earlier row has", offenders)


def _foreign_key(table: str, name: str, other: str) -> Rule:
    orphan = f'"{name}" IS NOT NULL AND "{name}" NOT IN (SELECT id FROM raw_{other})'
    return Rule((name,), f"an id of {other}.csv", f"typed_{table} WHERE {orphan}", other)
