"""The charts of the lifecycle page say what the study found."""

from __future__ import annotations

from functools import cache

import pytest

from app import figures_lifecycle as figures
from app.text import NARROW_SPACE
from ecoserve.lifecycle import Lifecycle, lifecycle_record, study_lifecycle
from ecoserve.planner import plan_fleet
from ecoserve.trends import LifecycleAssumptions, catalog_assumptions
from tests.builders import tiny_catalog, tiny_scenario

CATALOG = tiny_catalog()


@cache
def study(horizon_years: int = 6) -> Lifecycle:
    scenario = tiny_scenario()
    plan = plan_fleet(scenario, CATALOG, "quick")
    assumptions = catalog_assumptions(CATALOG, {"horizon_years": horizon_years})
    return study_lifecycle(plan, scenario, CATALOG, assumptions)


def test_heat_map_shows_every_policy_and_frames_the_best() -> None:
    found = study()
    chart = figures.policy_grid(found)
    heat = chart.figure.data[0]
    assert (len(heat.y), len(heat.x)) == (7, 11)
    unit_kg = 1000.0 if heat.hovertemplate.split("CO2e")[0].split(" ")[-1] == "t" else 1.0
    row, column = heat.y.index("3"), heat.x.index("10")
    wanted = found.grid.policies[3, 10].kgco2e_per_year / unit_kg
    assert heat.z[row][column] == pytest.approx(wanted)
    *dotted, joint, split = chart.figure.layout.shapes
    assert len(dotted) == 7
    best = found.grid.best_split
    assert (split.x0 + 0.5, split.y0 + 0.5) == (
        heat.x.index(str(best.host_years)),
        heat.y.index(str(best.accelerator_years)),
    )
    assert joint.x0 == joint.y0
    texts = [text for trace in chart.figure.data[1:] for text in trace.text]
    assert len(texts) == 77


def test_finding_names_lives_saving_and_horizon() -> None:
    found = study()
    words = figures.finding(found).replace(NARROW_SPACE, " ")
    split = found.grid.best_split
    assert f"accelerators every {split.accelerator_years} years" in words
    assert f"{100 * found.grid.recycle_ratio:.3g}"[:3] in words
    assert "over 6 years" in words


def test_bars_by_year_add_up_to_the_policies() -> None:
    found = study()
    chart = figures.carbon_by_year(found)
    bars = chart.figure.data
    assert len(bars) == 8
    total = sum(sum(bar.y) for bar in bars[4:])
    joint = sum(sum(bar.y) for bar in bars[:4])
    ratio = found.grid.best_split.kgco2e_per_year / found.grid.best_joint.kgco2e_per_year
    assert total / joint == pytest.approx(ratio)


def test_purchases_go_up_and_retirements_down() -> None:
    found = study()
    chart = figures.purchases_by_year(found.cohorts)
    bought, retired, there = chart.figure.data[:3]
    assert list(bought.y) == [found.cohorts.bought("accelerator", year) for year in range(6)]
    assert list(retired.y) == [-found.cohorts.retired("accelerator", year) for year in range(6)]
    steps = [there.y[0]]
    for year in range(1, 6):
        steps.append(steps[-1] + retired.y[year - 1] + bought.y[year])
    assert steps == list(there.y)


def test_record_has_its_keys_and_adds_up() -> None:
    found = study()
    record = lifecycle_record(found, 1.0)
    assert set(record) >= {
        *("engine_version", "catalog_version", "scenario_fingerprint", "notes", "convention"),
        *("assumptions", "policies", "best_joint", "best_split", "recycle", "published", "cohorts"),
    }
    assert len(record["policies"]) == 77
    saved = record["recycle"]["kgco2e_per_year"]
    best = (record[name]["kgco2e_per_year"]["total"] for name in ("best_joint", "best_split"))
    assert saved == pytest.approx(next(best) - next(best))
    low, high = record["recycle"]["kgco2e_per_year_range"]
    assert low <= saved <= high
    years = record["cohorts"]["by_year"]
    assert [year["year"] for year in years] == [1, 2, 3, 4, 5, 6]
    mean = sum(year["total"] for year in years) / 6
    assert record["cohorts"]["kgco2e_per_year"] == pytest.approx(mean)
    for policy in record["policies"]:
        carbon = policy["kgco2e_per_year"]
        assert carbon["total"] == pytest.approx(carbon["operational"] + carbon["embodied"])


def test_effects_are_of_the_trends_that_are_uncertain() -> None:
    found = study()
    single = {effect.trends[0] for effect in found.effects if len(effect.trends) == 1}
    assert single == set(LifecycleAssumptions.__slots__) - {
        *("horizon_years", "longest_accelerator_years", "longest_host_years"),
        *("demand_growth", "host_embodied_decline"),  # zero, without a band, in the tiny world
    }
    assert [effect.end for effect in found.effects if len(effect.trends) > 1] == ["low", "high"]


def test_published_lives_are_set_against_joint_ones() -> None:
    found = study()
    policies = found.grid.policies
    for years in (3, 4, 5):
        joint = policies[years, years].kgco2e_per_year
        wanted = 1 - policies[3, 10].kgco2e_per_year / joint
        assert found.published_savings[f"joint_{years}"] == pytest.approx(wanted)
    wanted = 1 - policies[3, 10].kgco2e_per_year / found.grid.best_joint.kgco2e_per_year
    assert found.published_savings["best_joint"] == pytest.approx(wanted)
