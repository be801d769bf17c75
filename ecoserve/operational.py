"""kgCO2e and USD of running. PUE enters in exactly one function, :func:`facility_kwh`."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ecoserve.catalog import Catalog
from ecoserve.errors import MissingDataError
from ecoserve.scenario import Site
from ecoserve.units import HOURS_PER_DAY

Array = NDArray[np.float64]
Energy = TypeVar("Energy", float, Array)


def hourly_intensity(site: Site, catalog: Catalog) -> Array:
    """gCO2e/kWh at the site by local hour, shape (24,); location-based, life cycle, average."""
    region = catalog.region(site.region)
    if site.intensity == "custom":
        return np.resize(np.array(site.custom_gco2e_per_kwh, dtype=float), HOURS_PER_DAY)
    if site.intensity == "annual":
        return np.full(HOURS_PER_DAY, region.gco2e_per_kwh)
    if region.grid_profile_id is None:
        raise MissingDataError(f"{region.id} has no hourly profile")
    profile = catalog.grid_profile(region.grid_profile_id)
    shift_h = region.utc_offset_h - profile.utc_offset_h
    return np.roll(np.array(profile.hourly_gco2e_per_kwh, dtype=float), shift_h)


def site_pue(site: Site, catalog: Catalog) -> float:
    """Facility over IT energy: the site's own figure, else its region's."""
    return catalog.region(site.region).pue if site.pue is None else site.pue


def electricity_usd_per_kwh(site: Site, catalog: Catalog) -> float:
    """The site's own price, else its region's."""
    given = site.electricity_usd_per_kwh
    return catalog.region(site.region).electricity_usd_per_kwh if given is None else given


def facility_kwh(it_kwh: Energy, pue: float) -> Energy:
    """Energy at the meter of the building; takes a figure or an array.

    >>> facility_kwh(100.0, 1.25)
    125.0
    """
    return it_kwh * pue
