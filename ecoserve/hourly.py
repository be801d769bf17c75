"""The planned day of a fleet at work: what draws how much power at every site and hour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ecoserve.account import Operation, Use, accelerators_of_idle, dynamic_kw, idle_kw
from ecoserve.catalog import Catalog
from ecoserve.plan import HourlyLoad, HourlySeries, SiteDay
from ecoserve.terms import FleetTerms, SiteTerms
from ecoserve.units import HOURS_PER_DAY

Array = NDArray[np.float64]


def site_days(
    operation: Operation, terms: FleetTerms, catalog: Catalog, intensities: Sequence[Array]
) -> tuple[SiteDay, ...]:
    """IT power of the planned day at every site, beside its grid's intensity in gCO2e/kWh.

    ``intensities``: shape (24,) each, on the users' clock.
    """
    return tuple(
        _site_day(operation, terms, catalog, site, intensity)
        for site, intensity in zip(terms.sites, intensities, strict=True)
    )


def _site_day(
    operation: Operation, terms: FleetTerms, catalog: Catalog, site: SiteTerms, intensity: Array
) -> SiteDay:
    loads = (*_working(operation, terms, site), *_standing(operation, terms, catalog, site))
    hourly = HourlySeries(
        gco2e_per_kwh=_floats(intensity),
        it_power_kw=_drawn(loads),
        online_it_power_kw=_drawn([load for load in loads if load.kind == "online"]),
        offline_it_power_kw=_drawn([load for load in loads if load.kind == "offline"]),
    )
    return SiteDay(site=site.name, pue=site.pue, hourly=hourly, loads=loads)


def _drawn(loads: Sequence[HourlyLoad]) -> tuple[float, ...]:
    by_load = np.array([load.it_power_kw for load in loads]).reshape(-1, HOURS_PER_DAY)
    return _floats(by_load.sum(axis=0))


def _working(operation: Operation, terms: FleetTerms, site: SiteTerms) -> Iterator[HourlyLoad]:
    """What serving draws above idle at a site, a load per workload and side."""
    merged: dict[tuple[str, bool], Array] = {}
    for use in (use for use in operation.uses if use.service.site == site.index):
        key = (use.service.workload, use.service.role == "host_cpu")
        merged[key] = merged.get(key, np.zeros((2, HOURS_PER_DAY))) + _runs_and_arrives(use, terms)
    online = {demand.workload.name: demand.is_online for demand in terms.demands}
    for (workload, on_host), (runs, arrives) in merged.items():
        yield HourlyLoad(
            kind="online" if online[workload] else "offline",
            side="host" if on_host else "accelerator",
            part="offline work on CPUs" if on_host else "serving",
            workload=workload,
            it_power_kw=_floats(runs),
            as_it_arrives_kw=_floats(arrives),
        )


def _runs_and_arrives(use: Use, terms: FleetTerms) -> Array:
    """kW above idle by hour, shape (2, 24): as planned, and as the requests arrive."""
    runs = dynamic_kw(use, terms)
    if not terms.is_movable(use.service):
        return np.array([runs, runs])
    return np.array([runs, runs.mean() * terms.demand_of(use.service).hourly_ratio])


def _standing(
    operation: Operation, terms: FleetTerms, catalog: Catalog, site: SiteTerms
) -> Iterator[HourlyLoad]:
    """What draws whatever is served: accelerators at idle, hosts that are on, parked servers."""
    idle, on_kw, parked_kw = (np.zeros(HOURS_PER_DAY) for _ in range(3))
    for kind in terms.servers:
        if kind.site != site.index or kind.id not in operation.counts:
            continue
        on, parked = idle_kw(kind, operation, terms)
        of_cards = accelerators_of_idle(kind, catalog)
        idle, on_kw, parked_kw = (
            idle + of_cards * on,
            on_kw + (1 - of_cards) * on,
            parked_kw + parked,
        )
    rows: tuple[tuple[Literal["accelerator", "host"], str, Array], ...] = (
        ("accelerator", "idle", idle),
        ("host", "on", on_kw),
        ("host", "parked", parked_kw),
    )
    for side, part, drawn in rows:
        if drawn.any():
            yield HourlyLoad(
                kind="standing", side=side, part=part,
                it_power_kw=_floats(drawn), as_it_arrives_kw=_floats(drawn),
            )  # fmt: skip


def _floats(values: Array) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
