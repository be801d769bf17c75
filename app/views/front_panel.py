"""Carbon against cost: the front at once, whole fleets near it when asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from app import figures_trade_offs as figures
from app.figures_trade_offs import MarkedPlan
from app.solving.desk import Desk
from app.state import Answer
from app.text import MassUnit, mass_unit, number, percent
from app.versus import DEFAULT_BASELINE
from app.views import answer as draw
from app.views import solve
from app.views.analyses import Found
from app.views.known_plan import least_kgco2e_per_year
from app.views.trade_off_parts import WIDE_GAP, Row, certainty, fleet_words, say, table
from ecoserve.analysis.pareto import FleetPoint, FrontPoint, Pareto
from ecoserve.plan import Plan
from ecoserve.scenario import Scenario

WORTH_SAYING = 1e-3
"""Smaller shares are the same."""
FULL_PRICE = "carbon alone"


@dataclass(frozen=True, slots=True)
class FrontAndPlan:
    """The line that no fleet can pass, and the plan beside the fleet chosen for cost."""

    bound: tuple[FrontPoint, ...]
    answer: Answer


def in_steps(desk: Desk, scenario: Scenario) -> FrontAndPlan:
    """With the quick plan, shown at once; then with the one of the Plan page.

    Raises InfeasibleError where nothing serves.
    """
    bound = desk.front(scenario)
    first = solve.answer(desk, scenario, DEFAULT_BASELINE, "quick")
    desk.task.show(FrontAndPlan(bound, first))
    return FrontAndPlan(bound, solve.answer(desk, scenario, DEFAULT_BASELINE, "interactive"))


def show(bound: Sequence[FrontPoint], answer: Answer, found: Found | None) -> None:
    """The front with our plan and the cheapest fleet, and whole fleets where they are known."""
    fleets: tuple[FleetPoint, ...] = ()
    if found is not None:
        pareto: Pareto = found.answer
        fleets = pareto.fleets
    marked = [MarkedPlan(label="this plan", plan=answer.plan, is_ours=True)]
    if answer.other is not None:
        marked.append(MarkedPlan(label=answer.other_name, plan=answer.other, is_ours=False))
    least = least_kgco2e_per_year(answer.plan, answer.scenario)
    chart = figures.carbon_against_cost(bound, fleets, marked, fleet_words, least)
    draw.show_chart(chart, "front")
    say(_bound_words(bound, answer))
    if found is not None:
        gap = max(point.gap for point in fleets)
        say(certainty(found.effort, gap), _better(fleets, answer.plan), _advice(fleets))
    unit = mass_unit(bound[0].kgco2e_per_year)
    table([*_fleet_rows(fleets, unit), *_bound_rows(bound, unit)], "front")


def _bound_words(bound: Sequence[FrontPoint], answer: Answer) -> str:
    """What the dashed line is, and how far the plan is from it."""
    sure = f"This plan is {_sure(answer)}."
    if len(bound) == 1:
        return f"The bound is one point: no fleet is cheaper, and none emits less. {sure}"
    return (
        "The dashed line is proven: no fleet can be below it. Fleets of a few large servers stay "
        f"well above it, since servers come whole. {sure}"
    )


def _sure(answer: Answer) -> str:
    gap = answer.plan.gap
    if gap <= 0:
        return "proven optimal"
    open_ = f"within {percent(gap, 2)} of the best possible" if math.isfinite(gap) else "unproven"
    return f"{open_}, not proven optimal"


def _better(fleets: Sequence[FleetPoint], plan: Plan) -> str:
    """The fleet, if any, that beats the plan in both; a search that stops early may miss it."""
    beating = [
        point
        for point in fleets
        if point.usd_per_h < plan.usd_per_h * (1.0 - WORTH_SAYING)
        and point.kgco2e_per_year < plan.kgco2e_per_year * (1.0 - WORTH_SAYING)
    ]
    if not beating:
        return ""
    best = min(beating, key=lambda point: point.kgco2e_per_year)
    kg = mass_unit(plan.kgco2e_per_year).text(best.kgco2e_per_year)
    return (
        f"One of them beats this plan in both, {fleet_words(best.plan.fleet)} with {kg}CO2e a year "
        f"at {number(best.usd_per_h)} USD/h: the plan's own search stopped before it."
    )


def _advice(fleets: Sequence[FleetPoint]) -> str:
    if figures.is_one_fleet(fleets):
        fleet = fleet_words(fleets[0].plan.fleet)
        if max(point.gap for point in fleets) > WIDE_GAP:
            return f"What to do: search further before you take {fleet}, so far the best in both."
        return f"What to do: take {fleet}: money and carbon agree on it."
    return (
        "What to do: pick the point whose next step costs more than a tonne is worth to you; the "
        "table has the carbon price at which each fleet was planned."
    )


def _fleet_rows(fleets: Sequence[FleetPoint], unit: MassUnit) -> list[Row]:
    return [
        {
            "What": "whole fleet",
            "USD/h": round(point.usd_per_h, 4),
            f"{unit.name}CO2e a year": round(unit.value(point.kgco2e_per_year), 4),
            "Carbon price, USD/t": _price(point.carbon_price_usd_per_t),
            "Within, %": round(100.0 * point.gap, 3),
            "Fleet": fleet_words(point.plan.fleet),
        }
        for point in fleets
    ]


def _bound_rows(bound: Sequence[FrontPoint], unit: MassUnit) -> list[Row]:
    return [
        {
            "What": "no fleet can pass",
            "USD/h": round(point.usd_per_h, 4),
            f"{unit.name}CO2e a year": round(unit.value(point.kgco2e_per_year), 4),
            "Carbon price, USD/t": number(point.usd_per_t),
            "Within, %": 0.0,
            "Fleet": "",
        }
        for point in bound
    ]


def _price(usd_per_t: float | None) -> str:
    return FULL_PRICE if usd_per_t is None else number(usd_per_t)
