"""What the plan is compared with: who may do what, and that nobody is hobbled or flattered."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ecoserve.baselines import (
    Comparison,
    baseline_scenario,
    best_single,
    compare_plans,
    plan_baseline,
    plan_key,
    single_names,
)
from ecoserve.errors import ScenarioError
from ecoserve.planner import plan_fleet
from tests.builders import offline, online, tiny_catalog, tiny_scenario

CATALOG = tiny_catalog()
SCENARIO = tiny_scenario(
    online(profile="peaked"), offline(rate_rps=5.0), policy={"carbon_price_usd_per_t": 50.0}
)
GAP = 0.001


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    scenario = tiny_scenario(online(profile="peaked"), offline(rate_rps=5.0))
    return compare_plans(scenario, CATALOG, "report")


def test_as_sold_has_no_lever_at_all():
    sold = baseline_scenario("cost", "as_sold", SCENARIO)
    assert not any(sold.levers.model_dump().values())
    assert sold.policy.objective == "cost"
    assert sold.policy.carbon_price_usd_per_t is None


def test_the_same_choices_keep_every_lever():
    same = baseline_scenario("cost", "same", SCENARIO)
    assert same.levers == SCENARIO.levers
    assert same.policy.objective == "cost"


def test_a_single_accelerator_fleet_minimises_carbon_on_that_accelerator():
    for column in ("as_sold", "same"):
        single = baseline_scenario("single:small", column, SCENARIO)
        assert single.hardware.accelerators == ("small",)
        assert single.policy.objective == "carbon"
        assert single.levers.reuse is (column == "same")
        assert single.levers.shift is (column == "same")


def test_demand_slos_and_slack_are_everybodys():
    for name in ("cost", "single:big"):
        for column in ("as_sold", "same"):
            theirs = baseline_scenario(name, column, SCENARIO)
            assert theirs.workloads == SCENARIO.workloads
            assert theirs.site == SCENARIO.site
            assert theirs.policy.headroom == SCENARIO.policy.headroom
            assert theirs.policy.burst == SCENARIO.policy.burst
            assert theirs.policy.min_replicas == SCENARIO.policy.min_replicas


def test_an_unknown_baseline_is_refused_with_the_known_ones():
    with pytest.raises(ScenarioError, match="no baseline 'cheapest'; there are: cost, single:"):
        baseline_scenario("cheapest", "same", SCENARIO)


def test_keys():
    assert (plan_key("cost", "as_sold"), plan_key("cost", "same")) == ("cost", "cost:same")
    assert single_names(SCENARIO, CATALOG) == ("single:big", "single:small")


@pytest.mark.parametrize("column", ["as_sold", "same"])
def test_the_cost_baseline_is_the_least_carbon_within_half_a_percent_of_the_least_cost(column):
    own = plan_fleet(baseline_scenario("cost", column, SCENARIO), CATALOG, "report")
    baseline = plan_baseline("cost", column, SCENARIO, CATALOG, "report")
    assert baseline.usd_per_h <= own.usd_per_h * 1.005 * (1 + 1e-6)
    assert baseline.usd_per_h >= own.usd_per_h * (1 - own.gap) * (1 - 1e-6)
    assert baseline.kgco2e_per_year <= own.kgco2e_per_year * (1 + GAP)


def test_every_baseline_is_in_both_columns(comparison: Comparison):
    assert set(comparison.plans) == {
        "ecoserve", "cost", "cost:same", "single:big", "single:big:same", "single:small",
        "single:small:same",
    }  # fmt: skip
    assert comparison.blocked == {}


def test_savings_are_fractions_of_the_baselines_carbon(comparison: Comparison):
    ours = comparison.plans["ecoserve"].kgco2e_per_year
    for key, saving in comparison.savings.items():
        theirs = comparison.plans[key].kgco2e_per_year
        assert ours == pytest.approx(theirs * (1.0 - saving))
        # Whoever chooses among less cannot emit less, beyond what the solver left open.
        assert saving >= -GAP


def test_single_accelerator_fleets_hold_that_accelerator_only(comparison: Comparison):
    for name in ("big", "small"):
        for key in (f"single:{name}", f"single:{name}:same"):
            used = {pool.accelerator for pool in comparison.plans[key].pools} - {""}
            assert used == {name}


def test_the_best_single_is_the_least_of_them(comparison: Comparison):
    as_sold = {
        name: comparison.plans[f"single:{name}"].kgco2e_per_year for name in ("big", "small")
    }
    assert comparison.best_single == f"single:{min(as_sold, key=as_sold.__getitem__)}"
    scenario = tiny_scenario(online(profile="peaked"), offline(rate_rps=5.0))
    name, plan = best_single(scenario, CATALOG, "as_sold", "report")
    assert name == comparison.best_single
    assert plan.kgco2e_per_year == pytest.approx(min(as_sold.values()), rel=GAP)


def test_the_waterfall_falls_from_cost_as_sold_to_our_plan(comparison: Comparison):
    steps = comparison.waterfall
    assert [step.step for step in steps] == [
        "cost as sold",
        "rightsize",
        "phases apart",
        "reuse",
        "shift",
    ]
    totals = [step.kgco2e_per_year for step in steps]
    assert totals == sorted(totals, reverse=True)
    assert totals[0] == comparison.plans["cost"].kgco2e_per_year
    assert totals[-1] == pytest.approx(comparison.plans["ecoserve"].kgco2e_per_year, rel=GAP)


def test_a_baseline_that_cannot_serve_says_why():
    # 60e9 parameters need two Big; Small cannot hold them.
    large = replace(CATALOG.llm("toy"), id="large", aliases=(), params_b=60.0, active_b=60.0)
    catalog = tiny_catalog(large)
    scenario = tiny_scenario(online(llm="large", rate_rps=0.1, slo={"ttft_s": 30, "tpot_s": 1}))
    found = compare_plans(scenario, catalog, "quick")
    assert set(found.blocked) == {"single:small", "single:small:same"}
    assert "memory" in found.blocked["single:small"]
    assert found.best_single == "single:big"


def test_progress_is_counted_to_the_end():
    seen: list[tuple[int, int]] = []
    scenario = tiny_scenario(online(), hardware={"accelerators": ["big"]})
    compare_plans(scenario, CATALOG, "quick", lambda done, total, _: seen.append((done, total)))
    # Ours, two baselines in two columns, the waterfall, done
    assert seen == [(i, 6) for i in range(7)]
