"""The parts of a scenario: traffic, sites, hardware, levers, policy; all frozen and validated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Final, Literal, Self, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from ecoserve.rows import IntensityKind, Season

MAX_STOCK_ROWS = 50
MAX_GIVEN_SERVERS = 20
Name = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=60, strip_whitespace=True, pattern=r"^[A-Za-z0-9 _.,:+()/&'-]+$"
    ),
]
Id = Annotated[str, StringConstraints(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9_.-]+$")]
FleetName = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=40, strip_whitespace=True, pattern=r"^[A-Za-z0-9 _.+()/&'-]+$"
    ),
]
"""Without ``:`` and ``,``, which separate and list the names of what a plan is compared with."""
Precision = Literal["bf16", "fp8", "int8", "int4"]
KvPrecision = Literal["bf16", "fp8"]
LOWEST_POWER_CAP: Final = 0.4
MAX_POWER_CAPS: Final = 4
HIGHEST_PREFIX_CACHE_HIT: Final = 0.95
DEFAULT_HOURS: Final = ("year", "lifecycle")
Objective = Literal["carbon", "cost", "energy", "performance"]


class Part(BaseModel):
    """Shared rules of every part of a scenario: frozen, no unknown keys, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Slo(Part):
    """Latency targets that a share ``percentile`` of the requests must meet."""

    ttft_s: float = Field(gt=0, le=600)
    tpot_s: float = Field(gt=0, le=60)
    percentile: float = Field(default=0.9, ge=0.5, le=0.999)


class Workload(Part):
    """Traffic of one LLM: online with latency targets, or offline with a deadline.

    Online: ``rate_rps`` is the mean over the day and ``profile`` shapes it. Offline: the volume is
    either ``rate_rps`` or ``token_share``, the share of all tokens (in and out, all workloads) that
    this workload is; it arrives by ``profile``, flat by default.
    """

    name: Name
    llm: Id
    kind: Literal["online", "offline"] = "online"
    mix: Id
    rate_rps: float | None = Field(default=None, ge=0, le=1e6)
    token_share: float | None = Field(default=None, ge=0, le=0.95)
    profile: Id = "flat"
    slo: Slo | None = None
    deadline_h: int = Field(default=24, ge=1, le=24)
    precisions: tuple[Precision, ...] = ("bf16", "fp8")
    """Formats of the weights that this workload's users consent to."""
    prefix_cache_hit: float = Field(default=0.0, ge=0, le=HIGHEST_PREFIX_CACHE_HIT)
    """Share of the prompt tokens found in the prefix cache, whose prefill is left out."""
    sites: tuple[Name, ...] | None = None
    """Names of the sites that may serve it; None for all."""

    @field_validator("precisions")
    @classmethod
    def _some_precision(cls, value: tuple[Precision, ...]) -> tuple[Precision, ...]:
        if not value:
            raise ValueError(f"accept at least one precision: {', '.join(get_args(Precision))}")
        return tuple(sorted(set(value)))

    @model_validator(mode="after")
    def _matches_its_kind(self) -> Self:
        if (self.rate_rps is None) == (self.token_share is None):
            raise ValueError("give either rate_rps or token_share, not both and not neither")
        if self.kind == "online" and self.slo is None:
            raise ValueError("an online workload needs an slo with ttft_s and tpot_s")
        if self.kind == "online" and self.rate_rps is None:
            raise ValueError("an online workload needs rate_rps; token_share is for offline ones")
        if self.kind == "offline" and self.slo is not None:
            raise ValueError("an offline workload has a deadline_h, not an slo; remove the slo")
        return self


class Market(Part):
    """Electricity as contracted (power purchase agreements, certificates, a green tariff).

    Market-based intensity = ``cfe_share`` x 0 + (1 - ``cfe_share``) x ``gco2e_per_kwh``, after the
    GHG Protocol's scope 2 guidance; without ``gco2e_per_kwh`` (the supplier's or the residual mix)
    the rest counts at the location-based mean.
    """

    cfe_share: float = Field(default=0.0, ge=0, le=1)
    """Share of the energy matched by contracts for carbon-free electricity."""
    gco2e_per_kwh: float | None = Field(default=None, ge=0, le=3000)


