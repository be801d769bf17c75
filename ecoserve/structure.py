"""What of a planning problem does not depend on prices, and what an earlier solve left of it.

Intensity, PUE, prices, lifetimes and coefficient sets only price columns. Everything else, from the
options to the rows, is a :class:`Structure` that stays as it is while those sliders move.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from threading import Lock
from typing import TypeAlias, TypeVar

import numpy as np

from ecoserve.catalog import Catalog
from ecoserve.constraints import fleet_problem
from ecoserve.cost import server_cost
from ecoserve.demand import WorkloadDemand, workload_demands
from ecoserve.embodied import Footprint, kgco2e_per_h, node_footprint
from ecoserve.errors import BlockedSlice, InfeasibleError, SolverError
from ecoserve.formulation import FleetProblem, with_kinds
from ecoserve.latency import Eligibility, eligibility
from ecoserve.nearest import ways_out
from ecoserve.offers import (
    allowed_servers,
    host_sockets,
    host_variants,
    nic_gb_per_s,
    stock_in_service,
)
from ecoserve.operational import electricity_usd_per_kwh, hourly_intensity, site_pue
from ecoserve.options import KV_LINK_EFFICIENCY, services, undominated
from ecoserve.power import server_idle_w
from ecoserve.program import Counted, Program
from ecoserve.relaxation import Relaxation
from ecoserve.restriction import ANYWHERE, Restriction
from ecoserve.rows import Server
from ecoserve.scenario import Scenario
from ecoserve.scenario_parts import Site
from ecoserve.service import Service
from ecoserve.solver import Solution, Start, tightened
from ecoserve.terms import FULL, CountLimit, FleetTerms, ServerTerms, SiteTerms, duty_periods
from ecoserve.units import HOURS_PER_DAY, kg_from_g, kw_from_w

MAX_REMEMBERED = 16
DUTY_PERIODS = 3
"""Parts of the day in which servers may be parked apart."""
CAPS = ("max_kgco2e_per_year", "max_usd_per_h")
"""Caps on the account: rows that change with prices, added when a program is priced."""
T = TypeVar("T")
Made: TypeAlias = dict[tuple[str, str, str], Footprint]
"""Footprints known already, by server, host variant and coefficient set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """Options, queues and rows for one scenario's traffic and hardware."""

    demands: tuple[WorkloadDemand, ...]
    options: tuple[Service, ...]
    eligible: Eligibility
    problem: FleetProblem
    program: Program
    terms: FleetTerms
    """As it was priced when it was built."""
    priced_as: str
    """Fingerprint of the scenario it was built for."""
    kinds: frozenset[str] | None = None
    """The only kinds of server it knows; None: all."""
    _cuts: list[Program] = field(default_factory=list)
    _made: Made = field(default_factory=dict)

    def terms_for(self, scenario: Scenario, catalog: Catalog) -> FleetTerms:
        """The terms at a scenario's prices; its own are at hand."""
        if self.priced_as == scenario.fingerprint():
            return self.terms
        parts = (self.demands, self.options, self.eligible, self._made, self.kinds)
        return price_terms(scenario, catalog, *parts)

    def narrowed(self, kinds: frozenset[str]) -> Structure:
        """The same without other kinds of server, nor what runs on none of these."""
        terms = with_kinds(self.terms, kinds)
        problem = fleet_problem(terms)
        base = replace(self, problem=problem, program=Program.of(problem.lp), _cuts=[])
        return replace(base, options=terms.services, terms=terms, kinds=kinds)

    def program_with_cuts(self) -> Program:
        """With rows that hold for whole servers only; made once, for searches that need proof."""
        if not self._cuts:
            self._cuts.append(tightened(self.program, _counted(self)))
        return self._cuts[0]


