"""Builds the catalog database from the CSV files, or says everything that is wrong with them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import duckdb

from catalog_db.check import (
    BadCell,
    columns_of,
    cross_problems,
    row_problems,
    shape_problems,
    stage,
)
from catalog_db.csvfiles import (
    BUILD_ORDER,
    CsvTable,
    catalog_version,
    parse_csv,
    read_csv_text,
    read_schema,
)
from ecoserve.errors import CatalogError

__all__ = ["CatalogBuildError", "build_catalog", "catalog_version"]


class CatalogBuildError(CatalogError):
    """The CSV files cannot become a catalog; ``problems`` lists every bad cell."""

    def __init__(self, problems: Sequence[BadCell]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def build_catalog(target: Path, data_dir: Path | None = None) -> str:
    """Build the catalog at ``target`` from ``data_dir`` (default: the packaged CSV files).

    Returns the catalog's version. The file is built beside the target and swapped in at the end,
    so that a failed build leaves an older catalog as it was.
    """
    tables = _read_tables(data_dir)
    version = catalog_version(data_dir)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".catalog-", dir=target.parent) as folder:
            draft = Path(folder) / "catalog.duckdb"
            _fill(draft, tables, version)
            draft.replace(target)
    except (OSError, duckdb.IOException) as error:
        raise CatalogError(f"cannot write the catalog to {target}: {error}") from error
    return version


def _read_tables(data_dir: Path | None) -> tuple[CsvTable, ...]:
    texts: dict[str, str] = {}
    problems = []
    for table in BUILD_ORDER:
        try:
            texts[table] = read_csv_text(table, data_dir)
        except FileNotFoundError:
            problems.append(BadCell(f"{table}.csv", 0, "(file)", "a file"))
        except UnicodeDecodeError:
            problems.append(BadCell(f"{table}.csv", 0, "(file)", "UTF-8 text"))
    if problems:
        raise CatalogBuildError(problems)
    return tuple(parse_csv(table, text) for table, text in texts.items())


def _fill(draft: Path, tables: Sequence[CsvTable], version: str) -> None:
    with duckdb.connect(str(draft), config={"threads": 1}) as con:
        con.execute(read_schema())
        _stage_and_check(con, tables)
        for table in tables:
            names = ", ".join(column.quoted for column in columns_of(con, table.name))
            con.execute(
                f"INSERT INTO {table.name} ({names})"
                f" SELECT {names} FROM typed_{table.name} ORDER BY line"
            )
        con.execute("INSERT INTO catalog_meta VALUES (?)", [version])


def _stage_and_check(con: duckdb.DuckDBPyConnection, tables: Sequence[CsvTable]) -> None:
    columns = {table.name: columns_of(con, table.name) for table in tables}
    problems = [bad for t in tables for bad in shape_problems(t, columns[t.name])]
    if problems:
        raise CatalogBuildError(sorted(problems))
    for table in tables:
        stage(con, table, columns[table.name])
    problems = [bad for table in tables for bad in row_problems(con, table.name)]
    problems += cross_problems(con)
    if problems:
        raise CatalogBuildError(sorted(set(problems)))
