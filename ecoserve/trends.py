"""How hardware, grid and demand change over a horizon: the assumptions of a lifecycle study.

Years count from 0, the year of the plan. What is bought in a year is of the latest generation of
accelerators and of that year's hosts; ratios are to what is bought in year 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from ecoserve.catalog import Catalog
from ecoserve.errors import Problem, ScenarioError

End = Literal["low", "value", "high"]
DEFAULT_HORIZON_YEARS = 10
LONGEST_HORIZON_YEARS = 20
GAIN, DECLINE = (-0.5, 3.0), (-0.5, 0.9)
RANGES: Mapping[str, tuple[float, float]] = {
    "accelerator_efficiency_gain": GAIN,
    "accelerator_throughput_gain": GAIN,
    "accelerator_embodied_decline": DECLINE,
    "generation_years": (1.0, 10.0),
    "host_efficiency_gain": GAIN,
    "host_embodied_decline": DECLINE,
    "grid_decline": DECLINE,
    "demand_growth": GAIN,
}
"""Every trend by its row in the catalog, and what it may be; ratios per year but for the years."""
ROUNDING_YEARS = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleAssumptions:
    """A horizon and eight trends; raises :class:`ScenarioError` with all that is out of range.

    Gains multiply by ``1 + gain`` a year, declines by ``1 - decline``.
    """

    horizon_years: int = DEFAULT_HORIZON_YEARS
    accelerator_efficiency_gain: float
    """Work per kWh; serving the same traffic is the work."""
    accelerator_throughput_gain: float
    """Work per accelerator: newer ones need fewer hosts for the same traffic."""
    accelerator_embodied_decline: float
    """kgCO2e of making accelerators per unit of work."""
    generation_years: float
    """From one generation of accelerators to the next."""
    host_efficiency_gain: float
    """Watts of a host that feeds as many accelerators: 1 over ``1 + gain``."""
    host_embodied_decline: float
    """kgCO2e of making a host."""
    grid_decline: float
    """gCO2e/kWh."""
    demand_growth: float
    """Traffic."""
    longest_accelerator_years: int | None = None
    """How long accelerators may serve in the cohort plan; None for as long as in the best split
    refresh."""
    longest_host_years: int | None = None

    def __post_init__(self) -> None:
        problems = [
            Problem(name, f"must be from {low:g} to {high:g}, not {getattr(self, name):g}")
            for name, (low, high) in RANGES.items()
            if not low <= getattr(self, name) <= high
        ]
        whole = {"horizon_years": self.horizon_years}
        for name in ("longest_accelerator_years", "longest_host_years"):
            if getattr(self, name) is not None:
                whole[name] = getattr(self, name)
        problems += [
            Problem(name, f"must be from 1 to {LONGEST_HORIZON_YEARS} years, not {years}")
            for name, years in whole.items()
            if not 1 <= years <= LONGEST_HORIZON_YEARS
        ]
        if problems:
            raise ScenarioError(problems)

    def generation(self, year: int) -> int:
        """Which generation of accelerators is bought in ``year``; 0 is today's."""
        return math.floor(year / self.generation_years + ROUNDING_YEARS)

    def _progress_years(self, year: int) -> float:
        """Years of progress in the accelerators bought in ``year``: whole generations."""
        return self.generation(year) * self.generation_years

    def accelerator_energy_ratio(self, bought: int) -> float:
        """kWh per unit of work of accelerators bought in a year."""
        return float((1.0 + self.accelerator_efficiency_gain) ** -self._progress_years(bought))

    def accelerator_work_ratio(self, bought: int) -> float:
        """Work of one accelerator bought in a year."""
        return float((1.0 + self.accelerator_throughput_gain) ** self._progress_years(bought))

    def accelerator_making_ratio(self, bought: int) -> float:
        """kgCO2e of making accelerators for a unit of work, bought in a year."""
        return float((1.0 - self.accelerator_embodied_decline) ** self._progress_years(bought))

    def host_energy_ratio(self, bought: int) -> float:
        """Watts of a host bought in a year."""
        return float((1.0 + self.host_efficiency_gain) ** -bought)

    def host_making_ratio(self, bought: int) -> float:
        """kgCO2e of making a host bought in a year."""
        return float((1.0 - self.host_embodied_decline) ** bought)

    def intensity_ratio(self, year: int) -> float:
        """gCO2e/kWh of a year."""
        return float((1.0 - self.grid_decline) ** year)

    def demand_ratio(self, year: int) -> float:
        """Traffic of a year.

        >>> from dataclasses import replace
        >>> round(replace(NO_TRENDS, demand_growth=0.1).demand_ratio(2), 9)
        1.21
        """
        return float((1.0 + self.demand_growth) ** year)


NO_TRENDS = LifecycleAssumptions(
    accelerator_efficiency_gain=0.0, accelerator_throughput_gain=0.0,
    accelerator_embodied_decline=0.0, generation_years=1.0, host_efficiency_gain=0.0,
    host_embodied_decline=0.0, grid_decline=0.0, demand_growth=0.0,
)  # fmt: skip
"""A world that stands still."""


def catalog_assumptions(
    catalog: Catalog, given: Mapping[str, float | int] | None = None
) -> LifecycleAssumptions:
    """The catalog's central trends, with what is ``given`` in their place, by field."""
    central = {name: catalog.trend(name).value for name in RANGES}
    return replace(NO_TRENDS, **{**central, **(given or {})})  # type: ignore[arg-type]


def at_the_end(
    assumptions: LifecycleAssumptions, catalog: Catalog, end: End, names: tuple[str, ...]
) -> LifecycleAssumptions:
    """The same with the named trends at one end of their band."""
    values = {name: getattr(catalog.trend(name), end) for name in names}
    return replace(assumptions, **values)


def uncertain_trends(assumptions: LifecycleAssumptions, catalog: Catalog) -> tuple[str, ...]:
    """Trends that are the catalog's and have a band; what the user set is taken as certain."""
    rows = {name: catalog.trend(name) for name in RANGES}
    return tuple(
        name
        for name, row in rows.items()
        if getattr(assumptions, name) == row.value and row.low < row.high
    )