@dataclass(slots=True)
class Memory:
    """Structures and answers of recent plans; one may serve many threads.

    Only quick answers start from a remembered one: what is called the answer never depends on what
    was asked before.
    """

    _structures: OrderedDict[str, Structure] = field(default_factory=OrderedDict)
    _starts: OrderedDict[str, Start] = field(default_factory=OrderedDict)
    _answers: OrderedDict[str, Solution] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)
    _most_starts: int = MAX_REMEMBERED

    def without_starts(self) -> Memory:
        """The same memory but for answers to start from, so that order does not matter."""
        return replace(self, _starts=OrderedDict(), _most_starts=0)

    def structure(self, key: str) -> Structure | None:
        """The structure under this key, if it is still remembered."""
        with self._lock:
            return self._structures.get(key)

    def start(self, key: str) -> Start | None:
        """The last answer under this key, if it is still remembered."""
        with self._lock:
            return self._starts.get(key)

    def answer(self, asked: str) -> Solution | None:
        """The answer to exactly this question, if it is still remembered."""
        with self._lock:
            return self._answers.get(asked)

    def keep_answer(self, asked: str, answer: Solution) -> None:
        """Remembers an answer; the oldest is forgotten."""
        with self._lock:
            _keep(self._answers, asked, answer)

    def keep_structure(self, key: str, structure: Structure) -> None:
        """Remembers a structure; the oldest is forgotten."""
        with self._lock:
            _keep(self._structures, key, structure)

    def keep_start(self, key: str, start: Start) -> None:
        """Remembers an answer; the oldest is forgotten."""
        with self._lock:
            _keep(self._starts, key, start, self._most_starts)


def _keep(book: OrderedDict[str, T], key: str, value: T, most: int = MAX_REMEMBERED) -> None:
    book[key] = value
    book.move_to_end(key)
    while len(book) > most:
        book.popitem(last=False)


def _counted(structure: Structure) -> list[Counted]:
    problem, index = structure.problem, structure.program.index
    on_kw = {kind.id: kind.on_kw for kind in structure.terms.servers}
    by_period: dict[int, list[tuple[int, float]]] = {}
    for (kind, k), column in problem.on.items():
        by_period.setdefault(k, []).append((index[column.name], on_kw[kind]))
    return [
        Counted(
            places=np.array([place for place, _ in mine], dtype=np.int32),
            weights=np.array([kw for _, kw in mine]),
        )
        for mine in by_period.values()
    ]


def structure_key(
    scenario: Scenario,
    catalog: Catalog,
    held: Mapping[str, int],
    restriction: Restriction = ANYWHERE,
) -> str:
    """Equal keys have equal structures: all of the scenario but what only prices columns."""
    data = scenario.model_dump(mode="json")
    sites = [data["site"], *data["other_sites"]]
    kept = ("region", "name", "round_trip_s", "max_it_power_kw", "max_rack_units")
    data["sites"] = [{name: site[name] for name in kept} for site in sites]
    del data["site"], data["other_sites"]
    for name in ("accelerator_years", "host_years"):
        del data["hardware"][name]
    for name in ("coefficients", "carbon_price_usd_per_t", *CAPS):
        del data["policy"][name]
    data["policy"]["objective"] = picks_fastest(scenario)
    del data["name"], data["given"]
    stock = sorted(stock_in_service(scenario).items())  # of all lifetimes price, this one retires
    asked = [catalog.version, data, sorted(held.items()), asdict(restriction), stock]
    return json.dumps(asked, sort_keys=True)


def picks_fastest(scenario: Scenario) -> bool:
    """Whether the objective first narrows each model to its fastest option."""
    policy = scenario.policy
    return policy.objective == "performance" and policy.carbon_price_usd_per_t is None


def build_structure(
    scenario: Scenario,
    catalog: Catalog,
    held: Mapping[str, int],
    restriction: Restriction = ANYWHERE,
) -> Structure:
    """Builds it; raises :class:`InfeasibleError` with the slices nobody can serve."""
    demands = workload_demands(scenario, catalog)
    options = undominated(restriction.allowed(services(scenario, catalog, demands)))
    if picks_fastest(scenario):
        options = _fastest(options, demands)
    try:
        return _structure(scenario, catalog, held, demands, options, {})
    except InfeasibleError as error:
        if restriction != ANYWHERE:  # a pattern that nobody asked to keep
            raise
        names = dict.fromkeys(item.slice.rsplit(",", 2)[0] for item in error.blocked)
        way = ways_out(tuple(names), scenario, catalog, lambda other: is_servable(other, catalog))
        raise InfeasibleError(f"{error}{way}", error.blocked) from None


