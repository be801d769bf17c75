"""Purchases of one server against every way to replace its two sides."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecoserve.cohorts import plan_cohorts
from ecoserve.refresh import PlannedFleet
from ecoserve.trends import LifecycleAssumptions

few = settings(max_examples=25)
KG = st.floats(10.0, 1000.0)


def least(
    horizon: int,
    life: int,
    making: Callable[[int], float],
    running: Callable[[int, int], float],
) -> float:
    """kgCO2e over the horizon of the best years to replace one unit in, all of them tried."""
    best = float("inf")
    for n in range(horizon):
        for later in combinations(range(1, horizon), n):
            starts = (0, *later)
            ends = (*later, horizon)
            if any(end - start > life for start, end in zip(starts, ends, strict=True)):
                continue
            whole = sum(making(start) for start, _ in pairwise(starts))
            last = making(starts[-1]) * (horizon - starts[-1]) / life
            run = sum(
                running(start, year)
                for start, end in zip(starts, ends, strict=True)
                for year in range(start, end)
            )
            best = min(best, whole + last + run)
    return best


@few
@given(
    making=st.tuples(KG, KG),
    running=st.tuples(KG, KG),
    gains=st.tuples(*[st.floats(0.0, 0.8)] * 3),
    lives=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    horizon=st.integers(1, 5),
)
def test_one_server_is_replaced_as_brute_force_would(
    making: tuple[float, float],
    running: tuple[float, float],
    gains: tuple[float, float, float],
    lives: tuple[int, int],
    horizon: int,
) -> None:
    efficiency, host_gain, decline = gains
    trends = LifecycleAssumptions(
        horizon_years=horizon, accelerator_efficiency_gain=efficiency, generation_years=2.0,
        accelerator_throughput_gain=0.0, accelerator_embodied_decline=0.1, demand_growth=0.0,
        host_efficiency_gain=host_gain, host_embodied_decline=0.0, grid_decline=decline,
    )  # fmt: skip
    fleet = PlannedFleet(
        servers=1, accelerator_kgco2e=making[0], host_kgco2e=making[1],
        accelerator_kgco2e_per_year=running[0], host_kgco2e_per_year=running[1],
    )  # fmt: skip

    def clean(year: int) -> float:
        return (1.0 - decline) ** year

    cards = least(
        horizon,
        lives[0],
        lambda start: making[0] * 0.9 ** (2 * (start // 2)),
        lambda start, year: running[0] * clean(year) / (1 + efficiency) ** (2 * (start // 2)),
    )
    hosts = least(
        horizon,
        lives[1],
        lambda start: making[1],
        lambda start, year: running[1] * clean(year) / (1 + host_gain) ** start,
    )
    plan = plan_cohorts(fleet, trends, *lives)
    assert plan.kgco2e_per_year * horizon == pytest.approx(cards + hosts, rel=2e-4)
    assert plan.bound_kgco2e_per_year * horizon <= (cards + hosts) * (1 + 1e-6)
