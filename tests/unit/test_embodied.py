"""Making: each part on paper under the coefficient set of the tiny world.

Big, per accelerator. Fab at node 5: 450 x 2 + 100 + 500 = 1,500 g/cm2. The die: 8 cm2 x 1.5 =
12 kg over Murphy's yield at 0.8 defects, ((1 - e^-0.8) / 0.8)^2 = 0.4738103: 25.3265914 kg.
Memory 80 x 0.5 = 40; power delivery 1,000 x 0.02 = 20; cooling 500 x 0.01 = 5; board 200 x 0.05
and 1; connectors 2; assembly a tenth of these 103.3265914: 10.3326591. In all 113.6592506 kg.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from ecoserve.embodied import (
    accelerator_footprint,
    footprint,
    kgco2e_per_h,
    murphy_yield,
    server_footprint,
)
from ecoserve.errors import MissingDataError, UnknownIdError
from tests.builders import BIG, SET, coefficient, tiny_catalog

CATALOG = tiny_catalog()
CARD_KG = 113.6592506


def parts(product_id: str, catalog=CATALOG) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in footprint(product_id, SET, catalog).parts:
        found[part.part] = found.get(part.part, 0.0) + part.kgco2e
    return found


def test_murphy_yield():
    assert murphy_yield(8.0, 0.1) == pytest.approx(0.4738103, abs=1e-7)
    assert murphy_yield(4.0, 0.1) == pytest.approx(0.6793055, abs=1e-7)
    assert murphy_yield(8.0, 0.0) == 1.0


def test_every_part_of_an_accelerator():
    assert parts("big") == pytest.approx(
        {
            "dies": 25.3265914,
            "memory": 40.0,
            "power delivery": 20.0,
            "cooling": 5.0,
            "board": 11.0,
            "connectors": 2.0,
            "assembly and transport": 10.3326591,
        }
    )
    assert accelerator_footprint("big", SET, CATALOG).total_kgco2e == pytest.approx(CARD_KG)


def test_chiplets_are_made_one_by_one():
    # Two dies of 4 cm2 instead of one of 8: 12 kg / 0.6793055 instead of / 0.4738103
    split = replace(BIG, n_dies=2, die_area_mm2=400.0)
    assert parts("big", tiny_catalog(split))["dies"] == pytest.approx(17.6650995)


def test_a_published_die_total_is_used_as_published():
    catalog = tiny_catalog(coefficient("die_kg", 41.5, "big"))
    assert parts("big", catalog)["dies"] == 41.5


def test_the_key_of_an_accelerator_beats_the_general_coefficient():
    # 500 W at 0.03 for cards of this form instead of 0.01
    catalog = tiny_catalog(coefficient("thermal_kg_per_w", 0.03, "sxm"))
    assert parts("big", catalog)["cooling"] == pytest.approx(15.0)


def test_the_band_puts_every_coefficient_at_its_end_at_once():
    # Low: (225 x 1 + 50 + 250) g x 8 cm2 / Y(0.4) = 6.1827848, the rest half of 78, times 1.05.
    # High: (900 x 4 + 200 + 1000) g x 8 cm2 / Y(1.6) = 154.3308609, the rest twice 78, times 1.2.
    card = accelerator_footprint("big", SET, CATALOG)
    assert card.low_kgco2e == pytest.approx(47.4419241)
    assert card.high_kgco2e == pytest.approx(372.3970330)


def test_every_part_of_a_host():
    # CPUs: four dies of 4 cm2 at 450 x 1 + 50 + 500 = 1,000 g/cm2: 16 / 0.6793055 = 23.5534660,
    # and two packages of 3. Chassis and fans by 4/2 rack units, four supplies, two NICs.
    host = {k: v for k, v in parts("own_4x_big").items() if k not in parts("big")}
    assert host == pytest.approx(
        {
            "CPUs": 29.5534660,
            "mainboard": 100.0,
            "chassis": 60.0,
            "fans": 10.0,
            "power supplies": 40.0,
            "peripheral boards": 40.0,
            "assembly": 8.0,
            "NICs": 12.0,
            "DRAM": 100.0,
            "SSD": 100.0,
        }
    )


def test_sides_and_parts_sum_to_the_total():
    server = server_footprint("own_4x_big", SET, CATALOG)
    assert server.side_kgco2e("accelerator") == pytest.approx(4 * CARD_KG)
    assert server.side_kgco2e("host") == pytest.approx(499.5534660)
    assert server.total_kgco2e == pytest.approx(4 * CARD_KG + 499.5534660)
    assert sum(part.kgco2e for part in server.parts) == pytest.approx(server.total_kgco2e)


def test_a_rented_half_carries_half_of_the_host_and_its_own_dram_and_ssd():
    # (499.5534660 - 200) / 2 + 250 x 0.2 + 2,500 x 0.02
    half = server_footprint("cloud_2x_big", SET, CATALOG)
    assert half.side_kgco2e("host") == pytest.approx(249.7767330)
    assert half.side_kgco2e("accelerator") == pytest.approx(2 * CARD_KG)


def test_a_set_of_lumps_does_not_scale_with_the_size_of_the_host():
    lump = replace(coefficient("host_scales_with_size", 0.0), low=0.0, high=0.0)
    found = parts("own_4x_big", tiny_catalog(lump, coefficient("cpu_kg", 27.0)))
    assert (found["chassis"], found["fans"], found["power supplies"]) == (30.0, 5.0, 10.0)
    assert found["CPUs"] == pytest.approx(27.0)


def test_twice_the_lifetime_halves_the_hourly_share():
    assert kgco2e_per_h(350.4, 4.0) == pytest.approx(0.01)
    assert kgco2e_per_h(350.4, 8.0) == pytest.approx(0.005)


def test_explicit_zeros_are_left_out_and_missing_rows_are_errors():
    assert "connectors" not in parts("big", tiny_catalog(coefficient("connection_kg", 0.0)))
    with pytest.raises(MissingDataError, match="'connection_kg'"):
        footprint("big", SET, tiny_catalog(without=[f"{SET}/connection_kg/"]))


def test_a_product_may_be_a_server_or_an_accelerator_and_nothing_else():
    assert footprint("own_2x_small", SET, CATALOG).id == "own_2x_small"
    with pytest.raises(UnknownIdError) as caught:
        footprint("own_4x_bug", SET, CATALOG)
    assert caught.value.suggestions[0] == "own_4x_big"
