"""Laws of refreshing that hold for every fleet and every trend."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoserve.refresh import PlannedFleet, mean_year, refresh, refresh_grid
from ecoserve.trends import NO_TRENDS, LifecycleAssumptions

KG = st.floats(1.0, 1e6)
FLEETS = st.builds(
    PlannedFleet,
    servers=st.integers(1, 1000),
    accelerator_kgco2e=KG,
    host_kgco2e=KG,
    accelerator_kgco2e_per_year=KG,
    host_kgco2e_per_year=KG,
)
RATIO = st.floats(0.0, 0.6)
TRENDS = st.builds(
    LifecycleAssumptions,
    horizon_years=st.integers(1, 15),
    accelerator_efficiency_gain=RATIO,
    accelerator_throughput_gain=RATIO,
    accelerator_embodied_decline=RATIO,
    generation_years=st.floats(1.0, 4.0),
    host_efficiency_gain=RATIO,
    host_embodied_decline=RATIO,
    grid_decline=RATIO,
    demand_growth=RATIO,
)


@given(FLEETS, TRENDS)
def test_split_is_never_worse_than_joint(fleet: PlannedFleet, trends: LifecycleAssumptions) -> None:
    grid = refresh_grid(fleet, trends)
    assert grid.recycle_kgco2e_per_year >= 0
    assert 0 <= grid.recycle_ratio < 1


@given(FLEETS, st.integers(1, 15))
def test_without_gains_the_longest_lives_are_best(fleet: PlannedFleet, horizon: int) -> None:
    grid = refresh_grid(fleet, replace(NO_TRENDS, horizon_years=horizon))
    assert (grid.best_split.accelerator_years, grid.best_split.host_years) == (8, 12)
    assert grid.best_joint.accelerator_years == 8


@given(FLEETS, st.floats(0.01, 0.6), st.integers(10, 15))
def test_where_making_is_free_the_shortest_life_is_best(
    fleet: PlannedFleet, gain: float, horizon: int
) -> None:
    free = replace(
        fleet, accelerator_kgco2e=0.0, host_kgco2e=0.0, accelerator_kgco2e_per_year=1e5,
        host_kgco2e_per_year=1e5,
    )  # fmt: skip
    trends = replace(
        NO_TRENDS, accelerator_efficiency_gain=gain, host_efficiency_gain=gain,
        horizon_years=horizon,
    )  # fmt: skip
    best = refresh_grid(free, trends).best_split
    assert (best.accelerator_years, best.host_years) == (2, 2)


@given(FLEETS, st.integers(1, 15), st.integers(2, 8), st.integers(2, 12))
def test_in_a_world_that_stands_still_all_years_are_equal(
    fleet: PlannedFleet, horizon: int, cards: int, hosts: int
) -> None:
    """Making over the life, electricity as planned, whatever the horizon."""
    policy = refresh(fleet, replace(NO_TRENDS, horizon_years=horizon), cards, hosts)
    expected = (
        fleet.accelerator_kgco2e / cards
        + fleet.host_kgco2e / hosts
        + fleet.accelerator_kgco2e_per_year
        + fleet.host_kgco2e_per_year
    )
    assert [year.total for year in policy.years] == pytest.approx([expected] * horizon)


@given(FLEETS, TRENDS, st.integers(2, 8), st.integers(2, 12))
def test_totals_are_sums_of_parts(
    fleet: PlannedFleet, trends: LifecycleAssumptions, cards: int, hosts: int
) -> None:
    policy = refresh(fleet, trends, cards, hosts)
    mean = mean_year(policy.years)
    parts = (
        mean.operational_accelerator, mean.operational_host,
        mean.embodied_accelerator, mean.embodied_host,
    )  # fmt: skip
    assert policy.kgco2e_per_year == pytest.approx(sum(parts))
    assert policy.kgco2e_per_year * trends.horizon_years == pytest.approx(
        sum(year.total for year in policy.years)
    )
    assert min(parts) >= 0


@given(FLEETS, TRENDS, st.integers(2, 8), st.integers(2, 12))
def test_a_cleaner_grid_changes_electricity_alone(
    fleet: PlannedFleet, trends: LifecycleAssumptions, cards: int, hosts: int
) -> None:
    before = refresh(fleet, trends, cards, hosts)
    after = refresh(fleet, replace(trends, grid_decline=trends.grid_decline + 0.1), cards, hosts)
    for year, (old, new) in enumerate(zip(before.years, after.years, strict=True)):
        ratio = ((0.9 - trends.grid_decline) / (1 - trends.grid_decline)) ** year
        assert new.operational == pytest.approx(ratio * old.operational)
        assert new.embodied == old.embodied


@given(FLEETS, TRENDS, st.floats(0.1, 100.0))
def test_carbon_scales_with_the_fleet(
    fleet: PlannedFleet, trends: LifecycleAssumptions, factor: float
) -> None:
    larger = PlannedFleet(
        servers=fleet.servers,
        **{
            name: factor * getattr(fleet, name)
            for name in PlannedFleet.__slots__
            if name != "servers"
        },
    )
    small, large = refresh(fleet, trends, 3, 7), refresh(larger, trends, 3, 7)
    assert large.kgco2e_per_year == pytest.approx(factor * small.kgco2e_per_year)
