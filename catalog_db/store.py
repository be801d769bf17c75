"""The one way into a built catalog: read only, locked down, one connection per file.

DuckDB gives wrong answers silently when threads share a connection, and refuses a second
configuration of a file in the same process. So every file has one connection here, and every use
gets a cursor of its own. Nothing can be written, no file or network reached, no setting changed,
and a query that takes too long is interrupted. Statements are the project's own; values are bound.
"""

from __future__ import annotations

import atexit
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from ecoserve.errors import CatalogError

Record = dict[str, Any]

SETTINGS = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "memory_limit": "256MB",
    "threads": "2",
    "lock_configuration": "true",
}
"""How every catalog is opened; the last one makes the others final."""

QUERY_TIMEOUT_S = 2.0
READ_TIMEOUT_S = 30.0
"""For reading a whole catalog into memory."""
SWAP_TIMEOUT_S = 30.0
"""How long to wait for the last readers of a catalog whose file was replaced."""
MAX_OPEN = 8
"""Catalogs kept open; beyond it the one that was idle longest is closed."""

_FileId = tuple[int, int]


@dataclass(slots=True)
class _Opened:
    """A connection, the file it was opened on, and how many cursors are in use."""

    connection: duckdb.DuckDBPyConnection
    file_id: _FileId
    n_cursors: int = 0


_opened: OrderedDict[Path, _Opened] = OrderedDict()
_changed = threading.Condition()

CTRL_C = "Query interrupted"
"""What DuckDB's binding makes of Ctrl-C: a bare ``RuntimeError`` with these words."""


def query(
    path: Path, sql: str, values: Sequence[object] = (), timeout_s: float = QUERY_TIMEOUT_S
) -> list[Record]:
    """The rows of one statement by column name, with ``values`` bound to its ``?``.

    Raises :class:`CatalogError` where there is no readable catalog or the time is up.
    """
    with reading(path, timeout_s) as cursor:
        return records(cursor, sql, values)


def records(
    cursor: duckdb.DuckDBPyConnection, sql: str, values: Sequence[object] = ()
) -> list[Record]:
    """The rows of a statement by column name."""
    cursor.execute(sql, list(values))
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@contextmanager
def reading(path: Path, timeout_s: float = READ_TIMEOUT_S) -> Iterator[duckdb.DuckDBPyConnection]:
    """A cursor for one thread on the catalog at ``path``, interrupted when the time is up.

    A thread uses one at a time. Raises :class:`CatalogError` where there is no readable catalog,
    the time is up, or a statement is not allowed.
    """
    try:
        with _cursor(path) as cursor, _interrupted_after(cursor, timeout_s):
            yield cursor
    except duckdb.InterruptException as error:
        raise CatalogError(
            f"the catalog did not answer within {timeout_s:g} s and was stopped; ask for less"
        ) from error
    except RuntimeError as error:
        if str(error) == CTRL_C:
            raise KeyboardInterrupt from error
        raise
    except duckdb.OutOfMemoryException as error:
        limit = SETTINGS["memory_limit"]
        raise CatalogError(f"the answer takes more memory than {limit}; ask for less") from error
    except (duckdb.Error, OSError) as error:
        raise CatalogError(
            f"{path} is not a readable catalog of this version: {error};"
            " build it again with 'ecoserve catalog build', or delete the file first"
        ) from error


@contextmanager
def _interrupted_after(cursor: duckdb.DuckDBPyConnection, timeout_s: float) -> Iterator[None]:
    timer = threading.Timer(timeout_s, cursor.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()  # Until it ends it holds the cursor, at exit to the binding's complaint.


@contextmanager
def _cursor(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with _changed:
        opened = _open(path)
        opened.n_cursors += 1
        cursor = opened.connection.cursor()
    try:
        yield cursor
    finally:
        with _changed:
            cursor.close()
            opened.n_cursors -= 1
            _changed.notify_all()


def _open(path: Path) -> _Opened:
    """The connection of the file that is at ``path`` now.

    A process can have only one file open under one name: a replaced file is opened once the
    readers of the old one are done.
    """
    key = path.resolve()
    file_id = _file_id(path)
    while (known := _opened.get(key)) is not None and known.file_id != file_id:
        if known.n_cursors == 0:
            _opened.pop(key).connection.close()
        elif not _changed.wait(SWAP_TIMEOUT_S):
            raise CatalogError(f"the catalog at {path} is still in use; try again")
        file_id = _file_id(path)
    if known is None:
        _close_idle(MAX_OPEN - 1)
        known = _Opened(duckdb.connect(str(key), read_only=True, config=dict(SETTINGS)), file_id)
        _opened[key] = known
    _opened.move_to_end(key)
    return known


def _file_id(path: Path) -> _FileId:
    """Which file this is. An open file keeps its number, so a file in its place has another."""
    if not path.is_file():
        raise CatalogError(f"no catalog at {path}; build it with 'ecoserve catalog build'")
    status = path.stat()
    return status.st_dev, status.st_ino


def _close_idle(n_kept: int) -> None:
    idle = [key for key, opened in _opened.items() if opened.n_cursors == 0]
    for key in idle[: max(0, len(_opened) - n_kept)]:
        _opened.pop(key).connection.close()


def _close_all() -> None:
    """What the interpreter would tear down later, out of order and with complaints on stderr."""
    with _changed:
        while _opened:
            _opened.popitem()[1].connection.close()


atexit.register(_close_all)
