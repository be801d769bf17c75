"""What of a planning problem does not depend on prices, and what an earlier solve left of it.

Intensity, PUE, prices, lifetimes and coefficient sets only price columns. Everything else, from the
options to the rows, is a :class:`Structure` that stays as it is while those sliders move.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from threading import Lock
from typing import TypeVar

import numpy as np

from ecoserve.catalog import Catalog
from ecoserve.cost import server_cost
from ecoserve.demand import WorkloadDemand, workload_demands
from ecoserve.embodied import kgco2e_per_h, server_footprint
from ecoserve.errors import BlockedSlice, InfeasibleError
from ecoserve.formulation import FleetProblem, FleetTerms, ServerTerms, fleet_problem
from ecoserve.latency import Eligibility, eligibility
from ecoserve.operational import electricity_usd_per_kwh, hourly_intensity, site_pue
from ecoserve.options import (
    KV_LINK_EFFICIENCY,
    Service,
    allowed_servers,
    host_sockets,
    nic_gb_per_s,
    services,
    undominated,
)
from ecoserve.power import server_idle_w
from ecoserve.program import Program
from ecoserve.restriction import Restriction
from ecoserve.rows import Server
from ecoserve.scenario import Scenario
from ecoserve.solver import Solution, Start
from ecoserve.units import HOURS_PER_DAY, kg_from_g, kw_from_w

MAX_REMEMBERED = 16
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """Options, queues and rows for one scenario's traffic and hardware."""

    demands: tuple[WorkloadDemand, ...]
    options: tuple[Service, ...]
    eligible: Eligibility
    problem: FleetProblem
    program: Program


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
            _keep(self._starts, key, start)


def _keep(book: OrderedDict[str, T], key: str, value: T) -> None:
    book[key] = value
    book.move_to_end(key)
    while len(book) > MAX_REMEMBERED:
        book.popitem(last=False)


def structure_key(
    scenario: Scenario, catalog: Catalog, held: Mapping[str, int], restriction: Restriction
) -> str:
    """Equal keys have equal structures: all of the scenario but what only prices columns."""
    data = scenario.model_dump(mode="json")
    data["site"] = {"region": data["site"]["region"]}
    for name in ("accelerator_years", "host_years"):
        del data["hardware"][name]
    for name in ("coefficients", "carbon_price_usd_per_t"):
        del data["policy"][name]
    data["policy"]["objective"] = picks_fastest(scenario)
    del data["name"], data["given"]
    asked = [catalog.version, data, sorted(held.items()), asdict(restriction)]
    return json.dumps(asked, sort_keys=True)


def picks_fastest(scenario: Scenario) -> bool:
    """Whether the objective first narrows each model to its fastest option."""
    policy = scenario.policy
    return policy.objective == "performance" and policy.carbon_price_usd_per_t is None


def build_structure(
    scenario: Scenario, catalog: Catalog, held: Mapping[str, int], restriction: Restriction
) -> Structure:
    """Builds it; raises :class:`InfeasibleError` with the slices nobody can serve."""
    demands = workload_demands(scenario, catalog)
    options = undominated(restriction.allowed(services(scenario, catalog, demands)))
    if picks_fastest(scenario):
        options = _fastest(options, demands)
    eligible = eligibility(options, demands, scenario.policy, held)
    if eligible.blocked:
        raise _blocked(eligible.blocked)
    problem = fleet_problem(price_terms(scenario, catalog, demands, options, eligible))
    return Structure(
        demands=demands,
        options=options,
        eligible=eligible,
        problem=problem,
        program=Program.of(problem.lp),
    )


def price_terms(
    scenario: Scenario,
    catalog: Catalog,
    demands: Sequence[WorkloadDemand],
    options: Sequence[Service],
    eligible: Eligibility,
) -> FleetTerms:
    """Everything the program is made of, priced by the scenario."""
    limits = {limit.server: limit.max_count for limit in scenario.hardware.limits}
    rents = scenario.hardware.offer == "rental"
    return FleetTerms(
        demands=tuple(demands),
        services=tuple(options),
        masks=eligible.masks,
        on_time=eligible.on_time,
        utilisation=eligible.utilisation,
        servers=tuple(
            _server_terms(server, scenario, catalog, limits.get(server.id))
            for server in allowed_servers(scenario, catalog)
        ),
        kg_per_kwh=hourly_intensity(scenario.site, catalog) * kg_from_g(1.0),
        pue=site_pue(scenario.site, catalog),
        usd_per_kwh=0.0 if rents else electricity_usd_per_kwh(scenario.site, catalog),
        psu_efficiency=catalog.host_power_value("psu_efficiency"),
        burst=scenario.policy.burst,
        min_replicas=scenario.policy.min_replicas,
        shift=scenario.levers.shift,
    )


def _server_terms(
    server: Server, scenario: Scenario, catalog: Catalog, max_count: int | None
) -> ServerTerms:
    hardware = scenario.hardware
    made = server_footprint(server.id, scenario.policy.coefficients, catalog)
    embodied_kg_per_h = kgco2e_per_h(
        made.side_kgco2e("accelerator"), hardware.accelerator_years
    ) + kgco2e_per_h(made.side_kgco2e("host"), hardware.host_years)
    spare = catalog.host_power_value("cpu_spare_ratio")
    return ServerTerms(
        id=server.id,
        accelerator_id=server.accelerator_id,
        n_accelerators=server.n_accelerators,
        idle_kw=kw_from_w(server_idle_w(server, catalog)),
        embodied_kg_per_day=embodied_kg_per_h * HOURS_PER_DAY,
        usd_per_day=server_cost(server, hardware, catalog).usd_per_h * HOURS_PER_DAY,
        spare_sockets=spare * host_sockets(server, catalog),
        kv_gb_per_s=KV_LINK_EFFICIENCY * nic_gb_per_s(server),
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
