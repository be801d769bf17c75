"""Running: whose clock the intensity is on, what a site may override, and the one PUE."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ecoserve.errors import MissingDataError
from ecoserve.operational import (
    electricity_usd_per_kwh,
    facility_kwh,
    hourly_intensity,
    site_pue,
)
from ecoserve.scenario import Site
from tests.builders import GRID, SUNNY, tiny_catalog

CATALOG = tiny_catalog()


def test_the_annual_figure_holds_every_hour():
    site = Site(region="sunny", intensity="annual")
    assert hourly_intensity(site, CATALOG).tolist() == [325.0] * 24


def test_a_profile_on_the_sites_own_clock_is_used_as_it_is():
    # Clean from 10 to 15 h local time
    hourly = hourly_intensity(Site(region="sunny"), CATALOG).tolist()
    assert hourly == [400.0] * 10 + [100.0] * 6 + [400.0] * 8


def test_a_profile_on_another_clock_is_shifted():
    # 0, 1, ... 23 by UTC. At UTC-8 local midnight is 8 h UTC; at UTC+2 it is 22 h.
    by_utc = replace(GRID, utc_offset_h=0, hourly_gco2e_per_kwh=tuple(map(float, range(24))))
    west = hourly_intensity(Site(region="sunny"), tiny_catalog(by_utc))
    assert (west[0], west[15], west[16], west[23]) == (8.0, 23.0, 0.0, 7.0)
    east = tiny_catalog(by_utc, replace(SUNNY, utc_offset_h=2))
    assert hourly_intensity(Site(region="sunny"), east)[:3].tolist() == [22.0, 23.0, 0.0]


def test_one_custom_figure_holds_every_hour():
    site = Site(region="sunny", intensity="custom", custom_gco2e_per_kwh=(17.0,))
    assert hourly_intensity(site, CATALOG).tolist() == [17.0] * 24


def test_24_custom_figures_are_local_hours():
    figures = tuple(float(hour) for hour in range(24))
    site = Site(region="sunny", intensity="custom", custom_gco2e_per_kwh=figures)
    assert hourly_intensity(site, CATALOG).tolist() == list(figures)


def test_no_profile_is_an_error_not_the_annual_figure():
    with pytest.raises(MissingDataError, match="plain has no hourly profile"):
        hourly_intensity(Site(region="plain", intensity="hourly"), CATALOG)


def test_the_region_gives_what_the_site_leaves_open():
    assert site_pue(Site(region="sunny"), CATALOG) == 1.25
    assert site_pue(Site(region="sunny", pue=1.0), CATALOG) == 1.0
    assert electricity_usd_per_kwh(Site(region="sunny"), CATALOG) == 0.1
    free = Site(region="sunny", electricity_usd_per_kwh=0.0)
    assert electricity_usd_per_kwh(free, CATALOG) == 0.0


def test_pue_multiplies_once():
    assert facility_kwh(80.0, 1.25) == 100.0
    assert facility_kwh(np.array([8.0, 16.0]), 1.25).tolist() == [10.0, 20.0]
