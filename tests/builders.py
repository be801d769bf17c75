"""A tiny world with round numbers, and scenarios in it: builders with overrides, no files.

The figures are chosen so that every formula can be followed on paper; none describes a product.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ecoserve.catalog import Catalog, coefficient_id, serving_id
from ecoserve.rows import (
    Accelerator,
    Cpu,
    Die,
    EmbodiedCoefficient,
    GridZone,
    Host,
    HostVariant,
    LengthBucket,
    LengthMix,
    Llm,
    PowerParameters,
    Price,
    ProductFootprint,
    Provider,
    Quantity,
    RateProfile,
    Region,
    RentalPrice,
    Server,
    ServingParameters,
    Source,
)
from ecoserve.scenario import Scenario, read_scenario

STACK = "vllm_v1"
SET = "round"

SOURCE = Source(
    id="paper_and_pencil", title="Round numbers", publisher="these tests", url="",
    published="", retrieved="", licence="",
)  # fmt: skip
ROW: dict[str, Any] = {"source_id": SOURCE.id, "quality": "assumed"}


def die(product_id: str, name: str, area_mm2: float, node_nm: int, n_dies: int = 1) -> Die:
    """A die whose area is known exactly."""
    return Die(
        id=f"{product_id}/{name}", product_id=product_id, die=name, n_dies=n_dies,
        area_mm2=area_mm2, area_low_mm2=area_mm2, area_high_mm2=area_mm2, process="Acme",
        node_nm=node_nm, **ROW,
    )  # fmt: skip


BIG = Accelerator(
    id="big", name="Big", vendor="Acme", launch_year=2024, family="big_family", form_factor="sxm",
    dies=(die("big", "core", 800.0, 5),), memory_type="hbm3", memory_gb=80.0,
    memory_gb_per_s=2000.0, bf16_tflops=500.0, has_bf16=True, fp8_tflops=1000.0, int8_tops=None,
    fp4_tflops=None, tdp_w=500.0, idle_w=100.0, idle_bare_w=None,
    link_gb_per_s=100.0, allreduce_gb_per_s=200.0, max_tp=4, board_area_cm2=200.0, psu_w=1000.0,
    capex_usd=20_000.0, **ROW,
)  # fmt: skip
SMALL = Accelerator(
    id="small", name="Small", vendor="Acme", launch_year=2022, family="small_family",
    form_factor="pcie", dies=(die("small", "core", 200.0, 7),), memory_type="gddr6",
    memory_gb=24.0, memory_gb_per_s=300.0, bf16_tflops=100.0, has_bf16=True, fp8_tflops=None,
    int8_tops=None, fp4_tflops=None, tdp_w=100.0, idle_w=25.0, idle_bare_w=None,
    link_gb_per_s=20.0, allreduce_gb_per_s=None, max_tp=1, board_area_cm2=100.0, psu_w=250.0,
    capex_usd=2_000.0, **ROW,
)  # fmt: skip
CPU = Cpu(
    id="cpu", name="Acme CPU", vendor="Acme", launch_year=2022, family="cpu_family",
    dies=(die("cpu", "tile", 400.0, 7, n_dies=2),), cores=50, threads_per_core=2, tdp_w=200.0,
    memory_type="ddr5", memory_channels=8, memory_gb_per_s=200.0, bf16_tflops=20.0, **ROW,
)  # fmt: skip
SMALL_CPU = replace(CPU, id="small_cpu", tdp_w=100.0)
BIG_HOST = Host(
    id="big_host", name="Big host", cpu=CPU, sockets=2, max_accelerators=4, max_dram_gb=1000.0,
    rack_units=4.0, n_psus=4, capex_usd=10_000.0, **ROW,
)  # fmt: skip
SMALL_HOST = replace(
    BIG_HOST, id="small_host", name="Small host", cpu=SMALL_CPU, sockets=1,
    max_accelerators=2, max_dram_gb=250.0, rack_units=2.0, n_psus=2, capex_usd=3_000.0,
)  # fmt: skip
BIG_SERVER = Server(
    id="own_4x_big", name="4 x Big", provider_id="own", offer="purchase", host_id="big_host",
    accelerator_id="big", n_accelerators=4, vcpus=200, dram_gb=500.0, ssd_gb=5000.0, n_nics=2,
    nic_gbps=400.0, **ROW,
)  # fmt: skip
SMALL_SERVER = replace(
    BIG_SERVER, id="own_2x_small", name="2 x Small", host_id="small_host", accelerator_id="small",
    n_accelerators=2, vcpus=100, dram_gb=100.0, ssd_gb=1000.0, n_nics=1, nic_gbps=80.0,
)  # fmt: skip
HALF_SERVER = replace(
    BIG_SERVER, id="cloud_2x_big", name="2 x Big, rented", provider_id="cloud", offer="rental",
    n_accelerators=2, vcpus=100, dram_gb=250.0, ssd_gb=2500.0,
)  # fmt: skip
RENT = RentalPrice(
    id="cloud_2x_big/2026", server_id="cloud_2x_big", price_date="2026", place="here",
    usd_per_h=9.0, **ROW,
)  # fmt: skip
TOY = Llm(
    id="toy", name="Toy", aliases=("toy-1b",), layers=10, d_model=1000, n_heads=10, n_kv_heads=2,
    head_dim=100, vocab=10_000, params_b=1.0, active_b=1.0, n_experts=0, experts_per_token=0,
    tied_embeddings=False, mla=False, native_dtype="bf16", **ROW,
)  # fmt: skip
TOY_MOE = replace(
    TOY, id="toy_moe", name="Toy MoE", aliases=(), params_b=5.0, active_b=2.0, n_experts=8,
    experts_per_token=2, tied_embeddings=True,
)  # fmt: skip


def serving(family: str, stack: str = STACK, precision: str = "bf16", **changes: Any) -> Any:
    """Every efficiency one half; overheads 10 us, 0.5 ms, 100 us a layer, 10 us a sequence."""
    row = ServingParameters(
        id=serving_id(family, stack, precision), family=family, stack=stack, precision=precision,
        mbu=0.5, mbu_kv=0.5, mfu_decode=0.5, mfu_prefill=0.5, allreduce_latency_s=10e-6,
        t0_s=0.5e-3, t_layer_s=100e-6, t_seq_s=10e-6, error_band=0.1, provenance="calibrated",
        **ROW,
    )  # fmt: skip
    return replace(row, **changes)


def power(family: str, **changes: Any) -> PowerParameters:
    """Of TDP: 0.3 floor, 0.5 for memory, 2 for compute, cap 0.985."""
    row = PowerParameters(
        id=family, family=family, p0_ratio=0.3, a_ratio=0.5, b_ratio=2.0,
        sequence_layer_s=0.0, cap_ratio=0.985, phases=("decode", "mixed"), precisions=("bf16",),
        u_mem_max=0.7, u_cmp_max=0.4, error_band=0.05, provenance="calibrated", **ROW,
    )  # fmt: skip
    return replace(row, **changes)


def mix(mix_id: str, *buckets: tuple[float, float, float]) -> LengthMix:
    """A length mix of (fraction, input tokens, output tokens)."""
    rows = tuple(
        LengthBucket(
            isl_lo_tokens=isl - 1, isl_hi_tokens=isl, osl_lo_tokens=osl - 1, osl_hi_tokens=osl,
            fraction=fraction, isl_tokens=isl, osl_tokens=osl,
        )
        for fraction, isl, osl in buckets
    )  # fmt: skip
    return LengthMix(id=mix_id, name=mix_id, buckets=rows, **ROW)


def profile(profile_id: str, ratios: Sequence[float], utc_offset_h: int = 0) -> RateProfile:
    """A rate profile on its own clock."""
    return RateProfile(
        id=profile_id, name=profile_id, utc_offset_h=utc_offset_h, hourly_ratio=tuple(ratios), **ROW
    )


def quantity(item: str, value: float) -> Quantity:
    """A figure of the host power or the trend table, with a band of a tenth."""
    return Quantity(id=item, value=value, low=0.9 * value, high=1.1 * value, unit="", **ROW)


def price(item: str, value: float) -> Price:
    """A figure of the price table, with a band of a tenth."""
    return Price(
        id=item, value=value, low=0.9 * value, high=1.1 * value, unit="", convention="purchase",
        price_date="2025", **ROW,
    )  # fmt: skip


def coefficient(item: str, value: float, key: str = "", set_id: str = SET) -> EmbodiedCoefficient:
    """An embodied coefficient that may be half or twice its value."""
    return EmbodiedCoefficient(
        id=coefficient_id(set_id, item, key), set=set_id, item=item, key=key, value=value,
        low=0.5 * value, high=2.0 * value, unit="", **ROW,
    )  # fmt: skip


MIXES = (
    mix("one", (1.0, 1000.0, 200.0)),
    mix("two", (0.75, 1000.0, 200.0), (0.25, 3000.0, 400.0)),
    mix("three", (0.5, 500.0, 100.0), (0.3, 1000.0, 200.0), (0.2, 4000.0, 50.0)),
)
PROFILES = (
    profile("flat", [1.0] * 24),
    # Twelve quiet hours, twelve busy ones from noon UTC.
    profile("peaked", [1.0] * 12 + [3.0] * 12),
)
# Clean from 10 to 15 h local time.
SUNNY_HOURS = (400.0,) * 10 + (100.0,) * 6 + (400.0,) * 8
GRID = GridZone(
    id="sunny_grid", name="Sunny", year=2022, utc_offset_h=-8, basis="production",
    hourly_gco2e_per_kwh={("year", "lifecycle"): SUNNY_HOURS}, **ROW,
)  # fmt: skip
OWN = Provider(id="own", name="Own", pue=1.5, pue_low=1.2, pue_high=2.0, **ROW)
CLOUD = replace(OWN, id="cloud", name="Cloud", pue=1.1, pue_low=1.1, pue_high=1.1)
SUNNY = Region(
    id="sunny", name="Sunny", provider_id="own", gco2e_per_kwh=325.0, year=2022, pue=1.25,
    electricity_usd_per_kwh=0.1, cfe_share=None, utc_offset_h=-8, grid_zone_id="sunny_grid", **ROW,
)  # fmt: skip
PLAIN = replace(SUNNY, id="plain", name="Plain", utc_offset_h=0, grid_zone_id=None)
HOST_POWER = {
    "cpu_idle_ratio": 0.3,
    "cpu_busy_ratio": 0.9,
    "cpu_serving_utilisation": 0.5,
    "cpu_spare_ratio": 0.5,
    "dram_w_per_gb": 0.3,
    "ssd_w_per_tb": 4.0,
    "nic_w": 20.0,
    "fans_w_per_2u": 100.0,
    "psu_efficiency": 0.8,
    "regulator_ratio": 1.0,
    "parked_w": 20.0,
    "wake_s": 100.0,
}
PRICES = {
    "dram_usd_per_gb": 4.0,
    "ssd_usd_per_tb": 100.0,
    "nic_usd": 1000.0,
    "colocation_usd_per_kw_month": 146.0,
    "electricity_usd_per_kwh": 0.07,
}
TRENDS = {
    "accelerator_efficiency_gain": 0.25,
    "accelerator_throughput_gain": 0.5,
    "accelerator_embodied_decline": 0.1,
    "generation_years": 2.0,
    "host_efficiency_gain": 0.05,
    "host_embodied_decline": 0.0,
    "grid_decline": 0.05,
    "demand_growth": 0.0,
}
COEFFICIENTS = (
    coefficient("fab_epa_kwh_per_cm2", 2.0, "5"),
    coefficient("fab_epa_kwh_per_cm2", 1.0, "7"),
    coefficient("fab_gpa_g_per_cm2", 100.0, "5"),
    coefficient("fab_gpa_g_per_cm2", 50.0, "7"),
    coefficient("fab_mpa_g_per_cm2", 500.0),
    coefficient("fab_ci_gco2e_per_kwh", 450.0),
    coefficient("defects_per_cm2", 0.1),
    coefficient("memory_kg_per_gb", 0.5, "hbm3"),
    coefficient("memory_kg_per_gb", 0.25, "gddr6"),
    coefficient("power_delivery_kg_per_w", 0.02),
    coefficient("thermal_kg_per_w", 0.01),
    coefficient("board_kg_per_cm2", 0.05),
    coefficient("board_kg", 1.0),
    coefficient("connection_kg", 2.0),
    coefficient("package_kg", 0.0),
    coefficient("assembly_ratio", 0.1),
    replace(coefficient("host_scales_with_size", 1.0), low=1.0, high=1.0),
    coefficient("base_kg", 0.0),
    coefficient("mainboard_kg", 100.0),
    coefficient("chassis_kg", 30.0),
    coefficient("fans_kg", 5.0),
    coefficient("psu_kg", 10.0),
    coefficient("peripherals_kg", 40.0),
    coefficient("host_assembly_kg", 8.0),
    coefficient("cpu_package_kg", 3.0),
    coefficient("riser_kg", 0.0),
    coefficient("nic_kg", 6.0),
    coefficient("dram_kg_per_gb", 0.2),
    coefficient("ssd_kg_per_gb", 0.02),
)

LEAN = HostVariant(
    id="trimmed", name="Lean", dram_base_gb=20.0, dram_gb_per_accelerator_gb=0.5,
    dram_module_gb=8.0, ssd_base_gb=100.0, ssd_gb_per_accelerator_gb=2.0, ssd_drive_gb=480.0,
    note="", **ROW,
)  # fmt: skip
"""Of 4 Big it leaves 256 of 500 GB and two drives, 960 of 5,000 GB."""

_TABLE_OF: Mapping[type, str] = {
    Provider: "providers",
    Accelerator: "accelerators",
    Cpu: "cpus",
    Host: "hosts",
    Server: "servers",
    RentalPrice: "rental_prices",
    HostVariant: "host_variants",
    ProductFootprint: "product_footprints",
    Llm: "llms",
    EmbodiedCoefficient: "embodied_coefficients",
    ServingParameters: "serving_parameters",
    PowerParameters: "power_parameters",
    LengthMix: "length_mixes",
    RateProfile: "rate_profiles",
    Region: "regions",
    GridZone: "grid_zones",
}
_ROWS: tuple[Any, ...] = (
    *(OWN, CLOUD, CPU, SMALL_CPU, RENT),
    *(BIG, SMALL, BIG_HOST, SMALL_HOST, BIG_SERVER, SMALL_SERVER, HALF_SERVER, TOY, TOY_MOE),
    *(serving("big_family"), serving("big_family", precision="fp8"), serving("small_family")),
    *(serving("cpu_family", "cpu"), power("big_family"), power("small_family")),
    *(*MIXES, *PROFILES, GRID, SUNNY, PLAIN, LEAN, *COEFFICIENTS),
)


def tiny_catalog(
    *rows: Any,
    without: Sequence[str] = (),
    host_power: Mapping[str, float] | None = None,
    prices: Mapping[str, float] | None = None,
    embodied: float = 1.0,
) -> Catalog:
    """The tiny world with these rows added or put in place of those with the same id.

    ``without`` leaves rows out by id; ``embodied`` scales every coefficient but the switches.
    """
    tables: dict[str, dict[str, Any]] = {name: {} for name in _TABLE_OF.values()}
    for row in (*_ROWS, *rows):
        if row.id not in without:
            tables[_TABLE_OF[type(row)]][row.id] = row
    if embodied != 1.0:
        tables["embodied_coefficients"] = {
            key: _scaled(row, embodied) for key, row in tables["embodied_coefficients"].items()
        }
    figures = {
        "host_power": HOST_POWER | dict(host_power or {}),
        "prices": PRICES | dict(prices or {}),
    }
    for name, values in figures.items():
        make = quantity if name == "host_power" else price
        tables[name] = {item: make(item, value) for item, value in values.items()}
    tables["trends"] = {item: quantity(item, value) for item, value in TRENDS.items()}
    return Catalog(
        version="tiny", sources={SOURCE.id: SOURCE}, cell_sources={}, overlay_figures=frozenset(),
        **tables,
    )  # fmt: skip


def _scaled(row: EmbodiedCoefficient, factor: float) -> EmbodiedCoefficient:
    if row.item in ("host_scales_with_size", "defects_per_cm2", "assembly_ratio"):
        return row
    values = {name: factor * getattr(row, name) for name in ("value", "low", "high")}
    return replace(row, **values)


def online(name: str = "chat", **changes: Any) -> dict[str, Any]:
    """An online workload as plain data: 40 requests/s, one length, wide limits."""
    row: dict[str, Any] = {
        "name": name,
        "llm": "toy",
        "mix": "one",
        "rate_rps": 40.0,
        "slo": {"ttft_s": 2.0, "tpot_s": 0.05, "percentile": 0.9},
        "precisions": ["bf16"],
    }
    return row | changes


def offline(name: str = "batch", **changes: Any) -> dict[str, Any]:
    """An offline workload as plain data: 20 requests/s within a day."""
    row: dict[str, Any] = {
        "name": name,
        "llm": "toy",
        "kind": "offline",
        "mix": "one",
        "rate_rps": 20.0,
        "precisions": ["bf16"],
    }
    return row | changes


def scenario_data(
    *workloads: Mapping[str, Any],
    other_sites: Sequence[Mapping[str, Any]] = (),
    given: Sequence[Mapping[str, Any]] = (),
    **parts: Mapping[str, Any],
) -> dict[str, Any]:
    """Plain data of a scenario; ``site``, ``hardware``, ``levers``, ``policy`` add to the usual.

    Usually hosts are whole and servers always on, which keeps the arithmetic short.
    """
    usual: dict[str, dict[str, Any]] = {
        "site": {"region": "sunny"},
        "hardware": {},
        "levers": {"reduce": False, "park": False},
        "policy": {"coefficients": SET},
    }
    merged = {name: part | dict(parts.get(name, {})) for name, part in usual.items()}
    lists = {"other_sites": list(other_sites), "given": list(given)}
    return {"name": "tiny", "workloads": list(workloads or (online(),)), **merged, **lists}


def given_fleet(name: str, **counts: int) -> dict[str, Any]:
    """A fleet of the user's own as plain data, by server id."""
    servers = [{"server": server, "count": count} for server, count in counts.items()]
    return {"name": name, "servers": servers}


def tiny_scenario(*workloads: Mapping[str, Any], **parts: Any) -> Scenario:
    """A scenario of the tiny world; see :func:`scenario_data`."""
    return read_scenario(scenario_data(*workloads, **parts))
