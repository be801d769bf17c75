"""The hourly bill under each price convention, on paper."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ecoserve.cost import host_capex_usd, server_cost
from ecoserve.errors import MissingDataError
from ecoserve.offers import offered_servers
from ecoserve.scenario_parts import Hardware
from tests.builders import BIG_SERVER, HALF_SERVER, RENT, tiny_catalog

CATALOG = tiny_catalog()


def test_purchase_is_capital_over_each_sides_life_and_colocation():
    # 4 x 20,000 / 35,040 h; (10,000 + 2 x 1,000 + 500 x 4 + 5 x 100) / 17,520 h;
    # 146 USD/kW/month / 730 h = 0.2, times the nameplate of 3.4625 kW
    cost = server_cost(BIG_SERVER, Hardware(accelerator_years=4.0, host_years=2.0), CATALOG)
    assert cost.accelerators == pytest.approx(80_000 / 35_040)
    assert cost.hosts == pytest.approx(14_500 / 17_520)
    assert cost.colocation == pytest.approx(0.6925)
    assert cost.rental == 0.0
    assert cost.usd_per_h == pytest.approx(2.2831050 + 0.8276256 + 0.6925)


def test_rental_is_the_price_and_nothing_else():
    hardware = Hardware(offer="rental", provider="cloud")
    cost = server_cost(HALF_SERVER, hardware, CATALOG)
    assert cost.usd_per_h == 9.0
    assert (cost.accelerators, cost.hosts, cost.colocation) == (0.0, 0.0, 0.0)


def test_a_rented_server_without_a_price_is_an_error():
    with pytest.raises(MissingDataError, match="cloud_2x_big has no rental price"):
        server_cost(HALF_SERVER, rented_by_list_of("2024"), CATALOG)


def test_the_latest_price_list_is_used_unless_another_is_named():
    dearer = replace(RENT, id="cloud_2x_big/2024", price_date="2024", usd_per_h=12.0)
    catalog = tiny_catalog(dearer)
    assert server_cost(HALF_SERVER, rented_by_list_of(None), catalog).usd_per_h == 9.0
    assert server_cost(HALF_SERVER, rented_by_list_of("2024"), catalog).usd_per_h == 12.0


def test_servers_without_a_price_that_year_are_not_on_offer():
    other = replace(HALF_SERVER, id="cloud_other")
    early = replace(RENT, id="cloud_other/2024", server_id="cloud_other", price_date="2024")
    catalog = tiny_catalog(other, early)
    assert [s.id for s in offered_servers(rented_by_list_of(None), catalog)] == ["cloud_2x_big"]
    assert [s.id for s in offered_servers(rented_by_list_of("2024"), catalog)] == ["cloud_other"]


def rented_by_list_of(price_date):
    return Hardware(offer="rental", provider="cloud", price_date=price_date)


def test_half_a_host_costs_half_of_what_is_shared():
    # (10,000 + 2 x 1,000) / 2 + 250 x 4 + 2.5 x 100
    assert host_capex_usd(HALF_SERVER, CATALOG) == pytest.approx(7_250.0)
