"""Reduce in two halves: what the DRAM and SSD left out of a host neither draw nor emit in making.

Counted for the servers of a plan at hosts as sold against every variant that the scenario allows,
whether the plan uses it or not.
"""

from __future__ import annotations

from dataclasses import dataclass

from ecoserve.analysis.edits import mean_intensity_g_per_kwh
from ecoserve.catalog import Catalog
from ecoserve.cost import server_cost
from ecoserve.embodied import node_footprint
from ecoserve.operational import running_kgco2e_per_h, site_pue
from ecoserve.plan import Plan
from ecoserve.power import server_idle_w
from ecoserve.rows import Server
from ecoserve.scenario import Scenario
from ecoserve.scenario_parts import Site
from ecoserve.units import HOURS_PER_YEAR, kw_from_w
from ecoserve.variants import trimmed


@dataclass(frozen=True, slots=True, kw_only=True)
class ReduceSplit:
    """What one host variant leaves out of all servers of a kind in the plan."""

    site: str
    server: str
    variant: str
    count: int
    dram_gb: float
    """Left out of one server, nominal."""
    ssd_gb: float
    wall_w: float
    """Less draw of one server, at the wall."""
    operational_kgco2e_per_year: float
    """Less, of all of them, always on."""
    embodied_kgco2e_per_year: float
    """Less, of all of them, over the hosts' life."""
    usd_per_h: float
    """Less, of all of them, electricity excluded."""

    @property
    def kgco2e_per_year(self) -> float:
        """Both halves."""
        return self.operational_kgco2e_per_year + self.embodied_kgco2e_per_year


def reduce_split(plan: Plan, scenario: Scenario, catalog: Catalog) -> tuple[ReduceSplit, ...]:
    """One row for each bought server and each variant that the scenario names; rented ones none."""
    sites = {site.name: site for site in scenario.sites}
    counts: dict[tuple[str, str], int] = {}
    for entry in plan.fleet:
        if catalog.server(entry.server).offer == "purchase" and not entry.owned:
            key = entry.site, entry.server
            counts[key] = counts.get(key, 0) + entry.count
    return tuple(
        _split(sites[site], catalog.server(server), variant, count, scenario, catalog)
        for (site, server), count in counts.items()
        for variant in scenario.hardware.host_variants
    )


def _split(
    site: Site, server: Server, variant: str, count: int, scenario: Scenario, catalog: Catalog
) -> ReduceSplit:
    lean = trimmed(server, catalog.host_variant(variant), catalog)
    wall_w = server_idle_w(server, catalog) - server_idle_w(lean, catalog)
    per_h = running_kgco2e_per_h(
        kw_from_w(wall_w), site_pue(site, catalog), mean_intensity_g_per_kwh(site, catalog)
    )
    set_id, hardware = scenario.policy.coefficients, scenario.hardware
    made, made_lean = (node_footprint(node, set_id, catalog) for node in (server, lean))
    host_kg = made.side_kgco2e("host") - made_lean.side_kgco2e("host")
    costs = [server_cost(node, hardware, catalog).usd_per_h for node in (server, lean)]
    return ReduceSplit(
        site=site.name,
        server=server.id,
        variant=variant,
        count=count,
        dram_gb=server.dram_gb - lean.dram_gb,
        ssd_gb=server.ssd_gb - lean.ssd_gb,
        wall_w=wall_w,
        operational_kgco2e_per_year=count * per_h * HOURS_PER_YEAR,
        embodied_kgco2e_per_year=count * host_kg / hardware.host_years,
        usd_per_h=count * (costs[0] - costs[1]),
    )
