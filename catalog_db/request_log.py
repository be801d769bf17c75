"""Reads request logs, CSV files with one request per row, in a stream of bounded memory.

Columns are found by name (:func:`read_head`) or given. Cells that cannot be read become NaN here;
what a row is left out for is decided in :mod:`ecoserve.request_tally`.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from catalog_db.csvfiles import shortened
from catalog_db.log_file import MAX_BYTES, BoundedStream, LogSource, opened
from catalog_db.log_head import LogColumns, LogHead, Unit, read_head
from ecoserve.request_log import Floats, Integers, LogFindings, RequestBatch, RequestLogError
from ecoserve.request_tally import LogTally

__all__ = ["LogColumns", "LogHead", "LogSource", "read_head", "read_log", "requests"]

BLOCK_BYTES = 1_000_000
"""Read at a time; no row may be longer."""
SECONDS: Final[dict[Unit, float]] = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
SMALLEST: Final[dict[Unit, float]] = {"ns": 1e17, "us": 1e14, "ms": 1e11, "s": -np.inf}
"""Numbers from here on are taken as time since 1970 in this unit, where nothing says so."""
FIRST_DATE_S = 1e8
"""Times from here on are since 1970, not since the log began."""
NO_ROWS = ("Empty CSV", "Could not skip initial")
"""How the reader begins to say that a file ends with its header."""
UNREADABLE = "it cannot be read as CSV near row {row:,}: {why}; save it as 'CSV UTF-8'"

Progress = Callable[[int, int], None]
"""Gets bytes read and bytes in all."""
Cells: TypeAlias = Any
"""An Arrow array of text."""


def read_log(
    source: LogSource,
    columns: LogColumns | None = None,
    progress: Progress | None = None,
    max_bytes: int = MAX_BYTES,
) -> LogFindings:
    """What a log says; its columns are found by name where they are not given.

    ``max_bytes`` bounds an unpacked file. Raises :class:`RequestLogError` with one sentence where
    the file is no such log or no row can be used.
    """
    tally = LogTally()
    for _ in requests(source, columns, tally, progress, max_bytes):
        pass
    return tally.findings()


def requests(
    source: LogSource,
    columns: LogColumns | None = None,
    tally: LogTally | None = None,
    progress: Progress | None = None,
    max_bytes: int = MAX_BYTES,
) -> Iterator[RequestBatch]:
    """The good requests of a log, batch by batch; ``tally`` counts them and the bad rows.

    Raises :class:`RequestLogError` like :func:`read_log`.
    """
    head = read_head(source, max_bytes)
    chosen = head.checked(columns)
    sums = LogTally() if tally is None else tally
    sums.has_times = chosen.time is not None
    with opened(source, max_bytes) as stream:
        yield from _Stream(head, chosen, sums).batches(stream, progress)


@dataclass(slots=True)
class _Clock:
    """How the cells of the time column are read; settled by the first that can be."""

    unit: Unit | None
    kind: Literal["numbers", "dates"] | None = None
    is_dated: bool = False

    def seconds(self, cells: Cells) -> Floats:
        """Since 1970, or since the log began; NaN where a cell cannot be read."""
        if self.kind is None:
            self._settle(cells)
        if self.kind == "dates":
            return _dates_s(cells)
        return _numbers(cells) * SECONDS[self.unit or "s"]

    def _settle(self, cells: Cells) -> None:
        values = _numbers(cells)
        numbers = values[np.isfinite(values)]
        n_dates = int(np.isfinite(_dates_s(cells)).sum()) if len(numbers) < len(values) else 0
        if not len(numbers) and not n_dates:
            return
        if n_dates > len(numbers):
            self.kind, self.is_dated = "dates", True
            return
        self.kind, middle = "numbers", float(np.median(numbers))
        by_size: Unit = next(unit for unit, least in SMALLEST.items() if middle >= least)
        unit = self.unit or by_size
        self.unit, self.is_dated = unit, middle * SECONDS[unit] >= FIRST_DATE_S


@dataclass(slots=True)
class _Stream:
    """One pass over a log."""

    head: LogHead
    columns: LogColumns
    tally: LogTally
    clock: _Clock = field(init=False)
    skipped: deque[tuple[int, str]] = field(default_factory=deque)
    """Rows with too many or too few cells, by their number in the file; found ahead of us."""
    next_row: int = field(init=False)

    def __post_init__(self) -> None:
        self.clock = _Clock(self.columns.unit)
        self.next_row = self.head.row + 1

    def batches(self, stream: BoundedStream, progress: Progress | None) -> Iterator[RequestBatch]:
        """The good requests; what is wrong with the file becomes one sentence."""
        try:
            reader = pa_csv.open_csv(stream, **self._options())
            while True:
                try:
                    batch = reader.read_next_batch()
                except StopIteration:
                    break
                yield self._requests(batch)
                if progress is not None:
                    progress(*stream.progress())
        except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
            stream.complain()
            if str(error).startswith(NO_ROWS):
                return
            why = _why(str(error))
            raise RequestLogError(UNREADABLE.format(row=self.next_row, why=why)) from error
        self._rows(0, drain=True)

    def _options(self) -> dict[str, Any]:
        names = [f"c{i}" for i in range(len(self.head.names))]
        chosen = [names[self.head.names.index(name)] for name in self.columns.read]
        return {
            "read_options": pa_csv.ReadOptions(
                block_size=BLOCK_BYTES,
                use_threads=False,
                column_names=names,
                skip_rows=self.head.row,
            ),
            "parse_options": pa_csv.ParseOptions(
                invalid_row_handler=self._skip,
                ignore_empty_lines=False,
                newlines_in_values=True,
            ),
            "convert_options": pa_csv.ConvertOptions(
                include_columns=chosen, column_types=dict.fromkeys(chosen, pa.string())
            ),
        }

    def _skip(self, row: Any) -> str:
        self.skipped.append((row.number, _shown(str(row.text))))
        return "skip"

    def _requests(self, batch: pa.RecordBatch) -> RequestBatch:
        *times, isl, osl = (_text(column) for column in batch.columns)
        arrival_s = self.clock.seconds(times[0]) if times else None
        self.tally.is_dated = self.clock.is_dated
        lengths = [pc.binary_length(column) for column in (*times, isl, osl)]
        is_blank = np.logical_and.reduce([np.asarray(length) == 0 for length in lengths])

        def text_of(position: int) -> str:
            cells = (column[position].as_py() for column in (*times, isl, osl))
            return _shown(", ".join(cells))

        return self.tally.add(
            self._rows(batch.num_rows),
            arrival_s,
            _numbers(isl),
            _numbers(osl),
            is_blank=is_blank,
            text_of=text_of,
        )

    def _rows(self, n: int, *, drain: bool = False) -> Integers:
        """Numbers of the next rows in the file, past those that were skipped among them."""
        numbers = np.empty(n, dtype=np.int64)
        done = 0
        while done < n or (drain and self.skipped):
            following = self.skipped[0][0] if self.skipped else None
            if following is not None and (following <= self.next_row or drain):
                self.tally.add_bad("cells", *self.skipped.popleft())
                self.next_row = following + 1
                continue
            ahead = n - done if following is None else min(n - done, following - self.next_row)
            numbers[done : done + ahead] = np.arange(self.next_row, self.next_row + ahead)
            self.next_row += ahead
            done += ahead
        return numbers


def _shown(text: str) -> str:
    """A row as it is shown: on one line, of bounded length, without control characters."""
    return "".join(char if char.isprintable() else "?" for char in shortened(text))


def _text(column: Cells) -> Cells:
    """The cells without blanks around them."""
    return pc.utf8_trim_whitespace(column)


def _numbers(cells: Cells) -> Floats:
    with contextlib.suppress(pa.ArrowInvalid):
        return np.asarray(pc.cast(cells, pa.float64()), dtype=float)
    texts: pd.Series[Any] = cells.to_pandas()
    return pd.to_numeric(texts, errors="coerce").to_numpy(dtype=float, na_value=np.nan)


def _dates_s(cells: Cells) -> Floats:
    """Seconds since 1970 of ISO dates; those that name no zone are taken as UTC."""
    texts: pd.Series[Any] = cells.to_pandas()
    whole = texts.str.removesuffix(" UTC")
    dates = pd.to_datetime(whole, format="ISO8601", utc=True, errors="coerce")
    microseconds = dates.dt.as_unit("us").to_numpy(dtype="datetime64[us]")
    seconds = microseconds.astype(np.int64) / 1e6
    return np.where(np.isnat(microseconds), np.nan, seconds)


def _why(message: str) -> str:
    """What the reader says, in our words.

    >>> _why("straddling object straddles two block boundaries (try to increase block size?)")
    'a row is longer than 1,000,000 bytes, or a quotation mark is opened and never closed'
    """
    if "straddl" in message:
        return (
            f"a row is longer than {BLOCK_BYTES:,} bytes, or a quotation mark is opened and never"
            " closed"
        )
    return "the cells cannot be told apart"
