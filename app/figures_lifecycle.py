"""The charts of the lifecycle page: refresh policies, carbon by year, purchases by year."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.figures import (
    BASELINE,
    EMBODIED,
    GRID_LINE,
    HATCH,
    HEAT_STEP,
    OPERATIONAL,
    OURS,
    Chart,
    dress,
    faded,
    heat_scale,
)
from app.text import MassUnit, mass_unit, number, percent, replaced
from ecoserve.cohort_program import Side
from ecoserve.cohorts import CohortPlan
from ecoserve.lifecycle import Lifecycle
from ecoserve.refresh import Refresh

SEGMENTS = (
    ("operational_accelerator", "electricity, accelerators", OPERATIONAL),
    ("operational_host", "electricity, hosts", faded(OPERATIONAL, 0.55)),
    ("embodied_accelerator", "making, accelerators", EMBODIED),
    ("embodied_host", "making, hosts", faded(EMBODIED, 0.5)),
)
SIDES: tuple[tuple[Side, str, str], ...] = (
    ("accelerator", "Sets of accelerators", EMBODIED),
    ("host", "Hosts", faded(EMBODIED, 0.5)),
)
CELL_PX = 34
SCALE: Mapping[str, Any] = {"thickness": 12, "outlinewidth": 0, "len": 0.9}


def lives_words(policy: Refresh) -> str:
    """How often a policy replaces what."""
    horizon = len(policy.years)
    cards = replaced(policy.accelerator_years, horizon)
    if policy.is_joint:
        return f"accelerators and hosts together {cards}"
    return f"accelerators {cards} and hosts {replaced(policy.host_years, horizon)}"


def finding(study: Lifecycle) -> str:
    """What Recycle is worth, in a sentence without its end."""
    grid, horizon = study.grid, study.assumptions.horizon_years
    split, joint = grid.best_split, grid.best_joint
    if split.is_joint:
        return f"Replacing {lives_words(joint)} is best; splitting them saves nothing"
    return (
        f"Replacing {lives_words(split)} emits {percent(grid.recycle_ratio)} less over {horizon} "
        f"years than the best joint refresh, {replaced(joint.accelerator_years, horizon)}"
    )


def policy_grid(study: Lifecycle) -> Chart:
    """Mean annual carbon of every pair of lives, the best joint and split ones framed."""
    policies = study.grid.policies
    cards, hosts = (sorted({lives[side] for lives in policies}) for side in (0, 1))
    totals = [[policies[a, h].kgco2e_per_year for h in hosts] for a in cards]
    flat = [kg for row in totals for kg in row]
    unit, low, high = mass_unit(max(flat)), min(flat), max(flat)
    figure = go.Figure(
        go.Heatmap(
            x=[str(h) for h in hosts],
            y=[str(a) for a in cards],
            z=[[unit.value(kg) for kg in row] for row in totals],
            colorscale=heat_scale(),
            zmin=unit.value(low),
            zmax=unit.value(high),
            colorbar={"title": {"text": f"{unit.name}CO2e<br>a year"}, **SCALE},
            xgap=2,
            ygap=2,
            customdata=[[lives_words(policies[a, h]) for h in hosts] for a in cards],
            hovertemplate=f"%{{customdata}}: %{{z:,.4g}} {unit.name}CO2e a year<extra></extra>",
        )
    )
    step = low + HEAT_STEP * (high - low)
    for strong in (False, True):
        shown = [(a, h) for a, h in policies if (policies[a, h].kgco2e_per_year > step) == strong]
        figure.add_scatter(
            mode="text",
            x=[str(h) for _, h in shown],
            y=[str(a) for a, _ in shown],
            text=[number(unit.value(policies[lives].kgco2e_per_year)) for lives in shown],
            textfont={"color": "#FFFFFF" if strong else None, "size": 12},
            hoverinfo="skip",
        )
    framed = [(p, {"color": BASELINE, "width": 1, "dash": "dot"}) for p in policies.values()]
    framed = [(policy, line) for policy, line in framed if policy.is_joint]
    framed.append((study.grid.best_joint, {"color": BASELINE, "width": 4}))
    framed.append((study.grid.best_split, {"color": OURS, "width": 4}))
    for policy, line in framed:
        x, y = hosts.index(policy.host_years), cards.index(policy.accelerator_years)
        figure.add_shape(
            type="rect", x0=x - 0.5, x1=x + 0.5, y0=y - 0.5, y1=y + 0.5, line=line
        )  # fmt: skip
    worst = max(policies.values(), key=lambda policy: policy.kgco2e_per_year)
    title = f"{unit.text(low)} a year at best; {unit.text(high)} with {lives_words(worst)}"
    subtitle = (
        f"{unit.name}CO2e a year, mean of {study.assumptions.horizon_years} years; framed: best "
        "split (green), best joint refresh (grey), other joint ones (dotted)"
    )
    dress(figure, title, subtitle, height=160 + CELL_PX * len(cards))
    horizon = study.assumptions.horizon_years
    never = f"; from {horizon} on not within this horizon" if hosts[-1] >= horizon else ""
    figure.update_xaxes(
        title=f"hosts replaced every so many years{never}", type="category", showgrid=False
    )
    figure.update_yaxes(title="accelerators", type="category", showgrid=False)
    best = "; ".join(
        f"{name}: {lives_words(policy)}, {unit.text(policy.kgco2e_per_year)}CO2e a year"
        for name, policy in (
            ("best split", study.grid.best_split),
            ("best joint", study.grid.best_joint),
        )
    )
    return Chart(figure, title, f"Heat map of refresh policies. {best}.")


def carbon_by_year(study: Lifecycle) -> Chart:
    """Two panels of stacked bars on one scale: the best joint refresh and the best split one."""
    joint, split = study.grid.best_joint, study.grid.best_split
    unit = mass_unit(max(year.total for policy in (joint, split) for year in policy.years))
    years = [str(number_) for number_ in range(1, len(joint.years) + 1)]
    panels = (
        (f"<b>Best joint</b>: {replaced(joint.accelerator_years, len(years))}", joint),
        (f"<b>Best split</b>:<br>{lives_words(split)}", split),
    )
    figure = make_subplots(
        rows=1, cols=2, shared_yaxes="all", horizontal_spacing=0.04,
        subplot_titles=[heading for heading, _ in panels],
    )  # fmt: skip
    for place, (_, policy) in enumerate(panels, start=1):
        for part, name, colour in SEGMENTS:
            figure.add_bar(
                x=years,
                y=[unit.value(getattr(year, part)) for year in policy.years],
                name=name,
                legendgroup=name,
                showlegend=place == 1,
                marker={"color": colour, "line": {"width": 0}},
                hovertemplate=f"year %{{x}}, {name}: %{{y:,.4g}} {unit.name}CO2e<extra></extra>",
                row=1,
                col=place,
            )
    title = _carbon_title(joint, split, unit)
    subtitle = f"{unit.name}CO2e by year of the horizon, making spread over the years of service"
    dress(figure, title, subtitle, height=420, above_px=30)
    figure.update_layout(
        barmode="stack", bargap=0.2, showlegend=True,
        legend={"orientation": "h", "traceorder": "normal", "y": -0.14, "yanchor": "top", "x": 0},
    )  # fmt: skip
    figure.update_annotations(font={"size": 13})
    figure.update_xaxes(showgrid=False, type="category")
    figure.update_yaxes(rangemode="tozero", gridcolor=GRID_LINE)
    words = "; ".join(
        f"{lives_words(policy)}: {unit.text(policy.years[0].total)} in year 1, "
        f"{unit.text(policy.years[-1].total)} in year {len(years)}"
        for policy in (joint, split)
    )
    return Chart(figure, title, f"Stacked bars by year, two panels. {words}. {title}.")


def _carbon_title(joint: Refresh, split: Refresh, unit: MassUnit) -> str:
    gains = {
        name: getattr(joint.mean, part) - getattr(split.mean, part) for part, name, _ in SEGMENTS
    }
    saved = joint.kgco2e_per_year - split.kgco2e_per_year
    if split == joint:
        return f"The best refresh emits {unit.text(joint.kgco2e_per_year)}CO2e a year"
    name, most = max(gains.items(), key=lambda item: item[1])
    return f"The split refresh saves {unit.text(saved)}CO2e a year: {unit.text(most)} less {name}"


def purchases_by_year(cohorts: CohortPlan) -> Chart:
    """What is bought (up) and retired (down) each year, and how much is there; a panel a side."""
    horizon = len(cohorts.years)
    years = [str(year + 1) for year in range(horizon)]
    figure = make_subplots(
        rows=1, cols=2, horizontal_spacing=0.07,
        subplot_titles=[f"<b>{name}</b>" for _, name, _ in SIDES],
    )  # fmt: skip
    for place, (side, name, colour) in enumerate(SIDES, start=1):
        bought, retired, there = (
            [getattr(cohorts, what)(side, year) for year in range(horizon)]
            for what in ("bought", "retired", "serving")
        )
        figure.add_bar(
            x=years, y=bought, name="bought", legendgroup="bought", showlegend=place == 1,
            marker={"color": colour}, text=_labels(bought), textposition="outside",
            cliponaxis=False, row=1, col=place,
            hovertemplate=f"year %{{x}}: %{{y:,}} bought, {name.lower()}<extra></extra>",
        )  # fmt: skip
        figure.add_bar(
            x=years, y=[-n for n in retired], name="retired at the end of the year",
            legendgroup="retired", showlegend=place == 1, text=_labels(retired),
            textposition="outside", cliponaxis=False, customdata=retired, row=1, col=place,
            marker={
                "color": faded(BASELINE, 0.3),
                "pattern": {"shape": HATCH, "fgcolor": BASELINE, "size": 6},
            },
            hovertemplate=f"year %{{x}}: %{{customdata:,}} retired, {name.lower()}<extra></extra>",
        )  # fmt: skip
        figure.add_scatter(
            x=years, y=there, name="there", legendgroup="there", showlegend=place == 1,
            mode="lines", line={"color": BASELINE, "width": 2, "shape": "hvh"},
            row=1, col=place,
            hovertemplate=f"year %{{x}}: %{{y:,}} there, {name.lower()}<extra></extra>",
        )  # fmt: skip
    title = "; ".join(_purchase_words(cohorts, side, name) for side, name, _ in SIDES)
    title = title[:1].upper() + title[1:]
    subtitle = "Units by year of the horizon; a set is the accelerators of one server"
    dress(figure, title, subtitle, height=400, above_px=30)
    figure.update_layout(
        barmode="relative", bargap=0.25, showlegend=True,
        legend={"orientation": "h", "traceorder": "normal", "y": -0.14, "yanchor": "top", "x": 0},
    )  # fmt: skip
    figure.update_annotations(font={"size": 13})
    figure.update_xaxes(showgrid=False, type="category")
    figure.update_yaxes(gridcolor=GRID_LINE, zeroline=True, zerolinecolor=GRID_LINE)
    return Chart(figure, title, f"Bars by year, bought up and retired down. {title}.")


def _labels(counts: Sequence[int]) -> list[str]:
    return [f"{count:,}" if count else "" for count in counts]


def _purchase_words(cohorts: CohortPlan, side: Side, name: str) -> str:
    counts = list(_bought(cohorts, side))
    times = "purchase" if len(counts) == 1 else "purchases"
    return f"{sum(counts):,} {name.lower()} in {len(counts)} {times}"


def _bought(cohorts: CohortPlan, side: Side) -> Iterator[int]:
    counts = (cohorts.bought(side, year) for year in range(len(cohorts.years)))
    return (count for count in counts if count)
