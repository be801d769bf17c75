"""Adds up a request log batch by batch.

Only counts are kept, so a log of any length takes the same memory. Reading files is somebody
else's work.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from ecoserve.lengths import LONGEST_TOKENS
from ecoserve.request_log import (
    MAX_SPAN_DAYS,
    MINUTES_PER_HOUR,
    SECONDS_PER_MINUTE,
    Arrivals,
    BadExample,
    BadRows,
    Floats,
    Integers,
    LengthCount,
    LogFindings,
    Reason,
    RequestBatch,
    RequestLogError,
)
from ecoserve.units import HOURS_PER_DAY, SECONDS_PER_HOUR

Flags = NDArray[np.bool_]

LENGTH_EDGES: Final[Floats] = np.array(
    [0, 25, 100, 250, 500, *(1000 * 2.0 ** np.arange(14)), LONGEST_TOKENS]
)
"""Edges of the cells in tokens, those of the catalog's histograms and on; bins are lo < x <= hi."""
EXAMPLES = 3
"""Bad rows shown of each kind."""
SEEN_S = SECONDS_PER_HOUR / 2
"""Each hour of a profile must have been watched for so long."""
HOURS_PER_WEEK = 7 * HOURS_PER_DAY
EPOCH_HOUR_OF_WEEK = 3 * HOURS_PER_DAY
"""1970-01-01 was a Thursday; weeks begin on Monday."""
SECONDS_PER_DAY = HOURS_PER_DAY * SECONDS_PER_HOUR
_N_CELLS = len(LENGTH_EDGES) - 1
_SHAPE = (_N_CELLS, _N_CELLS)


@dataclass(slots=True)
class _LengthSums:
    """Requests and tokens by cell; shape (cells of input, cells of output) each."""

    n: Integers = field(default_factory=lambda: np.zeros(_SHAPE, dtype=np.int64))
    isl: Floats = field(default_factory=lambda: np.zeros(_SHAPE))
    osl: Floats = field(default_factory=lambda: np.zeros(_SHAPE))
    longest_isl: int = 0
    longest_osl: int = 0

    def add(self, isl: Integers, osl: Integers) -> None:
        if not len(isl):
            return
        cell = _cell_of(isl) * _SHAPE[1] + _cell_of(osl)
        size = _SHAPE[0] * _SHAPE[1]
        self.n += np.bincount(cell, minlength=size).reshape(_SHAPE)
        self.isl += np.bincount(cell, weights=isl, minlength=size).reshape(_SHAPE)
        self.osl += np.bincount(cell, weights=osl, minlength=size).reshape(_SHAPE)
        self.longest_isl = max(self.longest_isl, int(isl.max()))
        self.longest_osl = max(self.longest_osl, int(osl.max()))

    def counts(self) -> tuple[LengthCount, ...]:
        edges = LENGTH_EDGES.tolist()
        return tuple(
            LengthCount(
                isl_lo_tokens=edges[i],
                isl_hi_tokens=edges[i + 1],
                osl_lo_tokens=edges[j],
                osl_hi_tokens=edges[j + 1],
                requests=int(self.n[i, j]),
                mean_isl_tokens=float(self.isl[i, j] / self.n[i, j]),
                mean_osl_tokens=float(self.osl[i, j] / self.n[i, j]),
            )
            for i, j in itertools.product(range(_SHAPE[0]), range(_SHAPE[1]))
            if self.n[i, j]
        )


def _cell_of(tokens: Integers) -> Integers:
    """Position of the cell with lo < x <= hi."""
    return np.searchsorted(LENGTH_EDGES, tokens, side="left") - 1


