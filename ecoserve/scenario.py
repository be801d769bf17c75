"""What the user wants: one frozen, validated object that is also the JSON file and the share link.

Unknown keys are refused, numbers must be finite and in range, and :func:`read_scenario` reports
every problem at once as a :class:`~ecoserve.errors.ScenarioError`.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from ecoserve.catalog import Catalog
from ecoserve.errors import Problem, ScenarioError, UnknownIdError
from ecoserve.problems import problems_of
from ecoserve.rows import IntensityKind, Region, Season

MAX_WORKLOADS = 30
MAX_SITES = 8
MAX_STOCK_ROWS = 50
MAX_GIVEN_FLEETS = 5
MAX_GIVEN_SERVERS = 20
SCENARIO_VERSION: Final = 1

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


def _named_twice(names: Iterable[str]) -> list[str]:
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
        if twice := _named_twice(limit.server for limit in value):
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
        if twice := _named_twice(row.server for row in value):
            raise ValueError(f"one row per server; more than one for: {', '.join(twice)}")
        return value


class Scenario(Part):
    """The whole question."""

    version: Literal[1] = SCENARIO_VERSION
    name: Name = "scenario"
    workloads: tuple[Workload, ...] = Field(min_length=1, max_length=MAX_WORKLOADS)
    site: Site
    """Where the users are; rate profiles are on its clock."""
    other_sites: tuple[Site, ...] = Field(default=(), max_length=MAX_SITES - 1)
    """Where else servers may stand."""
    hardware: Hardware = Hardware()
    levers: Levers = Levers()
    policy: Policy = Policy()
    given: tuple[GivenFleet, ...] = Field(default=(), max_length=MAX_GIVEN_FLEETS)
    """Fleets of the user's own that the plan is compared with; they change no plan."""

    @field_validator("given")
    @classmethod
    def _one_name_each(cls, value: tuple[GivenFleet, ...]) -> tuple[GivenFleet, ...]:
        if twice := _named_twice(fleet.name for fleet in value):
            raise ValueError(f"names of given fleets must differ; twice: {', '.join(twice)}")
        return value

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if twice := _named_twice(workload.name for workload in self.workloads):
            raise ValueError(f"workload names must differ; twice: {', '.join(twice)}")
        total = sum(workload.token_share or 0.0 for workload in self.workloads)
        if total >= 0.95:
            raise ValueError(
                f"token shares of offline workloads add up to {total:.2f}; keep < 0.95"
            )
        if total > 0 and not any(workload.rate_rps for workload in self.workloads):
            raise ValueError(
                "a token_share is a share of all tokens; give some workload a rate_rps"
            )
        if not any(workload.rate_rps for workload in self.workloads):
            raise ValueError("all rates are zero: nothing to plan for; give a workload a rate_rps")
        return self

    @model_validator(mode="after")
    def _names_its_sites(self) -> Self:
        names = [site.name for site in self.sites]
        if len(set(names)) < len(names):
            raise ValueError(f"site names must differ: {', '.join(names)}")
        asked = {name for workload in self.workloads for name in workload.sites or ()}
        asked |= {row.site for row in self.hardware.stock if row.site is not None}
        if unknown := sorted(asked - set(names)):
            there = ", ".join(names)
            raise ValueError(f"no site is called {', '.join(unknown)}; there are: {there}")
        return self

    @property
    def sites(self) -> tuple[Site, ...]:
        """All sites, the users' own first."""
        return (self.site, *self.other_sites)

    def fingerprint(self) -> str:
        """Twelve hex digits that name exactly this scenario.

        A field that came later only counts where it is set, so that links from before stay exact.
        """
        return self._fingerprint_without(_CAME_LATER)

    def has_fingerprint(self, fingerprint: object) -> bool:
        """Whether this is, or was in the first version, the fingerprint of this scenario."""
        first = self._fingerprint_without({**_CAME_LATER, **_CAME_SECOND})
        return fingerprint in (self.fingerprint(), first)

    def _fingerprint_without(self, defaults: Mapping[str, object]) -> str:
        """Of the scenario without the fields that have these values."""
        data = self.model_dump(mode="json")
        parts = ("hardware", "levers", "policy", "site")
        rows = (*data["workloads"], *data["hardware"]["limits"])
        for part in (data, *(data[name] for name in parts), *rows):
            for name, default in defaults.items():
                if name in part and part[name] == default:
                    del part[name]
        return hashlib.sha256(_minified(data).encode()).hexdigest()[:12]


