"""The packaged catalog: complete, sourced, plausible."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from catalog_db.schema import schema
from catalog_db.store import query
from ecoserve.catalog import TABLES, Catalog
from ecoserve.performance import expert_params

LEAST_ROWS = {
    "accelerators": 24,
    "cpus": 15,
    "servers": 45,
    "llms": 40,
    "regions": 120,
    "grid_zones": 14,
    "length_mixes": 8,
    "host_variants": 1,
    "product_footprints": 10,
}
PROMISED = {
    "accelerators": "t4 a10g l4 l40s v100_sxm_16gb a100_pcie_40gb a100_sxm_80gb h100_sxm_80gb "
    "h100_pcie_80gb h200_sxm_141gb gh200_96gb b200 gb200 mi250x mi300x mi325x gaudi2 gaudi3",
    "providers": "own aws azure gcp lambda",
    "rate_profiles": "flat azure_2024_conversation_weekday azure_2024_conversation_week",
}
MODELS_OF_THE_POINTS = (
    "llama2-70b bloom-176b llama2-7b llama2-13b llama3-8b llama3-70b llama3.1-405b mistral-7b "
    "qwen2-7b qwen2-72b mixtral-8x7b qwen3-8b qwen3-14b qwen3-32b qwen3-30b-a3b qwen3-235b-a22b "
    "qwen3-coder-480b-a35b gemma3-12b gemma3-27b gpt-oss-120b gpt-oss-20b deepseek-v3 "
    "llama4-scout llama4-maverick falcon-7b falcon-40b codellama-34b internlm-20b qwen-72b phi-2"
)
SPARSE_TFLOPS = {"h100_sxm_80gb": 1979, "h100_nvl_94gb": 1671, "rtx_a6000": 310, "l4": 242}


def test_has_the_rows_a_planner_needs(catalog: Catalog) -> None:
    found = {table: len(getattr(catalog, table)) for table in LEAST_ROWS}
    assert {t: n for t, n in found.items() if n < LEAST_ROWS[t]} == {}
    for table, ids in PROMISED.items():
        assert set(ids.split()) - set(getattr(catalog, table)) == set()
    assert catalog.coefficient_sets == ("lca_high", "paper", "pcf")
    assert {server.offer for server in catalog.servers.values()} == {"purchase", "rental"}


def test_every_model_that_was_measured_is_known_by_its_name(catalog: Catalog) -> None:
    for name in MODELS_OF_THE_POINTS.split():
        catalog.llm(name)


def test_every_row_has_a_source_and_says_what_is_assumed(catalog: Catalog) -> None:
    for table in TABLES[1:]:
        for row in getattr(catalog, table).values():
            assert row.source_id in catalog.sources, (table, row.id)
            assert row.quality != "assumed" or row.note, (table, row.id)
    for cell in catalog.cell_sources.values():
        assert cell.source_id in catalog.sources, cell
        assert cell.quality != "assumed" or cell.note, cell


def tables_with_sources() -> list[str]:
    return [name for name, table in schema().items() if "source_id" in table.names]


def test_every_source_has_an_address_and_a_use(catalog: Catalog, built: Path) -> None:
    for source in catalog.sources.values():
        assert source.url.startswith("https://") or source.url == "assets/methodology.md"
    used = {cell.source_id for cell in catalog.cell_sources.values()}
    for table in tables_with_sources():
        used |= {row["source_id"] for row in query(built, f"SELECT source_id FROM {table}")}
    for table in TABLES[1:]:
        for row in getattr(catalog, table).values():
            parts = (row, *getattr(row, "dies", ()), *getattr(row, "lines", ()))
            used |= {part.source_id for part in parts}
    named = " ".join(row.note for table in TABLES[1:] for row in getattr(catalog, table).values())
    named += " ".join(cell.note for cell in catalog.cell_sources.values())
    assert {name for name in catalog.sources if name not in used and name not in named} == set()


def test_bands_hold_their_value(catalog: Catalog) -> None:
    for table in (
        catalog.host_power,
        catalog.prices,
        catalog.trends,
        catalog.embodied_coefficients,
    ):
        for row in table.values():
            assert row.low <= row.value <= row.high, row.id


def test_rates_are_dense(catalog: Catalog) -> None:
    for accelerator_id, sparse in SPARSE_TFLOPS.items():
        assert catalog.accelerator(accelerator_id).bf16_tflops < 0.6 * sparse
    for card in catalog.accelerators.values():
        assert card.fp8_tflops is None or card.fp8_tflops <= 2.03 * card.bf16_tflops, card.id


def test_capex_is_said_to_be_assumed(catalog: Catalog) -> None:
    card = catalog.accelerator("h100_sxm_80gb")
    assert catalog.provenance("accelerators", card, "tdp_w").quality == "manufacturer"
    assert catalog.provenance("accelerators", card, "capex_usd").quality == "assumed"


def test_the_silicon_of_a_chiplet_accelerator_is_listed_one_by_one(catalog: Catalog) -> None:
    dies = {die.die: die for die in catalog.accelerator("mi300x").dies}
    assert (dies["xcd"].n_dies, dies["xcd"].node_nm) == (8, 5)
    assert (dies["iod"].n_dies, dies["iod"].node_nm) == (4, 7)
    (h100,) = catalog.accelerator("h100_sxm_80gb").dies
    assert (h100.n_dies, h100.area_mm2) == (1, 814)


def test_default_stack_knows_the_accelerators_of_the_presets(catalog: Catalog) -> None:
    names = "t4 a10 l4 l40s a100_sxm_80gb h100_sxm_80gb h200_sxm_141gb b200"
    for name in names.split():
        card = catalog.accelerator(name)
        assert catalog.has_serving(card.family, "vllm_v1", "bf16"), name
        has_fp8 = catalog.has_serving(card.family, "vllm_v1", "fp8")
        assert has_fp8 == (card.fp8_tflops is not None), name


def test_servers_fit_their_hosts(catalog: Catalog) -> None:
    shares = {server.id: catalog.share_of_host(server) for server in catalog.servers.values()}
    assert max(shares.values()) <= 1.0
    assert shares["aws_g5_xlarge"] == 0.125
    whole = [name for name in shares if name.startswith(("own_", "dgx_"))]
    assert [name for name in whole if shares[name] != 1.0] == []
    assert shares["aws_p5_48xlarge"] == shares["azure_nd96isr_h100_v5"] == 1.0


def test_rentals_have_a_price_of_this_year_and_purchases_none(catalog: Catalog) -> None:
    for server in catalog.servers.values():
        price = catalog.rental_price(server.id, "2026")
        assert (price is not None) == (server.offer == "rental"), server.id
    # Cut by Amazon in June 2025; the old figure still circulates.
    assert catalog.rental_prices["aws_p5_48xlarge/2026"].usd_per_h == 55.04
    assert catalog.rental_prices["aws_p5_48xlarge/2024"].usd_per_h == 98.32


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
        assert math.fsum(b.fraction for b in mix.buckets) == pytest.approx(1.0, abs=1e-12), mix.id


def test_units_are_converted_once(catalog: Catalog) -> None:
    row = catalog.serving("hopper_sxm", "vllm_v1", "bf16")
    assert row.t0_s == pytest.approx(0.0005)
    assert row.t_layer_s == pytest.approx(50.9e-6)
    assert row.allreduce_latency_s == pytest.approx(10e-6)
    assert catalog.server("aws_g5_xlarge").dram_gb == 16


def test_a_week_of_hours_agrees_with_its_days(catalog: Catalog) -> None:
    week = np.array(catalog.rate_profile("azure_2024_conversation_week").hourly_ratio)
    weekday = catalog.rate_profile("azure_2024_conversation_weekday").hourly_ratio
    weekend = catalog.rate_profile("azure_2024_conversation_weekend").hourly_ratio
    days = week.reshape(7, 24)
    assert days[:5].mean(axis=0) == pytest.approx(weekday, rel=2e-4)
    assert days[5:].mean(axis=0) == pytest.approx(weekend, rel=2e-4)


def test_every_zone_has_every_season_and_both_kinds(catalog: Catalog) -> None:
    for zone in catalog.grid_zones.values():
        assert len(zone.hourly_gco2e_per_kwh) == 10, zone.id
        for hours in zone.hourly_gco2e_per_kwh.values():
            assert len(hours) == 24
        life_cycle = zone.hourly_gco2e_per_kwh["year", "lifecycle"]
        direct = zone.hourly_gco2e_per_kwh["year", "direct"]
        assert all(d < h for d, h in zip(direct, life_cycle, strict=True)), zone.id


def test_regions_name_known_zones_and_providers(catalog: Catalog) -> None:
    for region in catalog.regions.values():
        assert region.provider_id in catalog.providers
        assert region.grid_zone_id is None or region.grid_zone_id in catalog.grid_zones


def test_aliases_are_unique(catalog: Catalog) -> None:
    aliases = [alias for llm in catalog.llms.values() for alias in llm.aliases]
    assert len(aliases) == len(set(aliases))
    assert catalog.llm("llama3-8b").id == "llama_3_1_8b"


def test_latent_attention_keeps_one_vector_per_token_and_layer(catalog: Catalog) -> None:
    from ecoserve.performance import kv_values_per_token

    assert kv_values_per_token(catalog.llm("deepseek-v3")) == 61 * 576
    assert kv_values_per_token(catalog.llm("llama3-8b")) == 2 * 32 * 8 * 128


@pytest.mark.parametrize(
    ("llm", "experts_b"),
    [("gpt_oss_120b", 114.71), ("gpt_oss_20b", 19.12), ("qwen3_30b_a3b", 29.0)],
)
def test_active_parameters_count_the_input_embedding(catalog, llm, experts_b):
    # total - active over 1 - k/E leaves what the publisher gives for all experts
    assert expert_params(catalog.llm(llm)) / 1e9 == pytest.approx(experts_b, rel=1e-3)


@pytest.mark.parametrize("llm", ["deepseek_v3", "kimi_k2"])
def test_latent_attention_multiplies_keys_and_values_in_prompts(catalog, llm):
    row = catalog.llm(llm)
    assert row.mla
    assert row.prefill_head_dim == (192 + 128) / 2


def test_cards_without_a_bridge_pay_for_their_bus(catalog):
    for card in catalog.accelerators.values():
        family = catalog.serving_parameters.get(f"{card.family}/vllm_v1/bf16")
        if card.form_factor == "pcie" and card.memory_type.startswith("hbm") and family:
            has_bridge = card.link_gb_per_s > 100
            slowest = max(family.allreduce_latency_s, card.allreduce_latency_s or 0.0)
            assert has_bridge or slowest >= 37e-6, card.id