@dataclass(slots=True)
class _TimeSums:
    """Counts by minute around the first request, and sums of the gaps."""

    origin_s: float | None = None
    first_s: float = math.inf
    last_s: float = -math.inf
    n_out_of_order: int = 0
    squared_gaps_s2: float = 0.0
    n_gaps: int = 0
    start_s: float = 0.0
    """The first row's time; gaps are counted from there."""
    _minute_zero: int = 0
    _minutes: Integers = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def start(self, origin_s: float) -> None:
        """Makes room for the allowed days before and after the first request."""
        around = MAX_SPAN_DAYS * HOURS_PER_DAY * MINUTES_PER_HOUR + 1
        self.origin_s = origin_s
        self._minute_zero = math.floor(origin_s / SECONDS_PER_MINUTE) - around
        self._minutes = np.zeros(2 * around + 1, dtype=np.int64)

    def add(self, arrival_s: Floats) -> None:
        before = self.last_s
        if not math.isfinite(before):
            before = self.start_s = float(arrival_s[0])
            self.n_gaps -= 1
        latest = np.maximum.accumulate(np.concatenate(([before], arrival_s)))
        self.n_out_of_order += int((arrival_s < latest[:-1]).sum())
        self.squared_gaps_s2 += float((np.diff(latest) ** 2).sum())
        self.n_gaps += len(arrival_s)
        self.first_s = min(self.first_s, float(arrival_s.min()))
        self.last_s = float(latest[-1])
        minute = np.floor(arrival_s / SECONDS_PER_MINUTE).astype(np.int64) - self._minute_zero
        low = int(minute.min())
        counted = np.bincount(minute - low)
        self._minutes[low : low + len(counted)] += counted

    def arrivals(self, is_dated: bool) -> Arrivals:
        seen = np.flatnonzero(self._minutes)
        per_minute = self._minutes[seen[0] : seen[-1] + 1].copy()
        per_minute.flags.writeable = False
        first_minute = int(seen[0]) + self._minute_zero
        hourly = _hourly_rps(per_minute, first_minute, self.first_s, self.last_s, is_dated)
        return Arrivals(
            first_s=self.first_s,
            last_s=self.last_s,
            is_dated=is_dated,
            per_minute=per_minute,
            interarrival_cv=self._gap_cv(),
            n_out_of_order=self.n_out_of_order,
            hourly_rps=hourly,
        )

    def _gap_cv(self) -> float | None:
        total_s = self.last_s - self.start_s
        if self.n_gaps < 1 or total_s <= 0:
            return None
        mean = total_s / self.n_gaps
        variance = max(0.0, self.squared_gaps_s2 / self.n_gaps - mean**2)
        return math.sqrt(variance) / mean


def _hourly_rps(
    per_minute: Integers, first_minute: int, first_s: float, last_s: float, is_dated: bool
) -> tuple[float, ...]:
    """Rate by hour of the week where every one was watched, else of the day, else nothing.

    The rate of an hour is its requests over the time it was watched, first and last parts of an
    hour included. Days of the week are known where the log has dates.
    """
    offset = first_minute % MINUTES_PER_HOUR
    first_hour = (first_minute - offset) // MINUTES_PER_HOUR
    padded = np.concatenate((np.zeros(offset, dtype=np.int64), per_minute))
    starts = np.arange(0, len(padded), MINUTES_PER_HOUR)
    counts = np.add.reduceat(padded, starts)
    hour = first_hour + np.arange(len(starts))
    begin_s = hour * SECONDS_PER_HOUR
    seen_s = np.minimum(last_s, begin_s + SECONDS_PER_HOUR) - np.maximum(first_s, begin_s)
    slots = {HOURS_PER_DAY: hour % HOURS_PER_DAY}
    if is_dated:
        slots = {HOURS_PER_WEEK: (hour + EPOCH_HOUR_OF_WEEK) % HOURS_PER_WEEK, **slots}
    for n_slots, slot in slots.items():
        watched_s = np.bincount(slot, weights=seen_s, minlength=n_slots)
        if (watched_s >= SEEN_S).all():
            return tuple(np.bincount(slot, weights=counts, minlength=n_slots) / watched_s)
    return ()


