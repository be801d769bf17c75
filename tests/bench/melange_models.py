"""Two programs for one question: which accelerators serve a mix of request sizes at least cost?

The input is that of arXiv:2404.14527: per accelerator a price and the requests/s it serves in each
bucket of input and output length, the share of requests in each bucket, and the total rate.

``sliced`` is the program of that paper, written from its mathematics: each bucket is cut into equal
slices, a slice goes to one accelerator whole (binary), and as many accelerators are bought as the
slices on them keep busy. ``shared`` lets any share of a bucket go anywhere, as this project does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pulp
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """Prices in USD/h, shape (accelerators,); requests/s, shape (accelerators, buckets)."""

    usd_per_h: Array
    served_rps: Array
    rate_rps: Array
    """Requests/s to be served in each bucket, shape (buckets,)."""


PUBLISHED = Input(
    usd_per_h=np.array([1.01, 3.67]),
    served_rps=np.array([[2.0, 1.0, 5.0, 2.0], [20.0, 20.0, 40.0, 20.0]]),
    rate_rps=30.0 * np.array([0.2, 0.1, 0.5, 0.2]),
)
"""The example that the paper's authors publish: A10G and A100-80GB."""


def generated(seed: int) -> Input:
    """Like the published ones: 3 to 6 accelerators, 4 x 4 to 10 x 10 buckets, 4 to 120 requests/s.

    Prices span one decade. Speed grows with price to a power around one, falls with the lengths and
    faster on accelerators whose memory is small, so that the cheap ones win on short requests.
    """
    rng = np.random.default_rng(seed)
    n, side = int(rng.integers(3, 7)), int(rng.integers(4, 11))
    price = np.sort(rng.uniform(0.5, 8.0, n))
    size = np.add.outer(np.arange(side), 2 * np.arange(side)).ravel() / (3.0 * side)
    pace = 4.0 * price ** rng.uniform(0.9, 1.2, n)
    memory = rng.uniform(0.5, 1.5, n) / price**0.3
    served = pace[:, None] * np.exp(-2.5 * size[None, :] * (0.6 + memory[:, None]))
    shares = rng.dirichlet(np.full(side * side, 0.7))
    return Input(
        usd_per_h=price, served_rps=served, rate_rps=float(rng.uniform(4.0, 120.0)) * shares
    )


def sliced(given: Input, slices_per_bucket: int) -> pulp.LpProblem:
    """min price @ n, each slice on one accelerator, busy accelerators <= n; slices binary."""
    lp = pulp.LpProblem("sliced", pulp.LpMinimize)
    counts = _counts(lp, given)
    rate = given.rate_rps / slices_per_bucket
    busy: list[list[tuple[pulp.LpVariable, float]]] = [[] for _ in counts]
    for bucket in np.flatnonzero(given.rate_rps > 0):
        for part in range(slices_per_bucket):
            picks = []
            for kind, served in enumerate(given.served_rps[:, bucket]):
                pick = lp.add_variable(f"a({kind},{bucket},{part})", 0, 1, pulp.LpInteger)
                busy[kind].append((pick, float(rate[bucket] / served)))
                picks.append((pick, 1.0))
            _row(lp, f"once({bucket},{part})", picks, pulp.LpConstraintEQ, 1.0)
    _define_busy(lp, busy, counts)
    return lp


def shared(given: Input) -> tuple[pulp.LpProblem, list[pulp.LpVariable]]:
    """The same with one continuous share per bucket and accelerator; also the counts."""
    lp = pulp.LpProblem("shared", pulp.LpMinimize)
    counts = _counts(lp, given)
    busy: list[list[tuple[pulp.LpVariable, float]]] = [[] for _ in counts]
    for bucket in np.flatnonzero(given.rate_rps > 0):
        shares = []
        for kind, served in enumerate(given.served_rps[:, bucket]):
            share = lp.add_variable(f"z({kind},{bucket})", 0, 1)
            busy[kind].append((share, float(given.rate_rps[bucket] / served)))
            shares.append((share, 1.0))
        _row(lp, f"serve({bucket})", shares, pulp.LpConstraintEQ, 1.0)
    _define_busy(lp, busy, counts)
    return lp, counts


def _counts(lp: pulp.LpProblem, given: Input) -> list[pulp.LpVariable]:
    enough = np.ceil((given.rate_rps / given.served_rps).sum(axis=1))
    counts = [
        lp.add_variable(f"n({kind})", 0, int(most), pulp.LpInteger)
        for kind, most in enumerate(enough)
    ]
    lp += pulp.LpAffineExpression(list(zip(counts, given.usd_per_h.tolist(), strict=True)))
    return counts


def _define_busy(
    lp: pulp.LpProblem,
    busy: list[list[tuple[pulp.LpVariable, float]]],
    counts: list[pulp.LpVariable],
) -> None:
    for kind, (terms, count) in enumerate(zip(busy, counts, strict=True)):
        _row(lp, f"busy({kind})", [*terms, (count, -1.0)], pulp.LpConstraintLE, 0.0)


def _row(
    lp: pulp.LpProblem,
    name: str,
    terms: list[tuple[pulp.LpVariable, float]],
    sense: int,
    rhs: float,
) -> None:
    lp.addConstraint(pulp.LpConstraint(pulp.LpAffineExpression(terms), sense, name, rhs))
