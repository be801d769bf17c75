"""Analyses of many plans: the front, the tornado, crossovers, the regret matrix, sweeps."""

from __future__ import annotations

import itertools
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from app.reports_analysis import away_from_home
from ecoserve.analysis.crossover import FleetLine, crossovers, envelope
from ecoserve.analysis.edits import INTENSITY, edited, for_carbon, mean_intensity_g_per_kwh
from ecoserve.analysis.pareto import (
    FleetPoint,
    Front,
    Pareto,
    pareto,
    pareto_bound,
    undominated_points,
)
from ecoserve.analysis.robustness import Robustness, View, robustness
from ecoserve.analysis.sensitivity import SPANS, Sensitivity, sensitivity
from ecoserve.analysis.sweep import grid, sweep
from ecoserve.errors import InfeasibleError, ScenarioError
from ecoserve.fleet_rule import FleetRule, servers_of
from ecoserve.plan import FleetEntry
from ecoserve.planner import plan_fleet
from ecoserve.questions import InProcesses, Question, chunks, serially
from ecoserve.structure import build_structure
from tests.builders import offline, online, tiny_catalog, tiny_scenario

CATALOG = tiny_catalog()
DAY = tiny_scenario(online(profile="peaked"), offline(rate_rps=5.0))
SAME = 1e-6


# ------------------------------------------------------------------------------------------ front


@pytest.fixture(scope="module")
def front() -> Pareto:
    return pareto(DAY, CATALOG, "report")


def test_the_bound_falls_with_cost_and_bends_one_way(front: Pareto):
    usd = np.array([point.usd_per_h for point in front.bound])
    kg = np.array([point.kgco2e_per_year for point in front.bound])
    assert len(usd) == 20
    assert (np.diff(usd) > 0).all()
    assert (np.diff(kg) < 0).all()
    slopes = np.diff(kg) / np.diff(usd)
    assert (np.diff(slopes) >= -SAME * abs(slopes[:-1])).all()
    prices = [point.usd_per_t for point in front.bound]
    assert all(after >= before * (1 - SAME) for before, after in itertools.pairwise(prices))


def test_a_point_s_price_is_what_the_next_tonne_less_costs(front: Pareto):
    first, second = front.bound[0], front.bound[1]
    usd_per_year = (second.usd_per_h - first.usd_per_h) * 8760
    tonnes = (first.kgco2e_per_year - second.kgco2e_per_year) / 1000
    assert first.usd_per_t == pytest.approx(usd_per_year / tonnes, rel=1e-4)


def test_no_fleet_passes_the_bound(front: Pareto):
    usd = [point.usd_per_h for point in front.bound]
    kg = [point.kgco2e_per_year for point in front.bound]
    for fleet in front.fleets:
        assert fleet.usd_per_h >= usd[0] * (1 - SAME)
        assert fleet.kgco2e_per_year >= np.interp(fleet.usd_per_h, usd, kg) * (1 - SAME)


def test_the_ends_of_the_front_are_the_plans_for_cost_and_for_carbon(front: Pareto):
    cheapest = plan_fleet(edited(DAY, {"policy.objective": "cost"}), CATALOG, "report")
    cleanest = plan_fleet(DAY, CATALOG, "report")
    assert front.fleets[0].usd_per_h <= cheapest.usd_per_h * (1 + 1e-3)
    assert front.fleets[-1].kgco2e_per_year <= cleanest.kgco2e_per_year * (1 + SAME)
    costs = [fleet.usd_per_h for fleet in front.fleets]
    carbon = [fleet.kgco2e_per_year for fleet in front.fleets]
    assert costs == sorted(costs)
    assert carbon == sorted(carbon, reverse=True)


def test_points_of_a_front_kept_alive_are_those_of_a_fresh_one(front: Pareto):
    scenario = for_carbon(DAY)
    structure = build_structure(scenario, CATALOG, {})
    for point in front.bound[::6]:
        fresh, _ = Front(structure, scenario, CATALOG).least("kg", usd=point.usd_per_h * 24)
        assert fresh["kg"] * 365 == pytest.approx(point.kgco2e_per_year, rel=1e-6)