_CAME_LATER: Final[Mapping[str, object]] = {
    "kv_precision": "bf16",
    "max_num_seqs": 256,
    "power_cap_ratios": [1.0],
    "prefix_cache_hit": 0.0,
    "sites": None,
    "other_sites": [],
    "round_trip_s": 0.0,
    "max_it_power_kw": None,
    "max_rack_units": None,
    "stock": [],
    "host_variants": ["trimmed"],
    "min_count": 0,
    "reduce": True,
    "park": True,
    "max_kgco2e_per_year": None,
    "max_usd_per_h": None,
    "given": [],
}
"""Fields that the first scenarios did not have, with their defaults in JSON."""
_CAME_SECOND: Final[Mapping[str, object]] = {
    "season": "year",
    "intensity_kind": "lifecycle",
    "market": None,
    "price_date": None,
}
"""Fields that came later too, but count in the fingerprint even where they are not set."""


def canonical_json(scenario: Scenario) -> str:
    """The scenario as minified JSON with sorted keys: equal scenarios give equal text."""
    return _minified(scenario.model_dump(mode="json"))


def _minified(data: Mapping[str, Any]) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"))


def read_scenario(data: Mapping[str, Any], catalog: Catalog | None = None) -> Scenario:
    """Validates plain data; raises :class:`ScenarioError` with every problem at once.

    With a ``catalog``, unknown ids are among them.
    """
    try:
        scenario = Scenario.model_validate(data)
    except ValidationError as error:
        unknown = _unknown_ids(data, catalog) if catalog else []
        known_paths = [place + name for part, place in PARTS.items() for name in part.model_fields]
        raise ScenarioError([*problems_of(error.errors(), known_paths), *unknown]) from error
    if catalog is not None:
        check_scenario(scenario, catalog)
    return scenario


PARTS: Mapping[type[Part], str] = {
    Scenario: "",
    Workload: "workloads[].",
    Slo: "workloads[].slo.",
    Site: "site.",
    Market: "site.market.",
    Hardware: "hardware.",
    ServerLimit: "hardware.limits[].",
    Stock: "hardware.stock[].",
    Levers: "levers.",
    Policy: "policy.",
    GivenFleet: "given[].",
    GivenServers: "given[].servers[].",
}
"""Every kind of object a scenario is made of, and what stands in front of its keys."""


def check_scenario(scenario: Scenario, catalog: Catalog) -> None:
    """Checks every id against the catalog; raises :class:`ScenarioError` with all that is wrong."""
    problems = _unknown_ids(scenario.model_dump(mode="json"), catalog)
    problems += _mismatches(scenario, catalog)
    if problems:
        raise ScenarioError(problems)


