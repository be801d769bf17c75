"""What the world offers: one frozen object with every figure the engine may use.

Each row carries its source and quality. The engine never reads a file; ``catalog_db.reader`` (or a
test) builds a :class:`Catalog` from rows in the canonical units of :mod:`ecoserve.units`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, TypeVar

from ecoserve.errors import MissingDataError, UnknownIdError
from ecoserve.points import MeasuredPoint

Quality = Literal["measured", "manufacturer", "modelled", "assumed"]
Provenance = Literal["calibrated", "inherited", "assumed"]
Offer = Literal["purchase", "rental"]

OPERATOR_STACK = "operator"
"""Single layers measured alone: a stack of parameters that serves nothing."""

T = TypeVar("T")


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
class Accelerator(Row):
    """One accelerator as the scheduler sees it. Rates are dense, never sparse."""

    name: str
    vendor: str
    launch_year: int
    family: str
    form_factor: Literal["sxm", "pcie"]
    n_dies: int
    die_area_mm2: float
    node_nm: int
    memory_type: str
    memory_gb: float
    memory_gb_per_s: float
    bf16_tflops: float
    fp8_tflops: float | None
    tdp_w: float
    idle_w: float
    link_gb_per_s: float
    """One direction, per accelerator: NVLink where it has one, else PCIe."""
    allreduce_gb_per_s: float | None
    """Measured bus bandwidth of the all-reduce; None where nobody measured it."""
    max_tp: int
    """Largest tensor-parallel group that pays: 8 over NVLink, 2 over PCIe."""
    board_area_cm2: float
    psu_w: float
    """Suggested supply of the card, the key of the `paper` set's power delivery."""
    capex_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Host(Row):
    """A physical machine without its accelerators, DRAM and SSD."""

    name: str
    cpu_name: str
    family: str
    sockets: int
    cores_per_socket: int
    vcpus: int
    dies_per_socket: int
    die_area_mm2: float
    """Area of one die."""
    node_nm: int
    cpu_tdp_w: float
    """Per socket."""
    memory_gb_per_s: float
    """Per socket, theoretical."""
    bf16_tflops: float
    """Per socket, theoretical peak of its matrix or vector units."""
    max_accelerators: int
    max_dram_gb: float
    rack_units: float
    n_psus: int
    capex_usd: float
    """Chassis, boards, CPUs, PSUs, fans; without accelerators, DRAM, SSD and NICs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server(Row):
    """A buyable or rentable node: a host (or a share of one), accelerators, DRAM, SSD and NICs."""

    name: str
    provider: str
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
    rental_usd_per_h: float | None
    price_date: str


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity(Row):
    """A single figure with its band: host power, component prices, planning assumptions."""

    value: float
    low: float
    high: float
    unit: str


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
    u_mem_max: float
    """Largest memory utilisation among the points of the fit; beyond it a value is flagged."""
    u_cmp_max: float
    error_band: float
    provenance: Provenance


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
    """Relative rate by hour of day on its own clock; the engine divides its mean out."""

    name: str
    utc_offset_h: int
    hourly_ratio: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Region(Row):
    """A place to run, with what its grid and its building do to a kWh."""

    name: str
    provider: str
    gco2e_per_kwh: float
    """Annual, location-based life-cycle average."""
    pue: float
    electricity_usd_per_kwh: float
    utc_offset_h: int
    grid_profile_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GridProfile(Row):
    """Mean carbon intensity by local hour of day."""

    name: str
    utc_offset_h: int
    hourly_gco2e_per_kwh: tuple[float, ...]


def nearest(unknown_id: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """The known ids that look most like ``unknown_id``, best first, at most three."""
    return tuple(difflib.get_close_matches(unknown_id.lower(), known, n=3, cutoff=0.4))


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """All tables by id. Look-ups raise :class:`UnknownIdError` with the nearest names."""

    version: str
    sources: Mapping[str, Source]
    accelerators: Mapping[str, Accelerator]
    hosts: Mapping[str, Host]
    servers: Mapping[str, Server]
    llms: Mapping[str, Llm]
    host_power: Mapping[str, Quantity]
    prices: Mapping[str, Quantity]
    embodied_coefficients: Mapping[str, EmbodiedCoefficient]
    serving_parameters: Mapping[str, ServingParameters]
    power_parameters: Mapping[str, PowerParameters]
    length_mixes: Mapping[str, LengthMix]
    rate_profiles: Mapping[str, RateProfile]
    regions: Mapping[str, Region]
    grid_profiles: Mapping[str, GridProfile]
    accelerator_aliases: Mapping[str, str] = field(default_factory=dict)
    """Names of accelerators in measurements -> ids."""
    measured_cpus: Mapping[str, MeasuredCpu] = field(default_factory=dict)
    """By the name measurements give them."""
    measured_points: tuple[MeasuredPoint, ...] = ()
    calibration_plans: Mapping[str, CalibrationPlan] = field(default_factory=dict)
    _llm_aliases: Mapping[str, str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        aliases = {alias.lower(): llm.id for llm in self.llms.values() for alias in llm.aliases}
        object.__setattr__(self, "_llm_aliases", MappingProxyType(aliases))
        for name in TABLES:
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def accelerator(self, accelerator_id: str) -> Accelerator:
        """The accelerator with this id or alias."""
        known = self.accelerator_aliases.get(accelerator_id, accelerator_id)
        return _find(self.accelerators, "accelerator", known)

    def host(self, host_id: str) -> Host:
        """The host with this id."""
        return _find(self.hosts, "host", host_id)

    def server(self, server_id: str) -> Server:
        """The server with this id."""
        return _find(self.servers, "server", server_id)

    def llm(self, llm_id: str) -> Llm:
        """The LLM with this id or alias."""
        return _find(self.llms, "LLM", self._llm_aliases.get(llm_id, llm_id))

    def length_mix(self, mix_id: str) -> LengthMix:
        """The length mix with this id."""
        return _find(self.length_mixes, "length mix", mix_id)

    def rate_profile(self, profile_id: str) -> RateProfile:
        """The rate profile with this id."""
        return _find(self.rate_profiles, "rate profile", profile_id)

    def region(self, region_id: str) -> Region:
        """The region with this id."""
        return _find(self.regions, "region", region_id)

    def grid_profile(self, profile_id: str) -> GridProfile:
        """The hourly grid profile with this id."""
        return _find(self.grid_profiles, "grid profile", profile_id)

    def host_power_value(self, item: str) -> float:
        """Central value of one row of the host power table."""
        return _find(self.host_power, "host power row", item).value

    def price_value(self, item: str) -> float:
        """Central value of one row of the price table."""
        return _find(self.prices, "price row", item).value

    def coefficient(self, set_id: str, item: str, *keys: str) -> EmbodiedCoefficient:
        """The coefficient of ``set_id`` and ``item`` under the first of ``keys`` that has one.

        Raises :class:`MissingDataError` when none does: absent is not zero.
        """
        for key in (*keys, ""):
            row = self.embodied_coefficients.get(coefficient_id(set_id, item, key))
            if row is not None:
                return row
        tried = ", ".join(repr(key) for key in (*keys, ""))
        raise MissingDataError(f"coefficient set {set_id!r} has no {item!r} for {tried}")

    def has_coefficient(self, set_id: str, item: str, key: str) -> bool:
        """Whether the set gives this item for exactly this key."""
        return coefficient_id(set_id, item, key) in self.embodied_coefficients

    @property
    def coefficient_sets(self) -> tuple[str, ...]:
        """Names of the coefficient sets, sorted."""
        return tuple(sorted({row.set for row in self.embodied_coefficients.values()}))

    def serving(self, family: str, stack: str, precision: str) -> ServingParameters:
        """Parameters of exactly this family, stack and precision; never those of another stack."""
        row = self.serving_parameters.get(serving_id(family, stack, precision))
        if row is None:
            raise MissingDataError(
                f"no serving parameters for {family} with {stack} at {precision}"
            )
        return row

    def has_serving(self, family: str, stack: str, precision: str) -> bool:
        """Whether parameters exist for exactly this key."""
        return serving_id(family, stack, precision) in self.serving_parameters

    def power(self, family: str) -> PowerParameters:
        """Power parameters of a family."""
        row = self.power_parameters.get(family)
        if row is None:
            raise MissingDataError(f"no power parameters for {family}")
        return row

    @property
    def stacks(self) -> tuple[str, ...]:
        """Names of the software stacks with parameters for some accelerator, sorted."""
        families = {accelerator.family for accelerator in self.accelerators.values()}
        rows = self.serving_parameters.values()
        serving = {row.stack for row in rows if row.family in families}
        return tuple(sorted(serving - {OPERATOR_STACK}))

    def share_of_host(self, server: Server) -> float:
        """Largest of the server's shares of its host's accelerators, vCPUs and DRAM."""
        host = self.host(server.host_id)
        return max(
            server.n_accelerators / host.max_accelerators,
            server.vcpus / host.vcpus,
            server.dram_gb / host.max_dram_gb,
        )


TABLES = (
    "sources",
    "accelerators",
    "hosts",
    "servers",
    "llms",
    "host_power",
    "prices",
    "embodied_coefficients",
    "serving_parameters",
    "power_parameters",
    "length_mixes",
    "rate_profiles",
    "regions",
    "grid_profiles",
)
"""The tables of a catalog, in the order of their dependencies."""


def coefficient_id(set_id: str, item: str, key: str) -> str:
    """The row id of an embodied coefficient."""
    return f"{set_id}/{item}/{key}"


def serving_id(family: str, stack: str, precision: str) -> str:
    """The row id of a set of serving parameters."""
    return f"{family}/{stack}/{precision}"


def _find(table: Mapping[str, T], what: str, wanted_id: str) -> T:
    row = table.get(wanted_id)
    if row is None:
        raise UnknownIdError(what, wanted_id, nearest(wanted_id, tuple(table)))
    return row
