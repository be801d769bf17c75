"""What the plan is compared with: who may do what, and that nobody is hobbled or flattered."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ecoserve.baselines import (
    baseline_names,
    baseline_question,
    best_single,
    chosen_names,
    flagship,
    one_before,
    plan_baseline,
    plan_key,
    single_names,
)
from ecoserve.errors import InfeasibleError, ScenarioError
from ecoserve.planner import plan_fleet
from ecoserve.restriction import Restriction
from ecoserve.scenario import Scenario
from tests.builders import (
    BIG,
    BIG_SERVER,
    TOY,
    given_fleet,
    offline,
    online,
    tiny_catalog,
    tiny_scenario,
)

CATALOG = tiny_catalog()
FLEETS = (
    given_fleet("both", own_4x_big=1, own_2x_small=2),
    given_fleet("few", own_2x_small=1),
    given_fleet("rented", cloud_2x_big=3),
)
TRAFFIC = (online(profile="peaked"), offline(rate_rps=5.0))
SCENARIO = tiny_scenario(*TRAFFIC, given=FLEETS, policy={"carbon_price_usd_per_t": 50.0})
GAP = 0.001


def asked(name: str, column: str, scenario: Scenario = SCENARIO) -> Scenario:
    return baseline_question(name, column, scenario, CATALOG).scenario


@pytest.mark.parametrize(
    ("name", "objective"),
    [
        ("cost", "cost"),
        ("energy", "energy"),
        ("performance", "performance"),
        ("splitwise", "cost"),
        ("splitwise:two", "cost"),
        ("single:big", "carbon"),
        ("given:both", "carbon"),
    ],
)
@pytest.mark.parametrize("column", ["as_sold", "same"])
def test_every_baseline_has_its_own_objective_and_our_demand(name, objective, column):
    theirs = asked(name, column)
    assert theirs.policy.objective == objective
    assert theirs.policy.carbon_price_usd_per_t is None
    assert theirs.workloads == SCENARIO.workloads
    assert theirs.site == SCENARIO.site
    for slack in ("headroom", "burst", "min_replicas", "max_usd_per_h", "coefficients"):
        assert getattr(theirs.policy, slack) == getattr(SCENARIO.policy, slack)


def test_as_sold_has_no_lever_at_all():
    wishful = tiny_scenario(
        online(sites=["site", "away"]),
        other_sites=[{"name": "away", "region": "plain"}],
        hardware={"power_cap_ratios": [1.0, 0.8]},
        policy={"max_kgco2e_per_year": 1.0, "max_usd_per_h": 99.0},
    )
    sold = asked("cost", "as_sold", wishful)
    assert not any(sold.levers.model_dump().values())
    assert sold.hardware.power_cap_ratios == (1.0,)
    assert sold.other_sites == ()
    assert sold.workloads[0].sites is None
    # A budget binds everybody, a cap on carbon is only ours.
    assert sold.policy.max_usd_per_h == 99.0
    assert sold.policy.max_kgco2e_per_year is None


def test_work_that_may_not_be_served_at_home_keeps_its_sites():
    away = tiny_scenario(online(sites=["away"]), other_sites=[{"name": "away", "region": "plain"}])
    assert asked("cost", "as_sold", away).sites == away.sites


@pytest.mark.parametrize("name", ["cost", "energy", "performance", "single:big"])
def test_the_same_choices_keep_every_lever(name):
    assert asked(name, "same").levers == SCENARIO.levers


def test_a_single_accelerator_fleet_may_buy_that_accelerator_only():
    for column in ("as_sold", "same"):
        question = baseline_question("single:small", column, SCENARIO, CATALOG)
        assert question.scenario.hardware.accelerators == ("small",)
        # Not even one in stock.
        only = Restriction(prefill_on=("small",), decode_on=("small",), mixed_on=("small",))
        assert question.restriction == only


@pytest.mark.parametrize(
    ("name", "prefill_on", "decode_on"),
    [("splitwise", "big", "big"), ("splitwise:two", "big", "small")],
)
@pytest.mark.parametrize("column", ["as_sold", "same"])
def test_splitwise_keeps_the_phases_apart_on_the_accelerators_named(
    name, prefill_on, decode_on, column
):
    plan = plan_baseline(name, column, SCENARIO, CATALOG, "report")
    pairs = {(pool.role, pool.accelerator) for pool in plan.pools} - {("host_cpu", "")}
    assert pairs == {("prefill", prefill_on), ("decode", decode_on)}
    levers = asked(name, column).levers
    assert levers.phases_apart
    assert levers.shift is (column == "same")


def test_the_flagship_has_the_most_bf16_tflops_then_the_most_bandwidth():
    assert flagship(SCENARIO, CATALOG).id == "big"
    wider = replace(BIG, id="wider", memory_gb_per_s=2001.0, launch_year=2020)
    sold = replace(BIG_SERVER, id="own_4x_wider", accelerator_id="wider")
    assert flagship(SCENARIO, tiny_catalog(wider, sold)).id == "wider"
    only_small = tiny_scenario(hardware={"accelerators": ["small"]})
    assert flagship(only_small, CATALOG).id == "small"


def test_the_flagship_holds_the_models_that_are_to_be_served():
    # 70 GB of weights do not fit Wider alone in its server, four Big together hold them.
    wider = replace(BIG, id="wider", bf16_tflops=900.0, max_tp=1)
    sold = replace(BIG_SERVER, id="own_1x_wider", accelerator_id="wider", n_accelerators=1)
    large = replace(TOY, id="large", params_b=70.0, active_b=70.0)
    catalog = tiny_catalog(wider, sold, large)
    assert flagship(SCENARIO, catalog).id == "wider"
    assert flagship(tiny_scenario(online(llm="large")), catalog).id == "big"


def test_the_one_before_is_the_strongest_of_the_years_before_the_flagship():
    # Older than Small, but stronger; and one as new as the flagship.
    older = replace(BIG, id="older", bf16_tflops=300.0, launch_year=2020)
    peer = replace(BIG, id="peer", bf16_tflops=400.0)
    sold = [replace(BIG_SERVER, id=f"own_4x_{a.id}", accelerator_id=a.id) for a in (older, peer)]
    found = one_before(SCENARIO, tiny_catalog(older, peer, *sold))
    assert found is not None
    assert found.id == "older"


def test_without_an_earlier_accelerator_there_is_no_two_accelerator_design():
    scenario = tiny_scenario(hardware={"accelerators": ["big"]})
    names = ("cost", "energy", "performance", "splitwise", "single:big")
    assert baseline_names(scenario, CATALOG) == names


def test_an_unknown_baseline_is_refused_with_the_known_ones():
    message = "no baseline 'cheapest'; there are: cost, energy, performance, splitwise, splitwise"
    with pytest.raises(ScenarioError, match=message):
        baseline_question("cheapest", "same", SCENARIO, CATALOG)
    with pytest.raises(ScenarioError) as caught:
        chosen_names(["cost", "fast", "single:huge"], SCENARIO, CATALOG)
    assert len(caught.value.problems) == 2


def test_single_and_given_stand_for_all_of_their_kind():
    chosen = chosen_names(["given", "energy", "single", "single:big"], SCENARIO, CATALOG)
    given = ("given:both", "given:few", "given:rented")
    assert chosen == (*given, "energy", "single:big", "single:small")


def test_keys():
    assert (plan_key("cost", "as_sold"), plan_key("cost", "same")) == ("cost", "cost:same")
    assert single_names(SCENARIO, CATALOG) == ("single:big", "single:small")


@pytest.mark.parametrize(
    ("name", "account"), [("cost", "usd_per_h"), ("energy", "facility_kwh_per_year")]
)
@pytest.mark.parametrize("column", ["as_sold", "same"])
def test_a_baseline_is_the_least_carbon_within_half_a_percent_of_its_optimum(name, account, column):
    own = plan_fleet(asked(name, column), CATALOG, "report")
    baseline = plan_baseline(name, column, SCENARIO, CATALOG, "report")
    least, found = getattr(own, account), getattr(baseline, account)
    assert found <= least * 1.005 * (1 + 1e-6)
    assert found >= least * (1 - own.gap) * (1 - 1e-6)
    assert baseline.kgco2e_per_year <= own.kgco2e_per_year * (1 + GAP)


def test_the_performance_fleet_stands_on_the_fastest_option_of_the_model():
    plan = plan_baseline("performance", "as_sold", SCENARIO, CATALOG, "report")
    assert {(pool.accelerator, pool.tp, pool.role) for pool in plan.pools} == {("big", 4, "mixed")}


def test_the_best_single_is_the_least_of_them():
    plans = {
        name: plan_baseline(name, "as_sold", SCENARIO, CATALOG, "report")
        for name in single_names(SCENARIO, CATALOG)
    }
    name, plan = best_single(SCENARIO, CATALOG, "as_sold", "report")
    assert plan.kgco2e_per_year == pytest.approx(
        min(p.kgco2e_per_year for p in plans.values()), rel=GAP
    )
    assert plans[name].kgco2e_per_year == pytest.approx(plan.kgco2e_per_year, rel=GAP)


def test_a_given_fleet_is_held_whole_and_buys_nothing_else():
    hardware = asked("given:both", "same").hardware
    assert {limit.server: (limit.min_count, limit.max_count) for limit in hardware.limits} == {
        "own_4x_big": (1, 1),
        "own_2x_small": (2, 2),
    }
    assert hardware.accelerators == ("big", "small")
    assert not asked("given:both", "same").levers.reduce
    only_few = asked("given:few", "as_sold").hardware
    assert only_few.accelerators == ("small",)


@pytest.mark.parametrize("column", ["as_sold", "same"])
def test_a_given_fleet_stands_whole_in_its_plan(column):
    plan = plan_baseline("given:both", column, SCENARIO, CATALOG, "report")
    assert {(e.server, e.variant, e.count, e.owned) for e in plan.fleet} == {
        ("own_4x_big", "full", 1, False),
        ("own_2x_small", "full", 2, False),
    }


def test_a_given_fleet_from_stock_costs_no_making():
    stock = [{"server": "own_4x_big", "count": 1}, {"server": "own_2x_small", "count": 1}]
    scenario = tiny_scenario(*TRAFFIC, given=FLEETS, hardware={"stock": stock})
    plan = plan_baseline("given:both", "as_sold", scenario, CATALOG, "report")
    bought = {(e.server, e.count) for e in plan.fleet if not e.owned}
    assert bought == {("own_2x_small", 1)}
    new = plan_baseline("given:both", "as_sold", SCENARIO, CATALOG, "report")
    assert plan.embodied_kgco2e_per_year < new.embodied_kgco2e_per_year
    # Nobody else's accelerators serve where the fleet is one accelerator's.
    single = plan_baseline("single:small", "as_sold", scenario, CATALOG, "report")
    assert {pool.accelerator for pool in single.pools} == {"small"}


def test_what_a_given_fleet_has_in_stock_is_not_bought_again():
    stock = [
        {"server": "own_2x_small", "count": 1, "age_years": 1.0},
        {"server": "own_2x_small", "count": 9, "age_years": 9.0},
        {"server": "own_4x_big", "count": 7},
    ]
    scenario = tiny_scenario(given=FLEETS, hardware={"stock": stock})
    hardware = asked("given:both", "same", scenario).hardware
    # One small of two is owned, nine are past their life; one big of seven is in the fleet.
    assert [(row.server, row.count) for row in hardware.stock] == [
        ("own_2x_small", 1),
        ("own_4x_big", 1),
    ]
    assert {limit.server: (limit.min_count, limit.max_count) for limit in hardware.limits} == {
        "own_4x_big": (0, 0),
        "own_2x_small": (1, 1),
    }


@pytest.mark.parametrize("column", ["as_sold", "same"])
def test_a_given_fleet_that_is_too_small_says_what_would_do(column):
    message = r"^too small for this traffic: 1 x own_2x_small; [45] x own_2x_small would do$"
    with pytest.raises(InfeasibleError, match=message):
        plan_baseline("given:few", column, SCENARIO, CATALOG, "quick")


def test_a_given_fleet_that_never_could_serve_says_so():
    # 60e9 parameters need two Big; Small cannot hold them.
    large = replace(CATALOG.llm("toy"), id="large", aliases=(), params_b=60.0, active_b=60.0)
    slow = online(llm="large", rate_rps=0.1, slo={"ttft_s": 30, "tpot_s": 1})
    scenario = tiny_scenario(slow, given=FLEETS)
    with pytest.raises(InfeasibleError, match=r"not even with more of the same servers: .*memory"):
        plan_baseline("given:few", "as_sold", scenario, tiny_catalog(large), "quick")


def test_a_given_fleet_that_is_not_on_offer_has_no_price():
    with pytest.raises(InfeasibleError, match="cloud_2x_big: not for sale"):
        baseline_question("given:rented", "same", SCENARIO, CATALOG)
    rental = tiny_scenario(given=FLEETS, hardware={"offer": "rental", "provider": "cloud"})
    with pytest.raises(InfeasibleError, match="own_2x_small: not in the price list of cloud"):
        baseline_question("given:few", "same", rental, CATALOG)
