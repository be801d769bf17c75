"""The packaged preset beside its baselines, quickly: the laws hold on the real hardware too."""

from __future__ import annotations

import pytest

from app.presets import load_presets
from ecoserve.ablations import LEVERS
from ecoserve.baselines import GIVEN, flagship, one_before
from ecoserve.catalog import Catalog
from ecoserve.comparison import Comparison, Wishes, compare_plans
from ecoserve.planner import plan_fleet
from ecoserve.scenario import Scenario, read_scenario
from ecoserve.units import DAYS_PER_YEAR

SMALL = "few"


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    data = load_presets()["azure-chat-and-code"].model_dump(mode="json")
    data["given"] = [{"name": SMALL, "servers": [{"server": "own_8x_h100_sxm", "count": 1}]}]
    return read_scenario(data)


@pytest.fixture(scope="module")
def comparison(scenario: Scenario, catalog: Catalog) -> Comparison:
    names = ("cost", "energy", "performance", "splitwise", "splitwise:two", "given")
    wishes = Wishes(baselines=names, ablations=True, what_ifs=False)
    return compare_plans(scenario, catalog, "quick", wishes=wishes)


def test_nobody_emits_less_than_ours_is_proven_to_need(comparison: Comparison):
    ours = comparison.plans["ecoserve"]
    proven = ours.bound * DAYS_PER_YEAR
    assert proven == pytest.approx(ours.kgco2e_per_year * (1 - ours.gap))
    for key, plan in comparison.plans.items():
        assert plan.kgco2e_per_year >= proven, key


def test_the_least_cost_and_energy_are_their_baselines_own(comparison: Comparison):
    """Within the 0.5 % that a baseline may give up for carbon, and what its search left open."""
    for name, account in (("cost", "usd_per_h"), ("energy", "facility_kwh_per_year")):
        mine = comparison.plans[f"{name}:same"]
        least = min(getattr(plan, account) for plan in comparison.plans.values())
        assert getattr(mine, account) * (1 - mine.gap) <= least * 1.005


def test_levers_alone_and_missing_lie_on_their_side_of_ours(comparison: Comparison):
    plans = comparison.plans
    for lever in LEVERS:
        alone, sold = plans[f"only:{lever}"], plans["only:rightsize"]
        assert alone.bound <= sold.objective
        assert plans[f"without:{lever}"].objective >= plans["ecoserve"].bound


def test_the_waterfall_never_rises(comparison: Comparison):
    totals = [step.kgco2e_per_year for step in comparison.waterfall]
    assert len(totals) == 1 + len(LEVERS)
    assert totals == sorted(totals, reverse=True)


def test_splitwise_stays_on_its_accelerators(
    scenario: Scenario, catalog: Catalog, comparison: Comparison
):
    before = one_before(scenario, catalog)
    assert (flagship(scenario, catalog).id, before and before.id) == ("b200", "h100_sxm_80gb")
    for key, decode_on in (("splitwise", "b200"), ("splitwise:two", "h100_sxm_80gb")):
        for column in ("", ":same"):
            pools = comparison.plans[key + column].pools
            found = {(p.role, p.accelerator) for p in pools if p.role != "host_cpu"}
            assert found == {("prefill", "b200"), ("decode", decode_on)}


def test_a_given_fleet_that_is_too_small_says_what_would_do(comparison: Comparison):
    assert set(comparison.blocked) == {f"{GIVEN}{SMALL}", f"{GIVEN}{SMALL}:same"}
    for reason in comparison.blocked.values():
        assert reason.startswith("too small for this traffic: 1 x own_8x_h100_sxm; ")


def test_a_hasty_answer_does_not_say_that_a_cap_cannot_be_kept(catalog: Catalog) -> None:
    """The quick fleet for least carbon is above the cap here; the one for least cost is not."""
    data = load_presets()["small-assistant"].model_dump(mode="json")
    data["workloads"][0]["rate_rps"] = 4.0
    data["hardware"]["accelerators"] = ["gaudi2", "gh200_96gb", "l4", "rtx_6000_ada"]
    data["levers"]["phases_apart"] = False
    data["policy"]["objective"] = "cost"
    free = plan_fleet(read_scenario(data), catalog, "quick").kgco2e_per_year
    cap = data["policy"]["max_kgco2e_per_year"] = 1.05 * free
    assert plan_fleet(read_scenario(data), catalog, "quick").kgco2e_per_year <= cap
