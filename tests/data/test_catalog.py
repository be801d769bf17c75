"""The packaged catalog: complete, sourced, plausible."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from catalog_db.reader import QUERYABLE, query_rows
from ecoserve.catalog import TABLES, Accelerator, Catalog
from ecoserve.errors import UnknownIdError

BOTH_SETS = ("paper", "pcf")
ACCELERATOR_ITEMS = (
    "thermal_kg_per_w",
    "power_delivery_kg_per_w",
    "board_kg_per_cm2",
    "board_kg",
    "connection_kg",
    "assembly_ratio",
)
HOST_ITEMS = (
    "dram_kg_per_gb",
    "ssd_kg_per_gb",
    "cpu_package_kg",
    "mainboard_kg",
    "chassis_kg",
    "fans_kg",
    "psu_kg",
    "peripherals_kg",
    "nic_kg",
    "host_assembly_kg",
    "host_scales_with_size",
)


def murphy(area_defects: float) -> float:
    return ((1.0 - math.exp(-area_defects)) / area_defects) ** 2


def accelerator_kg(catalog: Catalog, set_id: str, card: Accelerator) -> float:
    """The embodied formula, written out a second time."""

    def of(item: str, *keys: str) -> float:
        return catalog.coefficient(set_id, item, *keys).value

    if catalog.has_coefficient(set_id, "die_kg", card.id):
        die = of("die_kg", card.id)
    else:
        area, node = card.die_area_mm2 / 100.0, str(card.node_nm)
        energy = of("fab_ci_gco2e_per_kwh") * of("fab_epa_kwh_per_cm2", node)
        grams = energy + of("fab_gpa_g_per_cm2", node) + of("fab_mpa_g_per_cm2")
        die = card.n_dies * area * grams / 1000.0 / murphy(area * of("defects_per_cm2"))
    parts = (
        die
        + card.memory_gb * of("memory_kg_per_gb", card.memory_type)
        + card.tdp_w * of("thermal_kg_per_w", card.memory_type, card.form_factor)
        + card.psu_w * of("power_delivery_kg_per_w")
        + card.board_area_cm2 * of("board_kg_per_cm2", card.form_factor)
        + of("board_kg", card.form_factor)
        + of("connection_kg")
    )
    return parts * (1.0 + of("assembly_ratio"))


def test_has_the_rows_a_planner_needs(catalog: Catalog) -> None:
    wanted = "t4 a10g l4 l40s a100_sxm_80gb h100_sxm_80gb h200_sxm_141gb b200_sxm_180gb"
    assert set(wanted.split()) <= set(catalog.accelerators)
    assert len(catalog.servers) >= 12
    assert {server.offer for server in catalog.servers.values()} == {"purchase", "rental"}
    assert len(catalog.llms) >= 4
    assert len(catalog.regions) >= 16
    assert len(catalog.length_mixes) >= 3
    assert catalog.coefficient_sets == BOTH_SETS


def test_every_row_has_a_source_and_says_what_is_assumed(catalog: Catalog) -> None:
    for table in TABLES[1:]:
        for row in getattr(catalog, table).values():
            assert row.source_id in catalog.sources, (table, row.id)
            assert row.quality != "assumed" or row.note, (table, row.id)


def test_every_source_has_an_address(catalog: Catalog) -> None:
    for source in catalog.sources.values():
        assert source.url.startswith("https://") or source.url == "assets/methodology.md"


def test_bands_hold_their_value(catalog: Catalog) -> None:
    for table in (catalog.host_power, catalog.prices, catalog.embodied_coefficients):
        for row in table.values():
            assert row.low <= row.value <= row.high, row.id


def test_every_family_has_parameters(catalog: Catalog) -> None:
    for card in catalog.accelerators.values():
        assert catalog.has_serving(card.family, "vllm_v1", "bf16"), card.id
        has_fp8 = catalog.has_serving(card.family, "vllm_v1", "fp8")
        assert has_fp8 == (card.fp8_tflops is not None), card.id
        assert catalog.power(card.family).p0_ratio * card.tdp_w > card.idle_w or card.tdp_w < 400
    for host in catalog.hosts.values():
        assert catalog.has_serving(host.family, "cpu", "bf16"), host.id


@pytest.mark.parametrize("set_id", BOTH_SETS)
def test_coefficient_sets_answer_for_every_part(catalog: Catalog, set_id: str) -> None:
    for card in catalog.accelerators.values():
        keys = (card.id, card.memory_type, card.form_factor, str(card.node_nm))
        catalog.coefficient(set_id, "memory_kg_per_gb", card.memory_type)
        for item in ACCELERATOR_ITEMS:
            catalog.coefficient(set_id, item, *keys)
        assert accelerator_kg(catalog, set_id, card) > 0.0
    for item in HOST_ITEMS:
        catalog.coefficient(set_id, item)
    for host in catalog.hosts.values():
        assert set_id == "paper" or catalog.coefficient(
            set_id, "fab_epa_kwh_per_cm2", str(host.node_nm)
        )


@pytest.mark.parametrize(
    ("set_id", "accelerator_id", "kg"),
    [
        ("paper", "h100_sxm_80gb", 103.0),
        ("paper", "l4", 31.1),
        ("paper", "t4", 26.8),
        ("paper", "h100_pcie_80gb", 115.5),
        ("pcf", "h100_sxm_80gb", 164.4),
        ("pcf", "l4", 57.3),
    ],
)
def test_accelerators_weigh_what_was_published(
    catalog: Catalog, set_id: str, accelerator_id: str, kg: float
) -> None:
    card = catalog.accelerator(accelerator_id)
    assert accelerator_kg(catalog, set_id, card) == pytest.approx(kg, abs=0.05)


def test_host_of_the_paper_weighs_what_was_published(catalog: Catalog) -> None:
    items = ("cpu_kg", "mainboard_kg", "chassis_kg", "fans_kg", "psu_kg", "peripherals_kg")
    fixed = sum(catalog.coefficient("paper", item).value for item in items)
    dram = 2000.0 * catalog.coefficient("paper", "dram_kg_per_gb").value
    ssd = 22_720.0 * catalog.coefficient("paper", "ssd_kg_per_gb").value
    assert fixed == pytest.approx(276.5, abs=0.05)
    assert fixed + dram + ssd == pytest.approx(1083.7, abs=0.05)


def test_servers_fit_their_hosts(catalog: Catalog) -> None:
    shares = {server.id: catalog.share_of_host(server) for server in catalog.servers.values()}
    assert max(shares.values()) <= 1.0
    assert shares["aws_g5_xlarge"] == 0.125
    assert all(share == 1.0 for name, share in shares.items() if name.startswith("own_"))


def test_only_rentals_have_an_hourly_price(catalog: Catalog) -> None:
    for server in catalog.servers.values():
        assert (server.rental_usd_per_h is None) == (server.offer == "purchase"), server.id


@pytest.mark.parametrize(
    ("mix_id", "isl_tokens", "osl_tokens"),
    [("azure_2023_conversation", 1154.7, 211.1), ("azure_2023_code", 2047.85, 27.88)],
)
def test_mixes_match_the_traces(
    catalog: Catalog, mix_id: str, isl_tokens: float, osl_tokens: float
) -> None:
    mix = catalog.length_mix(mix_id)
    assert mix.mean_isl_tokens == pytest.approx(isl_tokens, rel=1e-4)
    assert mix.mean_osl_tokens == pytest.approx(osl_tokens, rel=1e-3)


def test_fractions_of_a_mix_sum_to_one(catalog: Catalog) -> None:
    for mix in catalog.length_mixes.values():
        assert math.fsum(b.fraction for b in mix.buckets) == pytest.approx(1.0, abs=1e-12)


def test_units_are_converted_once(catalog: Catalog) -> None:
    row = catalog.serving("hopper_sxm", "vllm_v1", "bf16")
    assert row.t0_s == pytest.approx(0.0005)
    assert row.t_layer_s == pytest.approx(50.9e-6)
    assert row.allreduce_latency_s == pytest.approx(10e-6)
    assert catalog.server("aws_g5_xlarge").dram_gb == 16


def test_profiles_have_24_hours_and_regions_a_known_profile(catalog: Catalog) -> None:
    assert all(len(p.hourly_ratio) == 24 for p in catalog.rate_profiles.values())
    assert all(len(p.hourly_gco2e_per_kwh) == 24 for p in catalog.grid_profiles.values())
    for region in catalog.regions.values():
        assert region.grid_profile_id is None or region.grid_profile_id in catalog.grid_profiles


def test_aliases_are_unique(catalog: Catalog) -> None:
    aliases = [alias for llm in catalog.llms.values() for alias in llm.aliases]
    assert len(aliases) == len(set(aliases))
    assert catalog.llm("llama3-8b").id == "llama_3_1_8b"


def test_query_shows_every_table_with_its_sources(built: Path) -> None:
    for table in QUERYABLE:
        assert query_rows(built, table), table
    row = next(r for r in query_rows(built, "accelerators") if r["id"] == "l4")
    assert row["source_title"] == "NVIDIA L4 data sheet"
    assert row["quality"] == "manufacturer"


@pytest.mark.parametrize("table", ["accelerator", "catalog_meta", "sources; DROP TABLE llms", ""])
def test_query_refuses_other_tables(built: Path, table: str) -> None:
    with pytest.raises(UnknownIdError):
        query_rows(built, table)
