"""Charts of what would change the answer: carbon against cost, and what other fleets cost.

Same rules as :mod:`app.figures`: results of the engine in, a titled figure out, nothing of
Streamlit. Fleets come as words, since their names are the catalog's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.figures import (
    BASELINE,
    DEMAND,
    GRID_LINE,
    HATCH,
    HEAT_STEP,
    MORE,
    OURS,
    Chart,
    dress,
    faded,
    heat_scale,
    safe,
    wrap,
)
from app.text import MassUnit, mass_unit, number, percent
from ecoserve.analysis.pareto import FleetPoint, FrontPoint
from ecoserve.analysis.regret import Regret, WhyNot
from ecoserve.analysis.robustness import Robustness
from ecoserve.fleet_rule import servers_of
from ecoserve.plan import FleetEntry, Plan
from ecoserve.units import DAYS_PER_YEAR

FleetWords = Callable[[Sequence[FleetEntry]], str]
FIRST_CUT = 0.10
"""The share of carbon whose price the title tells."""
FRACTIONS = "in fractions of servers"
"""Of what only the relaxation says; whole fleets may do worse."""
NO_MORE = 5e-4
"""Below this ratio a fleet costs as much as another."""
ROW_PX = 30
FLEET_LETTERS = 80
"""Letters that fit beside each other below the narrowest matrix."""


# ---- carbon against cost


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedPlan:
    """A plan with a label of its own in the picture."""

    label: str
    plan: Plan
    is_ours: bool


def first_cut(bound: Sequence[FrontPoint]) -> tuple[float, float]:
    """(share of carbon saved, share that this costs more) on the front, from its cheapest point on.

    The share saved is :data:`FIRST_CUT`, or all there is to save where that is less.
    """
    first, last = bound[0], bound[-1]
    share = min(FIRST_CUT, 1.0 - last.kgco2e_per_year / first.kgco2e_per_year)
    falling = [point.kgco2e_per_year for point in reversed(bound)]
    dearer = [point.usd_per_h for point in reversed(bound)]
    usd = float(np.interp(first.kgco2e_per_year * (1.0 - share), falling, dearer))
    return share, usd / first.usd_per_h - 1.0


def front_finding(bound: Sequence[FrontPoint], fleets: Sequence[FleetPoint] = ()) -> str:
    """What carbon costs: of whole fleets where there are two, else on the front."""
    if len(fleets) > 1:
        cheap, clean = fleets[0], fleets[-1]
        saved = 1.0 - clean.kgco2e_per_year / cheap.kgco2e_per_year
        more = clean.usd_per_h / cheap.usd_per_h - 1.0
        open_ = ", within what the search left open" if saved <= max(cheap.gap, clean.gap) else ""
        if is_one_fleet(fleets):
            words = "The cheapest servers are also those with the least carbon"
            return f"{words}; run for carbon they emit {percent(saved, 2)} less{open_}"
        words = f"The least-carbon fleet emits {percent(saved, 2)} less than the cheapest"
        costs = f"costs {percent(more, 2)} more" if more >= NO_MORE else "costs as much"
        return f"{words} and {costs}{open_}"
    if fleets:
        return "Of the whole fleets found, one has both the least cost and the least carbon"
    if len(bound) == 1:
        return f"The cheapest fleet is also the one with the least carbon, {FRACTIONS}"
    share, more = first_cut(bound)
    if share < FIRST_CUT:
        saved, costs = percent(share, 2), percent(more, 2)
        return f"All the carbon that money can save is {saved}, for {costs} more, {FRACTIONS}"
    return f"The first {percent(share, 2)} of carbon costs {percent(more, 2)} more, {FRACTIONS}"


def is_one_fleet(fleets: Sequence[FleetPoint]) -> bool:
    """Whether all points are the same servers, run in different ways."""
    return len({servers_of(point.plan.fleet) for point in fleets}) == 1


def carbon_against_cost(
    bound: Sequence[FrontPoint],
    fleets: Sequence[FleetPoint],
    marked: Sequence[MarkedPlan],
    words: FleetWords,
    least_kgco2e_per_year: float = 0.0,
) -> Chart:
    """The front as a dashed line, whole fleets with what is open below them, and marked plans.

    ``least_kgco2e_per_year`` is what was proven of all fleets, whatever they cost.
    """
    plans = [m.plan for m in marked] + [point.plan for point in fleets]
    largest = max([bound[0].kgco2e_per_year, *(plan.kgco2e_per_year for plan in plans)])
    unit = mass_unit(largest)
    figure = go.Figure()
    figure.add_scatter(
        x=[p.usd_per_h for p in bound],
        y=[unit.value(p.kgco2e_per_year) for p in bound],
        mode="lines" if len(bound) > 1 else "markers",
        line={"color": DEMAND, "width": 2, "dash": "dash"},
        marker={"color": DEMAND, "symbol": "line-ew-open", "size": 14},
        name="no fleet can pass",
        customdata=[[_price_words(p.usd_per_t)] for p in bound],
        hovertemplate=f"no fleet can pass: %{{x:,.4g}} USD/h, %{{y:,.4g}} {unit.name}CO2e a year"
        "<br>the next tonne less: %{customdata[0]}<extra></extra>",
    )
    if fleets:
        open_kg = [left_open_kgco2e(point, bound, least_kgco2e_per_year) for point in fleets]
        _fleet_points(figure, fleets, open_kg, unit, words)
    for mark in marked:
        _marked_point(figure, mark, unit, words)
    title = front_finding(bound, fleets)
    subtitle = f"{unit.name}CO2e a year over USD/h; dashed: the bound, servers by the fraction"
    subtitle += "; whiskers: what the search left open" if fleets else ""
    dress(figure, title, subtitle, height=440, above_px=24)
    figure.update_xaxes(title="cost, USD/h", showgrid=True)
    figure.update_yaxes(title=f"{unit.name}CO2e a year", gridcolor=GRID_LINE)
    told = "; ".join(
        f"{m.label}: {number(m.plan.usd_per_h)} USD/h, {unit.text(m.plan.kgco2e_per_year)}"
        for m in marked
    )
    alt = (
        f"Carbon against cost. The bound runs from {number(bound[0].usd_per_h)} USD/h and "
        f"{unit.text(bound[0].kgco2e_per_year)} to {number(bound[-1].usd_per_h)} USD/h and "
        f"{unit.text(bound[-1].kgco2e_per_year)}. {told}. {len(fleets)} whole fleets. {title}."
    )
    return Chart(figure, title, alt)


def _price_words(usd_per_t: float) -> str:
    return f"{number(usd_per_t)} USD" if np.isfinite(usd_per_t) else "not for any money"


def _fleet_points(
    figure: go.Figure,
    fleets: Sequence[FleetPoint],
    open_kgco2e: Sequence[float],
    unit: MassUnit,
    words: FleetWords,
) -> None:
    figure.add_scatter(
        x=[p.usd_per_h for p in fleets],
        y=[unit.value(p.kgco2e_per_year) for p in fleets],
        mode="markers",
        name="whole fleets",
        marker={"color": faded(OURS, 0.35), "size": 10, "line": {"color": OURS, "width": 1.5}},
        error_y={
            "type": "data", "symmetric": False, "array": [0.0] * len(fleets), "thickness": 1.5,
            "arrayminus": [unit.value(kg) for kg in open_kgco2e],
            "color": OURS, "width": 5,
        },
        customdata=[[wrap(words(p.plan.fleet), 60), percent(p.gap, 2)] for p in fleets],
        hovertemplate=f"%{{customdata[0]}}<br>%{{x:,.4g}} USD/h, %{{y:,.4g}} {unit.name}CO2e a "
        "year<br>within %{customdata[1]} of the best possible at its price<extra></extra>",
    )  # fmt: skip


def left_open_kgco2e(
    point: FleetPoint, bound: Sequence[FrontPoint], least_kgco2e_per_year: float = 0.0
) -> float:
    """Carbon a year by which a better fleet at the same cost might be below this one.

    What the solver left open, all of it taken as carbon, but nothing below the front, nor below
    what was proven of all fleets.
    """
    falling = point.kgco2e_per_year
    floor = max(_floor(bound, point.usd_per_h), least_kgco2e_per_year)
    price, open_per_day = point.carbon_price_usd_per_t, point.plan.objective - point.plan.bound
    open_kg = np.inf
    if price is None:
        open_kg = open_per_day * DAYS_PER_YEAR
    elif price > 0:
        open_kg = open_per_day / (price / 1000.0) * DAYS_PER_YEAR
    return float(max(0.0, min(open_kg, falling - floor)))


def _floor(bound: Sequence[FrontPoint], usd_per_h: float) -> float:
    usd, kg = [p.usd_per_h for p in bound], [p.kgco2e_per_year for p in bound]
    return float(np.interp(usd_per_h, usd, kg))


def _marked_point(figure: go.Figure, mark: MarkedPlan, unit: MassUnit, words: FleetWords) -> None:
    plan, colour = mark.plan, OURS if mark.is_ours else BASELINE
    figure.add_scatter(
        x=[plan.usd_per_h],
        y=[unit.value(plan.kgco2e_per_year)],
        mode="markers+text",
        name=mark.label,
        marker={"color": colour, "size": 15, "symbol": "circle" if mark.is_ours else "diamond"},
        text=[f"<b>{wrap(mark.label, 28)}</b>"],
        textposition="middle left" if mark.is_ours else "top left",
        textfont={"size": 12},
        cliponaxis=False,
        customdata=[[wrap(words(plan.fleet), 60)]],
        hovertemplate=f"{safe(mark.label)}<br>%{{customdata[0]}}<br>%{{x:,.4g}} USD/h, "
        f"%{{y:,.4g}} {unit.name}CO2e a year<extra></extra>",
    )


# ---- accelerators insisted on


def why_not_finding(answer: WhyNot, names: Mapping[str, str]) -> str:
    """The accelerator left out that would cost least, and how much."""
    priced = [regret for regret in answer.regrets if regret.kgco2e_per_year is not None]
    if not answer.regrets:
        return "Every allowed accelerator is in the plan"
    if not priced:
        return "No fleet can be made with any accelerator left out"
    nearest = priced[0]
    kg = nearest.kgco2e_per_year or 0.0
    share = percent(abs(kg) / max(answer.plan.kgco2e_per_year, 1e-9), 2)
    does = "as much carbon" if kg == 0 else f"{share} {'more' if kg > 0 else 'less'} carbon"
    name = names.get(nearest.accelerator, nearest.accelerator)
    words = f"Nearest miss: {name}, {does} and {signed(nearest.usd_per_h or 0.0)} USD/h"
    if nearest.idle:
        return f"{words}; its server would stand idle"
    return f"{words}, within what the search left open" if nearest.within_gap else words


def regret_bars(answer: WhyNot, names: Mapping[str, str]) -> Chart:
    """Carbon and cost of the best fleet with at least one server of each, beside the plan's."""
    priced = [regret for regret in answer.regrets if regret.kgco2e_per_year is not None]
    unit = mass_unit(max((abs(r.kgco2e_per_year or 0.0) for r in priced), default=0.0))
    labels = [f"<b>{safe(names.get(r.accelerator, r.accelerator))}</b>" for r in priced]
    figure = make_subplots(
        rows=1, cols=2, shared_yaxes=True, horizontal_spacing=0.06,
        subplot_titles=[f"<b>Carbon</b>, {unit.name}CO2e a year", "<b>Cost</b>, USD/h"],
    )  # fmt: skip
    panels = (
        ([unit.value(r.kgco2e_per_year or 0.0) for r in priced], f"{unit.name}CO2e a year"),
        ([r.usd_per_h or 0.0 for r in priced], "USD/h"),
    )
    for place, (values, what) in enumerate(panels, start=1):
        figure.add_bar(
            orientation="h", y=labels, x=values, name=what, row=1, col=place,
            marker=_regret_marker(priced, values), textposition="outside", cliponaxis=False,
            text=[signed(value) for value in values],
            hovertemplate=f"%{{y}}: %{{x:+,.4g}} {what}<extra></extra>",
        )  # fmt: skip
        most, least = max([*values, 0.0]), min([*values, 0.0])
        room = 0.25 * (most - least or 1.0)
        figure.update_xaxes(
            range=[least - (room if least < 0 else 0.0), most + room],
            zeroline=True, zerolinecolor=BASELINE, row=1, col=place,
        )  # fmt: skip
    title = why_not_finding(answer, names)
    subtitle = (
        "The best fleet with at least one server of it, beside this plan; hatched: it would stand "
        "idle, or the difference is within what the search left open"
    )
    dress(figure, title, subtitle, height=150 + ROW_PX * max(2, len(priced)), above_px=26)
    figure.update_layout(bargap=0.3)
    figure.update_annotations(font={"size": 13})
    figure.update_yaxes(autorange="reversed", ticks="")
    told = "; ".join(regret.sentence for regret in priced)
    return Chart(figure, title, f"Bars in two panels, the nearest miss first. {told}. {title}.")


