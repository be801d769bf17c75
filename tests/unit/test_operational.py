"""Running: whose clock the intensity is on, what a site may override, and the one PUE."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ecoserve.errors import MissingDataError
from ecoserve.operational import (
    crossover_gco2e_per_kwh,
    direct_intensity,
    electricity_usd_per_kwh,
    facility_kwh,
    hourly_intensity,
    market_based_kgco2e,
    running_kgco2e_per_h,
    site_pue,
)
from ecoserve.scenario_parts import Market, Site
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
    hours = {("year", "lifecycle"): tuple(map(float, range(24)))}
    by_utc = replace(GRID, utc_offset_h=0, hourly_gco2e_per_kwh=hours)
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


def test_the_provider_and_the_catalog_give_what_the_region_leaves_open():
    bare = replace(SUNNY, id="bare", pue=None, electricity_usd_per_kwh=None)
    catalog, site = tiny_catalog(bare), Site(region="bare")
    assert site_pue(site, catalog) == 1.5
    assert electricity_usd_per_kwh(site, catalog) == 0.07


def test_a_season_and_a_kind_have_hours_of_their_own():
    summer = {("year", "lifecycle"): (300.0,) * 24, ("jja", "direct"): (200.0,) * 24}
    catalog = tiny_catalog(replace(GRID, hourly_gco2e_per_kwh=summer))
    direct = Site(region="sunny", season="jja", intensity_kind="direct")
    assert hourly_intensity(direct, catalog).tolist() == [200.0] * 24
    with pytest.raises(MissingDataError, match="sunny_grid has no lifecycle hours for jja"):
        hourly_intensity(Site(region="sunny", season="jja"), catalog)


def test_contracts_cover_their_share_and_the_rest_has_its_own_mix():
    # 1,000 kWh, 400 kg by place. 60 % covered: 40 % of 400 kg, or of 1,000 kWh at 500 g.
    assert market_based_kgco2e(Market(cfe_share=0.6), 400.0, 1000.0) == pytest.approx(160.0)
    rest = Market(cfe_share=0.6, gco2e_per_kwh=500.0)
    assert market_based_kgco2e(rest, 400.0, 1000.0) == pytest.approx(200.0)
    assert market_based_kgco2e(Market(), 400.0, 1000.0) == 400.0
    assert market_based_kgco2e(Market(cfe_share=1.0), 400.0, 1000.0) == 0.0


def test_the_authors_node_runs_and_crosses_over_where_they_say():
    # EcoServe: 4.76 kW at PUE 1 on 17, 261 and 501 g/kWh; 54.44 g of making an hour.
    emitted = [1000 * running_kgco2e_per_h(4.76, 1.0, g) for g in (17.0, 261.0, 501.0)]
    assert emitted == pytest.approx([80.9, 1242.4, 2384.8], abs=0.05)
    assert crossover_gco2e_per_kwh(1907.7 / 35_040, 4.76, 1.0) == pytest.approx(11.4, abs=0.05)


def test_pue_multiplies_once():
    assert facility_kwh(80.0, 1.25) == 100.0
    assert facility_kwh(np.array([8.0, 16.0]), 1.25).tolist() == [10.0, 20.0]


def test_direct_hours_are_known_or_not_but_never_guessed():
    hours = {("year", "lifecycle"): (300.0,) * 24, ("year", "direct"): (200.0,) * 24}
    catalog = tiny_catalog(replace(GRID, hourly_gco2e_per_kwh=hours))
    both = direct_intensity(Site(region="sunny"), catalog)
    assert both is not None
    assert both.tolist() == [200.0] * 24
    assert direct_intensity(Site(region="sunny"), CATALOG) is None
    assert direct_intensity(Site(region="sunny", intensity="annual"), catalog) is None
