"""kgCO2e and USD of running. PUE enters in exactly one function, :func:`facility_kwh`."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ecoserve.catalog import Catalog
from ecoserve.errors import MissingDataError
from ecoserve.scenario_parts import Market, Site
from ecoserve.units import HOURS_PER_DAY, g_from_kg, kg_from_g

Array = NDArray[np.float64]
Energy = TypeVar("Energy", float, Array)


def hourly_intensity(site: Site, catalog: Catalog) -> Array:
    """gCO2e/kWh at the site by local hour, shape (24,): the location-based average.

    Life cycle unless the site asks for direct emissions; raises :class:`MissingDataError` where
    the region's grid has no such hours.
    """
    region = catalog.region(site.region)
    if site.intensity == "custom":
        return np.resize(np.array(site.custom_gco2e_per_kwh, dtype=float), HOURS_PER_DAY)
    if site.intensity == "annual":
        return np.full(HOURS_PER_DAY, region.gco2e_per_kwh)
    if region.grid_zone_id is None:
        raise MissingDataError(f"{region.id} has no hourly profile")
    zone = catalog.grid_zone(region.grid_zone_id)
    hours = zone.hourly_gco2e_per_kwh.get((site.season, site.intensity_kind))
    if hours is None:
        raise MissingDataError(f"{zone.id} has no {site.intensity_kind} hours for {site.season}")
    return np.roll(np.array(hours, dtype=float), region.utc_offset_h - zone.utc_offset_h)


def direct_intensity(site: Site, catalog: Catalog) -> Array | None:
    """gCO2e/kWh burnt at power stations by local hour, shape (24,), for the site's hours.

    None where the site's intensity is no hourly one of a zone that has them.
    """
    if site.intensity != "hourly":
        return None
    direct = site.model_copy(update={"intensity_kind": "direct"})
    try:
        return hourly_intensity(direct, catalog)
    except MissingDataError:
        return None


def site_pue(site: Site, catalog: Catalog) -> float:
    """Facility over IT energy: the site's own figure, else its region's, else its provider's."""
    if site.pue is not None:
        return site.pue
    region = catalog.region(site.region)
    return catalog.provider(region.provider_id).pue if region.pue is None else region.pue


def electricity_usd_per_kwh(site: Site, catalog: Catalog) -> float:
    """The site's own price, else its region's, else the typical one of the catalog."""
    region = catalog.region(site.region)
    for price in (site.electricity_usd_per_kwh, region.electricity_usd_per_kwh):
        if price is not None:
            return price
    return catalog.price_value("electricity_usd_per_kwh")


def facility_kwh(it_kwh: Energy, pue: float) -> Energy:
    """Energy at the meter of the building; takes a figure or an array.

    >>> facility_kwh(100.0, 1.25)
    125.0
    """
    return it_kwh * pue


def market_based_kgco2e(market: Market, location_kgco2e: float, energy_kwh: float) -> float:
    """Scope 2 by contracts instead of by place, for the same energy at the meter.

    What no contract covers counts at the contract's own rest mix, else as it does by place: give
    direct emissions where they are known (GHG Protocol, scope 2 guidance).

    >>> market_based_kgco2e(Market(cfe_share=0.75), 400.0, 1000.0)
    100.0
    """
    rest = 1.0 - market.cfe_share
    if market.gco2e_per_kwh is None:
        return rest * location_kgco2e
    return rest * kg_from_g(market.gco2e_per_kwh * energy_kwh)


def running_kgco2e_per_h(it_kw: float, pue: float, gco2e_per_kwh: float) -> float:
    """Carbon of an hour of running at a constant draw.

    >>> round(running_kgco2e_per_h(4.76, 1.0, 261.0), 4)
    1.2424
    """
    return kg_from_g(facility_kwh(it_kw, pue) * gco2e_per_kwh)


def crossover_gco2e_per_kwh(embodied_kgco2e_per_h: float, it_kw: float, pue: float) -> float:
    """The intensity at which an hour of running emits as much as an hour's share of making.

    >>> round(crossover_gco2e_per_kwh(0.05444, 4.76, 1.0), 1)
    11.4
    """
    return g_from_kg(embodied_kgco2e_per_h) / facility_kwh(it_kw, pue)
