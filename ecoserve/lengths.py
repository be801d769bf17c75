"""Length buckets from published percentiles of input and output lengths.

Few workloads publish a joint histogram; many publish a median and a tail. Between two percentiles
the logarithm of the length is taken as linear in the standard normal quantile z, ln x = a + s z,
a lognormal in pieces: one lognormal where only two percentiles are known, and the published points
themselves where many are. Input and output are taken as independent, since nobody who publishes
marginals says how they depend on each other.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from ecoserve.errors import MissingDataError
from ecoserve.rows import LengthBucket

Array = NDArray[np.float64]

INPUT_CUTS = (0.25, 0.5, 0.75, 0.9, 0.99)
"""Shares of requests at which input lengths are cut: 6 cells, the long tails on their own."""
OUTPUT_CUTS = (0.5, 0.75, 0.9, 0.99)
"""The same for output lengths: 5 cells."""
REACH = 5.0
"""Standard normal quantile at which the tails end; one request in 3.5 million is longer."""
LONGEST_TOKENS = 1e7
"""No request is longer; ends tails where the last two percentiles lie close together."""
STEPS = 2000
"""Points of the integral over one cell."""
MEDIAN = 50.0
_ALLOWED = f"outside 1 to {LONGEST_TOKENS:,.0f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Quantiles:
    """Lengths by standard normal quantile: ln x piecewise linear through the knots, then cut."""

    z: Array
    ln_tokens: Array
    shortest_tokens: float
    longest_tokens: float

    def tokens(self, z: Array) -> Array:
        """Length at each quantile; beyond the last knots the last slopes go on."""
        low, high = _slope(self.z, self.ln_tokens, 0), _slope(self.z, self.ln_tokens, -2)
        inside = np.interp(z, self.z, self.ln_tokens)
        below = low * np.minimum(z - self.z[0], 0.0)
        above = high * np.maximum(z - self.z[-1], 0.0)
        bounds = np.log([self.shortest_tokens, self.longest_tokens])
        length: Array = np.exp(np.clip(inside + below + above, *bounds))
        return np.round(length, 6)  # so that a length of 128 tokens comes back as 128


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cell:
    """A range of lengths, lo < x <= hi, with its share of the requests and their mean."""

    lo_tokens: float
    hi_tokens: float
    fraction: float
    mean_tokens: float


def buckets_from_percentiles(
    isl: Mapping[float, float],
    osl: Mapping[float, float],
    *,
    isl_mean: float | None = None,
    osl_mean: float | None = None,
) -> tuple[LengthBucket, ...]:
    """A joint histogram of input and output lengths from their percentiles, independent.

    ``isl`` and ``osl`` map percent of the requests (0 to 100) to tokens that so many do not
    exceed; the means are in tokens. Percentiles 0 and 100 are the shortest and the longest
    request and cut the tails. A median alone with a mean is a lognormal, ln x = ln p50 + s z with
    s = sqrt(2 ln(mean / p50)), from mean = exp(mu + s^2 / 2); one percentile without a mean is a
    fixed length. Beside several percentiles a mean is not used: compare it with
    :func:`implied_mean_tokens`.

    Raises :class:`~ecoserve.errors.MissingDataError` where no percentile between 0 and 100 is
    given, and ValueError where the figures contradict each other.
    """
    inputs = _cells(_quantiles(isl, isl_mean, "input"), INPUT_CUTS)
    outputs = _cells(_quantiles(osl, osl_mean, "output"), OUTPUT_CUTS)
    return tuple(
        LengthBucket(
            isl_lo_tokens=i.lo_tokens,
            isl_hi_tokens=i.hi_tokens,
            osl_lo_tokens=o.lo_tokens,
            osl_hi_tokens=o.hi_tokens,
            fraction=i.fraction * o.fraction,
            isl_tokens=i.mean_tokens,
            osl_tokens=o.mean_tokens,
        )
        for i, o in itertools.product(inputs, outputs)
    )


def implied_mean_tokens(percentiles: Mapping[float, float], *, mean: float | None = None) -> float:
    """Mean length in tokens that the percentiles come to, to set beside a published mean.

    Reads its arguments and raises as :func:`buckets_from_percentiles` does.
    """
    cells = _cells(_quantiles(percentiles, mean, "length"), INPUT_CUTS)
    return sum(cell.fraction * cell.mean_tokens for cell in cells)


def _quantiles(percentiles: Mapping[float, float], mean: float | None, name: str) -> _Quantiles:
    points = sorted(percentiles.items())
    _check(points, mean, name)
    inner = [(percent, tokens) for percent, tokens in points if 0 < percent < 100]
    if not inner:
        raise MissingDataError(f"{name}: no percentile between 0 and 100")
    z = ndtri(np.array([percent for percent, _ in inner]) / 100.0)
    ln_tokens = np.log([tokens for _, tokens in inner])
    if len(inner) == 1:
        spread = 0.0 if mean is None else _spread(*inner[0], mean, name)
        z, ln_tokens = np.append(z, z + 1.0), np.append(ln_tokens, ln_tokens + spread)
    return _Quantiles(
        z=z,
        ln_tokens=ln_tokens,
        shortest_tokens=percentiles.get(0, 1.0),
        longest_tokens=percentiles.get(100, LONGEST_TOKENS),
    )


def _check(points: list[tuple[float, float]], mean: float | None, name: str) -> None:
    for percent, tokens in points:
        if not 0 <= percent <= 100:
            raise ValueError(f"{name}: {percent:g} is not a percentile; they go from 0 to 100")
        if not 1 <= tokens <= LONGEST_TOKENS:
            raise ValueError(f"{name}: percentile {percent:g} is {tokens:g} tokens, {_ALLOWED}")
    for (percent, shorter), (higher, longer) in itertools.pairwise(points):
        if longer < shorter:
            raise ValueError(
                f"{name}: percentile {higher:g} ({longer:g} tokens) is below "
                f"percentile {percent:g} ({shorter:g} tokens)"
            )
    if mean is not None and not 1 <= mean <= LONGEST_TOKENS:
        raise ValueError(f"{name}: the mean is {mean:g} tokens, {_ALLOWED}")


def _spread(percent: float, tokens: float, mean: float, name: str) -> float:
    """Sigma of the lognormal with this median and mean."""
    if percent != MEDIAN:
        raise ValueError(f"{name}: a mean needs the median beside it, not percentile {percent:g}")
    if mean < tokens:
        raise ValueError(f"{name}: the mean ({mean:g} tokens) is below the median ({tokens:g})")
    return math.sqrt(2.0 * math.log(mean / tokens))


def _cells(quantiles: _Quantiles, cuts: tuple[float, ...]) -> list[_Cell]:
    """The distribution cut at these shares; a fixed length is a single cell.

    Each mean is the integral of x(z) phi(z) over the cell by the midpoint rule, divided by that of
    phi(z). The first cell begins one token under the shortest request, since bins are lo < x <= hi.
    """
    edges_z = np.array([-REACH, *ndtri(cuts), REACH])
    edges = quantiles.tokens(edges_z)
    if edges[0] == edges[-1]:
        fixed = float(edges[0])
        return [_Cell(lo_tokens=fixed - 1, hi_tokens=fixed, fraction=1.0, mean_tokens=fixed)]
    midpoints = (np.arange(STEPS) + 0.5) / STEPS
    z = edges_z[:-1, None] + np.diff(edges_z)[:, None] * midpoints
    density = np.exp(-(z**2) / 2.0)
    means = (quantiles.tokens(z) * density).sum(axis=1) / density.sum(axis=1)
    means = np.clip(means, edges[:-1], edges[1:])  # rounding may leave a flat cell by a hair
    lows = np.append(edges[0] - 1.0, edges[1:-1])
    shares = np.diff([0.0, *cuts, 1.0])
    return [
        _Cell(
            lo_tokens=float(low),
            hi_tokens=float(high),
            fraction=float(share),
            mean_tokens=float(mean),
        )
        for low, high, share, mean in zip(lows, edges[1:], shares, means, strict=True)
    ]


def _slope(z: Array, ln_tokens: Array, at: int) -> float:
    return float((ln_tokens[at + 1] - ln_tokens[at]) / (z[at + 1] - z[at]))
