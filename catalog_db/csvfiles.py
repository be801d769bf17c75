"""Where the catalog's text files are, and their version."""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from ecoserve.catalog import TABLES

BUILD_ORDER = (
    *(name for name in TABLES if name not in {"regions", "grid_profiles"}),
    "length_buckets",
    "grid_profiles",
    "regions",
)
"""Every table with a CSV file, referenced tables first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvTable:
    """The cells of one CSV file; ``lines`` are the file's line numbers, one per row."""

    name: str
    header: tuple[str, ...]
    lines: tuple[int, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def file(self) -> str:
        """Name of the file."""
        return f"{self.name}.csv"


def read_schema() -> str:
    """The SQL that creates the empty catalog."""
    return _text(resources.files("catalog_db") / "schema.sql")


def read_csv_text(table: str, data_dir: Path | None = None) -> str:
    """The text of a table's CSV file with plain newlines."""
    folder = data_dir if data_dir is not None else resources.files("catalog_db") / "data"
    return _text(folder / f"{table}.csv")


def parse_csv(table: str, text: str) -> CsvTable:
    """Split CSV text into cells; blank lines are skipped."""
    reader = csv.reader(io.StringIO(text))
    header = tuple(next(reader, ()))
    rows = [(reader.line_num, tuple(row)) for row in reader if row]
    return CsvTable(
        name=table,
        header=header,
        lines=tuple(line for line, _ in rows),
        rows=tuple(row for _, row in rows),
    )


def catalog_version(data_dir: Path | None = None) -> str:
    """First 12 hex digits of the SHA-256 of the schema and of all CSV files."""
    digest = hashlib.sha256(read_schema().encode())
    for table in sorted(BUILD_ORDER):
        digest.update(f"\n--{table}--\n{read_csv_text(table, data_dir)}".encode())
    return digest.hexdigest()[:12]


def _text(file: Traversable) -> str:
    return file.read_text(encoding="utf-8").replace("\r\n", "\n").replace("\r", "\n")
