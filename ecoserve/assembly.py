"""A solved program as a plan: the fleet at work, its account, its latencies and its notes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import ecoserve
from ecoserve.account import Operation, carbon_parts, cost_parts, sunk_kgco2e_per_year
from ecoserve.catalog import Catalog
from ecoserve.hourly import site_days
from ecoserve.notes import plan_notes
from ecoserve.objective import OWN_OPTIMUM_SLACK, objective_name
from ecoserve.plan import FleetEntry, Plan, Status
from ecoserve.pools import late_requests, pool_rows, slo_reports
from ecoserve.scenario import Scenario
from ecoserve.scope import direct_kgco2e_per_year, market_kgco2e_per_year
from ecoserve.solver import Solution
from ecoserve.structure import Structure
from ecoserve.terms import FleetTerms
from ecoserve.units import kg_from_g

PROVEN_GAP = 1e-4
"""Up to this gap an answer is called optimal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One solved program, read as a fleet at work."""

    structure: Structure
    terms: FleetTerms
    solution: Solution
    operation: Operation
    held: Mapping[str, int]
    """Pool sizes held for the queues, by pool id."""


def assembled(
    scenario: Scenario, catalog: Catalog, attempt: Attempt, *, least_carbon: bool
) -> Plan:
    """The plan that an attempt is; ``least_carbon`` says it was taken within its own optimum."""
    solution, terms, operation = attempt.solution, attempt.terms, attempt.operation
    intensities = [site.kg_per_kwh / kg_from_g(1.0) for site in terms.sites]
    days = site_days(operation, terms, catalog, intensities)
    reports = slo_reports(operation, terms)
    pools = pool_rows(operation, terms, catalog)
    fleet = _fleet(operation, terms)
    on_time = all(report.meets_slo for report in reports)
    proven = solution.gap <= PROVEN_GAP and not attempt.held and on_time
    return Plan(
        engine_version=ecoserve.__version__,
        catalog_version=catalog.version,
        scenario_fingerprint=scenario.fingerprint(),
        status=Status.OPTIMAL if proven else Status.FEASIBLE,
        gap=solution.gap,
        bound=solution.bound,
        objective=solution.objective,
        objective_name=objective_name(scenario, least_carbon=least_carbon),
        fleet=fleet,
        pools=pools,
        carbon_parts=carbon_parts(operation, terms, scenario, catalog),
        cost_parts=cost_parts(operation, terms, scenario, catalog, days),
        site_days=days,
        sunk_kgco2e_per_year=sunk_kgco2e_per_year(scenario, catalog),
        direct_kgco2e_per_year=direct_kgco2e_per_year(scenario, catalog, days),
        market_kgco2e_per_year=market_kgco2e_per_year(scenario, catalog, days),
        output_tokens_per_year=sum(d.output_tokens_per_year for d in terms.demands),
        slo=reports,
        blocked=(),
        notes=plan_notes(
            scenario=scenario,
            catalog=catalog,
            fleet=fleet,
            pools=pools,
            reports=reports,
            late=late_requests(operation, terms),
            held=bool(attempt.held),
            stopped_by_time=solution.is_hurried,
            own_gap=solution.own_gap,
            own_slack=OWN_OPTIMUM_SLACK,
        ),
    )


def _fleet(operation: Operation, terms: FleetTerms) -> tuple[FleetEntry, ...]:
    return tuple(
        FleetEntry(
            site=terms.sites[kind.site].name,
            server=kind.server_id,
            variant=kind.variant,
            count=operation.counts[kind.id],
            owned=kind.is_owned,
            on_by_hour=tuple(int(n) for n in operation.servers_on(kind.id, terms)),
        )
        for kind in terms.servers
        if kind.id in operation.counts
    )
