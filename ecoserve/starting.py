"""A plan as a start of another search: its servers and replicas as whole columns of that program.

Programs of like questions name their columns alike, so a fleet that serves one can be tried in the
other. Columns that the plan says nothing of start at zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ecoserve.formulation import FleetProblem
from ecoserve.plan import Plan, Pool
from ecoserve.program import Program
from ecoserve.service import Service, at_site
from ecoserve.terms import FleetTerms, ServerTerms


def start_values(
    plan: Plan, problem: FleetProblem, terms: FleetTerms, program: Program
) -> dict[str, float]:
    """Whole columns by name.

    Servers of a kind that ``program`` closes become another variant of the same server.
    """
    values: dict[str, float] = {}

    def add(column: Any, amount: float) -> None:
        values[column.name] = values.get(column.name, 0.0) + amount

    open_kinds = [kind for kind in terms.servers if _is_open(kind, problem, program)]
    for entry in plan.fleet:
        kind = _kind(entry.site, entry.server, entry.variant, entry.owned, terms, open_kinds)
        if kind is None:
            continue
        for column in (problem.total, problem.alike[kind.alike], problem.x[kind.id]):
            add(column, entry.count)
        for k, hours in enumerate(terms.periods if terms.parks else ()):
            up = max(entry.on_by_hour[hour] for hour in hours)
            parked = (problem.up[k], problem.alike_up[kind.alike, k], problem.on[kind.id, k])
            for column in parked:
                add(column, up)
    for pool in plan.pools:
        for key, replicas in _replicas(pool, problem, terms).items():
            add(problem.w[key], replicas)
            group_id, pool_id, k = key
            alike = terms.groups[group_id][0].alike
            add(problem.cards[alike, pool.llm, k], replicas * problem.tp_of(pool_id))
    return values


def _is_open(kind: ServerTerms, problem: FleetProblem, program: Program) -> bool:
    name = problem.x[kind.id].name
    return name in program.index and bool(program.upper[program.index[name]] > 0)


def _kind(
    site: str,
    server: str,
    variant: str,
    owned: bool,
    terms: FleetTerms,
    open_kinds: list[ServerTerms],
) -> ServerTerms | None:
    """The same kind, else another variant of the same server, else none."""
    here = [k for k in open_kinds if terms.sites[k.site].name == site and k.is_owned == owned]
    same = [k for k in here if k.server_id == server]
    exact = [k for k in same if k.variant == variant]
    return next(iter(exact or same), None)


def _replicas(
    pool: Pool, problem: FleetProblem, terms: FleetTerms
) -> Mapping[tuple[str, str, int], float]:
    """The pool's replicas by group, pool and part of the day; nothing where there is no column."""
    sites = {site.name: site.index for site in terms.sites}
    if pool.site not in sites:
        return {}
    group_id = at_site(pool.server, sites[pool.site])
    found = {}
    for pool_id, services in problem.pools.items():
        if not _is_pool(services[0], pool, sites[pool.site]):
            continue
        for k, hours in enumerate(terms.periods):
            if (group_id, pool_id, k) in problem.w:
                found[group_id, pool_id, k] = max(pool.replicas_by_hour[h] for h in hours)
    return found


def _is_pool(service: Service, pool: Pool, site: int) -> bool:
    device = service.device
    mine = (
        service.site, service.role, device.llm_id, device.accelerator_id, device.tp,
        device.precision, device.kv_precision, device.power_cap_ratio, device.replica.params.stack,
    )  # fmt: skip
    return mine == (
        site, pool.role, pool.llm, pool.accelerator, pool.tp,
        pool.precision, pool.kv_precision, pool.power_cap_ratio, pool.stack,
    )  # fmt: skip
