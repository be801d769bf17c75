"""Small services among the few kinds of server they could pay for: cheaper, and no worse."""

from __future__ import annotations

from typing import Any

import pytest

from ecoserve import optimum, planner
from ecoserve.analysis.limits import limit_report
from ecoserve.narrowing import NEAR, Narrow, narrow
from ecoserve.objective import objective_weights
from ecoserve.plan import Plan
from ecoserve.planner import plan_fleet, solve_fleet
from ecoserve.pricing import Coefficients, price_account
from ecoserve.scenario import Scenario
from ecoserve.solver import Limits, solve
from ecoserve.structure import Structure, build_structure
from tests.builders import offline, online, tiny_catalog, tiny_scenario

CATALOG = tiny_catalog()
FLAT = {"intensity": "custom", "custom_gco2e_per_kwh": [300.0], "pue": 1.25}
SMALL = online(rate_rps=0.5)
BATCH = offline(rate_rps=0.2)


def few(scenario: Scenario, known: float) -> tuple[Structure, Coefficients, Narrow | None]:
    """The structure, the price of each column, and the kinds for a known objective."""
    structure = build_structure(scenario, CATALOG, {})
    account = price_account(structure.problem, structure.terms)
    weights = objective_weights(scenario)
    found = narrow(structure.problem, structure.terms, account, weights, known)
    return structure, account["kg"], found


def test_a_kind_is_left_out_from_where_one_of_it_costs_more():
    scenario = tiny_scenario(SMALL, site=FLAT)
    structure, kg, _ = few(scenario, 1.0)
    small, big = (kg[structure.problem.x[kind]] for kind in ("own_2x_small", "own_4x_big"))
    assert 0 < small < big
    just_below, just_above = (share * big / (1 + NEAR) for share in (0.999, 1.001))
    kept = few(scenario, just_below)[2]
    assert kept == Narrow(kinds=frozenset({"own_2x_small"}), up_to=pytest.approx(0.999 * big))
    assert few(scenario, just_above)[2] is None
    assert few(scenario, 0.5 * small)[2] is None


def test_where_servers_are_parked_one_is_on_in_each_part_of_the_day():
    scenario = tiny_scenario(
        online(rate_rps=0.5, profile="peaked"), site=FLAT, levers={"park": True}
    )
    structure, kg, _ = few(scenario, 1.0)
    problem, parts = structure.problem, range(len(structure.terms.periods))
    assert len(parts) > 1
    on = {kind: [kg[problem.on[kind, k]] for k in parts] for kind in problem.x}
    others = [min(on[kind][k] for kind in on) for k in parts]
    once = [on["own_4x_big"][k] + sum(others) - others[k] for k in parts]
    least = kg[problem.x["own_4x_big"]] + min(once)
    kept = few(scenario, 0.999 * least / (1 + NEAR))[2]
    assert kept is not None
    assert kept.kinds == {"own_2x_small"}
    assert few(scenario, 1.001 * least / (1 + NEAR))[2] is None
    # and no answer that uses one costs less
    used = {problem.on["own_4x_big", k]: -1.0 for k in parts}
    forced = structure.program.with_objective(kg).with_row_at_most("used", used, -1.0)
    assert solve(forced, Limits(gap=1e-6)).objective >= least


@pytest.mark.parametrize(
    "hardware",
    [
        {"stock": [{"server": "own_4x_big", "count": 1}]},
        {"limits": [{"server": "own_4x_big", "min_count": 1, "max_count": 9}]},
    ],
    ids=["owned", "asked for"],
)
def test_what_is_there_anyway_is_never_left_out(hardware: dict[str, Any]):
    scenario = tiny_scenario(SMALL, site=FLAT, hardware=hardware, levers={"reduce": True})
    kinds = {kind.id for kind in build_structure(scenario, CATALOG, {}).terms.servers}
    free = tiny_scenario(SMALL, site=FLAT, levers={"reduce": True})
    known = 1.1 * plan_fleet(free, CATALOG, "quick").objective
    assert any("big" in kind for kind in kinds)
    left = few(free, known)[2]
    assert left is not None
    assert not any("big" in kind for kind in left.kinds)
    found = few(scenario, known)[2]
    assert found is None or any("big" in kind for kind in found.kinds)


def planned(scenario: Scenario, monkeypatch: pytest.MonkeyPatch, **how: Any) -> tuple[Plan, Plan]:
    """The report among few kinds, and among all."""
    narrowed = plan_fleet(scenario, CATALOG, "report", **how)
    for module in (planner, optimum):
        monkeypatch.setattr(module, "narrow", lambda *_: None)
    return narrowed, plan_fleet(scenario, CATALOG, "report", **how)


@pytest.mark.parametrize("objective", ["carbon", "cost", "energy"])
@pytest.mark.parametrize("rate", [0.05, 0.5, 4.0])
@pytest.mark.parametrize("levers", [{}, {"reduce": True, "park": True}], ids=["plain", "levers"])
def test_the_answer_among_few_is_the_answer_among_all(
    objective: str, rate: float, levers: dict[str, bool], monkeypatch: pytest.MonkeyPatch
):
    chat = online(rate_rps=rate, mix="three", profile="peaked")
    scenario = tiny_scenario(chat, BATCH, policy={"objective": objective}, levers=levers)
    narrowed, whole = planned(scenario, monkeypatch)
    assert few(scenario, narrowed.objective)[2] is not None, "or there is nothing to compare"
    assert narrowed.objective >= whole.bound * (1 - 1e-9)
    assert whole.objective >= narrowed.bound * (1 - 1e-9)
    late = [sum(not row.meets_slo for row in plan.slo) for plan in (narrowed, whole)]
    assert late[0] <= late[1]


def test_where_few_kinds_are_not_enough_all_are_asked(monkeypatch: pytest.MonkeyPatch):
    scenario = tiny_scenario(online(rate_rps=400.0), site=FLAT)
    dearer = Narrow(kinds=frozenset({"own_2x_small"}), up_to=0.0)
    for module in (planner, optimum):
        monkeypatch.setattr(module, "narrow", lambda *_: dearer)
    misled = plan_fleet(scenario, CATALOG, "report")
    assert {entry.server for entry in misled.fleet} == {"own_4x_big"}
    monkeypatch.undo()
    assert misled == plan_fleet(scenario, CATALOG, "report")


def test_a_baseline_among_few_is_the_baseline_among_all(monkeypatch: pytest.MonkeyPatch):
    scenario = tiny_scenario(SMALL, site=FLAT, policy={"objective": "cost"})
    narrowed, whole = planned(scenario, monkeypatch, least_carbon_tie_break=True)
    assert narrowed.objective == pytest.approx(whole.objective, rel=0.002)


def test_prices_of_limits_know_every_kind():
    scenario = tiny_scenario(SMALL, site=FLAT)
    best = solve_fleet(scenario, CATALOG, "report")
    assert best.structure.kinds is None
    assert {kind.server_id for kind in best.terms.servers} == {"own_2x_small", "own_4x_big"}
    assert limit_report(scenario, CATALOG, "report").objective == best.solution.objective