def _unknown_ids(data: Mapping[str, Any], catalog: Catalog) -> list[Problem]:
    """Ids that are no row's, in data that may be wrong in other ways too."""
    look_ups: dict[str, Callable[[str], object]] = {
        "llm": catalog.llm,
        "mix": catalog.length_mix,
        "profile": catalog.rate_profile,
    }
    asked = [
        (f"workloads.{i}.{name}", workload.get(name), look_up)
        for i, workload in enumerate(_rows(data.get("workloads")))
        for name, look_up in look_ups.items()
    ]
    asked.append(("site.region", _part(data, "site").get("region"), catalog.region))
    asked += [
        (f"other_sites.{i}.region", site.get("region"), catalog.region)
        for i, site in enumerate(_rows(data.get("other_sites")))
    ]
    hardware = _part(data, "hardware")
    asked += [
        (f"hardware.accelerators.{i}", accelerator_id, catalog.accelerator)
        for i, accelerator_id in enumerate(hardware.get("accelerators") or ())
    ]
    asked += [
        (f"hardware.limits.{i}.server", limit.get("server"), catalog.server)
        for i, limit in enumerate(_rows(hardware.get("limits")))
    ]
    asked += [
        (f"hardware.stock.{i}.server", row.get("server"), catalog.server)
        for i, row in enumerate(_rows(hardware.get("stock")))
    ]
    asked += [
        (f"hardware.host_variants.{i}", variant_id, catalog.host_variant)
        for i, variant_id in enumerate(hardware.get("host_variants") or ())
    ]
    asked += [
        (f"given.{i}.servers.{j}.server", row.get("server"), catalog.server)
        for i, fleet in enumerate(_rows(data.get("given")))
        for j, row in enumerate(_rows(fleet.get("servers")))
    ]
    found = [_unknown_id(field, wanted, look_up) for field, wanted, look_up in asked]
    return [problem for problem in found if problem is not None]


def _unknown_id(field: str, wanted: object, look_up: Callable[[str], object]) -> Problem | None:
    if not isinstance(wanted, str):
        return None
    try:
        look_up(wanted)
    except UnknownIdError as error:
        return Problem(field, str(error))
    return None


def _rows(value: object) -> list[Mapping[str, Any]]:
    entries = value if isinstance(value, list | tuple) else []
    return [entry if isinstance(entry, Mapping) else {} for entry in entries]


def _part(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = data.get(name)
    return value if isinstance(value, Mapping) else {}


def _mismatches(scenario: Scenario, catalog: Catalog) -> list[Problem]:
    """Choices that exist but not together, and names of sets, stacks and providers."""
    hardware, problems = scenario.hardware, []
    for number, site in enumerate(scenario.sites):
        region = catalog.regions.get(site.region)
        if site.intensity == "hourly" and region is not None:
            where = "site" if number == 0 else f"other_sites.{number - 1}"
            problems += _no_hours(where, site, region, catalog)
    problems += _rented_stock(hardware, catalog)
    providers = tuple({s.provider_id for s in catalog.servers.values() if s.offer == "rental"})
    if hardware.offer == "rental":
        problems += _not_among("hardware.provider", hardware.provider, "provider", providers)
        if hardware.price_date is not None and hardware.provider in providers:
            dates = catalog.rental_dates(hardware.provider)
            what = f"{hardware.provider} price list of"
            problems += _not_among("hardware.price_date", hardware.price_date, what, dates)
    problems += _not_among("hardware.stack", hardware.stack, "stack", catalog.stacks)
    sets = catalog.coefficient_sets
    problems += _not_among("policy.coefficients", scenario.policy.coefficients, "set", sets)
    return problems


def _rented_stock(hardware: Hardware, catalog: Catalog) -> list[Problem]:
    return [
        Problem(
            f"hardware.stock.{i}.server",
            f"{row.server} is rented out by its provider; stock is what you own",
        )
        for i, row in enumerate(hardware.stock)
        if row.server in catalog.servers and catalog.server(row.server).offer != "purchase"
    ]


def _no_hours(where: str, site: Site, region: Region, catalog: Catalog) -> list[Problem]:
    if region.grid_zone_id is None:
        hint = "choose intensity 'annual' or 'custom'"
        return [Problem(f"{where}.intensity", f"{region.id} has no hourly profile; {hint}")]
    known = catalog.grid_zone(region.grid_zone_id).hourly_gco2e_per_kwh
    if (site.season, site.intensity_kind) in known:
        return []
    what = f"{region.grid_zone_id} has no {site.intensity_kind} hours for season {site.season!r}"
    there = ", ".join(f"{season} {kind}" for season, kind in sorted(known))
    return [Problem(f"{where}.season", f"{what}; there are: {there}")]


def _not_among(field: str, given: str | None, what: str, known: tuple[str, ...]) -> list[Problem]:
    if given in known:
        return []
    return [Problem(field, f"no {what} {given!r}; there are: {', '.join(sorted(known))}")]
