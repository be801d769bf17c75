"""What a request log says: the lengths, the rate over time, how bursty it is, and its bad rows.

The planner takes from it a mix of lengths and a rate profile, the replay its requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from ecoserve.errors import EcoServeError
from ecoserve.lengths import LONGEST_TOKENS
from ecoserve.rows import LengthBucket

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MAX_SPAN_DAYS = 400

Reason = Literal[
    "cells", "blank", "time", "time_negative", "time_far", "input", "input_negative", "input_zero",
    "input_fraction", "input_long", "output", "output_negative", "output_zero",
    "output_fraction", "output_long",
]  # fmt: skip
REASONS: Final[Mapping[Reason, str]] = {
    "cells": "another number of cells than the header, or a quotation mark is never closed",
    "blank": "blank line, or nothing in the columns that are read",
    "time": "the time is missing, or neither a number nor a date like 2024-05-31 18:17:03",
    "time_negative": "the time is before zero",
    "time_far": f"the time is more than {MAX_SPAN_DAYS} days from the first one",
    "input": "the input length is missing or no number",
    "input_negative": "the input length is below zero",
    "input_zero": "the input has no tokens",
    "input_fraction": "the input length is no whole number",
    "input_long": f"the input is longer than {LONGEST_TOKENS:,.0f} tokens",
    "output": "the output length is missing or no number",
    "output_negative": "the output length is below zero",
    "output_zero": "the output has no tokens, as of a request that failed",
    "output_fraction": "the output length is no whole number",
    "output_long": f"the output is longer than {LONGEST_TOKENS:,.0f} tokens",
}
"""Why a row is left out, in words; a row counts once, for the first that holds."""

SECONDS_PER_MINUTE = 60.0
MINUTES_PER_HOUR = 60
BURST_MINUTES = 5
"""Width of the window whose peak over the mean of the busiest hour is the burst."""
HIGHEST_RATIO = 100.0
"""What the catalog allows in a rate profile."""


class RequestLogError(EcoServeError):
    """A log that cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestBatch:
    """Good requests in the order of their rows; every array has shape (requests,)."""

    row: Integers
    """Number of the row in its file; the header is row 1."""
    arrival_s: Floats | None
    """Since 1970 where the log has dates, else as the log counts; None where it has no times."""
    isl_tokens: Integers
    osl_tokens: Integers


@dataclass(frozen=True, slots=True)
class BadExample:
    """A row that was left out, as it stands in the file."""

    row: int
    text: str


@dataclass(frozen=True, slots=True)
class BadRows:
    """Rows that were left out for the same reason."""

    reason: Reason
    rows: int
    examples: tuple[BadExample, ...]

    @property
    def words(self) -> str:
        """The reason as people read it."""
        return REASONS[self.reason]


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthCount:
    """A cell of the joint histogram of lengths, lo < x <= hi, with at least one request."""

    isl_lo_tokens: float
    isl_hi_tokens: float
    osl_lo_tokens: float
    osl_hi_tokens: float
    requests: int
    mean_isl_tokens: float
    mean_osl_tokens: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """When the requests came.

    ``per_minute`` has shape (minutes,), whole minutes of the log's clock from the one of the first
    request to the one of the last.
    """

    first_s: float
    last_s: float
    is_dated: bool
    """Whether the times are since 1970, UTC unless the log is on a clock of its own."""
    per_minute: Integers
    interarrival_cv: float | None
    """Standard deviation over mean of the gaps; None where all requests came at once."""
    n_out_of_order: int
    """Rows that are earlier than one before; they count, with a gap of zero."""
    hourly_rps: tuple[float, ...]
    """Mean rate by hour of the day (24) or of the week (168, from Monday); empty: log too short."""

    @property
    def duration_s(self) -> float:
        """From the first request to the last."""
        return self.last_s - self.first_s

    @property
    def requests(self) -> int:
        """All of them."""
        return int(self.per_minute.sum())

    @property
    def mean_rps(self) -> float | None:
        """Requests over the duration; None where all came at once."""
        return self.requests / self.duration_s if self.duration_s > 0 else None

    @property
    def day_rps(self) -> float | None:
        """Mean over the hours of the profile, each weighing the same; without one, ``mean_rps``."""
        if self.hourly_rps:
            return sum(self.hourly_rps) / len(self.hourly_rps)
        return self.mean_rps

    @property
    def hourly_ratio(self) -> tuple[float, ...]:
        """The profile over its own mean, scaled to what the catalog allows."""
        mean = sum(self.hourly_rps) / max(1, len(self.hourly_rps))
        if not mean:
            return ()
        scale = min(1.0, HIGHEST_RATIO * mean / max(self.hourly_rps)) / mean
        return tuple(rate * scale for rate in self.hourly_rps)

    @property
    def peak_minute_rps(self) -> float:
        """Rate of the busiest minute."""
        return float(self.per_minute.max()) / SECONDS_PER_MINUTE

    @property
    def burst(self) -> float | None:
        """Busiest five minutes over the mean of the busiest hour; None where the log is shorter.

        The busiest hour is the sixty whole minutes with most requests, all of a shorter log. The
        first and the last minute are rarely whole and left out.
        """
        whole = self.per_minute[1:-1]
        if len(whole) < 2 * BURST_MINUTES:
            return None
        width = min(MINUTES_PER_HOUR, len(whole))
        sums = _window_sums(whole, width)
        start = int(np.argmax(sums))
        if not sums[start]:
            return None
        busiest = _window_sums(whole[start : start + width], BURST_MINUTES).max()
        return float(busiest / BURST_MINUTES) / float(sums[start] / width)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFindings:
    """Everything a log says."""

    n_rows: int
    """Rows below the header."""
    bad: tuple[BadRows, ...]
    """What was left out, most frequent first."""
    counts: tuple[LengthCount, ...]
    longest_isl_tokens: int
    longest_osl_tokens: int
    arrivals: Arrivals | None
    """None where the log has no times."""

    @property
    def n_used(self) -> int:
        """Rows that are requests."""
        return sum(count.requests for count in self.counts)

    @property
    def mean_isl_tokens(self) -> float:
        """Mean input length of the requests."""
        return sum(c.requests * c.mean_isl_tokens for c in self.counts) / self.n_used

    @property
    def mean_osl_tokens(self) -> float:
        """Mean output length of the requests."""
        return sum(c.requests * c.mean_osl_tokens for c in self.counts) / self.n_used

    @property
    def buckets(self) -> tuple[LengthBucket, ...]:
        """The histogram as the planner takes it."""
        return tuple(
            LengthBucket(
                isl_lo_tokens=c.isl_lo_tokens,
                isl_hi_tokens=c.isl_hi_tokens,
                osl_lo_tokens=c.osl_lo_tokens,
                osl_hi_tokens=c.osl_hi_tokens,
                fraction=c.requests / self.n_used,
                isl_tokens=c.mean_isl_tokens,
                osl_tokens=c.mean_osl_tokens,
            )
            for c in self.counts
        )


def _window_sums(counts: Integers, width: int) -> Integers:
    """Sums over every stretch of ``width`` neighbours."""
    return np.convolve(counts, np.ones(width, dtype=np.int64), mode="valid")
