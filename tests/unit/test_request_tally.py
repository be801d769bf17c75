"""Request logs on paper: cells of lengths, gaps, bursts, hours, and rows that are left out."""

from __future__ import annotations

import numpy as np
import pytest

from ecoserve.demand import workload_demands
from ecoserve.request_log import LogFindings, RequestBatch, RequestLogError
from ecoserve.request_tally import LogTally
from ecoserve.rows import LengthMix
from tests.builders import ROW, online, profile, tiny_catalog, tiny_scenario

MONDAY_S = 4 * 86_400.0
"""1970-01-05, a Monday."""
HOUR_S = 3600.0


def add(
    tally: LogTally, times: list[float] | None, isl: list[float], osl: list[float]
) -> RequestBatch:
    n = len(isl)
    return tally.add(
        np.arange(2, n + 2),
        None if times is None else np.array(times, dtype=float),
        np.array(isl, dtype=float),
        np.array(osl, dtype=float),
        is_blank=np.zeros(n, dtype=bool),
        text_of=lambda i: f"row at {i}",
    )


def log(times: list[float] | None, *, dated: bool = False) -> LogFindings:
    tally = LogTally(has_times=times is not None, is_dated=dated)
    n = len(times or [0])
    add(tally, times, [100.0] * n, [10.0] * n)
    return tally.findings()


def test_lengths_fall_into_the_cells_of_the_catalog_with_their_exact_means():
    tally = LogTally(has_times=False)
    add(tally, None, [25, 26, 100, 16_001], [1, 25, 26, 25])
    found = tally.findings()
    cells = {
        (c.isl_lo_tokens, c.isl_hi_tokens, c.osl_lo_tokens, c.osl_hi_tokens): c
        for c in found.counts
    }
    assert set(cells) == {
        (0, 25, 0, 25),
        (25, 100, 0, 25),
        (25, 100, 25, 100),
        (16_000, 32_000, 0, 25),
    }
    assert cells[25, 100, 25, 100].mean_isl_tokens == 100
    assert found.mean_isl_tokens == (25 + 26 + 100 + 16_001) / 4
    assert found.mean_osl_tokens == (1 + 25 + 26 + 25) / 4
    assert (found.longest_isl_tokens, found.longest_osl_tokens) == (16_001, 26)
    assert found.arrivals is None


def test_each_bad_row_counts_once_for_its_first_reason_and_is_shown():
    tally = LogTally()
    nan, inf = float("nan"), float("inf")
    times = [0, nan, -1, 500 * 86_400, 1, 2, 3, 4, 5, 6, 7, 8]
    isl = [9, 9, 9, 9, nan, -1, 0, 1.5, 2e7, 9, 9, 9]
    osl = [9, 9, -9, 9, 9, 9, 9, 9, 9, inf, 0, 9]
    batch = add(tally, times, isl, osl)
    found = tally.findings()
    assert {bad.reason: bad.rows for bad in found.bad} == dict.fromkeys(
        (
            *("time", "time_negative", "time_far", "input", "input_negative", "input_zero"),
            *("input_fraction", "input_long", "output", "output_zero"),
        ),
        1,
    )
    assert (found.n_rows, found.n_used) == (12, 2)
    assert batch.row.tolist() == [2, 13]
    far = next(bad for bad in found.bad if bad.reason == "time_far")
    assert (far.examples[0].row, far.examples[0].text) == (5, "row at 3")
    assert "400 days" in far.words


def test_a_log_without_any_request_says_what_its_rows_lack():
    tally = LogTally(has_times=False)
    add(tally, None, [0, 0], [1, 1])
    with pytest.raises(RequestLogError, match=r"the input has no tokens \(2 rows\)"):
        tally.findings()
    with pytest.raises(RequestLogError, match="a header and no rows"):
        LogTally().findings()


def test_gaps_rate_and_order():
    """Gaps 1, 1, 4: mean 2, mean square 6, deviation sqrt(6 - 4)."""
    arrivals = log([0, 1, 2, 6]).arrivals
    assert arrivals is not None
    assert arrivals.mean_rps == 4 / 6
    assert arrivals.interarrival_cv == pytest.approx(2**0.5 / 2)
    assert arrivals.n_out_of_order == 0


def test_batches_add_up_to_the_whole():
    times, rng = [0.0, 1.0, 2.0, 6.0, 7.0, 130.0], np.random.default_rng(0)
    isl = rng.integers(1, 5000, 6).astype(float).tolist()
    whole, parts = LogTally(), LogTally()
    add(whole, times, isl, [5.0] * 6)
    for part in (slice(0, 2), slice(2, 3), slice(3, 6)):
        add(parts, times[part], isl[part], [5.0] * len(times[part]))
    one, two = whole.findings(), parts.findings()
    assert one.counts == two.counts
    assert one.arrivals is not None
    assert two.arrivals is not None
    assert one.arrivals.per_minute.tolist() == two.arrivals.per_minute.tolist() == [5, 0, 1]
    assert one.arrivals.interarrival_cv == pytest.approx(two.arrivals.interarrival_cv)


