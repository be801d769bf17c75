"""The program behind a cohort plan: purchases with their year of retirement, and what is at work.

Columns, for accelerators (in sets, those of one server) and hosts:

    buy(side,b)    bought at the start of year b
    x(side,b,r)    of these, retired at the start of year r; r - b is at most the side's life
    on(side,b,y)   of these, at work during year y
    last(side,b)   of these, at work when the horizon ends

Rows: ``retire`` sum_r x(b,r) = buy(b); ``there`` on(b,y) <= sum_{r>y} x(b,r); ``work``
sum_b work(b) on(accelerator,b,y) >= servers demand(y); ``seat`` as many hosts as sets at work;
``last`` last(b) <= x(b,horizon) and last(b) <= on(b,horizon-1).
A unit is charged n/life of its making where it is at work when the horizon ends, after n years,
and all of it where it is retired before or off by then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pulp

from ecoserve.program import Program
from ecoserve.refresh import PlannedFleet
from ecoserve.trends import LifecycleAssumptions
from ecoserve.units import DAYS_PER_YEAR

Side = Literal["accelerator", "host"]
SIDES: tuple[Side, Side] = ("accelerator", "host")
Life = tuple[Side, int, int]
"""A side, the year of purchase and the year of retirement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What can be bought when, what it emits to make and to run, and how long it may serve."""

    fleet: PlannedFleet
    trends: LifecycleAssumptions
    accelerator_years: int
    host_years: int

    @property
    def horizon(self) -> int:
        """Years of the study."""
        return self.trends.horizon_years

    def life_years(self, side: Side) -> int:
        """How long a unit may serve."""
        return self.accelerator_years if side == "accelerator" else self.host_years

    def lives(self) -> Iterator[Life]:
        """Every way for a unit to be bought and retired."""
        for side in SIDES:
            for bought in range(self.horizon):
                last = min(bought + self.life_years(side), self.horizon)
                for retired in range(bought + 1, last + 1):
                    yield side, bought, retired

    def at_work(self) -> Iterator[Life]:
        """Side, year of purchase and a year that it may work in."""
        for side in SIDES:
            for bought in range(self.horizon):
                last = min(bought + self.life_years(side), self.horizon)
                yield from ((side, bought, year) for year in range(bought, last))

    def making_kgco2e(self, side: Side, bought: int) -> float:
        """Of a set of accelerators or a host; of year 0 without the share that is owned already."""
        fleet, trends = self.fleet, self.trends
        if side == "accelerator":
            whole, sunk = fleet.accelerator_kgco2e, fleet.sunk_accelerator_kgco2e
            ratio = trends.accelerator_making_ratio(bought) * trends.accelerator_work_ratio(bought)
        else:
            whole, sunk = fleet.host_kgco2e, fleet.sunk_host_kgco2e
            ratio = trends.host_making_ratio(bought)
        return (whole - (sunk if bought == 0 else 0.0)) * ratio / fleet.servers

    def credit_ratio(self, side: Side, bought: int) -> float:
        """Of a unit's making, what is left to years after the horizon if it is at work till then.

        0 where its life is over by then.
        """
        return max(0.0, 1.0 - (self.horizon - bought) / self.life_years(side))

    def running_kgco2e(self, side: Side, bought: int, year: int) -> float:
        """Of a set of accelerators at full work, or of a host that is on, in a year."""
        fleet, trends = self.fleet, self.trends
        if side == "accelerator":
            whole = fleet.accelerator_kgco2e_per_year * trends.accelerator_work_ratio(bought)
            ratio = trends.accelerator_energy_ratio(bought)
        else:
            whole, ratio = fleet.host_kgco2e_per_year, trends.host_energy_ratio(bought)
        return whole * ratio * trends.intensity_ratio(year) / fleet.servers


def cohort_program(market: Market, whole_year: int | None, held: Mapping[Life, int]) -> Program:
    """kgCO2e a day over the horizon, to be made least.

    Purchases and retirements up to ``whole_year`` are whole (None: all are continuous); lives in
    ``held`` are fixed at their count.
    """
    lp = pulp.LpProblem("cohorts", pulp.LpMinimize)
    lives = {life: _life_column(lp, life, whole_year, held) for life in market.lives()}
    buy = {
        (side, year): lp.add_variable(column("buy", side, year), 0, cat=_category(whole_year, year))
        for side in SIDES
        for year in range(market.horizon)
    }
    on = {key: lp.add_variable(column("on", *key), 0) for key in market.at_work()}
    last = {
        (side, year): lp.add_variable(column("last", side, year), 0)
        for side, year in buy
        if market.credit_ratio(side, year) > 0.0
    }
    _define_retire(lp, buy, lives)
    _define_there(lp, on, lives)
    _define_work(lp, market, on)
    _define_seat(lp, market, on)
    _define_last(lp, market, last, on, lives)
    per_day = 1.0 / (market.horizon * DAYS_PER_YEAR)
    making = [(x, market.making_kgco2e(*key) * per_day) for key, x in buy.items()]
    credit = [
        (x, -market.making_kgco2e(*key) * market.credit_ratio(*key) * per_day)
        for key, x in last.items()
    ]
    running = [(x, market.running_kgco2e(*key) * per_day) for key, x in on.items()]
    lp.setObjective(pulp.LpAffineExpression(making + credit + running))
    return Program.of(lp)


def column(kind: str, *index: str | int) -> str:
    """The name of a column: its kind and its indices."""
    return f"{kind}({','.join(str(part) for part in index)})"


def _life_column(
    lp: pulp.LpProblem, life: Life, whole_year: int | None, held: Mapping[Life, int]
) -> Any:
    count = held.get(life)
    return lp.add_variable(
        column("x", *life), count or 0, count, _category(whole_year, life[2] - 1)
    )


def _category(whole_year: int | None, year: int) -> str:
    """Decided by ``whole_year`` means whole."""
    is_whole = whole_year is not None and year <= whole_year
    return str(pulp.LpInteger if is_whole else pulp.LpContinuous)


def _define_retire(
    lp: pulp.LpProblem, buy: Mapping[tuple[Side, int], Any], lives: Mapping[Life, Any]
) -> None:
    """What is bought is retired once."""
    ends = _ends(lives)
    for (side, bought), bought_column in buy.items():
        parts = [(x, 1.0) for _, x in ends[side, bought]]
        _row(lp, column("retire", side, bought), [*parts, (bought_column, -1.0)], EQ, 0.0)


def _define_there(lp: pulp.LpProblem, on: Mapping[Life, Any], lives: Mapping[Life, Any]) -> None:
    """Only what is there works."""
    ends = _ends(lives)
    for (side, bought, year), at_work in on.items():
        there = [(x, -1.0) for retired, x in ends[side, bought] if retired > year]
        _row(lp, column("there", side, bought, year), [(at_work, 1.0), *there], LE, 0.0)


def _ends(lives: Mapping[Life, Any]) -> dict[tuple[Side, int], list[tuple[int, Any]]]:
    """Years of retirement, with their columns, by what was bought when."""
    ends: dict[tuple[Side, int], list[tuple[int, Any]]] = {}
    for (side, bought, retired), x in lives.items():
        ends.setdefault((side, bought), []).append((retired, x))
    return ends


def _define_work(lp: pulp.LpProblem, market: Market, on: Mapping[Life, Any]) -> None:
    """The accelerators do the work of every year."""
    for year in range(market.horizon):
        done = [
            (x, market.trends.accelerator_work_ratio(bought))
            for (side, bought, y), x in on.items()
            if side == "accelerator" and y == year
        ]
        needed = market.fleet.servers * market.trends.demand_ratio(year)
        _row(lp, column("work", year), done, GE, needed)


def _define_seat(lp: pulp.LpProblem, market: Market, on: Mapping[Life, Any]) -> None:
    """A set of accelerators at work sits in a host that is on."""
    sign = {"host": 1.0, "accelerator": -1.0}
    for year in range(market.horizon):
        seats = [(x, sign[side]) for (side, _, y), x in on.items() if y == year]
        _row(lp, column("seat", year), seats, GE, 0.0)


def _define_last(
    lp: pulp.LpProblem,
    market: Market,
    last: Mapping[tuple[Side, int], Any],
    on: Mapping[Life, Any],
    lives: Mapping[Life, Any],
) -> None:
    """Only what is there and at work when the horizon ends has years left."""
    for (side, bought), at_end in last.items():
        there, at_work = lives[side, bought, market.horizon], on[side, bought, market.horizon - 1]
        for name, limit in (("there", there), ("at_work", at_work)):
            _row(lp, column("last", name, side, bought), [(at_end, 1.0), (limit, -1.0)], LE, 0.0)


EQ, LE, GE = pulp.LpConstraintEQ, pulp.LpConstraintLE, pulp.LpConstraintGE


def _row(
    lp: pulp.LpProblem, name: str, terms: Iterable[tuple[Any, float]], sense: int, rhs: float
) -> None:
    lp.addConstraint(pulp.LpConstraint(pulp.LpAffineExpression(list(terms)), sense, name, rhs))
