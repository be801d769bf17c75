"""Saved scenarios: a DuckDB file of their own, one row per scenario, which is never changed.

A scenario is kept under its fingerprint, so saving it twice keeps it once; its name is part of it.
Nothing is updated or deleted: what is taken off the list gets a mark, saving it again another one,
and links to it open as before. Every call opens the file, does one transaction and closes it:
DuckDB lets a single process have a file open for writing, so a server that kept it open would shut
out a second one. Who finds it taken tries again for a few seconds. What a call has returned is on
disk, and a process that is killed leaves either the whole row or none of it.
"""

from __future__ import annotations

import os
import random
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from catalog_db.store import SETTINGS, Record, records
from ecoserve.errors import EcoServeError, ScenarioError
from ecoserve.link import MAX_JSON_BYTES, parse_json
from ecoserve.scenario import Scenario, canonical_json, read_scenario

LIBRARY_VARIABLE = "ECOSERVE_LIBRARY"
"""Environment variable with the path of the library."""
MAX_SCENARIOS = 20_000
MAX_SEARCH_CHARS = 60
MAX_FOUND = 20
TURN_TIMEOUT_S = 20.0
"""How long a call waits for the others of this and other processes."""
MAX_PAUSE_S = 0.05
FORMAT = 1
"""Of the file; raised when its tables change."""

_SCHEMA = """
CREATE TABLE library (format INTEGER NOT NULL);
INSERT INTO library VALUES (1);
CREATE TABLE scenarios (
    fingerprint VARCHAR PRIMARY KEY,
    name VARCHAR NOT NULL,
    scenario VARCHAR NOT NULL,
    engine_version VARCHAR NOT NULL,
    catalog_version VARCHAR NOT NULL,
    saved_at TIMESTAMP NOT NULL
);
"""
_MARKS = """
CREATE TABLE IF NOT EXISTS marks (
    fingerprint VARCHAR NOT NULL,
    is_listed BOOLEAN NOT NULL,
    marked_at TIMESTAMP NOT NULL
);
"""
"""The last mark of a scenario counts; without one it is listed."""
_HAS_MARKS = "SELECT count(*) AS n FROM duckdb_tables() WHERE table_name = 'marks'"
_UNLISTED = (
    "SELECT fingerprint FROM marks GROUP BY fingerprint HAVING NOT arg_max(is_listed, marked_at)"
)
_SETTINGS = {**SETTINGS, "memory_limit": "128MB", "threads": "1"}
_FINGERPRINT = re.compile(r"[0-9a-f]{12}")
_TAKEN = "Could not set lock"

_turn = threading.Lock()
"""One call at a time in this process; DuckDB refuses others only from other processes."""


class LibraryError(EcoServeError):
    """The library cannot be read or written, or has no such scenario; the message says which."""


class LibraryBusyError(LibraryError):
    """Others have the library open; trying again helps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A saved scenario by its name, and what it was made with."""

    fingerprint: str
    name: str
    engine_version: str
    catalog_version: str
    saved_at: datetime
    """In UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedScenario:
    """A scenario out of the library."""

    entry: Entry
    scenario: Scenario
    is_exact: bool
    """False where what a scenario is made of has changed since, so that it is another one now."""


def default_library_path() -> Path:
    """``ECOSERVE_LIBRARY``, else a file in the user's data folder."""
    named = os.environ.get(LIBRARY_VARIABLE, "").strip()
    return Path(named).expanduser() if named else _data_folder() / "library.duckdb"


def _data_folder() -> Path:
    if os.name == "nt":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "ecoserve"