def _regret_marker(regrets: Sequence[Regret], values: Sequence[float]) -> dict[str, object]:
    """More carbon or cost orange, less green; hatched where that says little."""
    colours = [OURS if value < 0 else MORE for value in values]
    open_ = [regret.within_gap or regret.idle for regret in regrets]
    fills = [faded(c, 0.35) if o else c for c, o in zip(colours, open_, strict=True)]
    hatches = [HATCH if o else "" for o in open_]
    return {
        "color": fills,
        "line": {"color": colours, "width": 1},
        "pattern": {"shape": hatches, "fgcolor": colours, "size": 6},
    }


# ---- fleets under other views


def robustness_finding(answer: Robustness, words: FleetWords) -> str:
    """The fleet to regret least, and how much at worst."""
    least = answer.least_regret
    if len(answer.fleets) == 1:
        return f"Every view chooses the same fleet: {words(least.fleet)}"
    worst = percent(least.worst_ratio, 2)
    if least.worst_ratio == 0:
        return f"{words(least.fleet)} is best under every view"
    within = ", within what the search left open" if least.worst_ratio <= answer.gap else ""
    return f"Least to regret: {words(least.fleet)}, at worst {worst} above the best{within}"


def regret_matrix(answer: Robustness, words: FleetWords, view_words: Sequence[str]) -> Chart:
    """Views by fleets: how much more carbon than the best of them; the least regret framed."""
    wide = FLEET_LETTERS // len(answer.fleets)
    fleets = [f"{i}. {wrap(words(f.fleet), max(12, wide))}" for i, f in enumerate(answer.fleets, 1)]
    views = [safe(view) for view in view_words]
    ratios = [list(row) for row in zip(*(f.regret_ratio for f in answer.fleets), strict=True)]
    most = max(max(row) for row in ratios)
    figure = go.Figure(
        go.Heatmap(
            x=fleets,
            y=views,
            z=[[100.0 * ratio for ratio in row] for row in ratios],
            colorscale=heat_scale(),
            zmin=0.0,
            zmax=100.0 * most or 1.0,
            showscale=False,
            xgap=2,
            ygap=2,
            hovertemplate="%{x}<br>%{y}: %{z:.3g} % more than the best fleet<extra></extra>",
        )
    )
    for strong in (False, True):
        cells = [
            (x, y)
            for y, row in enumerate(ratios)
            for x, ratio in enumerate(row)
            if (most > 0 and ratio > HEAT_STEP * most) == strong
        ]
        figure.add_scatter(
            mode="text",
            x=[fleets[x] for x, _ in cells],
            y=[views[y] for _, y in cells],
            text=["best" if ratios[y][x] == 0 else percent(ratios[y][x], 2) for x, y in cells],
            textfont={"color": "#FFFFFF" if strong else None, "size": 12},
            hoverinfo="skip",
        )
    figure.add_shape(
        type="rect", x0=-0.5, x1=0.5, y0=-0.5, y1=len(views) - 0.5, line={"color": OURS, "width": 4}
    )
    title = robustness_finding(answer, words)
    subtitle = (
        "Per cent more carbon than the best of these fleets under each view; framed: the smallest "
        "worst regret"
    )
    dress(figure, title, subtitle, height=170 + ROW_PX * len(views))
    figure.update_xaxes(type="category", showgrid=False, tickangle=0)
    figure.update_yaxes(type="category", showgrid=False, autorange="reversed")
    told = "; ".join(
        f"{words(f.fleet)}: at worst {percent(f.worst_ratio, 2)}" for f in answer.fleets
    )
    return Chart(figure, title, f"Heat map of views by fleets. {told}. {title}.")


def signed(value: float) -> str:
    """A difference with its sign.

    >>> signed(3.21), signed(0.0)
    ('+3.21', '0')
    """
    return f"+{number(value)}" if value > 0 else number(value)


def first_upper(words: str) -> str:
    """Words with a capital first."""
    return words[:1].upper() + words[1:]