def test_rows_out_of_order_are_kept_and_counted():
    arrivals = log([10, 5, 12]).arrivals
    assert arrivals is not None
    assert (arrivals.n_out_of_order, arrivals.first_s, arrivals.last_s) == (1, 5, 12)
    assert arrivals.requests == 3


def test_one_instant_has_no_rate():
    arrivals = log([5.0, 5.0]).arrivals
    assert arrivals is not None
    assert (arrivals.mean_rps, arrivals.interarrival_cv, arrivals.hourly_rps) == (None, None, ())


def test_burst_is_the_busiest_five_minutes_over_the_busiest_hour():
    """Two hours at 1 a minute, but 5 minutes of the second at 13: (13) / ((55 + 65) / 60) = 6.5."""
    per_minute = [1] * 62 + [1] * 20 + [13] * 5 + [1] * 40
    times = [60.0 * minute + 30 for minute, n in enumerate(per_minute) for _ in range(n)]
    arrivals = log(times).arrivals
    assert arrivals is not None
    assert arrivals.burst == pytest.approx(13 / 2)
    assert arrivals.peak_minute_rps == 13 / 60


def test_a_short_log_has_neither_burst_nor_profile():
    arrivals = log([0.0, 200.0]).arrivals
    assert arrivals is not None
    assert (arrivals.burst, arrivals.hourly_ratio) == (None, ())
    assert arrivals.day_rps == arrivals.mean_rps


def test_a_day_gives_hours_and_the_watched_part_of_an_hour_counts():
    """From 00:20 of a dated day to 24:10: hour 0 watched for 40 + 10 minutes with 10 requests."""
    start = MONDAY_S
    times = [start + 1200 + 240.0 * i for i in range(10)]
    times += [start + HOUR_S * h + 60 * i for h in range(1, 24) for i in range(60)]
    times += [start + 24 * HOUR_S, start + 24 * HOUR_S + 600]
    arrivals = log(times, dated=True).arrivals
    assert arrivals is not None
    assert len(arrivals.hourly_rps) == 24
    assert arrivals.hourly_rps[0] == pytest.approx(12 / 3000)
    assert arrivals.hourly_rps[1:] == pytest.approx([60 / 3600] * 23)
    assert sum(arrivals.hourly_ratio) / 24 == pytest.approx(1)


@pytest.mark.parametrize(("dated", "slots"), [(True, 168), (False, 24)])
def test_a_week_gives_hours_of_the_week_where_it_has_dates(dated: bool, slots: int):
    """Twice the rate in the night that begins the fourth day after a Thursday: a Monday."""
    thursday_s = 7 * 86_400.0
    hours = [2 if hour == 4 * 24 else 1 for hour in range(7 * 24)]
    times = [thursday_s + HOUR_S * h + 900 * i for h, n in enumerate(hours) for i in range(2 * n)]
    times.append(thursday_s + 7 * 24 * HOUR_S - 1)
    arrivals = log(times, dated=dated).arrivals
    assert arrivals is not None
    assert len(arrivals.hourly_rps) == slots
    assert int(np.argmax(arrivals.hourly_rps)) == 0


def test_a_profile_stays_within_what_the_catalog_allows():
    times = [MONDAY_S + HOUR_S * h for h in range(0, 169)]
    times += [MONDAY_S + HOUR_S + 0.01 * i for i in range(100_000)]
    arrivals = log(sorted(times), dated=True).arrivals
    assert arrivals is not None
    assert max(arrivals.hourly_rps) * 168 / sum(arrivals.hourly_rps) > 100
    assert max(arrivals.hourly_ratio) == pytest.approx(100)


def test_the_demand_of_a_log_has_its_mean_lengths_and_its_rate():
    rng = np.random.default_rng(3)
    n = 5000
    times = [0.0, *np.sort(rng.uniform(0, 3 * 86_400, n - 2)).tolist(), 3 * 86_400 - 1e-3]
    tally = LogTally()
    isl, osl = rng.integers(1, 9000, n), rng.integers(1, 900, n)
    add(tally, times, isl.tolist(), osl.tolist())
    found = tally.findings()
    arrivals = found.arrivals
    assert arrivals is not None
    mix = LengthMix(id="own", name="own", buckets=found.buckets, **ROW)
    catalog = tiny_catalog(mix, profile("own", arrivals.hourly_ratio))
    workload = online(mix="own", profile="own", rate_rps=arrivals.day_rps)
    scenario = tiny_scenario(workload)
    [demand] = workload_demands(scenario, catalog)
    assert demand.fraction @ demand.isl_tokens == pytest.approx(isl.mean(), rel=1e-12)
    assert demand.fraction @ demand.osl_tokens == pytest.approx(osl.mean(), rel=1e-12)
    assert demand.rate_rps.sum() == pytest.approx(n / (3 * 86_400), rel=1e-6)
    hours = np.bincount(np.array(times).astype(int) // 3600 % 24, minlength=24) / (3 * 3600)
    local = demand.rate_rps.sum() * demand.hourly_ratio
    offset_h = catalog.region(scenario.site.region).utc_offset_h
    assert np.roll(local, -offset_h) == pytest.approx(hours, rel=1e-6)
