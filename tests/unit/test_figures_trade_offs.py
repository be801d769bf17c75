"""The charts of the trade-offs page against results made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from app import figures_sensitivity, figures_trade_offs
from app.figures import HATCH, MORE, OURS, faded
from app.figures_trade_offs import MarkedPlan
from app.text import NARROW_SPACE
from ecoserve.analysis.crossover import Crossovers, FleetLine, Segment
from ecoserve.analysis.pareto import FleetPoint, FrontPoint
from ecoserve.analysis.regret import Regret, WhyNot
from ecoserve.analysis.robustness import RobustFleet, Robustness
from ecoserve.analysis.sensitivity import Sensitivity, SensitivityRow, Tried
from ecoserve.plan import FleetEntry

SMALL = (FleetEntry(site="here", server="small", variant="full", count=5),)
BIG = (FleetEntry(site="here", server="big", variant="full", count=1),)


def words(fleet: Sequence[FleetEntry]) -> str:
    return " + ".join(f"{entry.count} x {entry.server}" for entry in fleet)


def read(text: str) -> str:
    return text.replace(NARROW_SPACE, " ")


def plan(usd: float, kg: float, fleet: Any = SMALL, objective: float = 0, bound: float = 0) -> Any:
    gap = 0.0 if objective == 0 else 1.0 - bound / objective
    return SimpleNamespace(
        usd_per_h=usd, kgco2e_per_year=kg, fleet=fleet, gap=gap, objective=objective, bound=bound
    )


# ------------------------------------------------------------------------------------------ front

FRONT = tuple(
    FrontPoint(usd_per_h=usd, kgco2e_per_year=kg, usd_per_t=price)
    for usd, kg, price in ((100.0, 1000.0, 100.0), (102.0, 900.0, 500.0), (150.0, 800.0, np.inf))
)


def test_the_first_tenth_of_carbon_is_priced_on_the_front() -> None:
    assert figures_trade_offs.first_cut(FRONT) == pytest.approx((0.1, 0.02))
    finding = read(figures_trade_offs.front_finding(FRONT))
    assert finding == "The first 10 % of carbon costs 2.0 % more, in fractions of servers"


def test_where_there_is_less_to_save_all_of_it_is_priced() -> None:
    short = (FRONT[0], FrontPoint(usd_per_h=105.0, kgco2e_per_year=950.0, usd_per_t=np.inf))
    assert figures_trade_offs.first_cut(short) == pytest.approx((0.05, 0.05))
    assert "All the carbon" in figures_trade_offs.front_finding(short)
    assert "also the one with the least" in figures_trade_offs.front_finding(FRONT[:1])


def test_front_fleets_and_marked_plans_stand_where_they_are() -> None:
    fleets = (
        FleetPoint(plan=plan(120, 990, SMALL), carbon_price_usd_per_t=0.0),
        FleetPoint(plan=plan(150, 880, BIG, 880 / 365, 850 / 365), carbon_price_usd_per_t=None),
    )
    marked = (
        MarkedPlan(label="this plan", plan=plan(151, 881), is_ours=True),
        MarkedPlan(label="the cheapest", plan=plan(118, 1200), is_ours=False),
    )
    chart = figures_trade_offs.carbon_against_cost(FRONT, fleets, marked, words)
    line, points, ours, theirs = chart.figure.data
    assert list(line.y) == [1000.0, 900.0, 800.0]
    assert line.line.dash == "dash"
    assert list(points.x) == [120, 150]
    assert list(points.y) == [990, 880]
    # At 120 USD/h the front is at 900 - 18 / 48 * 100; a plan for cost leaves carbon open to there.
    assert list(points.error_y.arrayminus) == pytest.approx([990 - 862.5, 30.0])
    assert points.customdata[1][0] == "1 x big"
    assert (ours.y[0], ours.marker.color) == (881, OURS)
    assert theirs.y[0] == 1200
    assert read(chart.title) == (
        "The least-carbon fleet emits 11 % less than the cheapest and costs 25 % more"
    )
    assert "kgCO2e a year" in chart.figure.layout.yaxis.title.text
    assert chart.title in chart.alt


def test_what_is_open_at_a_carbon_price_is_worth_so_much_carbon() -> None:
    # 0.02 USD a day open at 100 USD/t are 0.2 kg a day, 73 kg a year; the front is 100 below.
    point = FleetPoint(plan=plan(102, 1000, SMALL, 10.02, 10.0), carbon_price_usd_per_t=100.0)
    assert figures_trade_offs.left_open_kgco2e(point, FRONT) == pytest.approx(73.0)
    wide = FleetPoint(plan=plan(102, 1000, SMALL, 20.0, 10.0), carbon_price_usd_per_t=100.0)
    assert figures_trade_offs.left_open_kgco2e(wide, FRONT) == pytest.approx(100.0)


def test_no_whisker_reaches_below_what_is_proven_of_all_fleets() -> None:
    point = FleetPoint(plan=plan(120, 1000, SMALL, 1.0, 0.8), carbon_price_usd_per_t=None)
    # 0.2 kg a day are open, 73 kg a year; with 950 kg proven, no more than 50 of them.
    assert figures_trade_offs.left_open_kgco2e(point, FRONT, 950.0) == pytest.approx(50.0)
    assert figures_trade_offs.left_open_kgco2e(point, FRONT, 900.0) == pytest.approx(73.0)


def test_the_same_servers_run_in_two_ways_are_called_so() -> None:
    fleets = [
        FleetPoint(plan=plan(120, kg, SMALL, 1.0, 0.8), carbon_price_usd_per_t=price)
        for kg, price in ((1000, 0.0), (950, None))
    ]
    finding = read(figures_trade_offs.front_finding(FRONT, fleets))
    assert "run for carbon they emit 5.0 % less, within what the search left open" in finding


# ---------------------------------------------------------------------------------------- tornado


def tried(value: float, kg: float | None, fixed: float | None, changes: bool = False) -> Tried:
    return Tried(
        value=value, kgco2e_per_year=kg, fixed_kgco2e_per_year=fixed, fleet=BIG,
        fleet_changes=changes, reason="" if kg else "too slow",
    )  # fmt: skip


TORNADO = Sensitivity(
    plan=plan(10, 5000),
    rows=(
        SensitivityRow(
            input="carbon intensity", unit="gCO2e/kWh", base=250,
            low=tried(200, 4200, 4300, True), high=tried(312, 6000, 6000),
        ),
        SensitivityRow(
            input="PUE", unit="facility / IT", base=1.2,
            low=tried(1.1, 4800, 4800), high=tried(1.5, None, None),
        ),
    ),
)  # fmt: skip


def test_the_tornado_has_its_ends_and_the_fleet_kept() -> None:
    chart = figures_sensitivity.tornado(TORNADO, words)
    low, high, kept = chart.figure.data
    assert list(low.x) == [-800, -200]
    assert list(high.x) == [1000, 0]
    assert list(kept.x) == [-700, 1000, -200]
    assert [text.strip() for text in low.text] == [
        "\N{MINUS SIGN}800, other fleet",
        "\N{MINUS SIGN}200",
    ]
    assert high.text[1] == "cannot serve"
    assert read(chart.title) == (
        "Carbon intensity moves carbon most, by 36 %; the fleet changes with carbon intensity"
    )


def test_ends_without_a_source_are_hatched() -> None:
    low, high, _ = figures_sensitivity.tornado(TORNADO, words).figure.data
    assert list(low.marker.pattern.shape) == [HATCH, ""]
    assert list(low.marker.color) == [faded(OURS, 0.35), OURS]
    assert high.marker.color[0] == faded(MORE, 0.35)


# -------------------------------------------------------------------------------------- crossover


def line(fleet: Any, making: float, slope: float) -> FleetLine:
    return FleetLine(fleet=fleet, making_kgco2e_per_year=making, kgco2e_per_year_per_g=slope)


def lines(gap: float) -> Crossovers:
    """100 + 10 g against 600 + 5 g: they cross at 100."""
    low, high = line(SMALL, 100.0, 10.0), line(BIG, 600.0, 5.0)
    return Crossovers(
        segments=(
            Segment(from_g_per_kwh=1.0, to_g_per_kwh=100.0, line=low),
            Segment(from_g_per_kwh=100.0, to_g_per_kwh=1000.0, line=high),
        ),
        checked=True,
        gap=gap,
    )


def test_bands_lie_between_the_crossovers_and_today_is_marked() -> None:
    chart = figures_sensitivity.crossover_bands(lines(0.01), 261.0, words)
    clean, dirty, today = chart.figure.data
    assert (min(clean.x), max(clean.x)) == (1.0, 100.0)
    assert (min(dirty.x), max(dirty.x)) == (100.0, 1000.0)
    assert clean.name == "5 x small"
    assert list(today.x) == [261.0, 261.0]
    assert chart.figure.layout.xaxis.type == "log"
    assert chart.title == "The fleet changes at 100 gCO2e/kWh; your grid's mean is 261"
    assert clean.fillpattern.shape == ""


def test_an_advantage_on_paper_and_within_the_gap() -> None:
    crossing = lines(0.01)
    # At 1 g/kWh 605 against 110; at 1,000 g/kWh 10,100 against 5,600.
    gains = [figures_sensitivity.band_advantage(crossing, s) for s in crossing.segments]
    assert gains == pytest.approx([605 / 110 - 1, 10100 / 5600 - 1])
    open_ = figures_sensitivity.crossover_bands(lines(5.0), 261.0, words)
    assert "all differences are within what the search left open" in open_.title
    assert open_.figure.data[0].fillpattern.shape == HATCH
    alone = Crossovers(segments=crossing.segments[:1], checked=True, gap=0.0)
    assert figures_sensitivity.band_advantage(alone, alone.segments[0]) is None
    assert "The same fleet is best from 1 to 100" in (
        figures_sensitivity.crossover_bands(alone, 50.0, words).title
    )


# ----------------------------------------------------------------------------------------- regret


def regret(accelerator: str, kg: float | None, usd: float | None, **flags: bool) -> Regret:
    return Regret(
        accelerator=accelerator, plan=None, kgco2e_per_year=kg, usd_per_h=usd,
        objective_ratio=None if kg is None else kg / 5000,
        within_gap=flags.get("within_gap", False), idle=flags.get("idle", False),
        sentence=f"{accelerator}: so much",
    )  # fmt: skip


def test_bars_of_what_is_insisted_on() -> None:
    answer = WhyNot(
        plan=plan(10, 5000),
        regrets=(
            regret("old", 50, -1.5, within_gap=True),
            regret("new", 500, 4.0),
            regret("odd", None, None),
        ),
        without=(),
    )
    chart = figures_trade_offs.regret_bars(answer, {"old": "Old", "new": "New"})
    carbon, cost = chart.figure.data
    assert list(carbon.x) == [50, 500]
    assert list(cost.x) == [-1.5, 4.0]
    assert list(cost.marker.color) == [faded(OURS, 0.35), MORE]
    assert list(carbon.marker.pattern.shape) == [HATCH, ""]
    assert list(carbon.y) == ["<b>Old</b>", "<b>New</b>"]
    assert read(chart.title) == (
        "Nearest miss: Old, 1.0 % more carbon and \N{MINUS SIGN}1.50 USD/h, within what the "
        "search left open"
    )
    nothing = WhyNot(plan=plan(10, 5000), regrets=(), without=())
    assert "Every allowed" in figures_trade_offs.why_not_finding(nothing, {})


def test_the_regret_matrix_frames_the_fleet_to_regret_least() -> None:
    rows = [
        RobustFleet(
            fleet=fleet, best_under=(), kgco2e_per_year=(1.0, 1.0),
            regret_kgco2e_per_year=(0.0, 0.0), regret_ratio=ratios,
        )
        for fleet, ratios in ((BIG, (0.0, 0.02)), (SMALL, (0.5, 0.0)))
    ]  # fmt: skip
    answer = Robustness(views=("pcf", "paper"), fleets=tuple(rows), gap=0.01)
    chart = figures_trade_offs.regret_matrix(answer, words, answer.views)
    heat = chart.figure.data[0]
    assert [list(row) for row in heat.z] == [[0.0, 50.0], [2.0, 0.0]]
    (frame,) = chart.figure.layout.shapes
    assert (frame.x0, frame.x1) == (-0.5, 0.5)
    assert heat.x[0].startswith("1. 1 x big")
    assert read(chart.title) == "Least to regret: 1 x big, at worst 2.0 % above the best"
    texts = {
        (x, y): read(text)
        for trace in chart.figure.data[1:]
        for x, y, text in zip(trace.x, trace.y, trace.text, strict=True)
    }
    assert texts[heat.x[1], heat.y[0]] == "50 %"
    assert texts[heat.x[0], heat.y[0]] == "best"
    within = Robustness(views=answer.views, fleets=answer.fleets, gap=0.05)
    assert "within what the search left open" in (
        figures_trade_offs.robustness_finding(within, words)
    )
    one = Robustness(views=answer.views, fleets=answer.fleets[:1], gap=0.0)
    assert figures_trade_offs.robustness_finding(one, words) == (
        "Every view chooses the same fleet: 1 x big"
    )
