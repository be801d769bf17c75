"""Files of somebody's own measurements as rows of their overlay."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import cast

from catalog_db.build import CatalogBuildError
from catalog_db.csvfiles import THE_FILE, THE_LINE, BadCell, plain_newlines
from catalog_db.measured import (
    MEASURED,
    NUMBERS,
    OVERRIDES,
    TEXTS,
    Conventions,
    csv_text,
    numbered_rows,
    read_points,
)
from catalog_db.overlay import OWN_SOURCE
from ecoserve.errors import Problem, ScenarioError
from ecoserve.points import Phase, PointConvention

POINTS_FILE = "measured_points.csv"
POINT_COLUMNS = ("id", *TEXTS, "tp", *NUMBERS, "source_id", "quality", "note")
SAYS_ITSELF = (
    "in a catalog all rows of a source and phase mean the same: leave this column out, or first "
    "load a point_conventions.csv that says what this source means"
)


def is_points_file(text: str) -> bool:
    """Whether this is a file of measurements, not of rows of a catalog, which have ids."""
    header = next(csv.reader(io.StringIO(plain_newlines(text).partition("\n")[0])), [])
    names = {name.strip() for name in header}
    return (
        {"model", "hardware", "phase"} < names and bool(names & {*MEASURED}) and "id" not in names
    )


def points_csv(text: str, conventions: Conventions, prefix: str = "own") -> str:
    """The text of an overlay's ``measured_points.csv`` from a file of points; empty without rows.

    Rows that mean something else than their source and phase are left out: in a catalog the
    source's convention says so.
    """
    lines = [
        [f"{prefix}_{line:05d}", *(row[name].strip() for name in (*TEXTS, "tp", *NUMBERS)),
         OWN_SOURCE, "measured", str(row.get("note") or "")]
        for line, row in numbered_rows(text)
        if not list(_says_itself(row, conventions))
    ]  # fmt: skip
    return csv_text(POINT_COLUMNS, lines) if lines else ""


def with_own_points(kept: str, files: Mapping[str, str], conventions: Conventions) -> str:
    """``measured_points.csv`` with the rows of these files of points in place of their old ones.

    ``kept``: its text so far, empty where there is none. Raises :class:`CatalogBuildError` with
    everything that is wrong, by file and line.
    """
    problems = [bad for name, text in files.items() for bad in _problems(name, text, conventions)]
    if problems:
        raise CatalogBuildError(problems)
    rows = {row["id"]: row for row in csv.DictReader(io.StringIO(kept))}
    for name, text in files.items():
        prefix = _prefix(name)
        own = re.compile(rf"{prefix}_\d+")
        rows = {row_id: row for row_id, row in rows.items() if not own.fullmatch(row_id)}
        new = csv.DictReader(io.StringIO(points_csv(text, conventions, prefix)))
        rows |= {row["id"]: row for row in new}
    lines = [[row.get(column) or "" for column in POINT_COLUMNS] for row in rows.values()]
    return csv_text(POINT_COLUMNS, lines)


def _prefix(name: str) -> str:
    """How the ids of a file's rows begin.

    >>> _prefix("My bench (2).csv")
    'own_my_bench_2'
    """
    stem = PurePosixPath(name).stem.lower()
    return "_".join(["own", *re.findall(r"[a-z0-9]+", stem)])


def _problems(name: str, text: str, conventions: Conventions) -> Iterator[BadCell]:
    try:
        read_points(text, conventions)
    except ScenarioError as error:
        yield from (_bad_cell(name, problem) for problem in error.problems)
        return
    for line, row in numbered_rows(text):
        for column in _says_itself(row, conventions):
            yield BadCell(name, line, column, "", SAYS_ITSELF)


def _says_itself(row: Mapping[str, str], conventions: Conventions) -> Iterator[str]:
    """The columns in which a row means something else than its source and phase."""
    source, phase = row["source"].strip(), row["phase"].strip()
    known = conventions.get((source, phase)) or PointConvention(
        source=source, phase=cast(Phase, phase)
    )
    for column in OVERRIDES:
        said = (row.get(column) or "").strip()
        if said and said != getattr(known, column):
            yield column


def _bad_cell(name: str, problem: Problem) -> BadCell:
    place = re.fullmatch(r"line (\d+)(?:, (\w+))?", problem.field)
    if place is None:
        return BadCell(name, 0, THE_FILE, "", problem.message)
    return BadCell(name, int(place[1]), place[2] or THE_LINE, "", problem.message)
