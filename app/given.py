"""The user's own fleets from a table: name, server, count, one row per kind of server."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ecoserve.catalog import Catalog
from ecoserve.errors import Problem, ScenarioError, UnknownIdError
from ecoserve.scenario import MAX_GIVEN_FLEETS, Scenario, read_scenario

COLUMNS = ("name", "server", "count")
MAX_BYTES = 100_000
MAX_COUNT = 1_000_000

Row = tuple[str, str, str, str]
"""Where it stands, and what is in its columns, as text."""
Fleets = dict[str, dict[str, int]]
"""Counts by fleet and server."""


def with_given(scenario: Scenario, file: Path, catalog: Catalog) -> Scenario:
    """The scenario with the file's fleets beside its own.

    Raises :class:`ScenarioError` with everything that is wrong with the file, line by line.
    """
    return with_given_text(scenario, _text_of(file), file.name, catalog)


def with_given_bytes(
    scenario: Scenario, content: bytes, file_name: str, catalog: Catalog
) -> Scenario:
    """The same from the bytes of a file."""
    return with_given_text(scenario, _decoded(content, file_name), file_name, catalog)


def with_given_text(scenario: Scenario, text: str, file_name: str, catalog: Catalog) -> Scenario:
    """The same from the text of a file."""
    fleets = _read(text, file_name, catalog)
    data = scenario.model_dump(mode="json")
    data["given"] += _as_data(fleets)
    return read_scenario(data, catalog)


def with_given_rows(scenario: Scenario, rows: Iterable[Row], catalog: Catalog) -> Scenario:
    """The scenario with the rows' fleets in place of its own; none of them empties the list.

    Raises :class:`ScenarioError` with everything that is wrong, row by row.
    """
    fleets, problems = _fleets(rows, "the table", catalog)
    if problems:
        raise ScenarioError(problems)
    data = scenario.model_dump(mode="json")
    data["given"] = _as_data(fleets)
    return read_scenario(data, catalog)


def _as_data(fleets: Fleets) -> list[dict[str, Any]]:
    return [
        {"name": name, "servers": [{"server": s, "count": n} for s, n in servers.items()]}
        for name, servers in fleets.items()
    ]


def _text_of(file: Path) -> str:
    try:
        with file.expanduser().open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise _trouble(file.name, f"cannot be read: {error.strerror}") from error
    return _decoded(content, file.name)


def _decoded(content: bytes, file_name: str) -> str:
    if len(content) > MAX_BYTES:
        raise _trouble(file_name, f"is larger than {MAX_BYTES:,} bytes, too large for fleets")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _trouble(file_name, "is not UTF-8 text; save it as 'CSV UTF-8'") from error


def _read(text: str, file_name: str, catalog: Catalog) -> Fleets:
    """Counts by fleet and server, in the order of the file."""
    reader = csv.reader(text.splitlines())
    head = [cell.strip().lower() for cell in next(reader, [])]
    if missing := [name for name in COLUMNS if name not in head]:
        raise _trouble(file_name, f"has no column {', '.join(missing)}; needs name, server, count")
    fleets, problems = _fleets(_rows(reader, head, file_name), file_name, catalog)
    if not fleets:
        problems.append(Problem(file_name, "has no rows; give one per fleet and kind of server"))
    if problems:
        raise ScenarioError(problems)
    return fleets


def _rows(reader: Any, head: Sequence[str], file_name: str) -> Iterator[Row]:
    for row in reader:
        cells = dict(zip(head, (cell.strip() for cell in row), strict=False))
        name, server, count = (cells.get(column, "") for column in COLUMNS)
        yield f"{file_name} line {reader.line_num}", name, server, count


def _fleets(rows: Iterable[Row], whole: str, catalog: Catalog) -> tuple[Fleets, list[Problem]]:
    """Counts by fleet and server in the order of the rows, and what is wrong with them."""
    fleets: Fleets = {}
    problems: list[Problem] = []
    for where, name, server, count in rows:
        if not any((name, server, count)):
            continue
        fleet = fleets.setdefault(name, {})
        found = list(_problems(name, server, count, fleet, catalog))
        problems += [Problem(where, text) for text in found]
        fleet[server] = 0 if found else int(count)
    if len(fleets) > MAX_GIVEN_FLEETS:
        problems.append(Problem(whole, f"has {len(fleets)} fleets; at most {MAX_GIVEN_FLEETS}"))
    return fleets, problems


def _problems(
    name: str, server: str, count: str, fleet: dict[str, int], catalog: Catalog
) -> Iterator[str]:
    if not name:
        yield "the fleet has no name"
    if server in fleet:
        yield f"{server} is in this fleet already; add the two counts up"
    try:
        catalog.server(server)
    except UnknownIdError as error:
        yield str(error)
    if not (count.isascii() and count.isdigit() and 1 <= int(count[:9]) <= MAX_COUNT):
        yield f"count must be a whole number from 1 to {MAX_COUNT:,}, not {count[:40]!r}"


def _trouble(file_name: str, message: str) -> ScenarioError:
    return ScenarioError([Problem(file_name, message)])
