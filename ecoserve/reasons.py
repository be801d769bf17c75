"""Why each member of a fleet is there, read from the plan alone; nothing is solved.

What a member does is what the replica pools on its servers serve. Why there are so many of it is
the first of the following that holds: the scenario asks for them; one is the least there can be;
the load, with bursts and headroom, fills more than one server fewer; whole replicas of that load
do; replicas are kept in case one fails; and else how replicas fit side by side into servers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ecoserve.catalog import Catalog
from ecoserve.plan import BatchBound, FleetEntry, Plan, Pool
from ecoserve.scenario import Scenario

CountBound = Literal["asked", "one", "load", "whole_replicas", "redundancy", "packing"]
STARTS, FINISHES = ("mixed", "prefill", "host_cpu"), ("mixed", "decode", "host_cpu")
"""Roles that read prompts, and roles that write answers."""
NOISE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What a member does for one workload; shares are of the workload's requests."""

    workload: str
    begun: float
    """Prompts read here."""
    finished: float
    """Answers written here."""
    on_host_cpus: float
    """Of both, what its CPUs do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetReason:
    """Why one member is there.

    Members of one server at one site (host variants, owned beside bought) hold the same pools:
    they share the figures.
    """

    entry: FleetEntry
    serves: tuple[Served, ...]
    """Nothing for a server that stands idle."""
    isl_tokens: tuple[float, float]
    """Prompt lengths of what it serves, shortest and longest bucket; (0, 0) for nothing."""
    accelerators: int
    """Of all servers that hold these pools."""
    busy_at_peak: float
    """Share of those at work in the busiest hour, before bursts and headroom."""
    taken_at_peak: float
    """The same with bursts and headroom."""
    batch_bound_by: BatchBound | None
    """What limits the batches of most of its decoding; None where it decodes nothing."""
    kept_for_queues: float | None
    """The most its pools are planned to fill, where queues ask for less than the headroom does."""
    count_bound_by: CountBound
    redundant: tuple[str, ...]
    """Workloads of which it holds replicas only in case one fails."""


def fleet_reasons(plan: Plan, scenario: Scenario, catalog: Catalog) -> tuple[FleetReason, ...]:
    """A reason for each entry of the plan's fleet, in its order.

    ``scenario`` is the one planned. Raises :class:`~ecoserve.errors.UnknownIdError` for servers
    that the catalog does not have.
    """
    return tuple(_reason(entry, plan, scenario, catalog) for entry in plan.fleet)


def _reason(entry: FleetEntry, plan: Plan, scenario: Scenario, catalog: Catalog) -> FleetReason:
    pools = [pool for pool in plan.pools if _where(pool) == _where(entry)]
    cards = [pool for pool in pools if pool.role != "host_cpu"]
    each = catalog.server(entry.server).n_accelerators
    accelerators = each * sum(e.count for e in plan.fleet if _where(e) == _where(entry))
    lengths = [part.isl_tokens for pool in pools for part in pool.served]
    redundant = tuple(_redundant(cards, plan, scenario))
    return FleetReason(
        entry=entry,
        serves=tuple(_serves(pools)),
        isl_tokens=(
            min((low for low, _ in lengths), default=0.0),
            max((high for _, high in lengths), default=0.0),
        ),
        accelerators=accelerators,
        busy_at_peak=_peak(cards, lambda pool: pool.busy_by_hour) / accelerators,
        taken_at_peak=_peak(cards, lambda pool: pool.taken_by_hour) / accelerators,
        batch_bound_by=_batch_bound(cards),
        kept_for_queues=_kept_for_queues(cards, 1.0 - scenario.policy.headroom),
        count_bound_by=(
            "asked"
            if _is_asked_for(entry, plan, scenario)
            else _count_bound(cards, accelerators, each, redundant)
        ),
        redundant=redundant,
    )


def _where(row: FleetEntry | Pool) -> tuple[str, str]:
    return row.site, row.server


def _is_asked_for(entry: FleetEntry, plan: Plan, scenario: Scenario) -> bool:
    """Whether there is no more of it than the scenario wants at least."""
    bought = sum(e.count for e in plan.fleet if e.server == entry.server and not e.owned)
    limits = [limit for limit in scenario.hardware.limits if limit.server == entry.server]
    return not entry.owned and any(bought <= limit.min_count for limit in limits)


def _serves(pools: Sequence[Pool]) -> Iterator[Served]:
    for workload in dict.fromkeys(part.workload for pool in pools for part in pool.served):
        shares = [
            (pool.role, part.share)
            for pool in pools
            for part in pool.served
            if part.workload == workload
        ]
        yield Served(
            workload=workload,
            begun=sum(share for role, share in shares if role in STARTS),
            finished=sum(share for role, share in shares if role in FINISHES),
            on_host_cpus=sum(share for role, share in shares if role == "host_cpu"),
        )


def _peak(pools: Sequence[Pool], by_hour: Callable[[Pool], Sequence[float]]) -> float:
    """Accelerators in the hour in which the pools together take most of them."""
    hours = zip(*([pool.tp * n for n in by_hour(pool)] for pool in pools), strict=True)
    return max((sum(hour) for hour in hours), default=0.0)


def _batch_bound(pools: Sequence[Pool]) -> BatchBound | None:
    """What limits the batches of most of the accelerator-hours that decode."""
    hours: dict[BatchBound, float] = {}
    for pool in (pool for pool in pools if pool.role != "prefill"):
        here = pool.tp * sum(pool.busy_by_hour)
        hours[pool.batch_bound_by] = hours.get(pool.batch_bound_by, 0.0) + here
    return max(hours, key=lambda bound: hours[bound], default=None)


def _kept_for_queues(pools: Sequence[Pool], usual: float) -> float | None:
    """The highest planned utilisation below the usual one; None where most work has the usual."""
    emptier = [pool for pool in pools if pool.planned_utilisation < usual - NOISE]
    if 2.0 * _peak(emptier, lambda p: p.taken_by_hour) <= _peak(pools, lambda p: p.taken_by_hour):
        return None
    return max(pool.planned_utilisation for pool in emptier)


def _redundant(pools: Sequence[Pool], plan: Plan, scenario: Scenario) -> Iterator[str]:
    """Online workloads served here whose replicas are the least allowed, more than the load needs.

    Replicas that can start, and those that can finish, are counted over all servers.
    """
    least = scenario.policy.min_replicas
    online = {workload.name for workload in scenario.workloads if workload.kind == "online"}
    for workload in dict.fromkeys(p.workload for pool in pools for p in pool.served):
        for roles in (("mixed", "prefill"), ("mixed", "decode")):
            able = [p for p in plan.pools if p.role in roles and workload in p.workloads]
            needed = sum(math.ceil(max(p.taken_by_hour) - NOISE) for p in able)
            if workload in online and needed < sum(p.replicas for p in able) <= least:
                yield workload
                break


def _count_bound(
    pools: Sequence[Pool], accelerators: int, each: int, redundant: Sequence[str]
) -> CountBound:
    """Why one server fewer would not do; ``each``: accelerators of a server."""
    fewer = accelerators - each
    if not fewer:
        return "one"
    if _peak(pools, lambda pool: pool.taken_by_hour) > fewer + NOISE:
        return "load"
    if sum(pool.tp * math.ceil(max(pool.taken_by_hour) - NOISE) for pool in pools) > fewer:
        return "whole_replicas"
    return "redundancy" if redundant else "packing"
