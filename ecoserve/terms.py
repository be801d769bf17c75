"""What the fleet program is made of, once every look-up is done: sites, servers, services.

A *kind* of server is one line of the fleet: a server in a host variant at a site, bought or owned.
Kinds of the same server at the same site form a *group*: their accelerators are alike, so replicas
are counted by group.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ecoserve.demand import WorkloadDemand
from ecoserve.service import Mask, Service, at_site
from ecoserve.units import HOURS_PER_DAY

Array = NDArray[np.float64]
FULL = "full"
"""The host variant that is on the price list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteTerms:
    """A site's electricity and room. Hours are on the users' clock."""

    index: int
    """0 is the users' own."""
    name: str
    kg_per_kwh: Array
    """Carbon of a kWh at the meter, shape (24,)."""
    pue: float
    usd_per_kwh: float
    max_it_power_kw: float | None = None
    free_rack_units: float | None = None
    """Room left beside the stock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTerms:
    """What one server of a kind adds to the account, and what it offers."""

    server_id: str
    site: int = 0
    variant: str = FULL
    is_owned: bool = False
    accelerator_id: str
    n_accelerators: int
    on_kw: float
    """At the wall, on and serving nothing."""
    parked_kw: float = 0.0
    """At the wall, switched off for part of the day."""
    embodied_kg_per_day: float
    """Nothing for what is owned: it has been emitted."""
    usd_per_day: float
    """Everything but electricity; of what is owned only its place."""
    spare_sockets: float
    """CPU sockets left for offline work."""
    kv_gb_per_s: float
    """NIC bandwidth that KV transfer may use."""
    rack_units: float = 0.0
    max_count: int | None = None
    """Of this kind; None without a limit."""
    group_id: str = field(init=False)
    alike: str = field(init=False)
    """Servers of one name hold the same accelerators at the same site."""
    id: str = field(init=False)

    def __post_init__(self) -> None:
        group = at_site(self.server_id, self.site)
        marks = [mark for mark in (self.variant,) if mark != FULL] + ["owned"] * self.is_owned
        cards = at_site(f"{self.n_accelerators}x_{self.accelerator_id}", self.site)
        object.__setattr__(self, "group_id", group)
        object.__setattr__(self, "alike", cards)
        object.__setattr__(self, "id", ".".join([group, *marks]))


@dataclass(frozen=True, slots=True, kw_only=True)
class CountLimit:
    """So many servers of one id are bought or rented, over all sites and variants."""

    server_id: str
    at_least: int
    at_most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetTerms:
    """Everything the program is made of; no look-ups remain."""

    demands: tuple[WorkloadDemand, ...]
    services: tuple[Service, ...]
    masks: Mapping[str, Mask]
    on_time: Mapping[str, Array]
    utilisation: Mapping[str, float]
    sites: tuple[SiteTerms, ...]
    servers: tuple[ServerTerms, ...]
    limits: tuple[CountLimit, ...] = ()
    periods: tuple[tuple[int, ...], ...] = (tuple(range(HOURS_PER_DAY)),)
    """Parts of the day within which the same servers are on; one of 24 h where none is parked."""
    psu_efficiency: float
    burst: float
    min_replicas: int
    shift: bool
    _by_name: Mapping[str, WorkloadDemand] = field(init=False, repr=False)
    _groups: Mapping[str, tuple[ServerTerms, ...]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        by_name = {demand.workload.name: demand for demand in self.demands}
        object.__setattr__(self, "_by_name", by_name)
        groups: dict[str, list[ServerTerms]] = {}
        for server in self.servers:
            groups.setdefault(server.group_id, []).append(server)
        frozen = {group_id: tuple(kinds) for group_id, kinds in groups.items()}
        object.__setattr__(self, "_groups", frozen)

    @property
    def groups(self) -> Mapping[str, tuple[ServerTerms, ...]]:
        """The kinds of every server at every site."""
        return self._groups

    @property
    def parks(self) -> bool:
        """Whether servers may be off for part of the day."""
        return len(self.periods) > 1

    def period_of(self, hour: int) -> int:
        """The part of the day an hour lies in."""
        return next(k for k, hours in enumerate(self.periods) if hour in hours)

    def demand_of(self, service: Service) -> WorkloadDemand:
        """The workload behind a service."""
        return self._by_name[service.workload]

    def site_of(self, service: Service) -> SiteTerms:
        """Where a service runs."""
        return self.sites[service.site]

    def is_movable(self, service: Service) -> bool:
        """Offline work that may wait; the rest runs as it arrives.

        Work in prefill and decode pools does not wait: its KV cache would have to lie somewhere
        between the two phases.
        """
        demand = self.demand_of(service)
        whole = service.role in ("mixed", "host_cpu")
        return whole and not demand.is_online and self.shift and demand.workload.deadline_h > 1

    def dynamic_kw(self, service: Service) -> Array:
        """kW at the wall of a busy replica above idle, shape (buckets,).

        Offline batches mix lengths, so there it is the load-weighted mean over the workload.
        """
        per_bucket = service.dynamic_w / (1000.0 * self.psu_efficiency)
        demand = self.demand_of(service)
        if demand.is_online:
            return np.asarray(per_bucket)
        load = np.where(self.masks[service.id], demand.rate_rps * service.load_s, 0.0)
        return np.full_like(per_bucket, float(load @ per_bucket / load.sum()))


def duty_periods(needs: Sequence[Array], n_periods: int) -> tuple[tuple[int, ...], ...]:
    """The day in at most ``n_periods`` stretches whose hours are alike in all ``needs``.

    Each need has shape (24,) and is taken relative to its mean: rates of online work, intensities
    of sites. The cut is the cyclic one with the least sum, over hours and needs, of what an hour
    stays below the highest hour of its stretch: exact, by dynamic programming.
    """
    scaled = np.array([need / need.mean() for need in needs if need.mean() > 0])
    if not len(scaled) or n_periods <= 1 or np.ptp(scaled, axis=1).max() < 1e-9:
        return (tuple(range(HOURS_PER_DAY)),)
    waste = _waste(scaled)
    found = [_best_cut(waste, first, n_periods) for first in range(HOURS_PER_DAY)]
    first = int(np.argmin([total for total, _ in found]))
    edges = found[first][1]
    return tuple(
        sorted(
            tuple(sorted((first + hour) % HOURS_PER_DAY for hour in range(start, end)))
            for start, end in itertools.pairwise(edges)
        )
    )


def _waste(needs: Array) -> Array:
    """What hours stay below the highest of their stretch; shape (first hour, hours - 1)."""
    day = np.concatenate([needs, needs], axis=1)
    waste = np.empty((HOURS_PER_DAY, HOURS_PER_DAY))
    for first in range(HOURS_PER_DAY):
        block = day[:, first : first + HOURS_PER_DAY]
        hours = np.arange(1, HOURS_PER_DAY + 1)
        below = np.maximum.accumulate(block, axis=1) * hours - np.cumsum(block, axis=1)
        waste[first] = below.sum(axis=0)
    return waste


def _best_cut(waste: Array, first: int, n_periods: int) -> tuple[float, tuple[int, ...]]:
    """Least waste of cutting the 24 hours from ``first`` on into stretches, and their edges."""
    best: dict[int, tuple[float, tuple[int, ...]]] = {0: (0.0, (0,))}
    for _ in range(n_periods):
        reached = dict(best)
        for start, (cost, edges) in best.items():
            for end in range(start + 1, HOURS_PER_DAY + 1):
                total = cost + float(waste[(first + start) % HOURS_PER_DAY, end - start - 1])
                if end not in reached or total < reached[end][0] - 1e-12:
                    reached[end] = (total, (*edges, end))
        best = reached
    return best[HOURS_PER_DAY]
