"""What the rows of the catalog look like: frozen records in the units of :mod:`ecoserve.units`.

Every row carries its source and quality; single figures with another source are listed in
:attr:`ecoserve.catalog.Catalog.cell_sources`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Quality = Literal["measured", "manufacturer", "modelled", "assumed"]
Provenance = Literal["calibrated", "inherited", "assumed"]
Offer = Literal["purchase", "rental"]
Season = Literal["year", "djf", "mam", "jja", "son"]
IntensityKind = Literal["lifecycle", "direct"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What every row has: an id, where it comes from and how far to trust it."""

    id: str
    source_id: str
    quality: Quality
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a figure comes from."""

    id: str
    title: str
    publisher: str
    url: str
    published: str
    retrieved: str
    licence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CellSource:
    """Where one figure comes from that has not its row's source and quality."""

    table_name: str
    row_id: str
    column_name: str
    source_id: str
    quality: Quality
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider(Row):
    """Who runs the buildings."""

    name: str
    pue: float
    """Fleet average, for regions without a figure of their own."""
    pue_low: float
    pue_high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Die(Row):
    """One kind of die in an accelerator or a CPU."""

    product_id: str
    die: str
    n_dies: int
    area_mm2: float
    """Of one die; ``area_low_mm2`` and ``area_high_mm2`` are the spread between sources."""
    area_low_mm2: float
    area_high_mm2: float
    process: str
    node_nm: int
    """Nearest node of the fab tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator(Row):
    """One accelerator as the scheduler sees it. Rates are dense, never sparse."""

    name: str
    vendor: str
    launch_year: int
    family: str
    form_factor: Literal["sxm", "oam", "pcie"]
    dies: tuple[Die, ...]
    memory_type: str
    memory_gb: float
    memory_gb_per_s: float
    bf16_tflops: float
    """16-bit rate; that of fp16 where ``has_bf16`` is false."""
    has_bf16: bool
    fp8_tflops: float | None
    int8_tops: float | None
    fp4_tflops: float | None
    tdp_w: float
    idle_w: float
    """With a context resident."""
    idle_bare_w: float | None
    """Without one; None where nobody measured it."""
    link_gb_per_s: float
    """One direction, per accelerator: NVLink where it has one, else PCIe."""
    allreduce_gb_per_s: float | None
    """Measured bus bandwidth of the all-reduce; None where nobody measured it."""
    allreduce_latency_s: float | None = None
    """Of the smallest all-reduce, where the link of this one is slower than its family's."""
    max_tp: int
    """Largest tensor-parallel group that pays: 8 over NVLink, 2 over PCIe."""
    board_area_cm2: float
    psu_w: float
    """Suggested supply of the card, the key of the `paper` set's power delivery."""
    capex_usd: float

    def rate_tflops(self, precision: str) -> float | None:
        """Dense rate at a precision, in TFLOPS or TOPS; None where it does not run natively."""
        rates = {
            "bf16": self.bf16_tflops,
            "fp8": self.fp8_tflops,
            "int8": self.int8_tops,
            "int4": self.fp4_tflops,
        }
        return rates[precision]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cpu(Row):
    """One socket of a host."""

    name: str
    vendor: str
    launch_year: int
    family: str
    dies: tuple[Die, ...]
    cores: int
    threads_per_core: int
    tdp_w: float
    memory_type: str
    memory_channels: int
    memory_gb_per_s: float
    """Theoretical."""
    bf16_tflops: float
    """Theoretical peak of its matrix or vector units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host(Row):
    """A physical machine without its accelerators, DRAM and SSD."""

    name: str
    cpu: Cpu
    sockets: int
    max_accelerators: int
    max_dram_gb: float
    rack_units: float
    n_psus: int
    capex_usd: float
    """Chassis, boards, CPUs, PSUs, fans; without accelerators, DRAM, SSD and NICs."""

    @property
    def vcpus(self) -> int:
        """Threads of the whole machine."""
        return self.sockets * self.cpu.cores * self.cpu.threads_per_core


@dataclass(frozen=True, slots=True, kw_only=True)
class Server(Row):
    """A buyable or rentable node: a host (or a share of one), accelerators, DRAM, SSD and NICs."""

    name: str
    provider_id: str
    offer: Offer
    host_id: str
    accelerator_id: str
    n_accelerators: int
    vcpus: int
    dram_gb: float
    """Nominal module size: carbon, watts and prices are all per nominal GB (2^30 bytes)."""
    ssd_gb: float
    n_nics: int
    nic_gbps: float
    """Per NIC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RentalPrice(Row):
    """On-demand price of a rented server in one year's price list, electricity included."""

    server_id: str
    price_date: str
    place: str
    usd_per_h: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HostVariant(Row):
    """A rule by which a bought host is trimmed to the DRAM and SSD that serving needs."""

    name: str
    dram_base_gb: float
    dram_gb_per_accelerator_gb: float
    dram_module_gb: float
    ssd_base_gb: float
    ssd_gb_per_accelerator_gb: float
    ssd_drive_gb: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Llm(Row):
    """The shape of a model, which is all that speed and memory need."""

    name: str
    aliases: tuple[str, ...]
    layers: int
    d_model: int
    n_heads: int
    n_kv_heads: int
    head_dim: int
    vocab: int
    params_b: float
    """All parameters, 1e9, every expert and the embeddings."""
    active_b: float
    n_experts: int
    experts_per_token: int
    tied_embeddings: bool
    mla: bool
    """Latent attention: one compressed vector per token and layer, not a key and a value."""
    prefill_head_dim: float | None = None
    """Values per head that attention of a prompt multiplies, mean of keys and values; None:
    ``head_dim``. Latent attention expands its compressed vector for prompts."""
    attention_layers: int | None = None
    """Layers that attend to the whole context; None: all. The cache is counted for all."""
    native_dtype: str
    hub_id: str | None = None
    """Its publisher's checkpoint on Hugging Face, by which engines load it; None: none is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity(Row):
    """A single figure with its band: host power, component prices, trends over years."""

    value: float
    low: float
    high: float
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Price(Quantity):
    """A price that no product row carries."""

    convention: str
    price_date: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbodiedCoefficient(Row):
    """One coefficient of the embodied model. ``key`` narrows it: a node, a memory type, an id."""

    set: str
    item: str
    key: str
    value: float
    low: float
    high: float
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FootprintLine(Row):
    """A line of a published footprint and the part of our model that covers it."""

    footprint_id: str
    label: str
    part: str
    kgco2e: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductFootprint(Row):
    """A published footprint with the configuration that our model is asked about."""

    name: str
    kind: Literal["manufacturer", "teardown", "estimate", "calculator"]
    boundary: str
    trust: Literal["A", "B", "C"]
    kgco2e: float
    low: float
    high: float
    accelerator_id: str | None
    n_accelerators: int
    host_id: str | None
    dram_gb: float
    ssd_gb: float
    n_nics: int
    fitted_sets: tuple[str, ...]
    """Coefficient sets with a value, low or high from this footprint."""
    lines: tuple[FootprintLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingParameters(Row):
    """Efficiencies and overheads of one hardware family under one stack at one precision."""

    family: str
    stack: str
    precision: str
    mbu: float
    mbu_kv: float
    mfu_decode: float
    mfu_prefill: float
    allreduce_latency_s: float
    t0_s: float
    t_layer_s: float
    t_seq_s: float
    t_request_s: float = 0.0
    """Front end and scheduling of a request before its prefill starts; part of TTFT only."""
    bus_ratio: float = 1.0
    """Share of the all-reduce bandwidth that the stack reaches."""
    overlap_norm: float = 1.0
    """q of the form: 1 where launch overheads add to the device's time, more where they overlap."""
    error_band: float
    """Relative error of TPOT to plan against, 0.1 = 10 %."""
    provenance: Provenance
    measured_on: tuple[str, ...] = ()
    """Accelerators whose points the fit rests on; empty: not stated, holds for the family."""
    sibling_error_band: float = 0.0
    """Relative error on an accelerator of the family that was not measured, if above the band."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredCpu(Row):
    """CPU sockets that somebody measured, as one device."""

    family: str
    memory_gb_per_s: float
    """Theoretical, of all sockets used."""
    bf16_tflops: float
    """Theoretical peak of the matrix or vector units, of all sockets used."""
    dram_gb: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationPlan(Row):
    """How the serving parameters of one key are found: from its points and from a neighbour."""

    family: str
    stack: str
    precision: str
    from_id: str | None
    """The key whose parameters are the prior, and are taken over where there are too few points;
    None where the prior is what single operators showed."""
    allreduce_latency_s: float
    """From micro-benchmarks; points do not tell it from ``t_layer_s``."""
    t0_s: float
    overlap_norm: float
    error_factor: float
    """How much wider than its neighbour's the error band of an inherited row is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerPlan(Row):
    """How the power parameters of one family, the id, are found."""

    families: tuple[str, ...]
    """Whose points are fitted together."""
    p0_ratio: float
    unseen_error_band: float
    """Of a family without points of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerParameters(Row):
    """P = min(cap, p0 + a u_mem + b u_cmp + s q) as ratios of TDP, and what its fit has seen."""

    family: str
    p0_ratio: float
    a_ratio: float
    b_ratio: float
    sequence_layer_s: float
    """s: seconds of TDP that one sequence costs in one layer of one step."""
    cap_ratio: float
    phases: tuple[str, ...]
    """Phases among the points of the fit: prefill, decode, mixed."""
    precisions: tuple[str, ...]
    u_mem_min: float = 0.0
    u_mem_max: float
    """Range of the memory utilisation among the points of the fit; beyond it a value is flagged."""
    u_cmp_min: float = 0.0
    u_cmp_max: float
    error_band: float
    provenance: Provenance
    measured_on: tuple[str, ...] = ()
    """Accelerators of the family with points of power; empty: not stated, holds for the family."""
    sibling_error_band: float = 0.0
    """Relative error on an accelerator of the family that was not measured, if above the band."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthBucket:
    """A cell of a joint ISL x OSL histogram; bins are half-open, lo < x <= hi."""

    isl_lo_tokens: float
    isl_hi_tokens: float
    osl_lo_tokens: float
    osl_hi_tokens: float
    fraction: float
    isl_tokens: float
    """Mean input length of the requests in the cell."""
    osl_tokens: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthMix(Row):
    """How long requests and answers are."""

    name: str
    buckets: tuple[LengthBucket, ...]

    @property
    def mean_isl_tokens(self) -> float:
        """Request-weighted mean input length."""
        return sum(b.fraction * b.isl_tokens for b in self.buckets)

    @property
    def mean_osl_tokens(self) -> float:
        """Request-weighted mean output length."""
        return sum(b.fraction * b.osl_tokens for b in self.buckets)


@dataclass(frozen=True, slots=True, kw_only=True)
class RateProfile(Row):
    """Relative rate by hour of day (24) or of the week (168, from Monday) on its own clock.

    The engine divides its mean out.
    """

    name: str
    utc_offset_h: int
    hourly_ratio: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Region(Row):
    """A place to run, with what its grid and its building do to a kWh."""

    name: str
    provider_id: str
    gco2e_per_kwh: float
    """Annual, location-based average."""
    year: int
    pue: float | None
    """None: that of the provider."""
    electricity_usd_per_kwh: float | None
    """Wholesale. None: the catalog's typical price."""
    cfe_share: float | None
    """Carbon-free share by the hour as the provider states it, market-based; for information."""
    utc_offset_h: int
    grid_zone_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GridZone(Row):
    """A grid whose carbon intensity is known by the hour."""

    name: str
    year: int
    utc_offset_h: int
    basis: Literal["production", "consumption"]
    hourly_gco2e_per_kwh: Mapping[tuple[Season, IntensityKind], tuple[float, ...]]
    """Mean by local hour of day for each season and kind there is."""