def test_where_cheapest_is_cleanest_the_front_is_one_point():
    only = tiny_scenario(
        offline(), hardware={"accelerators": ["big"]},
        levers={"reuse": False, "shift": False, "phases_apart": False},
    )  # fmt: skip
    (point,) = pareto_bound(only, CATALOG)
    assert point.usd_per_t == np.inf


def test_dominated_points_and_equals_are_dropped():
    def point(usd: float, kg: float) -> FleetPoint:
        plan: Any = SimpleNamespace(usd_per_h=usd, kgco2e_per_year=kg, gap=0.0)
        return FleetPoint(plan=plan, carbon_price_usd_per_t=None)

    given = [point(3, 10), point(1, 30), point(2, 40), point(2, 20), point(4, 10), point(5, 9)]
    kept = [(p.usd_per_h, p.kgco2e_per_year) for p in undominated_points(given)]
    assert kept == [(1, 30), (2, 20), (3, 10), (5, 9)]


# ---------------------------------------------------------------------------------------- tornado


@pytest.fixture(scope="module")
def tornado() -> Sensitivity:
    return sensitivity(DAY, CATALOG, "report")


def test_the_tornado_stands_around_the_plan(tornado: Sensitivity):
    assert tornado.plan == plan_fleet(DAY, CATALOG, "report")
    assert {row.input for row in tornado.rows} == {
        *("carbon intensity", "accelerator life", "host life", "PUE", "request rates"),
        *("latency limits", "embodied coefficients", "host power"),
    }
    spreads = [row.spread_kgco2e_per_year for row in tornado.rows]
    assert spreads == sorted(spreads, reverse=True)


def test_planning_anew_is_never_worse_than_the_fleet_kept(tornado: Sensitivity):
    for row in tornado.rows:
        for tried in (row.low, row.high):
            assert tried.kgco2e_per_year is not None
            if tried.fixed_kgco2e_per_year is not None:
                assert tried.kgco2e_per_year <= tried.fixed_kgco2e_per_year * (1 + SAME)
            if tried.fleet == servers_of(tornado.plan.fleet):
                assert tried.fixed_kgco2e_per_year is not None


def test_bars_of_the_kept_fleet_on_paper(tornado: Sensitivity):
    rows = {row.input: row for row in tornado.rows}
    plan = tornado.plan
    running = plan.operational_kgco2e_per_year
    by_side = plan.carbon_by("kind", "side")
    cards, hosts = by_side["embodied accelerator"], by_side["embodied host"]
    # The own provider's PUE runs from 1.2 to 2, the site's is 1.25; lives go from 4 to 3 and 6.
    pue = rows["PUE"]
    assert (pue.low.value, pue.base, pue.high.value) == (1.2, 1.25, 2.0)
    assert pue.high.fixed_kgco2e_per_year == pytest.approx(running * 2 / 1.25 + cards + hosts)
    life = rows["accelerator life"]
    assert (life.low.value, life.high.value) == (3.0, 6.0)
    assert life.low.fixed_kgco2e_per_year == pytest.approx(running + cards * 4 / 3 + hosts)
    assert rows["host life"].high.fixed_kgco2e_per_year == pytest.approx(
        running + cards + hosts * 4 / 6
    )
    grid_row = rows["carbon intensity"]
    assert grid_row.base == 325.0
    assert grid_row.low.fixed_kgco2e_per_year == pytest.approx(0.8 * running + cards + hosts)


def test_a_fleet_that_cannot_serve_more_is_said_so():
    full = tiny_scenario(offline(rate_rps=10.0), hardware={"accelerators": ["small"]})
    result = sensitivity(full, CATALOG, spans={**SPANS, "request rates": (0.5, 50.0)})
    (row,) = (row for row in result.rows if row.input == "request rates")
    assert row.high.fixed_kgco2e_per_year is None
    assert row.high.kgco2e_per_year is not None
    assert row.high.fleet_changes
    assert "no such fleet serves this traffic" in row.high.reason


# ------------------------------------------------------------------------------------- crossovers


