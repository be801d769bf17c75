"""Changed worlds: what users accept, and where the site is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ecoserve.what_ifs import changed_worlds, likely_regions
from tests.builders import PLAIN, offline, online, tiny_catalog, tiny_scenario

CLEAN = replace(PLAIN, id="clean", name="Clean", gco2e_per_kwh=20.0)
MIDDLE = replace(PLAIN, id="middle", name="Middle", gco2e_per_kwh=200.0)
DIRTY = replace(PLAIN, id="dirty", name="Dirty", gco2e_per_kwh=900.0)
FOREIGN = replace(PLAIN, id="foreign", name="Foreign", gco2e_per_kwh=1.0, provider_id="cloud")
CATALOG = tiny_catalog(CLEAN, MIDDLE, DIRTY, FOREIGN)


def worlds(scenario):
    return {world.key: world.question.scenario for world in changed_worlds(scenario, CATALOG)}


def precisions(scenario) -> list[tuple[str, ...]]:
    return [workload.precisions for workload in scenario.workloads]


def test_fp8_is_accepted_where_it_was_not():
    found = worlds(tiny_scenario(online(), offline()))
    assert precisions(found["fp8"]) == [("bf16", "fp8")] * 2
    assert "without_fp8" not in found


def test_fp8_is_not_accepted_where_it_was():
    found = worlds(tiny_scenario(online(precisions=["fp8"]), offline(precisions=["fp8", "int8"])))
    assert precisions(found["without_fp8"]) == [("bf16",), ("int8",)]
    assert "fp8" not in found


def test_where_some_accept_it_both_are_asked():
    found = worlds(tiny_scenario(online(precisions=["bf16", "fp8"]), offline()))
    assert {"fp8", "without_fp8"} <= set(found)


def test_the_cleanest_the_median_and_the_dirtiest_of_the_same_operator():
    # Of 20, 200, 325 (plain), 325 (sunny) and 900 g/kWh the third; not the 1 of another operator.
    found = [region.id for region in likely_regions(tiny_scenario(), CATALOG)]
    assert found == ["clean", "plain", "dirty"]


def test_the_scenarios_other_sites_come_first_and_its_own_region_never():
    scenario = tiny_scenario(
        site={"region": "dirty", "intensity": "annual"},
        other_sites=[{"name": "away", "region": "middle", "intensity": "annual"}],
    )
    found = [region.id for region in likely_regions(scenario, CATALOG)]
    assert found == ["middle", "clean", "plain"]


def test_elsewhere_is_the_same_building_on_another_grid():
    scenario = tiny_scenario(
        site={"region": "sunny", "pue": 1.3, "market": {"cfe_share": 0.5}},
        policy={"objective": "energy"},
    )
    moved = worlds(scenario)["region:dirty"]
    # Dirty has no hours: its yearly mean counts. The contracts were for the grid left behind.
    assert (moved.site.region, moved.site.intensity) == ("dirty", "annual")
    assert moved.site.pue == 1.3
    assert moved.site.market is None
    assert moved.policy == scenario.policy
    assert moved.levers == scenario.levers


@pytest.mark.parametrize("intensity", ["hourly", "annual"])
def test_hours_stay_hours_where_there_are_some(intensity):
    twin = replace(PLAIN, id="twin", gco2e_per_kwh=10.0, grid_zone_id="sunny_grid")
    scenario = tiny_scenario(site={"region": "sunny", "intensity": intensity})
    found = changed_worlds(scenario, tiny_catalog(twin))
    moved = next(world for world in found if world.key == "region:twin")
    assert moved.question.scenario.site.intensity == intensity
    assert moved.what == "the site were in Plain (10 g/kWh in the yearly mean)"
