"""The year's electricity by other conventions than the plan's: as burnt, and as contracted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ecoserve.catalog import Catalog
from ecoserve.operational import direct_intensity, facility_kwh, market_based_kgco2e
from ecoserve.plan import SiteDay
from ecoserve.scenario import Scenario
from ecoserve.units import DAYS_PER_YEAR, kg_from_g


def direct_kgco2e_per_year(
    scenario: Scenario, catalog: Catalog, days: Sequence[SiteDay]
) -> float | None:
    """What power stations burn for the year's electricity; None where no such hours are known."""
    burnt = [_burnt_kgco2e(n, scenario, catalog, day) for n, day in enumerate(days)]
    known = [kg for kg in burnt if kg is not None]
    return sum(known) if len(known) == len(burnt) else None


def market_kgco2e_per_year(
    scenario: Scenario, catalog: Catalog, days: Sequence[SiteDay]
) -> float | None:
    """The year's electricity by the sites' contracts; None where a site has none."""
    total = 0.0
    for index, (site, day) in enumerate(zip(scenario.sites, days, strict=True)):
        if site.market is None:
            return None
        kwh = facility_kwh(np.array(day.hourly.it_power_kw), day.pue)
        located = kg_from_g(float(kwh @ np.array(day.hourly.gco2e_per_kwh))) * DAYS_PER_YEAR
        direct = _burnt_kgco2e(index, scenario, catalog, day)
        year_kwh = float(kwh.sum()) * DAYS_PER_YEAR
        total += market_based_kgco2e(site.market, located if direct is None else direct, year_kwh)
    return total


def _burnt_kgco2e(
    site_index: int, scenario: Scenario, catalog: Catalog, day: SiteDay
) -> float | None:
    site = scenario.sites[site_index]
    intensity = direct_intensity(site, catalog)
    if intensity is None:
        return None
    home_h = catalog.region(scenario.site.region).utc_offset_h
    ahead_h = catalog.region(site.region).utc_offset_h - home_h
    day_kwh = facility_kwh(np.array(day.hourly.it_power_kw), day.pue)
    return kg_from_g(float(day_kwh @ np.roll(intensity, -ahead_h))) * DAYS_PER_YEAR