def line(name: str, making: float, slope: float) -> FleetLine:
    fleet = (FleetEntry(site="site", server=name, variant="full", count=1),)
    return FleetLine(fleet=fleet, making_kgco2e_per_year=making, kgco2e_per_year_per_g=slope)


def test_an_envelope_on_paper():
    # a meets b at (20 - 10) / (3 - 2) = 10 and c at (90 - 10) / 2 = 40; b meets c at 70.
    a, b, c = line("a", 10, 3), line("b", 20, 2), line("c", 90, 1)
    found = envelope([c, a, b], (1.0, 100.0))
    assert [(s.from_g_per_kwh, s.to_g_per_kwh, s.line) for s in found] == [
        (1.0, 10.0, a), (10.0, 70.0, b), (70.0, 100.0, c),
    ]  # fmt: skip


def test_a_line_that_is_never_lowest_is_not_on_the_envelope():
    a, worse = line("a", 10, 3), line("worse", 10, 4)
    (only,) = envelope([worse, a], (1.0, 100.0))
    assert only.line == a


def test_on_either_side_of_a_crossover_the_fleet_of_that_side_is_better():
    found = crossovers(DAY, CATALOG, "report")
    assert found.checked
    assert found.intensities_g_per_kwh
    for below, above in zip(found.segments, found.segments[1:], strict=False):
        assert below.to_g_per_kwh == above.from_g_per_kwh
        for factor, better, worse in ((0.9, below, above), (1.1, above, below)):
            at = edited(DAY, {INTENSITY: below.to_g_per_kwh * factor})
            plans = [
                plan_fleet(at, CATALOG, "report", rule=FleetRule(fleet=side.line.fleet))
                for side in (better, worse)
            ]
            assert plans[0].kgco2e_per_year < plans[1].kgco2e_per_year


def test_a_line_passes_through_the_plans_it_is_made_of():
    found = crossovers(DAY, CATALOG, "report")
    for segment in found.segments:
        middle = (segment.from_g_per_kwh + segment.to_g_per_kwh) / 2
        plan = plan_fleet(edited(DAY, {INTENSITY: middle}), CATALOG, "report")
        assert segment.line.kgco2e_per_year(middle) == pytest.approx(plan.kgco2e_per_year, rel=2e-3)


def test_a_range_that_does_not_rise_is_refused():
    with pytest.raises(ScenarioError, match="the smaller first"):
        crossovers(DAY, CATALOG, within=(100.0, 10.0))


# ------------------------------------------------------------------------------------- robustness


@pytest.fixture(scope="module")
def matrix() -> Robustness:
    return robustness(DAY, CATALOG, "report")


def test_regret_is_never_negative_and_nothing_for_the_best_of_a_view(matrix: Robustness):
    regret = np.array([row.regret_kgco2e_per_year for row in matrix.fleets])
    assert (regret >= 0).all()
    assert (regret.min(axis=0) == 0).all()
    for row in matrix.fleets:
        zero = [n for n, r in zip(matrix.views, row.regret_ratio, strict=True) if r == 0]
        assert row.best_under == tuple(zero)
    worst = [row.worst_ratio for row in matrix.fleets]
    assert worst == sorted(worst)
    assert matrix.least_regret.worst_ratio == min(worst)


def test_the_matrix_prices_each_fleet_as_held(matrix: Robustness):
    kept = FleetRule(fleet=matrix.fleets[0].fleet)
    plan = plan_fleet(DAY, CATALOG, "report", rule=kept)
    at = matrix.views.index("round")
    assert matrix.fleets[0].kgco2e_per_year[at] == plan.kgco2e_per_year
    regret = plan.kgco2e_per_year - min(row.kgco2e_per_year[at] for row in matrix.fleets)
    assert matrix.fleets[0].regret_kgco2e_per_year[at] == regret


def test_views_of_ones_own():
    views = [View(name="mine", scenario=edited(DAY, {INTENSITY: 5.0}))]
    alone = robustness(DAY, CATALOG, "report", views=views)
    assert alone.views == ("mine",)
    assert [row.worst_ratio for row in alone.fleets] == [0.0]


# ----------------------------------------------------------------------------- sweeps and runners


EDITS = grid({INTENSITY: [50, 500], "workloads.chat.rate_rps": [10, 60]})