class Site(Part):
    """Where the fleet runs. Unset figures come from the region's row."""

    name: Name = "site"
    region: Id
    intensity: Literal["hourly", "annual", "custom"] = "hourly"
    """Hourly: the region's grid profile. Annual: its yearly mean. Custom: the figures below."""
    season: Season = "year"
    """Which days' hours: of the whole year, or of three months."""
    intensity_kind: IntensityKind = "lifecycle"
    """Hours with plants and fuel supply, or of combustion only."""
    custom_gco2e_per_kwh: tuple[Annotated[float, Field(ge=0, le=3000)], ...] = ()
    """One figure for all hours, or 24 by local hour."""
    pue: float | None = Field(default=None, ge=1.0, le=3.0)
    electricity_usd_per_kwh: float | None = Field(default=None, ge=0, le=5)
    market: Market | None = None
    """Contracts for electricity, for the market-based scope 2 figure; they change no plan."""
    round_trip_s: float = Field(default=0.0, ge=0, le=10)
    """Network time between this site's users and its servers and back; part of TTFT."""
    max_it_power_kw: float | None = Field(default=None, gt=0, le=1e7)
    """IT power the site can feed in its busiest hour."""
    max_rack_units: float | None = Field(default=None, gt=0, le=1e7)
    """Rack units the site has room for."""

    @model_validator(mode="after")
    def _custom_has_figures(self) -> Self:
        n = len(self.custom_gco2e_per_kwh)
        if self.intensity == "custom" and n not in (1, 24):
            raise ValueError(f"custom intensity needs 1 or 24 figures, not {n}")
        if self.intensity != "custom" and n:
            raise ValueError("custom_gco2e_per_kwh is only read with intensity 'custom'")
        if self.intensity != "hourly" and (self.season, self.intensity_kind) != DEFAULT_HOURS:
            raise ValueError("season and intensity_kind are only read with intensity 'hourly'")
        return self


def named_twice(names: Iterable[str]) -> list[str]:
    """Names that stand more than once, sorted."""
    counts = Counter(names)
    return sorted(name for name, count in counts.items() if count > 1)


class ServerLimit(Part):
    """Between so many and so many servers of one kind are bought or rented, over all sites."""

    server: Id
    max_count: int = Field(ge=0, le=1_000_000)
    min_count: int = Field(default=0, ge=0, le=1_000_000)

    @model_validator(mode="after")
    def _range_is_open(self) -> Self:
        if self.min_count > self.max_count:
            raise ValueError(f"min_count {self.min_count} is above max_count {self.max_count}")
        return self


class Stock(Part):
    """Servers of one kind that are already there: made and paid for, they only draw power."""

    server: Id
    count: int = Field(ge=1, le=1_000_000)
    age_years: float = Field(default=0.0, ge=0, le=30)
    """Since they went into service; past the accelerators' life they are retired."""
    site: Name | None = None
    """Where they stand; None for the first site."""


