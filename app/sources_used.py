"""Which sources the figures of a plan come from, and how they were come by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ecoserve.catalog import Catalog
from ecoserve.embodied import server_footprint
from ecoserve.plan import Plan, Pool
from ecoserve.rows import Row
from ecoserve.scenario import Scenario

QUALITIES = ("measured", "manufacturer", "modelled", "assumed")
Use = tuple[str, str, str]
"""What for, the source's id, the figure's quality."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedSource:
    """A source, what its figures are of, and their qualities, the surest first."""

    title: str
    publisher: str
    url: str
    published: str
    what_for: tuple[str, ...]
    qualities: tuple[str, ...]


def sources_used(plan: Plan, scenario: Scenario, catalog: Catalog) -> list[UsedSource]:
    """The sources of the rows that the plan rests on, by title."""
    uses = set(_uses(plan, scenario, catalog))
    used = [
        _used(source_id, {use for use in uses if use[1] == source_id}, catalog)
        for source_id in {use[1] for use in uses}
    ]
    return sorted(used, key=lambda source: (source.title, source.url))


def _used(source_id: str, uses: set[Use], catalog: Catalog) -> UsedSource:
    source = catalog.sources[source_id]
    qualities = {quality for _, _, quality in uses}
    return UsedSource(
        title=source.title,
        publisher=source.publisher,
        url=source.url,
        published=source.published,
        what_for=tuple(sorted({what for what, _, _ in uses})),
        qualities=tuple(quality for quality in QUALITIES if quality in qualities),
    )


def _uses(plan: Plan, scenario: Scenario, catalog: Catalog) -> Iterator[Use]:
    for what, table, row in _rows(plan, scenario, catalog):
        yield what, row.source_id, row.quality
        for (cell_table, row_id, _), cell in catalog.cell_sources.items():
            if (cell_table, row_id) == (table, row.id):
                yield what, cell.source_id, cell.quality
    for server_id in sorted({entry.server for entry in plan.fleet}):
        footprint = server_footprint(server_id, scenario.policy.coefficients, catalog)
        for part in footprint.parts:
            yield "embodied carbon", part.source_id, part.quality


def _rows(plan: Plan, scenario: Scenario, catalog: Catalog) -> Iterator[tuple[str, str, Row]]:
    """(What for, table, row)."""
    for workload in scenario.workloads:
        yield "request lengths", "length_mixes", catalog.length_mix(workload.mix)
        yield "models", "llms", catalog.llm(workload.llm)
        yield "rate profiles", "rate_profiles", catalog.rate_profiles[workload.profile]
    for site in scenario.sites:
        region = catalog.region(site.region)
        yield "grid and site", "regions", region
        if site.intensity == "hourly" and region.grid_zone_id is not None:
            yield "grid and site", "grid_zones", catalog.grid_zone(region.grid_zone_id)
    for entry in plan.fleet:
        server = catalog.server(entry.server)
        yield "hardware", "servers", server
        yield "hardware", "accelerators", catalog.accelerator(server.accelerator_id)
        yield "hardware", "hosts", catalog.host(server.host_id)
        yield "hardware", "cpus", catalog.host(server.host_id).cpu
    for pool in plan.pools:
        yield from _model_rows(pool, catalog)
    yield from (("power of hosts", "host_power", row) for row in catalog.host_power.values())
    yield from _price_rows(plan, scenario, catalog)


def _model_rows(pool: Pool, catalog: Catalog) -> Iterator[tuple[str, str, Row]]:
    if pool.role == "host_cpu":
        family = catalog.host(catalog.server(pool.server).host_id).cpu.family
    else:
        family = catalog.accelerator(pool.accelerator).family
        yield "speed and power", "power_parameters", catalog.power(family)
    speed = catalog.serving(family, pool.stack, pool.precision)
    yield "speed and power", "serving_parameters", speed


def _price_rows(plan: Plan, scenario: Scenario, catalog: Catalog) -> Iterator[tuple[str, str, Row]]:
    offer = scenario.hardware.offer
    if offer != "rental":
        yield from (("prices", "prices", row) for row in catalog.prices.values())
        return
    servers = {entry.server for entry in plan.fleet}
    for price in catalog.rental_prices.values():
        if price.server_id in servers:
            yield "prices", "rental_prices", price