def test_a_grid_is_every_combination_in_order():
    assert [tuple(edits.values()) for edits in EDITS] == [(50, 10), (50, 60), (500, 10), (500, 60)]


def test_a_sweep_is_the_plans_of_its_scenarios():
    rows = sweep(DAY, CATALOG, EDITS, "report")
    assert [row.edits for row in rows] == list(EDITS)
    for row in rows:
        made = edited(DAY, row.edits)
        plan = plan_fleet(made, CATALOG, "report")
        assert row.scenario_fingerprint == made.fingerprint()
        assert row.kgco2e_per_year == plan.kgco2e_per_year
        assert row.fleet == servers_of(plan.fleet)
        assert (row.status, row.reason) == (plan.status.value, "")


@pytest.mark.parametrize("effort", ["quick", "interactive"])
def test_other_processes_and_another_order_give_the_same_rows(effort: Any):
    alone = sweep(DAY, CATALOG, EDITS, effort)
    assert sweep(DAY, CATALOG, EDITS, effort, run=InProcesses(2)) == alone
    backwards = sweep(DAY, CATALOG, EDITS[::-1], effort)
    assert backwards[::-1] == alone


def test_what_cannot_be_served_is_a_row_with_its_reason():
    tight = grid({"workloads.chat.slo.ttft_s": [2.0, 0.001]})
    fine, blocked = sweep(DAY, CATALOG, tight)
    assert fine.kgco2e_per_year is not None
    assert (blocked.status, blocked.kgco2e_per_year, blocked.fleet) == ("infeasible", None, ())
    assert "TTFT" in blocked.reason


def test_every_wrong_edit_is_named_before_anything_is_planned():
    def never(*_: Any) -> Any:
        raise AssertionError("planned")

    wrong = [{"policy.headroom": 3}, {"site.region": "atlantis"}, {"policy.headroom": 3}]
    with pytest.raises(ScenarioError) as caught:
        sweep(DAY, CATALOG, wrong, run=never)
    assert len(caught.value.problems) == 2


def test_a_quick_search_names_no_worse_fleet_at_home_than_the_plan():
    efforts: list[tuple[str, str]] = []

    def noting(questions: Any, catalog: Any, effort: Any, show: Any = None) -> Any:
        efforts.extend((question.label, effort) for question in questions)
        return serially(questions, catalog, effort, show)

    found = crossovers(DAY, CATALOG, "quick", run=noting)
    home = found.thorough_at_g_per_kwh
    assert home == pytest.approx(mean_intensity_g_per_kwh(DAY.site, CATALOG))
    assert efforts[0] == (f"{home:.3g} g/kWh", "interactive")
    assert {effort for _, effort in efforts[1:]} == {"quick"}
    plan = plan_fleet(edited(DAY, {INTENSITY: home}), CATALOG, "interactive")
    (best,) = [s.line for s in found.segments if s.from_g_per_kwh <= home < s.to_g_per_kwh]
    assert best.kgco2e_per_year(home) <= plan.kgco2e_per_year * (1 + 1e-9)
    assert "were searched for quickly" in away_from_home(found)
    assert away_from_home(replace(found, thorough_at_g_per_kwh=None)) == ""


def test_progress_ends_with_everything_done():
    seen: list[tuple[int, int]] = []
    questions = [Question(scenario=DAY, label="one")] * 3
    serially(questions, CATALOG, "quick", lambda done, total, _label: seen.append((done, total)))
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(("n", "workers"), [(1, 4), (7, 2), (200, 2), (3, 8)])
def test_chunks_hold_everything_once_and_in_order(n: int, workers: int):
    questions: list[Any] = list(range(n))
    parts = chunks(questions, workers)
    assert [item for part in parts for item in part] == questions
    assert len(parts) <= 2 * workers


def test_an_analysis_of_what_cannot_be_served_raises_its_reason():
    blocked = edited(DAY, {"workloads.chat.slo.ttft_s": 0.001})
    for analysis in (pareto, sensitivity, crossovers, robustness):
        with pytest.raises(InfeasibleError, match="TTFT"):
            analysis(blocked, CATALOG, "quick")
