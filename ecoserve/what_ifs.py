"""Plans beside the scenario's own, each with one thing of the world changed.

    fp8                the users also accept weights in fp8
    without_fp8        the users do not accept them any more
    region:<id>        the site is elsewhere

Same objective, same levers. These are no levers of the planner's: consent about quality is the
users', and another site's cleaner grid is that site's merit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ecoserve.catalog import Catalog
from ecoserve.plan import Plan
from ecoserve.questions import Question
from ecoserve.rows import Region
from ecoserve.scenario import Scenario, read_scenario
from ecoserve.scenario_parts import DEFAULT_HOURS

FP8, BF16 = "fp8", "bf16"
WITHOUT_FP8 = "without_fp8"
REGION = "region:"


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """A plan in a changed world; ``plan`` is None where nothing serves there, for ``reason``."""

    key: str
    what: str
    """What is different, as the end of a sentence that begins with "what if"."""
    plan: Plan | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedWorld:
    """The question of a what-if, before it is answered."""

    key: str
    what: str
    question: Question


def changed_worlds(scenario: Scenario, catalog: Catalog) -> tuple[ChangedWorld, ...]:
    """Every what-if of the scenario: precisions, then regions."""
    return (*_precisions(scenario), *_elsewhere(scenario, catalog))


def likely_regions(scenario: Scenario, catalog: Catalog) -> tuple[Region, ...]:
    """Those of the other sites, and the cleanest, the median and the dirtiest there is, in turn.

    By the yearly mean, among the regions of the same operator as the site's, whose figures share
    one convention; of two equal ones the first by id. The site's own region is left out.
    """
    home = catalog.region(scenario.site.region)
    peers = sorted(
        (region for region in catalog.regions.values() if region.provider_id == home.provider_id),
        key=lambda region: (region.gco2e_per_kwh, region.id),
    )
    chosen = [catalog.region(site.region) for site in scenario.other_sites]
    chosen += [peers[0], peers[(len(peers) - 1) // 2], peers[-1]]
    distinct = {region.id: region for region in chosen if region.id != home.id}
    return tuple(distinct.values())


def _precisions(scenario: Scenario) -> Iterator[ChangedWorld]:
    accepted = [FP8 in workload.precisions for workload in scenario.workloads]
    if not all(accepted):
        data = scenario.model_dump(mode="json")
        for workload in data["workloads"]:
            workload["precisions"] = sorted({*workload["precisions"], FP8})
        yield _world(FP8, "fp8 weights were accepted", data)
    if any(accepted):
        data = scenario.model_dump(mode="json")
        for workload in data["workloads"]:
            workload["precisions"] = [p for p in workload["precisions"] if p != FP8] or [BF16]
        yield _world(WITHOUT_FP8, "fp8 weights were not accepted", data)


def _elsewhere(scenario: Scenario, catalog: Catalog) -> Iterator[ChangedWorld]:
    """The same building on another grid: a PUE or price of the user's own stays, contracts do not.

    Hours stay hours where the other region has them for the same season and kind; elsewhere, and
    for a custom intensity, the yearly mean counts.
    """
    for region in likely_regions(scenario, catalog):
        data = scenario.model_dump(mode="json")
        data["site"] |= {"region": region.id, "custom_gco2e_per_kwh": [], "market": None}
        if not _has_hours(region, scenario, catalog):
            season, kind = DEFAULT_HOURS
            data["site"] |= {"intensity": "annual", "season": season, "intensity_kind": kind}
        what = (
            f"the site were in {region.name} ({region.gco2e_per_kwh:.0f} g/kWh in the yearly mean)"
        )
        yield _world(f"{REGION}{region.id}", what, data)


def _has_hours(region: Region, scenario: Scenario, catalog: Catalog) -> bool:
    site = scenario.site
    if site.intensity != "hourly" or region.grid_zone_id is None:
        return False
    hours = catalog.grid_zone(region.grid_zone_id).hourly_gco2e_per_kwh
    return (site.season, site.intensity_kind) in hours


def _world(key: str, what: str, data: dict[str, Any]) -> ChangedWorld:
    question = Question(scenario=read_scenario(data))
    return ChangedWorld(key=key, what=what, question=question)