@dataclass(slots=True)
class LogTally:
    """Adds up a log batch by batch; :meth:`findings` says what it came to."""

    has_times: bool = True
    is_dated: bool = False
    _n_rows: int = 0
    _bad: dict[Reason, int] = field(default_factory=dict)
    _examples: dict[Reason, list[BadExample]] = field(default_factory=dict)
    _lengths: _LengthSums = field(default_factory=_LengthSums)
    _times: _TimeSums = field(default_factory=_TimeSums)

    @property
    def n_rows(self) -> int:
        """Rows seen so far."""
        return self._n_rows

    def add_bad(self, reason: Reason, row: int, text: str) -> None:
        """Counts a row that is not even a request."""
        self._n_rows += 1
        self._count(reason, 1)
        self._show(reason, row, text)

    def add(
        self,
        row: Integers,
        arrival_s: Floats | None,
        isl_tokens: Floats,
        osl_tokens: Floats,
        *,
        is_blank: Flags,
        text_of: Callable[[int], str],
    ) -> RequestBatch:
        """Takes in a batch, NaN where a cell cannot be read, and returns its good requests.

        All arrays have shape (rows,); ``text_of`` gives the row at a position as text.
        """
        self._n_rows += len(row)
        good = ~is_blank
        self._leave_out("blank", is_blank, row, text_of)
        checks = [] if arrival_s is None else self._time_checks(arrival_s, good)
        checks += _length_checks("input", isl_tokens) + _length_checks("output", osl_tokens)
        for reason, is_bad in checks:
            wrong = good & is_bad
            self._leave_out(reason, wrong, row, text_of)
            good &= ~wrong
        batch = RequestBatch(
            row=row[good],
            arrival_s=None if arrival_s is None else arrival_s[good],
            isl_tokens=isl_tokens[good].astype(np.int64),
            osl_tokens=osl_tokens[good].astype(np.int64),
        )
        self._lengths.add(batch.isl_tokens, batch.osl_tokens)
        if batch.arrival_s is not None and len(batch.arrival_s):
            self._times.add(batch.arrival_s)
        return batch

    def findings(self) -> LogFindings:
        """What the log says; raises :class:`RequestLogError` where no row is a request."""
        bad = tuple(
            BadRows(reason, rows, tuple(self._examples[reason]))
            for reason, rows in sorted(self._bad.items(), key=lambda item: (-item[1], item[0]))
        )
        counts = self._lengths.counts()
        if not counts:
            reasons = "; ".join(f"{rows.words} ({_rows(rows.rows)})" for rows in bad)
            raise RequestLogError(
                f"none of its rows can be used: {reasons}" if bad else "it has a header and no rows"
            )
        return LogFindings(
            n_rows=self._n_rows,
            bad=bad,
            counts=counts,
            longest_isl_tokens=self._lengths.longest_isl,
            longest_osl_tokens=self._lengths.longest_osl,
            arrivals=self._times.arrivals(self.is_dated) if self.has_times else None,
        )

    def _time_checks(self, arrival_s: Floats, good: Flags) -> list[tuple[Reason, Flags]]:
        readable = good & np.isfinite(arrival_s)
        if not self.is_dated:
            readable &= arrival_s >= 0
        if self._times.origin_s is None and readable.any():
            self._times.start(float(arrival_s[readable][0]))
        start_s = self._times.origin_s or 0.0
        with np.errstate(invalid="ignore"):
            return [
                ("time", ~np.isfinite(arrival_s)),
                ("time_negative", (arrival_s < 0) & (not self.is_dated)),
                ("time_far", np.abs(arrival_s - start_s) > MAX_SPAN_DAYS * SECONDS_PER_DAY),
            ]

    def _leave_out(
        self, reason: Reason, is_bad: Flags, row: Integers, text_of: Callable[[int], str]
    ) -> None:
        found = np.flatnonzero(is_bad)
        if len(found):
            self._count(reason, len(found))
            for position in found[:EXAMPLES]:
                self._show(reason, int(row[position]), text_of(int(position)))

    def _count(self, reason: Reason, rows: int) -> None:
        self._bad[reason] = self._bad.get(reason, 0) + rows

    def _show(self, reason: Reason, row: int, text: str) -> None:
        shown = self._examples.setdefault(reason, [])
        if len(shown) < EXAMPLES:
            shown.append(BadExample(row, text))


def _length_checks(side: Literal["input", "output"], tokens: Floats) -> list[tuple[Reason, Flags]]:
    with np.errstate(invalid="ignore"):
        checks: dict[Any, Flags] = {
            side: ~np.isfinite(tokens),
            f"{side}_negative": tokens < 0,
            f"{side}_zero": tokens == 0,
            f"{side}_fraction": (tokens % 1.0) != 0,
            f"{side}_long": tokens > LONGEST_TOKENS,
        }
    return list(checks.items())


def _rows(n: int) -> str:
    return "1 row" if n == 1 else f"{n:,} rows"