def is_fingerprint(text: str) -> bool:
    """Whether this can be the fingerprint of a scenario."""
    return _FINGERPRINT.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Library:
    """The saved scenarios in the file at ``path``, which is made with the first one.

    All calls raise :class:`LibraryError` where the file cannot be read or written, and
    :class:`LibraryBusyError` where others keep it open for longer than ``turn_timeout_s``.
    """

    path: Path
    turn_timeout_s: float = TURN_TIMEOUT_S

    def prepare(self) -> None:
        """Makes the file where there is none, and looks whether it is a library."""
        _make(self.path)
        self.find(limit=1)

    def save(self, scenario: Scenario, engine_version: str, catalog_version: str) -> Entry:
        """Keeps a scenario, unless it is there already, and returns its entry."""
        text, fingerprint = canonical_json(scenario), scenario.fingerprint()
        if len(text.encode()) > MAX_JSON_BYTES:
            raise LibraryError(
                f"this scenario has more than {MAX_JSON_BYTES:,} bytes, too many for the library;"
                " download it as JSON instead"
            )
        _check_readable(text)
        _make(self.path)
        with self._opened(for_writing=True) as connection:
            known = _rows(connection, "WHERE fingerprint = ?", fingerprint)
            if known and not _scenario_of(known[0]).has_fingerprint(fingerprint):
                raise LibraryError(
                    "the library has another scenario under this fingerprint; give yours another"
                    " name and save it again"
                )
            if not known:
                self._check_room(connection)
                now = datetime.now(UTC).replace(tzinfo=None)
                values = (fingerprint, scenario.name, text, engine_version, catalog_version, now)
                connection.execute("INSERT INTO scenarios VALUES (?, ?, ?, ?, ?, ?)", list(values))
                known = _rows(connection, "WHERE fingerprint = ?", fingerprint)
            elif fingerprint in _unlisted(connection):
                _mark(connection, fingerprint, is_listed=True)
            return _entry(known[0])

    def take_off(self, fingerprint: str) -> None:
        """Finds it no more; links to it open as before, and saving it again lists it again."""
        with self._opened(for_writing=True) as connection:
            known = _rows(connection, "WHERE fingerprint = ?", fingerprint)
            if known and fingerprint not in _unlisted(connection):
                _mark(connection, fingerprint, is_listed=False)

    def find(self, words: str = "", limit: int = MAX_FOUND) -> tuple[Entry, ...]:
        """Those listed whose name has every word, or with this fingerprint; the latest first."""
        if not self.path.exists():
            return ()
        wanted = words[:MAX_SEARCH_CHARS].lower().split()
        tests = " AND ".join("(contains(lower(name), ?) OR fingerprint = ?)" for _ in wanted)
        order = f"ORDER BY saved_at DESC, fingerprint LIMIT {min(limit, MAX_FOUND)}"
        values = [word for word in wanted for _ in range(2)]
        with self._opened() as connection:
            listed = f"fingerprint NOT IN ({_UNLISTED})" if _has_marks(connection) else "true"
            clause = " ".join([f"WHERE {listed}", f"AND {tests}" if tests else "", order])
            return tuple(_entry(row) for row in _rows(connection, clause, *values))

    def open(self, fingerprint: str) -> SavedScenario:
        """The scenario with this fingerprint.

        Raises :class:`LibraryError` where there is none, and
        :class:`~ecoserve.errors.ScenarioError` where this version cannot read it any more.
        """
        known: list[Record] = []
        if is_fingerprint(fingerprint) and self.path.exists():
            with self._opened() as connection:
                known = _rows(connection, "WHERE fingerprint = ?", fingerprint)
        if not known:
            raise LibraryError(
                f"the library of this server has no scenario {fingerprint[:20]!r}; ask its sender"
                " for a ?s= link or for the scenario as a JSON file"
            )
        scenario = _scenario_of(known[0])
        exact = scenario.has_fingerprint(fingerprint)
        return SavedScenario(entry=_entry(known[0]), scenario=scenario, is_exact=exact)

    def _check_room(self, connection: duckdb.DuckDBPyConnection) -> None:
        [size] = records(connection, "SELECT count(*) AS n FROM scenarios")
        if size["n"] >= MAX_SCENARIOS:
            raise LibraryError(
                f"the library is full: it has {MAX_SCENARIOS:,} scenarios; download yours as JSON,"
                f" or start a new library with --library or {LIBRARY_VARIABLE}"
            )

    @contextmanager
    def _opened(self, *, for_writing: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for one transaction, rolled back where anything is raised inside."""
        until = time.monotonic() + self.turn_timeout_s
        if not _turn.acquire(timeout=self.turn_timeout_s):
            raise LibraryBusyError(_busy())
        try:
            connection = _connect(self.path, until, for_writing)
            try:
                _check_format(connection)
                connection.begin()
                yield connection
                connection.commit()
            except duckdb.Error as error:
                raise LibraryError(_unusable(self.path, error)) from error
            finally:
                connection.close()
        finally:
            _turn.release()


def _connect(path: Path, until: float, for_writing: bool) -> duckdb.DuckDBPyConnection:
    """Tries again while another process has the file, until the time is up."""
    while True:
        try:
            return duckdb.connect(str(path), read_only=not for_writing, config=dict(_SETTINGS))
        except duckdb.Error as error:
            if _TAKEN not in str(error):
                raise LibraryError(_unusable(path, error)) from error
            if time.monotonic() >= until:
                raise LibraryBusyError(_busy()) from error
        time.sleep(random.uniform(0.2, 1) * MAX_PAUSE_S)  # not in step with the others


def _make(path: Path) -> None:
    """Makes an empty library where there is none; a file is only seen there when it is whole."""
    if path.exists():
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as folder:
            draft = Path(folder) / path.name
            with duckdb.connect(str(draft), config=dict(_SETTINGS)) as connection:
                connection.execute(_SCHEMA)
            with suppress(FileExistsError):  # somebody else was first
                os.link(draft, path)
    except (OSError, duckdb.Error) as error:
        raise LibraryError(_unusable(path, error)) from error


def _check_format(connection: duckdb.DuckDBPyConnection) -> None:
    [found] = records(connection, "SELECT format FROM library")
    if found["format"] != FORMAT:
        raise LibraryError(
            f"the library has format {found['format']}, this version reads {FORMAT}; use the"
            " version that wrote it, or start a new one with --library"
        )


def _check_readable(text: str) -> None:
    """A scenario that is too much to read from a stranger is none to give to one."""
    try:
        parse_json(text)
    except ScenarioError as error:
        raise LibraryError(f"this scenario is too large for the library: it {error}") from error


def _rows(connection: duckdb.DuckDBPyConnection, clause: str, *values: str) -> list[Record]:
    return records(connection, f"SELECT * FROM scenarios {clause}", values)


def _has_marks(connection: duckdb.DuckDBPyConnection) -> bool:
    """Files made before anything could be taken off have no table for it."""
    [found] = records(connection, _HAS_MARKS)
    return bool(found["n"])


def _unlisted(connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
    found = records(connection, _UNLISTED) if _has_marks(connection) else []
    return frozenset(row["fingerprint"] for row in found)


def _mark(connection: duckdb.DuckDBPyConnection, fingerprint: str, *, is_listed: bool) -> None:
    connection.execute(_MARKS)
    now = datetime.now(UTC).replace(tzinfo=None)
    connection.execute("INSERT INTO marks VALUES (?, ?, ?)", [fingerprint, is_listed, now])


def _entry(row: Record) -> Entry:
    saved_at = row["saved_at"].replace(tzinfo=UTC)
    named = {key: row[key] for key in ("fingerprint", "name", "engine_version", "catalog_version")}
    return Entry(**named, saved_at=saved_at)


def _scenario_of(row: Record) -> Scenario:
    return read_scenario(parse_json(row["scenario"]))


def _busy() -> str:
    return "the library is in use by others; try again in a moment"


def _unusable(path: Path, error: Exception) -> str:
    reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
    if isinstance(error, duckdb.CatalogException):
        reason = "it is a DuckDB file of something else"
    elif isinstance(error, FileExistsError | NotADirectoryError):
        reason = "a file stands where its folder would be"
    reason = reason.replace(str(path), path.name)  # where it lies is nobody's business on a page
    return (
        f"the library {path.name} cannot be used: {reason}; name another file with --library or"
        f" {LIBRARY_VARIABLE}"
    )
