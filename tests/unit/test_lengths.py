"""Length buckets from percentiles: against exact lognormals, by hand, and as laws."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from ecoserve.errors import MissingDataError
from ecoserve.lengths import (
    INPUT_CUTS,
    OUTPUT_CUTS,
    buckets_from_percentiles,
    implied_mean_tokens,
)

MU, SIGMA = math.log(400.0), 0.8
MEAN = math.exp(MU + SIGMA**2 / 2)
FIXED = {50.0: 100.0}


def lognormal(*percents: float) -> dict[float, float]:
    return {p: math.exp(MU + SIGMA * float(norm.ppf(p / 100))) for p in percents}


@st.composite
def percentiles(draw) -> dict[float, float]:
    percents = sorted(draw(st.sets(st.integers(1, 99), min_size=2, max_size=9)))
    tokens = draw(st.lists(st.integers(1, 20_000), min_size=9, max_size=9))
    return dict(zip(map(float, percents), map(float, sorted(tokens)), strict=False))


@pytest.mark.parametrize("percents", [(50, 90), (10, 25, 50, 75, 90, 99), (20, 99)])
def test_an_exact_lognormal_is_recovered(percents):
    assert implied_mean_tokens(lognormal(*percents)) == pytest.approx(MEAN, rel=1e-3)


def test_the_mean_of_each_cell_is_that_of_the_lognormal():
    # E[x | a < z <= b] = mean (Phi(b - s) - Phi(a - s)) / (Phi(b) - Phi(a))
    buckets = buckets_from_percentiles(lognormal(50, 90), FIXED)
    z = norm.ppf([0.0, *INPUT_CUTS, 1.0])
    expected = MEAN * np.diff(norm.cdf(z - SIGMA)) / np.diff(norm.cdf(z))
    assert [b.isl_tokens for b in buckets] == pytest.approx(list(expected), rel=1e-3)


def test_a_median_and_a_mean_are_a_lognormal():
    # sqrt(2 ln(e^0.5)) = 1, so percentile 84.134 is e times the median.
    mean = 100.0 * math.exp(0.5)
    two = {50.0: 100.0, 100.0 * float(norm.cdf(1.0)): 100.0 * math.e}
    by_mean = buckets_from_percentiles(FIXED, FIXED, isl_mean=mean)
    by_two = buckets_from_percentiles(two, FIXED)
    assert [b.isl_tokens for b in by_mean] == pytest.approx([b.isl_tokens for b in by_two])
    assert implied_mean_tokens(FIXED, mean=mean) == pytest.approx(mean, rel=1e-3)


def test_fixed_lengths_are_one_bucket():
    (bucket,) = buckets_from_percentiles({50: 1024}, {50: 128, 100: 128})
    assert (bucket.isl_lo_tokens, bucket.isl_tokens, bucket.isl_hi_tokens) == (1023, 1024, 1024)
    assert (bucket.osl_lo_tokens, bucket.osl_tokens, bucket.osl_hi_tokens) == (127, 128, 128)
    assert bucket.fraction == 1.0


def test_a_mean_equal_to_the_median_is_a_fixed_length():
    assert implied_mean_tokens({50: 700}, mean=700) == 700


def test_the_long_tails_are_cells_of_their_own():
    buckets = buckets_from_percentiles(lognormal(50, 90, 99), lognormal(50, 90, 99))
    assert len(buckets) == (len(INPUT_CUTS) + 1) * (len(OUTPUT_CUTS) + 1) == 30
    p90, p99 = lognormal(90, 99).values()
    tail = [b for b in buckets if b.isl_lo_tokens == pytest.approx(p99)]
    before = [b for b in buckets if b.isl_lo_tokens == pytest.approx(p90)]
    assert sum(b.fraction for b in tail) == pytest.approx(0.01)
    assert sum(b.fraction for b in before) == pytest.approx(0.09)
    # Independent: one request in 10,000 is long both ways.
    assert min(b.fraction for b in buckets) == pytest.approx(1e-4)


def test_published_percentiles_are_edges_where_the_cuts_are():
    isl = {25: 100, 50: 101, 75: 4000, 90: 4001, 99: 4002}
    buckets = buckets_from_percentiles(isl, FIXED)
    assert [b.isl_hi_tokens for b in buckets[:-1]] == pytest.approx(list(isl.values()))


def test_the_tails_go_on_with_the_last_slope_and_stop_at_the_shortest_and_the_longest():
    open_ended = buckets_from_percentiles({50: 400, 90: 1600}, FIXED)
    # Percentile 99 on the slope of the only segment: 400 * 4 ** (z99 / z90)
    p99 = 400 * 4 ** (norm.ppf(0.99) / norm.ppf(0.9))
    assert open_ended[-1].isl_lo_tokens == pytest.approx(p99)
    cut = buckets_from_percentiles({0: 200, 50: 400, 90: 1600, 100: 2048}, FIXED)
    assert cut[0].isl_lo_tokens == 199
    assert cut[0].isl_tokens < open_ended[1].isl_tokens
    assert (cut[-1].isl_lo_tokens, cut[-1].isl_tokens, cut[-1].isl_hi_tokens) == (2048,) * 3


def test_no_request_is_shorter_than_one_token():
    buckets = buckets_from_percentiles({50: 2, 90: 400}, FIXED)
    assert buckets[0].isl_lo_tokens == 0
    assert buckets[0].isl_tokens == pytest.approx(1.0)


def test_a_mean_beside_several_percentiles_is_not_forced():
    two = lognormal(50, 90)
    assert implied_mean_tokens(two, mean=10 * MEAN) == implied_mean_tokens(two)
    assert buckets_from_percentiles(two, two, isl_mean=1, osl_mean=9e5) == (
        buckets_from_percentiles(two, two)
    )


def test_a_steep_end_stops_at_the_longest_request_there_is():
    buckets = buckets_from_percentiles({49: 1, 50: 20_000}, FIXED)
    assert buckets[-1].isl_hi_tokens == buckets[-1].isl_tokens == 1e7


@given(isl=percentiles(), osl=percentiles())
def test_laws_fractions_sum_to_one_and_lengths_rise(isl, osl):
    buckets = buckets_from_percentiles(isl, osl)
    assert sum(b.fraction for b in buckets) == pytest.approx(1.0)
    for b in buckets:
        assert 0 <= b.isl_lo_tokens <= b.isl_tokens <= b.isl_hi_tokens
        assert 0 <= b.osl_lo_tokens <= b.osl_tokens <= b.osl_hi_tokens
        assert min(b.isl_tokens, b.osl_tokens) >= 1
    columns = sorted({(b.isl_lo_tokens, b.isl_hi_tokens, b.isl_tokens) for b in buckets})
    means = [mean for _, _, mean in columns]
    assert means == sorted(means)
    for (_, high, _), (low, _, _) in itertools.pairwise(columns):
        assert low >= high


@given(lengths=percentiles(), factor=st.floats(1.0, 10.0))
def test_law_longer_requests_never_have_a_shorter_mean(lengths, factor):
    longer = {percent: tokens * factor for percent, tokens in lengths.items()}
    assert implied_mean_tokens(longer) >= implied_mean_tokens(lengths) * (1 - 1e-9)


@pytest.mark.parametrize("nothing", [{}, {100: 4096}, {0: 1, 100: 4096}])
def test_no_percentile_is_missing_data(nothing):
    with pytest.raises(MissingDataError, match="output: no percentile between 0 and 100"):
        buckets_from_percentiles(FIXED, nothing)


@pytest.mark.parametrize(
    ("isl", "mean", "message"),
    [
        ({50: 100, 90: 99}, None, r"input: percentile 90 \(99 tokens\) is below percentile 50"),
        ({0: 200, 50: 100}, None, "percentile 50"),
        ({50: 100, 101: 200}, None, "101 is not a percentile"),
        ({50: 0.5}, None, "0.5 tokens, outside 1 to 10,000,000"),
        ({50: math.nan}, None, "nan tokens"),
        ({50: math.inf}, None, "inf tokens"),
        ({50: 100}, 99, "below the median"),
        ({90: 100}, 120, "needs the median"),
        ({50: 100}, math.nan, "the mean is nan"),
    ],
)
def test_contradictions_are_refused(isl, mean, message):
    with pytest.raises(ValueError, match=message):
        buckets_from_percentiles(isl, FIXED, isl_mean=mean)
