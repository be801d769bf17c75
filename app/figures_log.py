"""Charts of somebody's own traffic: the lengths and the rate that a log or a table brings."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import plotly.graph_objects as go

from app.figures import BASELINE, DEMAND, GRID_LINE, HALF_PX, Chart, dress
from app.figures_traffic import length_histogram
from app.text import number
from catalog_db.own_traffic import span_words
from ecoserve.request_log import SECONDS_PER_MINUTE, Arrivals
from ecoserve.request_tally import LENGTH_EDGES
from ecoserve.rows import LengthBucket, LengthMix

MAX_BARS = 180
BAR_MINUTES = (1, 5, 15, 60, 360, 1440, 10_080)
MAX_EXACT = 12
"""Lengths of a table that are drawn as they are; more are gathered into cells."""


def mix_lengths(mix: LengthMix) -> Chart:
    """The joint histogram of a mix; a long table of single lengths in the cells of a log."""
    single = all(
        b.isl_hi_tokens - b.isl_lo_tokens <= 1 and b.osl_hi_tokens - b.osl_lo_tokens <= 1
        for b in mix.buckets
    )
    if not single or len(mix.buckets) <= MAX_EXACT:
        return length_histogram(mix)
    return length_histogram(replace(mix, buckets=tuple(_in_cell(b) for b in mix.buckets)))


def _in_cell(bucket: LengthBucket) -> LengthBucket:
    isl_lo, isl_hi = _cell(bucket.isl_tokens)
    osl_lo, osl_hi = _cell(bucket.osl_tokens)
    return replace(
        bucket,
        isl_lo_tokens=isl_lo,
        isl_hi_tokens=isl_hi,
        osl_lo_tokens=osl_lo,
        osl_hi_tokens=osl_hi,
    )


def _cell(tokens: float) -> tuple[float, float]:
    high = int(np.searchsorted(LENGTH_EDGES, tokens))
    return float(LENGTH_EDGES[high - 1]), float(LENGTH_EDGES[high])


def rate_over_time(arrivals: Arrivals) -> Chart:
    """Requests per second from the first request to the last, in bars of equal width."""
    minutes = _bar_minutes(arrivals)
    rates, starts_s = _bars(arrivals, minutes)
    mean = arrivals.mean_rps or 0.0
    highest = max(rates)
    title = f"The busiest {_bar_words(minutes)} bring{'s' if minutes == 1 else ''} "
    title += f"{number(highest)} requests/s, {number(highest / mean)} times the mean of"
    title += f" {number(mean)}"
    figure = go.Figure(
        go.Bar(
            x=_positions(arrivals, starts_s),
            y=rates,
            marker={"color": DEMAND, "line": {"width": 0}},
            hovertemplate="%{x}: %{y:,.4g} requests/s<extra></extra>",
        )
    )
    figure.add_hline(y=mean, line={"color": BASELINE, "width": 1.5, "dash": "dot"})
    subtitle = (
        f"Requests/s, mean of each {_bar_words(minutes)}; dotted: the mean; {_span(arrivals)}"
    )
    dress(figure, title, subtitle, height=330, width_px=HALF_PX)
    figure.update_layout(bargap=0.05)
    axis: dict[str, Any] = {"type": "date"} if arrivals.is_dated else {"title": _axis(arrivals)}
    figure.update_xaxes(showgrid=False, **axis)
    if arrivals.is_dated:
        figure.update_xaxes(tickformat=None)
    figure.update_yaxes(rangemode="tozero", gridcolor=GRID_LINE)
    return Chart(
        figure, title, f"Bars of the rate over {span_words(arrivals.duration_s)}. {title}."
    )


def _bar_minutes(arrivals: Arrivals) -> int:
    n_minutes = len(arrivals.per_minute)
    return next((m for m in BAR_MINUTES if n_minutes <= m * MAX_BARS), BAR_MINUTES[-1])


def _bar_words(minutes: int) -> str:
    if minutes < 60:
        return "minute" if minutes == 1 else f"{minutes} minutes"
    hours = minutes // 60
    if hours < 24:
        return "60 minutes" if hours == 1 else f"{hours} hours"
    return "24 hours" if hours == 24 else f"{hours // 24} days"


def _bars(arrivals: Arrivals, minutes: int) -> tuple[list[float], list[float]]:
    """Rates and starts of the bars; the first and the last over the time they really cover.

    One of them that covers less than half a bar is left out: its rate would be noise.
    """
    width_s = minutes * SECONDS_PER_MINUTE
    zero_s = arrivals.first_s // width_s * width_s
    offset = int((arrivals.first_s - zero_s) // SECONDS_PER_MINUTE)
    padded = np.concatenate((np.zeros(offset, dtype=np.int64), arrivals.per_minute))
    counts = np.add.reduceat(padded, np.arange(0, len(padded), minutes))
    starts_s = zero_s + width_s * np.arange(len(counts))
    ends_s = np.minimum(starts_s + width_s, arrivals.last_s)
    seen_s = ends_s - np.maximum(starts_s, arrivals.first_s)
    kept = seen_s >= min(width_s, arrivals.duration_s) / 2
    return (counts[kept] / seen_s[kept]).tolist(), starts_s[kept].tolist()


def _positions(arrivals: Arrivals, starts_s: list[float]) -> list[Any]:
    if arrivals.is_dated:
        return [_date(start_s).replace(tzinfo=None).isoformat() for start_s in starts_s]
    unit_s = 60.0 if arrivals.duration_s < 7200 else 3600.0
    return [start_s / unit_s for start_s in starts_s]


def _axis(arrivals: Arrivals) -> str:
    return "minutes of the log" if arrivals.duration_s < 7200 else "hours of the log"


def _span(arrivals: Arrivals) -> str:
    if not arrivals.is_dated:
        return span_words(arrivals.duration_s)
    first, last = _date(arrivals.first_s), _date(arrivals.last_s)
    return f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} on the log's clock"


def _date(seconds: float) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
