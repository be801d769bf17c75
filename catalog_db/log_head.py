"""The header of a request log: which columns it has, and which of them say what."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from typing import Final, Literal

from catalog_db.csvfiles import shortened
from catalog_db.log_file import MAX_BYTES, LogSource, opened
from ecoserve.request_log import RequestLogError

Unit = Literal["s", "ms", "us", "ns"]
HEAD_BYTES = 200_000
MAX_COLUMNS = 500
MAX_LISTED = 12

_LENGTH = r"(tokens?|tokencount|tokenscount|length|len|lens|size)"
_TIMES = (
    r"(request)?arriv(al|ed)(at|time|timestamp|ts)?",
    r"(request|event|log)?timestamp",
    r"(request)?start(ed)?(at|time|timestamp|ts)?",
    r"(request)?(time|datetime|date|t|ts)",
    r"created(at|time|timestamp)?",
)
_UNIT_WORDS = r"(s|sec|seconds|ms|milliseconds|us|microseconds|ns|nanoseconds|utc)?"
_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "time": tuple(f"{name}{_UNIT_WORDS}" for name in _TIMES),
    "input": (
        rf"(.*usage|n|num)?(context|request|prompt|input|prefill){_LENGTH}",
        r"isl(tokens)?|tokensin",
    ),
    "output": (
        rf"(.*usage|n|num)?(generated|response|completion|output|decode){_LENGTH}",
        r"osl(tokens)?|tokensout|tokensize",
    ),
}
"""Names of columns by what they say, first choice first, without signs and in small letters."""
_UNITS: Final[dict[str, Unit]] = {
    "s": "s", "sec": "s", "seconds": "s", "ms": "ms", "milliseconds": "ms",
    "us": "us", "microseconds": "us", "ns": "ns", "nanoseconds": "ns",
}  # fmt: skip
_FIGURES = r"[-+]?[0-9][-+0-9.:TZe /]*"
"""A number or a date, which no column is called."""
_WHAT = {"input": "input tokens", "output": "output tokens"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogColumns:
    """Which columns say when a request came and how long it was."""

    time: str | None
    """None: the log is read for its lengths alone."""
    input: str
    output: str
    unit: Unit | None = None
    """Of times that are numbers; None: by the column's name, else by their size."""

    @property
    def read(self) -> tuple[str, ...]:
        """The columns in the order time, input, output."""
        return tuple(name for name in (self.time, self.input, self.output) if name is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogHead:
    """The header of a log and what is recognised in it."""

    names: tuple[str, ...]
    row: int
    """Its number in the file, from 1."""
    time: str | None
    input: str | None
    output: str | None

    @property
    def columns(self) -> LogColumns | None:
        """What was recognised; None where the lengths were not."""
        if self.input is None or self.output is None:
            return None
        return LogColumns(
            time=self.time, input=self.input, output=self.output, unit=unit_of(self.time)
        )

    def checked(self, given: LogColumns | None) -> LogColumns:
        """The columns to read; raises :class:`RequestLogError` where they are not all there."""
        chosen = given or self.columns
        if chosen is None:
            missing = [words for side, words in _WHAT.items() if getattr(self, side) is None]
            raise RequestLogError(
                f"no column is known to hold the {' and the '.join(missing)}; say which, out of:"
                f" {self.listed()}"
            )
        unknown = [name for name in chosen.read if name not in self.names]
        if unknown:
            raise RequestLogError(f"it has no column {', '.join(unknown)}, only: {self.listed()}")
        if twice := [name for name in chosen.read if self.names.count(name) > 1]:
            raise RequestLogError(f"more than one column is called {twice[0]}; rename the others")
        if len(set(chosen.read)) < len(chosen.read):
            raise RequestLogError("one column is named twice; name one for each of the three")
        return chosen

    def listed(self) -> str:
        """The columns by name, as many as fit in a sentence."""
        more = f" and {len(self.names) - MAX_LISTED} more" if len(self.names) > MAX_LISTED else ""
        return ", ".join(shortened(name, 40) for name in self.names[:MAX_LISTED]) + more


def read_head(source: LogSource, max_bytes: int = MAX_BYTES) -> LogHead:
    """The header of a log; raises :class:`RequestLogError` where there is none to be read."""
    with opened(source, max_bytes) as stream:
        start = _start(stream)
    text = _as_text(start)
    lines = text.splitlines()
    row = next((i for i, line in enumerate(lines) if line.strip()), None)
    if row is None:
        raise RequestLogError("it is empty; a log has a header and one row per request")
    names = _cells(lines[row])
    _check(names, lines[row])
    return LogHead(
        names=names,
        row=row + 1,
        time=_column("time", names),
        input=_column("input", names),
        output=_column("output", names),
    )


def unit_of(name: str | None) -> Unit | None:
    """The unit that a column's name ends in.

    >>> unit_of("arrival_ms"), unit_of("Timestamp (s)"), unit_of("timestamps"), unit_of("t_s")
    ('ms', 's', None, 's')
    """
    words = re.findall(r"[a-z]+", (name or "").lower())
    return _UNITS.get(words[-1]) if len(words) > 1 else None


def _start(stream: io.RawIOBase) -> bytes:
    parts, left = [], HEAD_BYTES
    while left > 0 and (part := stream.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _as_text(start: bytes) -> str:
    if start.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in start:
        raise RequestLogError("it is no plain text; save it as 'CSV UTF-8'")
    text = start.decode("utf-8-sig", errors="replace")
    signs = sum(not char.isprintable() and char not in "\r\n\t" for char in text[:2000])
    if signs + text[:2000].count("\N{REPLACEMENT CHARACTER}") > 0.1 * min(len(text), 2000):
        raise RequestLogError("it is no plain text; save it as 'CSV UTF-8'")
    return text


def _cells(line: str) -> tuple[str, ...]:
    try:
        cells = next(csv.reader([line]), [])
    except csv.Error as error:
        raise RequestLogError("its header cannot be read; save it as 'CSV UTF-8'") from error
    return tuple(cell.strip() for cell in cells)


def _check(names: tuple[str, ...], line: str) -> None:
    if line.lstrip().startswith(("{", "[")):
        raise RequestLogError("it is JSON; export the log as CSV, one row per request")
    if len(names) == 1:
        for sign, words in ((";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars")):
            if sign in line:
                raise RequestLogError(f"its columns are separated by {words}; use commas")
        raise RequestLogError(
            "it has one column; a log has columns for the time, the input and the output tokens,"
            " separated by commas"
        )
    if len(names) > MAX_COLUMNS:
        raise RequestLogError(f"it has {len(names):,} columns; at most {MAX_COLUMNS} are read")
    if sum(bool(re.fullmatch(_FIGURES, name)) for name in names) > 1:
        raise RequestLogError(
            "its first row is no header; put one there, for example:"
            " TIMESTAMP,ContextTokens,GeneratedTokens"
        )


def _column(says: str, names: tuple[str, ...]) -> str | None:
    """The one column that says this; None where no name is known, or several alike."""
    bare = {name: re.sub(r"[^a-z0-9]", "", name.lower()) for name in names}
    for pattern in _NAMES[says]:
        found = [name for name, letters in bare.items() if re.fullmatch(pattern, letters)]
        with_word = [name for name in found if "token" in bare[name]]
        if len(found) > 1 and len(with_word) == 1:
            found = with_word
        if found:
            return found[0] if len(found) == 1 and names.count(found[0]) == 1 else None
    return None