def is_servable(scenario: Scenario, catalog: Catalog) -> bool:
    """Whether servers, even fractions of them, can be shared out so that all of it is served."""
    demands = workload_demands(scenario, catalog)
    options = undominated(services(scenario, catalog, demands))
    try:
        structure = _structure(scenario, catalog, {}, demands, options, {})
        Relaxation(structure.program).solve()
    except (InfeasibleError, SolverError):
        return False
    return True


def with_held(
    base: Structure,
    scenario: Scenario,
    catalog: Catalog,
    held: Mapping[str, int],
    kinds: frozenset[str] | None = None,
) -> Structure:
    """The same scenario's structure at other pool sizes, of these ``kinds`` of server only.

    Raises as :func:`build_structure` does.
    """
    options = base.options if kinds is None else with_kinds(base.terms, kinds).services
    return _structure(scenario, catalog, held, base.demands, options, base._made, kinds)


def _structure(
    scenario: Scenario,
    catalog: Catalog,
    held: Mapping[str, int],
    demands: tuple[WorkloadDemand, ...],
    options: tuple[Service, ...],
    made: Made,
    kinds: frozenset[str] | None = None,
) -> Structure:
    eligible = eligibility(options, demands, scenario.policy, held)
    if eligible.blocked:
        raise _blocked(eligible.blocked)
    terms = price_terms(scenario, catalog, demands, options, eligible, made, kinds)
    problem = fleet_problem(terms)
    return Structure(
        demands=demands,
        options=options,
        eligible=eligible,
        problem=problem,
        program=Program.of(problem.lp),
        terms=terms,
        priced_as=scenario.fingerprint(),
        kinds=kinds,
        _made=made,
    )


def price_terms(
    scenario: Scenario,
    catalog: Catalog,
    demands: Sequence[WorkloadDemand],
    options: Sequence[Service],
    eligible: Eligibility,
    made: Made | None = None,
    kinds: frozenset[str] | None = None,
) -> FleetTerms:
    """Everything the program is made of, priced by the scenario; ``made`` is added to.

    ``kinds`` names the only kinds of server there are.
    """
    sites = site_terms(scenario, catalog)
    needs = [demand.peak_ratio for demand in demands if demand.is_online]
    known = {} if made is None else made
    parks = scenario.levers.park and scenario.hardware.offer == "purchase"
    return FleetTerms(
        demands=tuple(demands),
        services=tuple(options),
        masks=eligible.masks,
        on_time=eligible.on_time,
        utilisation=eligible.utilisation,
        sites=sites,
        servers=tuple(
            k for k in _kinds(scenario, catalog, known) if kinds is None or k.id in kinds
        ),
        limits=tuple(
            CountLimit(server_id=row.server, at_least=row.min_count, at_most=row.max_count)
            for row in scenario.hardware.limits
        ),
        periods=duty_periods(needs, DUTY_PERIODS if parks else 1),
        psu_efficiency=catalog.host_power_value("psu_efficiency"),
        burst=scenario.policy.burst,
        min_replicas=scenario.policy.min_replicas,
        shift=scenario.levers.shift,
    )


def site_terms(scenario: Scenario, catalog: Catalog) -> tuple[SiteTerms, ...]:
    """Every site's electricity on the users' clock."""
    rents = scenario.hardware.offer == "rental"
    home_h = catalog.region(scenario.site.region).utc_offset_h
    found = []
    for index, site in enumerate(scenario.sites):
        ahead_h = catalog.region(site.region).utc_offset_h - home_h
        intensity = np.roll(hourly_intensity(site, catalog), -ahead_h)
        found.append(
            SiteTerms(
                index=index,
                name=site.name,
                kg_per_kwh=intensity * kg_from_g(1.0),
                pue=site_pue(site, catalog),
                usd_per_kwh=0.0 if rents else electricity_usd_per_kwh(site, catalog),
                max_it_power_kw=site.max_it_power_kw,
                free_rack_units=_free_rack_units(site, index, scenario, catalog),
            )
        )
    return tuple(found)


