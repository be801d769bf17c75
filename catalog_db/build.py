"""Builds the catalog database from the CSV files, or says everything that is wrong with them."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import duckdb

from catalog_db.check import all_problems, stage
from catalog_db.csvfiles import (
    BUILD_ORDER,
    THE_FILE,
    THE_HEADER,
    THE_LINE,
    BadCell,
    CsvTable,
    content_digest,
    packaged_tables,
    unseparated,
)
from catalog_db.overlay import Merge, Overlay, OwnCell, Staged, StagedRow
from catalog_db.schema import read_schema, schema
from ecoserve import __version__
from ecoserve.errors import CatalogError

__all__ = ["CatalogBuildError", "build_catalog", "catalog_version"]

VERSION_DIGITS = 12
DUCKDB_MAGIC = b"DUCK"
DUCKDB_MAGIC_AT = slice(8, 12)
BLOCK_BYTES = "16384"
"""DuckDB's smallest: the tables are many and short, and the file is a tenth as large."""


class CatalogBuildError(CatalogError):
    """The files cannot become a catalog; ``problems`` lists every bad cell."""

    def __init__(self, problems: Iterable[BadCell]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def catalog_version(data_dir: Path | None = None, overlay: Overlay | None = None) -> str:
    """First 12 hex digits of the SHA-256 of the schema, of all our rows and of the overlay.

    It follows the content: line endings, blank lines and the order of rows and columns do not
    matter.
    """
    tables, _ = packaged_tables(data_dir)
    return _version(tables.values(), overlay)


def build_catalog(
    target: Path, data_dir: Path | None = None, overlay: Overlay | None = None
) -> str:
    """Build the catalog at ``target`` from ``data_dir`` (default: the packaged CSV files).

    ``overlay`` corrects and adds rows. Returns the catalog's version. Raises
    :class:`CatalogBuildError` with everything that is wrong. The file is built beside the target
    and swapped in at the end: a build that fails or is killed leaves an older catalog as it was,
    and who has that open reads on.
    """
    tables, problems = packaged_tables(data_dir)
    version = _version(tables.values(), overlay)
    try:
        _refuse_foreign_file(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".catalog-", dir=target.parent) as folder:
            draft = Path(folder) / "catalog.duckdb"
            with duckdb.connect(
                str(draft), config={"threads": 1, "default_block_size": BLOCK_BYTES}
            ) as con:
                con.execute(read_schema())
                _fill(con, tables, problems, overlay)
                con.execute("INSERT INTO catalog_meta VALUES (?)", [version])
            _swap(draft, target)
    except (OSError, duckdb.IOException) as error:
        raise CatalogError(f"cannot write the catalog to {target}: {error}") from error
    return version


def _version(tables: Iterable[CsvTable], overlay: Overlay | None) -> str:
    parts = [read_schema(), content_digest(tables)]
    if overlay is not None:
        parts += [__version__, overlay.digest]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:VERSION_DIGITS]


def _refuse_foreign_file(target: Path) -> None:
    """A mistyped path must not cost the user a file."""
    if not target.exists():
        return
    with target.open("rb") as file:
        head = file.read(DUCKDB_MAGIC_AT.stop)
    if head and head[DUCKDB_MAGIC_AT] != DUCKDB_MAGIC:
        raise CatalogError(f"{target} is not a catalog and stays as it is; choose another path")


def _fill(
    con: duckdb.DuckDBPyConnection,
    tables: Mapping[str, CsvTable],
    unreadable: Sequence[BadCell],
    overlay: Overlay | None,
) -> None:
    shape_problems = [*unreadable]
    for table in tables.values():
        shape_problems += _shape_problems(table)
    merge = Merge({name: _staged(name, tables.get(name)) for name in BUILD_ORDER})
    if overlay is not None:
        merge.lay(overlay)
    for name, staged in merge.staged.items():
        stage(con, name, staged)
    _check(con, merge, shape_problems)
    _insert(con, merge.own)


def _check(con: duckdb.DuckDBPyConnection, merge: Merge, shape_problems: Sequence[BadCell]) -> None:
    """Raises :class:`CatalogBuildError`; a row of the wrong shape has no further problems."""
    known = [*shape_problems, *merge.problems]
    named = {(bad.file, bad.line) for bad in known if bad.column not in (THE_FILE, THE_HEADER)}
    broken = {Path(bad.file).stem for bad in shape_problems if bad.column in (THE_FILE, THE_HEADER)}
    found = all_problems(con, merge.staged, broken, merge.partial)
    problems = [*known, *(bad for bad in found if (bad.file, bad.line) not in named)]
    if problems:
        raise CatalogBuildError(problems)


def _insert(con: duckdb.DuckDBPyConnection, own: Iterable[OwnCell]) -> None:
    for table in BUILD_ORDER:
        listed = ", ".join(column.quoted for column in schema()[table].columns)
        con.execute(
            f"INSERT INTO {table} ({listed}) SELECT {listed} FROM typed_{table} ORDER BY row_number"
        )
    cells = sorted(own)
    if cells:
        con.execute(
            "INSERT INTO overlay_rows SELECT unnest(?), unnest(?), unnest(?)",
            [list(part) for part in zip(*cells, strict=True)],
        )


def _shape_problems(table: CsvTable) -> list[BadCell]:
    """Text that is not CSV, a wrong header, and rows with too many or too few cells."""
    problems, wanted = list(table.problems), schema()[table.name].names
    unreadable = unseparated(table)
    if unreadable is not None:
        return [*problems, unreadable]
    if sorted(table.header) != sorted(wanted):
        expected, found = f"the columns {', '.join(wanted)}", ", ".join(table.header)
        problems.append(BadCell(table.file, 1, THE_HEADER, expected, found))
    n_cells = len(table.header)
    problems += [
        BadCell(table.file, line, THE_LINE, f"{n_cells} cells", str(len(row)))
        for line, row in zip(table.lines, table.rows, strict=True)
        if len(row) != n_cells
    ]
    return problems


def _staged(name: str, table: CsvTable | None) -> Staged:
    """The rows in the schema's columns; cells that are not there are empty."""
    wanted = schema()[name].names
    if table is None:
        return Staged(rows=[], missing=frozenset(wanted))
    empty = dict.fromkeys(wanted, "")
    rows = []
    for line, row in zip(table.lines, table.rows, strict=True):
        given = dict(zip(table.header, row, strict=False))
        cells = {name: given.get(name, "") for name in empty}
        rows.append(StagedRow(cells=cells, file=table.file, line=line))
    return Staged(rows=rows, missing=frozenset(wanted) - frozenset(table.header))


def _swap(draft: Path, target: Path) -> None:
    """Put a finished file in the place of another, on disk before it can be seen."""
    with draft.open("rb+") as file:
        os.fsync(file.fileno())
    draft.replace(target)
    if os.name == "posix":  # elsewhere a folder cannot be opened
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
