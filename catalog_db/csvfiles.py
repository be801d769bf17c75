"""The catalog's text files: where they are, their cells and line numbers, and their version."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

BUILD_ORDER = (
    *("sources", "providers", "accelerators", "cpus", "dies", "hosts", "servers"),
    *("rental_prices", "host_variants", "llms", "host_power", "prices", "trends"),
    *("embodied_coefficients", "product_footprints", "product_footprint_parts"),
    *("serving_parameters", "power_parameters"),
    *("length_mixes", "length_buckets", "length_percentiles", "rate_profiles"),
    *("accelerator_aliases", "measured_cpus", "point_conventions", "measured_points"),
    *("calibration_plans", "power_plans"),
    *("grid_zones", "grid_profiles", "grid_series", "regions", "cell_sources"),
)
"""Every table with a CSV file, referenced tables first."""

PROVENANCE = ("source_id", "quality", "note")
"""Columns that say where a row comes from and how far to trust it."""

THE_FILE, THE_HEADER, THE_LINE = "the file", "the header", "the whole line"
"""What a problem is about where that is no column."""
CONFIG_KEY = "key "
"""How the name of a key of a config.json begins."""

MAX_FOUND_CHARS = 60
CSV_ERRORS = {
    "unexpected end of data": "a quotation mark is opened and never closed",
    "expected after": "after a closing quotation mark only a comma may follow",
    "field larger": "a cell is too long; a quotation mark may be opened and never closed",
    "NUL": "this is no plain text; save it as 'CSV UTF-8'",
}
"""Parts of the csv module's messages, and what we say."""


@dataclass(frozen=True, slots=True, order=True)
class BadCell:
    """One mistake in a file; line 0 means the file as a whole."""

    file: str
    line: int
    column: str
    """A column, or one of ``THE_FILE``, ``THE_HEADER``, ``THE_LINE`` and ``CONFIG_KEY`` ..."""
    expected: str
    """Empty where ``found`` is a sentence that says it all."""
    found: str = ""
    hint: str = ""
    """What to do next."""

    @property
    def where(self) -> str:
        """What in the line it is about."""
        is_column = not self.column.startswith(("the ", CONFIG_KEY))
        return f"column {self.column}" if is_column else self.column

    @property
    def message(self) -> str:
        """What was expected, what stands there (shortened), and what to do next."""
        hint = f"; {self.hint}" if self.hint else ""
        if not self.expected:
            return f"{self.found}{hint}"
        found = f", found {shortened(self.found)}" if self.found else ""
        return f"expected {self.expected}{found}{hint}"

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.where}: {self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvTable:
    """The cells of one CSV file; ``lines`` are the lines of the file on which its rows start."""

    name: str
    file: str
    """As messages name it."""
    header: tuple[str, ...]
    lines: tuple[int, ...]
    rows: tuple[tuple[str, ...], ...]
    problems: tuple[BadCell, ...] = ()
    """Where the text is not CSV; the rows before it are there."""


def shortened(text: str, limit: int = MAX_FOUND_CHARS) -> str:
    """Text on one line and of bounded length, for messages."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[:limit]} ..."


def packaged_tables(
    data_dir: Path | None = None,
) -> tuple[dict[str, CsvTable], tuple[BadCell, ...]]:
    """Every table's CSV file in ``data_dir`` (default: the packaged ones), and unreadable files."""
    folder: Traversable = data_dir or resources.files("catalog_db") / "data"
    tables, problems = {}, []
    for table in BUILD_ORDER:
        file = f"{table}.csv"
        try:
            tables[table] = parse_csv(table, file, plain((folder / file).read_bytes()))
        except FileNotFoundError:
            problems.append(BadCell(file, 0, THE_FILE, "a file of this name"))
        except UnicodeDecodeError:
            problems.append(BadCell(file, 0, THE_FILE, "UTF-8 text"))
    return tables, tuple(problems)


def plain(content: bytes) -> str:
    """UTF-8 text with plain newlines and without byte order mark."""
    return plain_newlines(content.decode("utf-8-sig"))


def plain_newlines(text: str) -> str:
    """The text with a line feed after every line, whatever system it comes from."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def parse_csv(table: str, file: str, text: str) -> CsvTable:
    """Split CSV text into cells; blank lines are skipped."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    numbered: list[tuple[int, tuple[str, ...]]] = []
    problems: tuple[BadCell, ...] = ()
    start = 1
    try:
        for row in reader:
            if row:
                numbered.append((start, tuple(row)))
            start = reader.line_num + 1
    except csv.Error as error:
        problems = (BadCell(file, start, THE_LINE, "", csv_words(error)),)
    return CsvTable(
        name=table,
        file=file,
        header=tuple(name.strip() for name in numbered[0][1]) if numbered else (),
        lines=tuple(line for line, _ in numbered[1:]),
        rows=tuple(row for _, row in numbered[1:]),
        problems=problems,
    )


def csv_words(error: csv.Error) -> str:
    """Why cells cannot be told apart, in our words.

    >>> csv_words(csv.Error("unexpected end of data"))
    'a quotation mark is opened and never closed'
    """
    said = str(error)
    for theirs, ours in CSV_ERRORS.items():
        if theirs in said:
            return ours
    return "the cells cannot be told apart; save the file as 'CSV UTF-8'"


def unseparated(table: CsvTable) -> BadCell | None:
    """What is wrong with a file that is empty, or whose columns are not separated by commas."""
    if not table.header:
        return BadCell(table.file, 0, THE_FILE, "", "the file is empty", "write a header and rows")
    for sign, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(table.header) == 1 and sign in table.header[0]:
            found = f"separate the columns by commas, found {name}"
            return BadCell(table.file, 1, THE_HEADER, "", found)
    return None


def content_digest(tables: Iterable[CsvTable]) -> str:
    """SHA-256 of the cells, whatever the order of files, columns and rows and the line endings."""
    digest = hashlib.sha256()
    for table in sorted(tables, key=lambda table: (table.name, table.file)):
        order = sorted(range(len(table.header)), key=table.header.__getitem__)
        rows = sorted(_reordered(row, order) for row in table.rows)
        content = [table.name, [table.header[i] for i in order], rows]
        digest.update(json.dumps(content).encode() + b"\n")
    return digest.hexdigest()


def _reordered(row: Sequence[str], order: Sequence[int]) -> list[str]:
    known = [row[i] if i < len(row) else "" for i in order]
    return [*known, *row[len(order) :]]
