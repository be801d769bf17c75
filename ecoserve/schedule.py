"""What moving offline work in time is worth: when it runs, and what its kWh carry then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecoserve.operational import facility_kwh
from ecoserve.plan import HourlyLoad, SiteDay
from ecoserve.units import DAYS_PER_YEAR, HOURS_PER_DAY, kg_from_g

Array = NDArray[np.float64]
MOST = 0.9
"""Share of a day's work that the hours named for it hold, where it has no one stretch."""
NOISE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflineDay:
    """An offline workload over the planned day at the sites that serve it.

    Its electricity above idle, before PUE, on the users' clock, shape (24,) each; what servers
    draw that stand by for it is no part of it.
    """

    workload: str
    runs_kw: Array
    arrives_kw: Array
    runs_kgco2e_per_year: float
    """At the meter, PUE included."""
    arrives_kgco2e_per_year: float
    """The same energy, drawn as the requests arrive."""

    @property
    def saved_kgco2e_per_year(self) -> float:
        """Carbon of the year that its electricity does without; below 0 where it costs some."""
        return self.arrives_kgco2e_per_year - self.runs_kgco2e_per_year

    @property
    def less_per_kwh(self) -> float:
        """How much less a kWh carries when it runs than when it arrives, as a ratio."""
        if not self.arrives_kgco2e_per_year:
            return 0.0
        return self.saved_kgco2e_per_year / self.arrives_kgco2e_per_year

    @property
    def moved(self) -> float:
        """Share of its energy that runs at other hours than it arrives."""
        apart = float(np.abs(self.runs_kw - self.arrives_kw).sum()) / 2
        return apart / max(float(self.runs_kw.sum()), 1e-12)

    @property
    def hours(self) -> tuple[int, int]:
        """First hour and end of the stretch in which more runs than arrives.

        Where there are several such stretches, the shortest one that holds nearly all of the work;
        (0, 0) is the whole day.
        """
        fuller = self.runs_kw > self.arrives_kw * (1 + NOISE)
        starts = np.flatnonzero(fuller & ~np.roll(fuller, 1))
        if len(starts) != 1:
            return shortest_stretch(self.runs_kw, MOST)
        first = int(starts[0])
        return first, (first + int(fuller.sum())) % HOURS_PER_DAY

    @property
    def share_in_hours(self) -> float:
        """Of its energy, the share that runs in :attr:`hours`."""
        first, end = self.hours
        length = (end - first) % HOURS_PER_DAY or HOURS_PER_DAY
        held = np.roll(self.runs_kw, -first)[:length]
        return float(held.sum() / max(self.runs_kw.sum(), 1e-12))


def offline_days(days: Sequence[SiteDay]) -> tuple[OfflineDay, ...]:
    """Every offline workload that is served, in the order of the sites' loads."""
    loads: dict[str, list[tuple[SiteDay, HourlyLoad]]] = {}
    for day in days:
        for load in day.loads:
            if load.kind == "offline":
                loads.setdefault(load.workload, []).append((day, load))
    return tuple(
        OfflineDay(
            workload=workload,
            runs_kw=np.sum([load.it_power_kw for _, load in found], axis=0),
            arrives_kw=np.sum([load.as_it_arrives_kw for _, load in found], axis=0),
            runs_kgco2e_per_year=sum(_year(day, load.it_power_kw) for day, load in found),
            arrives_kgco2e_per_year=sum(_year(day, load.as_it_arrives_kw) for day, load in found),
        )
        for workload, found in loads.items()
    )


def _year(day: SiteDay, it_kw: Sequence[float]) -> float:
    grams = facility_kwh(np.array(it_kw), day.pue) @ np.array(day.hourly.gco2e_per_kwh)
    return kg_from_g(float(grams)) * DAYS_PER_YEAR


def shortest_stretch(by_hour: Array, share: float) -> tuple[int, int]:
    """First hour and end, both 0 to 23, of the shortest cyclic stretch with this share of the day.

    Of stretches of one length the one with most; a whole day is (0, 0).

    >>> shortest_stretch(np.array([0.0] * 10 + [1.0] * 5 + [0.0] * 9), 0.9)
    (10, 15)
    """
    twice, wanted = np.concatenate([by_hour, by_hour]), share * float(by_hour.sum()) - 1e-12
    for length in range(1, HOURS_PER_DAY):
        held = [float(twice[first : first + length].sum()) for first in range(HOURS_PER_DAY)]
        best = int(np.argmax(held))
        if held[best] >= wanted:
            return best, (best + length) % HOURS_PER_DAY
    return 0, 0
