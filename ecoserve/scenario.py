"""What the user wants: one frozen, validated object that is also the JSON file and the share link.

Unknown keys are refused, numbers must be finite and in range, and :func:`read_scenario` reports
every problem at once as a :class:`~ecoserve.errors.ScenarioError`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from ecoserve.catalog import Catalog
from ecoserve.errors import Problem, ScenarioError, UnknownIdError
from ecoserve.problems import problems_of
from ecoserve.rows import Region
from ecoserve.scenario_parts import (
    GivenFleet,
    GivenServers,
    Hardware,
    Levers,
    Market,
    Name,
    Part,
    Policy,
    ServerLimit,
    Site,
    Slo,
    Stock,
    Workload,
    named_twice,
)

MAX_WORKLOADS = 30
MAX_SITES = 8
MAX_GIVEN_FLEETS = 5
SCENARIO_VERSION: Final = 1


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
        if twice := named_twice(fleet.name for fleet in value):
            raise ValueError(f"names of given fleets must differ; twice: {', '.join(twice)}")
        return value

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if twice := named_twice(workload.name for workload in self.workloads):
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
