"""Edits of a sweep as people write them, and its rows as files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.records_analysis import plain
from ecoserve.analysis.sweep import Edits, SweepRow, grid
from ecoserve.errors import Problem, ScenarioError

MAX_TABLE_BYTES = 5_000_000


def read_edits(settings: Sequence[str], table: Path | None) -> tuple[Edits, ...]:
    """Edits from ``path=v1,v2`` settings, in all combinations, or from a table of rows.

    Values are JSON where they read as such, else text. Raises :class:`ScenarioError`.
    """
    if bool(settings) == (table is not None):
        raise _refused("give either --set PATH=V1,V2, once or more often, or --table FILE.csv")
    if table is not None:
        return _rows(table)
    values: dict[str, list[Any]] = {}
    for setting in settings:
        path, equals, text = setting.partition("=")
        if not equals or not path.strip():
            raise _refused(f"{setting[:60]!r} is not of the form PATH=V1,V2")
        values[path.strip()] = _values(text)
    return grid(values)


def _values(text: str) -> list[Any]:
    try:
        return list(json.loads(f"[{text}]"))
    except json.JSONDecodeError:
        return [_value(item.strip()) for item in text.split(",")]


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _rows(table: Path) -> tuple[Edits, ...]:
    try:
        if table.stat().st_size > MAX_TABLE_BYTES:
            raise _refused(f"{table} is larger than {MAX_TABLE_BYTES:,} bytes")
        text = table.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _refused(f"cannot read {table}: {error}") from error
    lines = list(csv.reader(io.StringIO(text)))
    if len(lines) < 2:
        raise _refused(f"{table} needs a line of paths and at least one line of values")
    head, *rows = lines
    if any(len(row) != len(head) for row in rows if row):
        raise _refused(f"{table} has a line with more or fewer values than paths")
    return tuple(
        {path: _value(cell) for path, cell in zip(head, row, strict=True)} for row in rows if row
    )


def _refused(message: str) -> ScenarioError:
    return ScenarioError([Problem("sweep", message)])


def write_rows(out: Path, rows: Sequence[SweepRow]) -> None:
    """The rows as a file: CSV with one column a path, or a JSON list, by its ending."""
    records = [plain(row) for row in rows]
    try:
        if out.suffix == ".json":
            out.write_text(json.dumps(records, indent=2) + "\n", "utf-8")
            return
        with out.open("w", encoding="utf-8", newline="") as file:
            _write_csv(file, records)
    except OSError as error:
        raise _refused(f"cannot write {out}: {error.strerror}") from error


def _write_csv(file: Any, records: Sequence[dict[str, Any]]) -> None:
    paths = list(dict.fromkeys(path for record in records for path in record["edits"]))
    figures = [name for name in records[0] if name not in ("edits", "fleet")]
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*paths, *figures, "fleet"])
    for record in records:
        edits = [_cell(record["edits"].get(path)) for path in paths]
        fleet = "; ".join(f"{entry['count']} x {entry['server']}" for entry in record["fleet"])
        writer.writerow([*edits, *(record[name] for name in figures), fleet])


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict) else value
