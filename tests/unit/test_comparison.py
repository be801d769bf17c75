"""Everything side by side, on the tiny world, and the laws between the plans."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ecoserve import questions
from ecoserve.ablations import LEVERS
from ecoserve.comparison import Comparison, Wishes, compare_plans
from ecoserve.errors import InfeasibleError
from ecoserve.planner import plan_fleet
from ecoserve.questions import Question, answer_all
from ecoserve.structure import Memory
from tests.builders import given_fleet, offline, online, tiny_catalog, tiny_scenario

CATALOG = tiny_catalog()
GAP = 0.001
OWN_SLACK = 0.005
FLEETS = (given_fleet("mine", own_4x_big=3), given_fleet("few", own_2x_small=1))
SCENARIO = tiny_scenario(
    online(profile="peaked"),
    offline(rate_rps=5.0),
    given=FLEETS,
    levers={"reduce": True, "park": True},
)
BASELINES = {
    *("cost", "energy", "performance", "splitwise", "splitwise:two"),
    *("single:big", "single:small", "given:mine"),
}


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compare_plans(SCENARIO, CATALOG, "report", wishes=Wishes(ablations=True))


def test_every_plan_has_its_key(comparison: Comparison):
    both = BASELINES | {f"{name}:same" for name in BASELINES}
    alone = {f"{kind}:{lever}" for kind in ("only", "without") for lever in LEVERS}
    assert set(comparison.plans) == {"ecoserve"} | both | alone
    assert set(comparison.blocked) == {"given:few", "given:few:same"}
    assert comparison.best_single in ("single:big", "single:small")


def test_savings_are_fractions_of_the_others_carbon(comparison: Comparison):
    ours = comparison.plans["ecoserve"].kgco2e_per_year
    assert set(comparison.savings) == set(comparison.plans) - {"ecoserve"}
    for key, saving in comparison.savings.items():
        theirs = comparison.plans[key].kgco2e_per_year
        assert ours == pytest.approx(theirs * (1.0 - saving))


def test_ours_emits_no_more_than_any_other(comparison: Comparison):
    # Whoever chooses among less cannot emit less, beyond what the solver left open.
    assert min(comparison.savings.values()) >= -GAP


@pytest.mark.parametrize(
    ("name", "account"), [("cost", "usd_per_h"), ("energy", "facility_kwh_per_year")]
)
def test_each_objective_is_least_in_its_own_account(comparison: Comparison, name, account):
    def spent(key: str) -> float:
        return float(getattr(comparison.plans[key], account))

    slack = (1 + OWN_SLACK) * (1 + OWN_SLACK)
    assert all(spent(f"{name}:same") <= spent(key) * slack for key in comparison.plans)
    sold = [key for key in BASELINES if not key.startswith("splitwise")]
    assert all(spent(name) <= spent(key) * slack for key in sold)


def test_a_lever_alone_lies_between_as_sold_and_all_of_them(comparison: Comparison):
    plans = comparison.plans
    sold, ours = plans["only:rightsize"].kgco2e_per_year, plans["ecoserve"].kgco2e_per_year
    assert sold <= plans["cost"].kgco2e_per_year * (1 + GAP)
    for lever in LEVERS:
        alone = plans[f"only:{lever}"].kgco2e_per_year
        assert ours * (1 - GAP) <= alone <= sold * (1 + GAP)


def test_all_levers_but_one_are_never_better_than_all(comparison: Comparison):
    ours = comparison.plans["ecoserve"].kgco2e_per_year
    for lever in LEVERS:
        assert comparison.plans[f"without:{lever}"].kgco2e_per_year >= ours * (1 - GAP)


def test_the_waterfall_falls_from_cost_as_sold_to_our_plan(comparison: Comparison):
    steps = comparison.waterfall
    assert [step.step for step in steps] == [
        *("cost as sold", "rightsize", "phases apart", "reuse", "reduce", "shift", "park")
    ]
    totals = [step.kgco2e_per_year for step in steps]
    assert totals == sorted(totals, reverse=True)
    assert totals[0] == comparison.plans["cost"].kgco2e_per_year
    assert totals[-1] == pytest.approx(comparison.plans["ecoserve"].kgco2e_per_year, rel=GAP)


def test_single_accelerator_fleets_hold_that_accelerator_only(comparison: Comparison):
    for name in ("big", "small"):
        for key in (f"single:{name}", f"single:{name}:same"):
            used = {pool.accelerator for pool in comparison.plans[key].pools} - {""}
            assert used == {name}


def test_what_ifs_are_plans_of_their_own(comparison: Comparison):
    found = {world.key: world.plan for world in comparison.what_ifs}
    assert set(found) == {"fp8", "region:plain"}
    assert found["fp8"] is not None
    # Whoever accepts more cannot emit more.
    assert found["fp8"].kgco2e_per_year <= comparison.plans["ecoserve"].kgco2e_per_year * (1 + GAP)


def test_only_what_is_wished_for_is_planned():
    some = Wishes(baselines=("energy",), what_ifs=False)
    found = compare_plans(SCENARIO, CATALOG, "quick", wishes=some)
    assert set(found.plans) == {"ecoserve", "energy", "energy:same"}
    assert (found.waterfall, found.what_ifs, found.best_single) == ((), (), "")


def test_ablations_bring_the_baseline_they_start_from():
    some = Wishes(baselines=("energy",), ablations=True, what_ifs=False)
    found = compare_plans(SCENARIO, CATALOG, "quick", wishes=some)
    assert {"cost", "only:shift", "without:rightsize"} <= set(found.plans)
    assert found.waterfall


def test_a_baseline_that_cannot_serve_says_why():
    # 60e9 parameters need two Big; Small cannot hold them.
    large = replace(CATALOG.llm("toy"), id="large", aliases=(), params_b=60.0, active_b=60.0)
    catalog = tiny_catalog(large)
    scenario = tiny_scenario(online(llm="large", rate_rps=0.1, slo={"ttft_s": 30, "tpot_s": 1}))
    found = compare_plans(scenario, catalog, "quick")
    assert {"single:small", "single:small:same"} <= set(found.blocked)
    assert "memory" in found.blocked["single:small"]
    assert found.best_single == "single:big"


def test_a_scenario_that_nothing_serves_is_no_comparison():
    with pytest.raises(InfeasibleError):
        compare_plans(tiny_scenario(online(slo={"ttft_s": 2, "tpot_s": 1e-5})), CATALOG, "quick")


@pytest.mark.parametrize("ablations", [False, True])
def test_progress_is_counted_to_the_end(ablations: bool):
    seen: list[tuple[int, int, str]] = []
    compare_plans(
        SCENARIO, CATALOG, "quick", lambda *told: seen.append(told),
        wishes=Wishes(ablations=ablations),
    )  # fmt: skip
    total = seen[0][1]
    assert [(done, most) for done, most, _ in seen] == [(i, total) for i in range(total + 1)]
    assert (seen[0][2], seen[-1][2]) == ("ecoserve", "done")


def test_the_same_question_is_planned_once(monkeypatch: pytest.MonkeyPatch):
    planned = []
    plan_fleet = questions.plan_fleet

    def counted(scenario, *args, **kwargs):
        planned.append(scenario)
        return plan_fleet(scenario, *args, **kwargs)

    monkeypatch.setattr(questions, "plan_fleet", counted)
    one = Question(scenario=tiny_scenario(), least_carbon=True)
    asked = {"a": one, "b": Question(scenario=tiny_scenario()), "c": one}
    asked["d"] = Question(scenario=tiny_scenario(policy={"objective": "cost"}))
    told: list[str] = []
    found = answer_all(asked, CATALOG, "quick", on_answer=told.append)
    # Least carbon within half a percent of the least carbon is the least carbon.
    assert planned == [one.scenario, asked["d"].scenario]
    assert found.plans["a"] is found.plans["b"] is found.plans["c"]
    assert told == ["a", "b", "c", "d"]


def test_the_workers_change_no_answer(comparison: Comparison):
    twice = compare_plans(SCENARIO, CATALOG, "report", wishes=Wishes(ablations=True), workers=2)
    assert twice == comparison


def test_what_was_asked_before_changes_no_quick_answer():
    """Quick answers start from a like one where there is one; those set side by side never do."""
    memory, wishes = Memory(), Wishes(baselines=("cost",), what_ifs=False)
    plan_fleet(SCENARIO, CATALOG, "quick", memory=memory)
    again = compare_plans(SCENARIO, CATALOG, "quick", wishes=wishes, memory=memory)
    assert again == compare_plans(SCENARIO, CATALOG, "quick", wishes=wishes)


def test_a_memory_without_starts_keeps_none_itself():
    memory = Memory().without_starts()
    plan_fleet(tiny_scenario(), CATALOG, "quick", memory=memory)
    assert memory._structures
    assert not memory._starts
