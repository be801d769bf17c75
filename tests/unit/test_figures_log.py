"""Charts of one's own traffic: bars over the time that was watched, tables in cells."""

from __future__ import annotations

import numpy as np
import pytest

from app.figures_log import mix_lengths, rate_over_time
from app.log_words import facts, order_words, profile_words
from ecoserve.request_log import Arrivals, LogFindings
from ecoserve.request_tally import LogTally
from tests.builders import mix


def log(times: list[float], *, dated: bool = False) -> LogFindings:
    tally = LogTally(is_dated=dated)
    n = len(times)
    tally.add(
        np.arange(n), np.array(times), np.full(n, 1000.0), np.full(n, 50.0),
        is_blank=np.zeros(n, dtype=bool), text_of=str,
    )  # fmt: skip
    return tally.findings()


def arrivals_of(times: list[float], *, dated: bool = False) -> Arrivals:
    arrivals = log(times, dated=dated).arrivals
    assert arrivals is not None
    return arrivals


def test_a_short_log_has_a_bar_per_minute_and_the_title_its_peak():
    """One a second in the second of three minutes, one each 10 s in the others."""
    times = [*range(0, 60, 10), *range(60, 120), *range(120, 181, 10)]
    chart = rate_over_time(arrivals_of([float(t) for t in times]))
    bars = chart.figure.data[0]
    assert list(bars.x) == [0, 1, 2]
    assert list(bars.y) == pytest.approx([6 / 60, 1.0, 6 / 60])
    mean = 73 / 180
    assert f"{1 / mean:.2f} times the mean" in chart.title
    assert chart.title.startswith("The busiest minute brings 1.00 requests/s")
    assert chart.title in chart.alt


def test_a_long_dated_log_has_wider_bars_at_their_dates():
    """A week from Monday 1970-01-05 at noon, one a minute: 60 minutes a bar, the same rate."""
    start = 4.5 * 86_400
    chart = rate_over_time(arrivals_of([start + 60.0 * i for i in range(7 * 1440)], dated=True))
    bars = chart.figure.data[0]
    assert bars.x[0] == "1970-01-05T12:00:00"
    assert len(bars.x) == 168
    assert list(bars.y) == pytest.approx([1 / 60] * 168, rel=0.02)
    assert "1970-01-05 12:00 to 1970-01-12 11:59" in chart.figure.layout.title.subtitle.text


def test_few_lengths_are_drawn_as_they_are_and_many_in_cells():
    few = mix_lengths(mix("few", (0.5, 300, 40), (0.5, 4000, 40)))
    assert list(few.figure.data[0].x) == ["300", "4,000"]
    rows = [(0.05, 260.0 + 10 * i, 40.0) for i in range(20)]
    many = mix_lengths(mix("many", *rows))
    assert list(many.figure.data[0].x) == ["250\N{EN DASH}500"]
    assert many.figure.data[0].z[0][0] == pytest.approx(100)
    assert "355 tokens" in many.title


def test_what_was_found_in_words():
    found = log([0.0, 60.0, 30.0])
    assert dict(facts(found))["Requests"] == "3 of 3 rows"
    assert dict(facts(found))["Mean input / output"] == "1,000 / 50.0 tokens"
    assert order_words(found.arrivals).startswith("1 row is earlier")
    assert "covers 1 minutes, too short" in profile_words(found.arrivals)
    assert "same time" in profile_words(log([5.0, 5.0]).arrivals)
    assert "stay as they are" in profile_words(None)
    assert order_words(None) == ""
    hours = [3600.0 * h + 1800 * half for h in range(24) for half in (0, 1)] + [86_400.0]
    assert "no dates" in profile_words(arrivals_of(hours))
    assert "no dates" not in profile_words(arrivals_of(hours, dated=True))