def _free_rack_units(site: Site, index: int, scenario: Scenario, catalog: Catalog) -> float | None:
    if site.max_rack_units is None:
        return None
    stock = stock_in_service(scenario)
    taken = sum(
        n * _rack_units(catalog.server(s), catalog) for (i, s), n in stock.items() if i == index
    )
    return site.max_rack_units - taken


def _rack_units(server: Server, catalog: Catalog) -> float:
    return catalog.host(server.host_id).rack_units * catalog.share_of_host(server)


def _kinds(scenario: Scenario, catalog: Catalog, made: Made) -> Iterator[ServerTerms]:
    """Every server in every host variant at every site, and what is owned."""
    for index in range(len(scenario.sites)):
        for server in allowed_servers(scenario, catalog):
            for variant, built in ((FULL, server), *host_variants(server, scenario, catalog)):
                yield _server_terms(built, scenario, catalog, made, index, variant, None)
    for (index, server_id), count in sorted(stock_in_service(scenario).items()):
        server = catalog.server(server_id)
        terms = _server_terms(server, scenario, catalog, made, index, FULL, count)
        place = server_cost(server, scenario.hardware, catalog).colocation * HOURS_PER_DAY
        yield replace(terms, is_owned=True, embodied_kg_per_day=0.0, usd_per_day=place)


def _server_terms(
    server: Server,
    scenario: Scenario,
    catalog: Catalog,
    made: Made,
    site: int,
    variant: str,
    max_count: int | None,
) -> ServerTerms:
    hardware = scenario.hardware
    key = (server.id, variant, scenario.policy.coefficients)
    if key not in made:
        made[key] = node_footprint(server, scenario.policy.coefficients, catalog)
    embodied_kg_per_h = kgco2e_per_h(
        made[key].side_kgco2e("accelerator"), hardware.accelerator_years
    ) + kgco2e_per_h(made[key].side_kgco2e("host"), hardware.host_years)
    spare = catalog.host_power_value("cpu_spare_ratio")
    return ServerTerms(
        server_id=server.id,
        site=site,
        variant=variant,
        accelerator_id=server.accelerator_id,
        n_accelerators=server.n_accelerators,
        on_kw=kw_from_w(server_idle_w(server, catalog)),
        parked_kw=kw_from_w(catalog.host_power_value("parked_w")),
        embodied_kg_per_day=embodied_kg_per_h * HOURS_PER_DAY,
        usd_per_day=server_cost(server, hardware, catalog).usd_per_h * HOURS_PER_DAY,
        spare_sockets=spare * host_sockets(server, catalog),
        kv_gb_per_s=KV_LINK_EFFICIENCY * nic_gb_per_s(server),
        rack_units=_rack_units(server, catalog),
        max_count=max_count,
    )


def _fastest(options: Sequence[Service], demands: Sequence[WorkloadDemand]) -> tuple[Service, ...]:
    """Per LLM the device with the least demand-weighted TTFT + (OSL-1) TPOT at batch 1."""
    rates = {d.workload.name: d.rate_rps for d in demands if d.is_online}
    best: dict[str, tuple[float, str]] = {}
    for llm_id in sorted({service.device.llm_id for service in options}):
        scores: dict[str, float] = {}
        for s in options:
            if s.device.llm_id == llm_id and s.role == "mixed" and s.workload in rates:
                late = np.where(s.fits & s.keeps_tpot, s.unloaded_s, 1e6)
                score = float(rates[s.workload] @ late)
                scores[s.device.id] = scores.get(s.device.id, 0.0) + score
        if scores:
            best[llm_id] = min((score, device) for device, score in scores.items())
    return tuple(
        s
        for s in options
        if s.role == "mixed"
        and (s.device.llm_id not in best or s.device.id == best[s.device.llm_id][1])
    )


def _blocked(slices: Sequence[BlockedSlice]) -> InfeasibleError:
    first = slices[0]
    more = f" (and {len(slices) - 1} more slices)" if len(slices) > 1 else ""
    return InfeasibleError(
        f"no allowed hardware serves {first.slice}{more}: {first.reason}", slices
    )
