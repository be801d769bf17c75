"""Making: each part on paper under the coefficient set of the tiny world.

Big, per accelerator. Fab at node 5: 450 x 2 + 100 + 500 = 1,500 g/cm2. The die: 8 cm2 x 1.5 =
12 kg over Murphy's yield at 0.8 defects, ((1 - e^-0.8) / 0.8)^2 = 0.4738103: 25.3265914 kg.
Memory 80 x 0.5 = 40; power delivery 1,000 x 0.02 = 20; cooling 500 x 0.01 = 5; board 200 x 0.05
and 1; connectors 2; assembly a tenth of these 103.3265914: 10.3326591. In all 113.6592506 kg.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoserve.embodied import (
    accelerator_footprint,
    footprint,
    kgco2e_per_h,
    node_footprint,
    server_footprint,
)
from ecoserve.embodied_parts import murphy_yield
from ecoserve.errors import MissingDataError, UnknownIdError
from ecoserve.rows import CellSource
from tests.builders import BIG, BIG_SERVER, SET, SMALL, coefficient, die, tiny_catalog

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
    split = replace(BIG, dies=(die("big", "half", 400.0, 5, n_dies=2),))
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


# --- dies ------------------------------------------------------------------------------------


def only(part: str, product_id: str, catalog):
    (line,) = [p for p in footprint(product_id, SET, catalog).parts if p.part == part]
    return line


def test_the_die_of_an_h100_by_hand():
    # ACT at 5 nm: 583 g/kWh x 2.75 kWh + 327.5 g + 500 g = 2,430.75 g/cm2. Murphy's yield of
    # 8.14 cm2 at 0.1 defects: ((1 - e^-0.814) / 0.814)^2 = 0.468094. 8.14 x 2.43075 / 0.468094.
    act = {
        ("fab_epa_kwh_per_cm2", "5"): 2.75,
        ("fab_gpa_g_per_cm2", "5"): 327.5,
        ("fab_mpa_g_per_cm2", ""): 500.0,
        ("fab_ci_gco2e_per_kwh", ""): 583.0,
    }
    rows = [coefficient(item, value, key) for (item, key), value in act.items()]
    h100 = replace(BIG, dies=(replace(die("big", "gh100", 814.0, 5), process="TSMC 4N"),))
    line = only("dies", "big", tiny_catalog(h100, *rows))
    assert line.kgco2e == pytest.approx(42.2699, abs=1e-4)
    assert line.basis == "1 gh100 x 8.14 cm2 of TSMC 4N / yield 0.4681 x 2.431 kgCO2e/cm2"
    assert line.coefficient_ids == (
        *(f"{SET}/fab_epa_kwh_per_cm2/5", f"{SET}/fab_gpa_g_per_cm2/5"),
        *(f"{SET}/fab_mpa_g_per_cm2/", f"{SET}/fab_ci_gco2e_per_kwh/", f"{SET}/defects_per_cm2/"),
    )


def test_published_carbon_of_wafer_area_replaces_the_fab_and_keeps_the_yield():
    # 8 cm2 x 4 kg/cm2 / 0.4738103
    catalog = tiny_catalog(coefficient("fab_kg_per_cm2", 4.0, "5"))
    assert parts("big", catalog)["dies"] == pytest.approx(67.5375772)


def test_published_carbon_of_die_area_has_no_yield_and_a_form_of_its_own():
    rows = [coefficient("die_kg_per_cm2", 5.0, "7"), coefficient("die_kg_per_cm2", 3.0, "7_pcie")]
    tile_on_sxm = replace(BIG, dies=(die("big", "tile", 200.0, 7, n_dies=3),))
    catalog = tiny_catalog(*rows, tile_on_sxm)
    assert parts("big", catalog)["dies"] == pytest.approx(3 * 2.0 * 5.0)
    assert parts("small", catalog)["dies"] == pytest.approx(2.0 * 3.0)


def test_a_large_area_comes_with_a_low_yield_in_the_band():
    # High: 10 cm2 at 0.2 defects/cm2, Y = ((1 - e^-2) / 2)^2 = 0.1869112, and
    # (900 x 4 + 200 + 1,000) g/cm2. Low: 6 cm2 at 0.05, Y = 0.7463911 and (225 x 1 + 50 + 250) g.
    wide = replace(die("big", "core", 800.0, 5), area_low_mm2=600.0, area_high_mm2=1000.0)
    line = only("dies", "big", tiny_catalog(replace(BIG, dies=(wide,))))
    assert line.high_kgco2e == pytest.approx(10 * 4.8 / 0.1869112, rel=1e-6)
    assert line.low_kgco2e == pytest.approx(6 * 0.525 / 0.7463911, rel=1e-6)


def test_unlike_chiplets_are_lines_of_their_own_and_packages_count_dies():
    compute, base = die("big", "xcd", 115.0, 5, n_dies=8), die("big", "iod", 370.0, 7, n_dies=4)
    catalog = tiny_catalog(replace(BIG, dies=(compute, base)), coefficient("package_kg", 0.25))
    lines = [p for p in footprint("big", SET, catalog).parts if p.part == "dies"]
    alone = [
        parts("big", tiny_catalog(replace(BIG, dies=(kind,))))["dies"] for kind in (compute, base)
    ]
    assert [line.kgco2e for line in lines] == pytest.approx(alone)
    assert [line.basis[:5] for line in lines] == ["8 xcd", "4 iod"]
    assert parts("big", catalog)["packaging"] == 3.0


# --- the rest --------------------------------------------------------------------------------


def test_risers_belong_to_the_accelerators_of_a_share_and_not_to_the_host():
    catalog = tiny_catalog(coefficient("riser_kg", 7.0, "sxm"))
    assert parts("own_4x_big", catalog)["riser boards"] == 28.0
    assert parts("cloud_2x_big", catalog)["riser boards"] == 14.0
    assert "riser boards" not in parts("own_2x_small", catalog)


def test_dram_follows_the_type_the_cpu_takes():
    catalog = tiny_catalog(coefficient("dram_kg_per_gb", 0.4, "ddr5"))
    assert parts("own_4x_big", catalog)["DRAM"] == pytest.approx(200.0)


def test_the_arithmetic_is_written_out():
    shown = {p.part: p.basis for p in footprint("cloud_2x_big", SET, CATALOG).parts}
    assert shown["memory"] == "2 x (80 GB of HBM3 x 0.5 )"
    assert shown["chassis"] == "0.5 of the host x (2 heights of 2U x 30 )"
    assert shown["assembly and transport"] == "2 x (0.1 of 103.3 kgCO2e of parts)"
    assert shown["SSD"] == "2,500 GB of SSD x 0.02 "


def test_the_worst_input_gives_the_quality():
    def sure(*rows):
        return [replace(row, quality="manufacturer") for row in rows]

    measured = replace(BIG, quality="measured", dies=tuple(sure(*BIG.dies)))
    catalog = tiny_catalog(measured, *sure(coefficient("memory_kg_per_gb", 0.5, "hbm3")))
    assert only("memory", "big", catalog).quality == "manufacturer"
    doubted = CellSource(
        table_name="accelerators", row_id="big", column_name="memory_gb",
        source_id="paper_and_pencil", quality="assumed", note="guessed",
    )  # fmt: skip
    catalog = replace(catalog, cell_sources={("accelerators", "big", "memory_gb"): doubted})
    line = only("memory", "big", catalog)
    assert (line.quality, line.note) == ("assumed", "guessed")


def corrected(catalog, *places: tuple[str, str, str]):
    """The catalog after an overlay gave these figures: table, row id and column."""
    given = {
        (table, row_id, column): CellSource(
            table_name=table, row_id=row_id, column_name=column, source_id="your_overlay",
            quality="assumed", note="From the overlay.",
        )
        for table, row_id, column in places
    }  # fmt: skip
    return replace(catalog, cell_sources=given, overlay_figures=frozenset(places))


def sure(row, note=""):
    return replace(row, quality="manufacturer", source_id="maker", note=note)


MEMORY_ID = f"{SET}/memory_kg_per_gb/hbm3"
MAKERS = tiny_catalog(
    sure(replace(BIG, dies=(sure(BIG.dies[0]),))),
    sure(coefficient("memory_kg_per_gb", 0.5, "hbm3"), "546 kg for 640 GB."),
)


def test_what_nobody_corrected_is_the_makers():
    line = only("memory", "big", MAKERS)
    assert (line.is_own, line.source_id, line.quality) == (False, "maker", "manufacturer")
    assert line.note == "546 kg for 640 GB."


def test_a_coefficient_of_the_users_is_theirs_and_our_note_explains_it_no_more():
    place = ("embodied_coefficients", MEMORY_ID, "value")
    line = only("memory", "big", corrected(MAKERS, place))
    assert (line.is_own, line.source_id, line.quality) == (True, "your_overlay", "assumed")
    assert line.note == (f"Yours: value of {MEMORY_ID} in embodied_coefficients. From the overlay.")
    assert line.coefficient_ids == (MEMORY_ID,)


@pytest.mark.parametrize("end", ["low", "high"])
def test_an_end_of_the_users_is_theirs_and_our_note_explains_the_rest(end: str):
    line = only("memory", "big", corrected(MAKERS, ("embodied_coefficients", MEMORY_ID, end)))
    assert (line.is_own, line.source_id, line.quality) == (True, "your_overlay", "assumed")
    assert line.note == (
        f"Yours: {end} of {MEMORY_ID} in embodied_coefficients. From the overlay."
        " Otherwise: 546 kg for 640 GB."
    )


UPLIFT = "assembly and transport"


@pytest.mark.parametrize(
    ("place", "theirs"),
    [
        (("dies", "big/core", "area_mm2"), {"dies", UPLIFT}),
        (("dies", "big/core", "area_high_mm2"), {"dies", UPLIFT}),
        (("embodied_coefficients", f"{SET}/defects_per_cm2/", "value"), {"dies", "CPUs", UPLIFT}),
        (("accelerators", "big", "memory_gb"), {"memory", UPLIFT}),
        (("accelerators", "big", "memory_type"), {"memory", UPLIFT}),
        (("accelerators", "big", "psu_w"), {"power delivery", UPLIFT}),
        (("accelerators", "big", "tdp_w"), {"cooling", UPLIFT}),
        (("accelerators", "big", "board_area_cm2"), {"board", UPLIFT}),
        (("accelerators", "big", "capex_usd"), set()),
        (("embodied_coefficients", f"{SET}/assembly_ratio/", "value"), {UPLIFT}),
        (("hosts", "big_host", "n_psus"), {"power supplies"}),
        (("hosts", "big_host", "rack_units"), {"chassis", "fans"}),
        (("hosts", "big_host", "sockets"), {"CPUs"}),
        (("dies", "cpu/tile", "area_mm2"), {"CPUs"}),
        (("servers", "own_4x_big", "dram_gib"), {"DRAM"}),
        (("servers", "own_4x_big", "ssd_gb"), {"SSD"}),
        (("servers", "own_4x_big", "n_nics"), {"NICs"}),
    ],
)
def test_parts_on_a_figure_of_the_users_name_them_and_no_others_do(
    place: tuple[str, str, str], theirs: set[str]
):
    assert not any(part.is_own for part in footprint("own_4x_big", SET, MAKERS).parts)
    own = [p for p in footprint("own_4x_big", SET, corrected(MAKERS, place)).parts if p.is_own]
    assert {part.part for part in own} == theirs
    for part in own:
        table, row_id, column = place
        if f"Yours: {column} of {row_id} in {table}." in part.note:
            assert (part.source_id, part.quality) == ("your_overlay", "assumed")
        else:
            assert part.part == UPLIFT
            assert part.note.startswith("Of figures of yours: ")


def test_a_share_of_parts_rests_on_what_they_rest_on():
    line = only(
        "assembly and transport", "big", corrected(MAKERS, ("accelerators", "big", "memory_gb"))
    )
    assert line.is_own
    assert line.note == "Of figures of yours: memory."


def test_a_row_of_the_users_is_theirs_whatever_source_they_give():
    catalog = replace(MAKERS, overlay_figures=frozenset({("accelerators", "big", "")}))
    line = only("memory", "big", catalog)
    assert (line.is_own, line.source_id) == (True, "maker")
    assert catalog.overlay_rows == {("accelerators", "big")}


def test_hours_are_spread_over_each_sides_own_life():
    # 4 x 113.6592506 kg over 2 years and 499.5534660 kg over 5 years of 8,760 h
    server = server_footprint("own_4x_big", SET, CATALOG)
    assert server.side_kgco2e_per_h("accelerator", 2.0) == pytest.approx(0.0259496, abs=1e-7)
    assert server.side_kgco2e_per_h("host", 5.0) == pytest.approx(0.0114053, abs=1e-7)
    assert server.total_kgco2e_per_h(2.0, 5.0) == pytest.approx(0.0373549, abs=1e-7)


def test_a_node_that_is_no_row_is_made_of_what_it_has():
    lean = node_footprint(replace(BIG_SERVER, dram_gb=100.0, ssd_gb=0.0), SET, CATALOG)
    full = server_footprint("own_4x_big", SET, CATALOG)
    assert full.total_kgco2e - lean.total_kgco2e == pytest.approx(400 * 0.2 + 5000 * 0.02)


@pytest.mark.parametrize("factor", [1, 3, 8])
def test_so_many_servers_are_so_many_times_one(factor):
    one = server_footprint("own_4x_big", SET, CATALOG)
    many = [part.times(factor) for part in one.parts]
    assert sum(part.kgco2e for part in many) == pytest.approx(factor * one.total_kgco2e)
    assert sum(part.low_kgco2e for part in many) == pytest.approx(factor * one.low_kgco2e)


# --- laws ------------------------------------------------------------------------------------

AREAS = st.floats(5.0, 850.0)
GROWTH = st.floats(1.01, 3.0)


@given(st.floats(1.0, 500.0), st.floats(10.0, 2000.0), st.floats(20.0, 2000.0), AREAS, GROWTH)
def test_more_memory_watts_board_or_silicon_is_never_less_carbon(memory, tdp, board, area, growth):
    card = replace(
        SMALL, memory_gb=memory, tdp_w=tdp, board_area_cm2=board,
        dies=(die("small", "core", area, 7),),
    )  # fmt: skip
    least = footprint("small", SET, tiny_catalog(card))
    assert least.low_kgco2e <= least.total_kgco2e <= least.high_kgco2e
    for larger in (
        replace(card, memory_gb=memory * growth),
        replace(card, tdp_w=tdp * growth),
        replace(card, board_area_cm2=board * growth),
        replace(card, dies=(die("small", "core", area * growth, 7),)),
    ):
        assert footprint("small", SET, tiny_catalog(larger)).total_kgco2e > least.total_kgco2e


@given(AREAS, st.integers(2, 8))
def test_one_large_die_costs_more_than_the_same_silicon_in_chiplets(area, pieces):
    whole = replace(BIG, dies=(die("big", "one", area, 5),))
    split = replace(BIG, dies=(die("big", "piece", area / pieces, 5, n_dies=pieces),))
    ratio = parts("big", tiny_catalog(split))["dies"] / parts("big", tiny_catalog(whole))["dies"]
    expected = murphy_yield(area / 100, 0.1) / murphy_yield(area / pieces / 100, 0.1)
    assert ratio == pytest.approx(expected)
    assert ratio < 1.0