class Hardware(Part):
    """What may be bought or rented, and how long it serves."""

    offer: Literal["purchase", "rental"] = "purchase"
    provider: Id | None = None
    """Whose rental prices; one provider per comparison. None for purchase."""
    price_date: Annotated[str, StringConstraints(pattern=r"^20\d\d$")] | None = None
    """Year of the provider's price list; None for the latest."""
    accelerators: tuple[Id, ...] | None = None
    """Allowed accelerators; None for all in the catalog."""
    limits: tuple[ServerLimit, ...] = ()
    stock: tuple[Stock, ...] = Field(default=(), max_length=MAX_STOCK_ROWS)
    """What is owned already. It may serve, be parked part of the day, or stay off."""
    host_variants: tuple[Id, ...] = ("trimmed",)
    """Rules by which Reduce may trim the hosts one buys; those without disks need a store of
    images elsewhere that no plan counts."""
    accelerator_years: float = Field(default=4.0, ge=0.5, le=20)
    host_years: float = Field(default=4.0, ge=0.5, le=20)
    stack: Id = "vllm_v1"
    kv_precision: KvPrecision = "bf16"
    """Format of the KV cache; where the hardware has no fp8 it stays bf16."""
    max_num_seqs: int = Field(default=256, ge=1, le=4096)
    """Most sequences that a replica runs at once, a setting of the stack."""
    power_cap_ratios: tuple[Annotated[float, Field(ge=LOWEST_POWER_CAP, le=1)], ...] = (1.0,)
    """Power limits, of TDP, that a pool's accelerators may be set to; what a limit below 1 does is
    assumed, not measured."""

    @field_validator("accelerators")
    @classmethod
    def _some_accelerator(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None and not value:
            raise ValueError("allow at least one accelerator")
        return None if value is None else tuple(sorted(set(value)))

    @field_validator("power_cap_ratios")
    @classmethod
    def _some_power_cap(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not 1 <= len(set(value)) <= MAX_POWER_CAPS:
            raise ValueError(f"give 1 to {MAX_POWER_CAPS} power caps, for example 1, 0.8 and 0.6")
        return tuple(sorted(set(value), reverse=True))

    @field_validator("limits")
    @classmethod
    def _one_limit_each(cls, value: tuple[ServerLimit, ...]) -> tuple[ServerLimit, ...]:
        if twice := named_twice(limit.server for limit in value):
            raise ValueError(f"one limit per server; more than one for: {', '.join(twice)}")
        return value

    @model_validator(mode="after")
    def _rental_names_its_provider(self) -> Self:
        if self.offer == "rental" and self.provider is None:
            raise ValueError("offer 'rental' needs a provider, for example aws")
        if self.offer == "rental" and self.stock:
            raise ValueError("stock stands beside what one buys; remove it or choose purchase")
        if self.offer == "purchase" and self.price_date is not None:
            raise ValueError("price_date is the year of a rental price list; remove it")
        return self


class Levers(Part):
    """Which of the planner's choices are allowed."""

    reuse: bool = True
    """Offline work on idle host CPUs."""
    shift: bool = True
    """Offline work moved within its deadline; off: it runs as it arrives."""
    phases_apart: bool = True
    """Prefill and decode on pools of their own where that is better."""
    reduce: bool = True
    """Hosts bought with their DRAM and SSD trimmed to what serving needs."""
    park: bool = True
    """Servers switched off in the parts of the day that do not need them."""


class Policy(Part):
    """How the plan is judged and how much slack it keeps."""

    objective: Objective = "carbon"
    carbon_price_usd_per_t: float | None = Field(default=None, ge=0, le=1e5)
    """Set: minimise cost plus carbon at this price, whatever ``objective`` says."""
    coefficients: Id = "pcf"
    headroom: float = Field(default=0.15, ge=0.01, le=0.9)
    """Share of the capacity left free in the busiest window; without any, queues never end."""
    burst: float = Field(default=1.3, ge=1, le=20)
    """Peak over mean within the busiest hour."""
    min_replicas: int = Field(default=2, ge=1, le=10)
    """At least this many replicas able to serve each online workload."""
    max_kgco2e_per_year: float | None = Field(default=None, gt=0, le=1e12)
    """Carbon that the fleet may emit in a year, making included."""
    max_usd_per_h: float | None = Field(default=None, gt=0, le=1e9)
    """What an hour of the fleet may cost."""


class GivenServers(Part):
    """So many servers of one kind in a fleet of the user's own."""

    server: Id
    count: int = Field(ge=1, le=1_000_000)


class GivenFleet(Part):
    """A fleet of the user's own to compare with: nothing is chosen, only how it is run."""

    name: FleetName
    servers: tuple[GivenServers, ...] = Field(min_length=1, max_length=MAX_GIVEN_SERVERS)

    @field_validator("servers")
    @classmethod
    def _one_row_each(cls, value: tuple[GivenServers, ...]) -> tuple[GivenServers, ...]:
        if twice := named_twice(row.server for row in value):
            raise ValueError(f"one row per server; more than one for: {', '.join(twice)}")
        return value
