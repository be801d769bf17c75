"""The charts of the Four Rs page: the waterfall, levers alone and missing, Reduce, what-ifs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go

from app.figures import (
    BASELINE,
    CLEAR,
    EMBODIED,
    GRID_LINE,
    HATCH,
    MORE,
    OPERATIONAL,
    OURS,
    Chart,
    dress,
    faded,
    safe,
    wrap,
)
from app.text import MINUS, NARROW_SPACE, MassUnit, mass_unit, number, percent, sentence_list
from ecoserve.ablations import WaterfallStep
from ecoserve.analysis.reduce import ReduceSplit

ROW_PX = 34
BELOW_PX = 64
"""For the axis and the legend under it."""
LEGEND: Mapping[str, Any] = {
    "orientation": "h", "traceorder": "normal", "yref": "container", "y": 0.0,
    "yanchor": "bottom", "x": 0,
}  # fmt: skip
WITHIN = "within the gap"
BOUGHT_WITH_SERVERS = ("shift", "park", "other sites")
"""Levers that may buy more servers to run when the grid is clean: money stands beside them."""
LEVER_WORDS: Mapping[str, str] = {
    "cost as sold": "Cheapest fleet, as sold",
    "rightsize": "Rightsize",
    "phases apart": "Phases apart",
    "reuse": "Reuse",
    "reduce": "Reduce",
    "shift": "Shift",
    "park": "Park",
    "cap": "Cap",
    "other sites": "Other sites",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecycleBar:
    """What stands beside the waterfall."""

    kgco2e_per_year: float
    ratio: float
    """Of the best joint refresh."""
    horizon_years: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeverWorth:
    """A lever alone and missing: kgCO2e a year less, and what the plan without it left open.

    A bar no longer than that may be nothing.
    """

    lever: str
    alone_kgco2e_per_year: float | None
    alone_open_kgco2e_per_year: float
    missing_kgco2e_per_year: float | None
    """More without it, everything else there."""
    missing_open_kgco2e_per_year: float


def hatched(colour: str) -> dict[str, Any]:
    """The marker of a bar that may be nothing: what the searches left open is larger."""
    return {
        "color": faded(colour, 0.25),
        "pattern": {"shape": HATCH, "fgcolor": colour, "size": 6},
    }


# ---- the waterfall


def waterfall(steps: Sequence[WaterfallStep], recycle: RecycleBar | None) -> Chart:
    """From the cheapest fleet as sold down to all levers; Recycle below, not part of the fall."""
    unit = mass_unit(steps[0].kgco2e_per_year)
    figure = go.Figure()
    _add_total(figure, "cost as sold", steps[0], unit, BASELINE)
    for before, step in pairwise(steps):
        _add_step(figure, before, step, unit)
    _add_total(figure, "All levers", steps[-1], unit, OURS)
    if recycle is not None:
        _add_recycle(figure, recycle, unit)
    title = fall_title(steps, unit)
    subtitle = (
        f"{unit.name}CO2e a year, each step from the one before; hatched: {WITHIN}, may be nothing"
    )
    if recycle is not None:
        subtitle += f"; outlined: mean of {recycle.horizon_years} years, not part of the fall"
    n_rows = len(steps) + 1 + (recycle is not None)
    dress(figure, title, subtitle, height=100 + ROW_PX * n_rows)
    figure.update_layout(bargap=0.3, barmode="overlay")
    figure.update_yaxes(autorange="reversed", ticks="")
    largest = unit.value(steps[0].kgco2e_per_year)
    figure.update_xaxes(range=[0, 1.3 * largest], ticksuffix=f" {unit.name}")
    return Chart(figure, title, waterfall_alt(steps, recycle, unit))


def waterfall_title(steps: Sequence[WaterfallStep]) -> str:
    """How much all levers take off, and which of them most."""
    first, last = steps[0].kgco2e_per_year, steps[-1].kgco2e_per_year
    unit = mass_unit(first)
    taken = first - last
    if taken <= 0.0005 * first:
        return "The levers take nothing off the cheapest fleet as sold"
    falls = {
        step.step: (before.kgco2e_per_year - step.kgco2e_per_year, step.within_gap)
        for before, step in pairwise(steps)
    }
    most = max(falls, key=lambda name: falls[name][0])
    kg, within = falls[most]
    sure = f", {WITHIN}" if within else ""
    return (
        f"All levers take {percent(taken / first)} off the cheapest fleet as sold, "
        f"{LEVER_WORDS.get(most, most)} most: {unit.text(kg)} of {unit.text(taken)}{sure}"
    )


def fall_title(steps: Sequence[WaterfallStep], unit: MassUnit) -> str:
    """Where the fall begins and ends, and the steps that are more than open."""
    begin, end = (unit.text(step.kgco2e_per_year) for step in (steps[0], steps[-1]))
    falls = [
        f"{LEVER_WORDS.get(step.step, step.step)} {step_mass(before, step, unit)}"
        for before, step in pairwise(steps)
        if not step.within_gap
    ]
    sure = sentence_list(falls) if falls else f"every single bar lies {WITHIN}"
    return f"From {begin} to {end}: {sure}"


def waterfall_alt(
    steps: Sequence[WaterfallStep], recycle: RecycleBar | None, unit: MassUnit
) -> str:
    """The fall in words."""
    words = [f"cheapest fleet as sold {unit.text(steps[0].kgco2e_per_year)}"]
    for before, step in pairwise(steps):
        fall = before.kgco2e_per_year - step.kgco2e_per_year
        within = f" ({WITHIN})" if step.within_gap else ""
        words.append(f"{step.step} takes {unit.text(fall)}{within}")
    words.append(f"all levers {unit.text(steps[-1].kgco2e_per_year)}")
    told = f"Waterfall of bars. {'; '.join(words)}."
    if recycle is None:
        return told
    beside = unit.text(recycle.kgco2e_per_year)
    return f"{told} Beside it Recycle, {beside} a year over {recycle.horizon_years} years."


def _add_total(
    figure: go.Figure, name: str, step: WaterfallStep, unit: MassUnit, colour: str
) -> None:
    total = unit.value(step.kgco2e_per_year)
    figure.add_bar(
        orientation="h",
        y=[_row(name)],
        x=[total],
        marker={"color": colour},
        text=[f"<b>{number(total)} {unit.name}</b>, {number(step.usd_per_h)} USD/h"],
        textposition="outside",
        cliponaxis=False,
        hovertemplate=f"{number(total)} {unit.name}CO2e a year<extra></extra>",
    )


def _add_step(
    figure: go.Figure, before: WaterfallStep, step: WaterfallStep, unit: MassUnit
) -> None:
    fall = unit.value(before.kgco2e_per_year - step.kgco2e_per_year)
    low, high = (number(unit.value(kg)) for kg in step.worth_range_kgco2e_per_year)
    figure.add_bar(
        orientation="h",
        y=[_row(step.step)],
        base=[unit.value(step.kgco2e_per_year)],
        x=[fall],
        marker=hatched(OURS) if step.within_gap else {"color": OURS},
        hovertemplate=f"worth {low} to {high} {unit.name}CO2e a year here<extra></extra>",
    )
    figure.add_annotation(
        x=unit.value(before.kgco2e_per_year), y=_row(step.step), showarrow=False,
        text=step_label(before, step, unit), xanchor="left", xshift=6,
    )  # fmt: skip


def step_label(before: WaterfallStep, step: WaterfallStep, unit: MassUnit) -> str:
    """What stands beside a step: mass, money where servers are bought for it, how sure."""
    words = [step_mass(before, step, unit)]
    if step.step in BOUGHT_WITH_SERVERS:
        words.append(signed_usd(step.usd_per_h - before.usd_per_h))
    return ", ".join(words + [WITHIN] * step.within_gap)


def step_mass(before: WaterfallStep, step: WaterfallStep, unit: MassUnit) -> str:
    """What a step takes off."""
    fall = unit.value(before.kgco2e_per_year - step.kgco2e_per_year)
    mass = f"{MINUS}{number(fall)}" if fall >= 0.0005 else "0"
    return f"{mass}{NARROW_SPACE}{unit.name}"


def signed_usd(usd_per_h: float) -> str:
    """A change of the bill."""
    if abs(usd_per_h) < 0.005:
        return "0 USD/h"
    return f"{'+' if usd_per_h > 0 else MINUS}{number(abs(usd_per_h))} USD/h"


def _add_recycle(figure: go.Figure, recycle: RecycleBar, unit: MassUnit) -> None:
    saved = unit.value(recycle.kgco2e_per_year)
    figure.add_bar(
        orientation="h",
        y=[f"<b>Recycle</b>, {recycle.horizon_years} years"],
        x=[saved],
        marker={"color": CLEAR, "line": {"color": OURS, "width": 2}},
        text=[f"{MINUS}{number(saved)} {unit.name} a year, {percent(recycle.ratio)} less"],
        textposition="outside",
        cliponaxis=False,
        hovertemplate="best split refresh against the best joint one<extra></extra>",
    )


def _row(name: str) -> str:
    words = LEVER_WORDS.get(name, name)
    return f"<b>{safe(words)}</b>" if name in ("cost as sold", "All levers") else safe(words)


# ---- each lever alone, and all but each


def lever_worths(worths: Sequence[LeverWorth]) -> Chart:
    """Two bars a lever: what it takes off alone, and what is missing without it."""
    found = [w for worth in worths for w in _kinds(worth) if w is not None]
    unit = mass_unit(max([abs(kg) for kg, _ in found] or [0.0]))
    figure = go.Figure()
    labels = [LEVER_WORDS[worth.lever] for worth in worths]
    for name, colour, pairs in (
        ("alone, on the least carbon as sold", BASELINE, [_kinds(w)[0] for w in worths]),
        ("when all the others are there", OURS, [_kinds(w)[1] for w in worths]),
    ):
        within = [pair is not None and abs(pair[0]) <= pair[1] for pair in pairs]
        values = [None if pair is None else unit.value(pair[0]) for pair in pairs]
        figure.add_bar(
            orientation="h",
            y=labels,
            x=values,
            name=name,
            marker={
                "color": [faded(colour, 0.25) if w else colour for w in within],
                "pattern": {
                    "shape": [HATCH if w else "" for w in within],
                    "fgcolor": colour,
                    "size": 6,
                },
            },
            text=["" if v is None else f"{number(v)} {unit.name}" for v in values],
            textposition="outside",
            cliponaxis=False,
            hovertemplate=f"%{{y}} {name}: %{{x:,.4g}} {unit.name}CO2e a year<extra></extra>",
        )
    title = _worths_title(worths, unit)
    subtitle = f"{unit.name}CO2e a year less; hatched: {WITHIN}, may be nothing"
    dress(figure, title, subtitle, height=150 + 44 * len(worths))
    figure.update_layout(
        barmode="group", bargap=0.3, showlegend=True,
        legend=LEGEND, margin_b=BELOW_PX,
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", ticks="")
    figure.update_xaxes(ticksuffix=f" {unit.name}", zeroline=True, zerolinecolor=GRID_LINE)
    words = "; ".join(
        f"{label} alone {_told(_kinds(w)[0], unit)}, missing {_told(_kinds(w)[1], unit)}"
        for label, w in zip(labels, worths, strict=True)
    )
    return Chart(figure, title, f"Two bars a lever. {words}.")


def _kinds(worth: LeverWorth) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    alone, missing = worth.alone_kgco2e_per_year, worth.missing_kgco2e_per_year
    return (
        None if alone is None else (alone, worth.alone_open_kgco2e_per_year),
        None if missing is None else (missing, worth.missing_open_kgco2e_per_year),
    )


def _told(pair: tuple[float, float] | None, unit: MassUnit) -> str:
    return "unknown" if pair is None else unit.text(pair[0])


def _worths_title(worths: Sequence[LeverWorth], unit: MassUnit) -> str:
    known = [worth for worth in worths if worth.missing_kgco2e_per_year is not None]
    sure = [w for w in known if (w.missing_kgco2e_per_year or 0.0) > w.missing_open_kgco2e_per_year]
    if not sure:
        return "No single lever is missed by more than the searches left open"
    most = max(sure, key=lambda w: w.missing_kgco2e_per_year or 0.0)
    kg = most.missing_kgco2e_per_year or 0.0
    return f"{LEVER_WORDS[most.lever]} is missed most: {unit.text(kg)} more without it"


# ---- Reduce, what-ifs


def reduce_halves(splits: Sequence[ReduceSplit], names: Mapping[str, str]) -> Chart:
    """Stacked bars: what trimmed hosts do not draw and what was not made for them."""
    unit = mass_unit(max(split.kgco2e_per_year for split in splits))
    labels = [
        wrap(f"{s.count:,} x {names.get(s.server, s.server)}, {s.variant}", 34) for s in splits
    ]
    figure = go.Figure()
    for name, colour, part in (
        ("operational", OPERATIONAL, "operational_kgco2e_per_year"),
        ("embodied", EMBODIED, "embodied_kgco2e_per_year"),
    ):
        values = [unit.value(getattr(split, part)) for split in splits]
        figure.add_bar(
            orientation="h",
            y=labels,
            x=values,
            name=name,
            marker={"color": colour},
            hovertemplate=f"{name}: %{{x:,.4g}} {unit.name}CO2e a year<extra></extra>",
        )
    for label, split in zip(labels, splits, strict=True):
        figure.add_annotation(
            x=unit.value(split.kgco2e_per_year), y=label, showarrow=False, xanchor="left",
            text=f"{number(unit.value(split.kgco2e_per_year))} {unit.name}", xshift=6,
        )  # fmt: skip
    total = sum(split.kgco2e_per_year for split in splits)
    making = sum(split.embodied_kgco2e_per_year for split in splits)
    share = making / total if total else 0.0
    title = f"{percent(share)} of what Reduce leaves out is making, the rest electricity"
    subtitle = f"{unit.name}CO2e a year less than with hosts as sold, always on"
    dress(figure, title, subtitle, height=180 + 48 * len(splits))
    figure.update_layout(
        barmode="stack", bargap=0.35, showlegend=True,
        legend=LEGEND, margin_b=BELOW_PX,
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", ticks="")
    figure.update_xaxes(rangemode="tozero", ticksuffix=f" {unit.name}")
    words = "; ".join(
        f"{split.server} {split.variant}: {unit.text(split.operational_kgco2e_per_year)} "
        f"electricity, {unit.text(split.embodied_kgco2e_per_year)} making"
        for split in splits
    )
    return Chart(figure, title, f"Stacked bars. {words}.")


def what_ifs(changes: Mapping[str, float | None]) -> Chart:
    """Change of the plan's carbon, as a fraction, in worlds with one thing changed."""
    known = {what: change for what, change in changes.items() if change is not None}
    figure = go.Figure(
        go.Bar(
            orientation="h",
            y=[wrap(what, 44) for what in known],
            x=[100 * change for change in known.values()],
            marker={"color": [MORE if change > 0 else OURS for change in known.values()]},
            text=[signed_percent(change) for change in known.values()],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{x:+.3g} % carbon<extra></extra>",
        )
    )
    most = max(known, key=lambda what: abs(known[what]), default="")
    title = f"{signed_percent(known[most])} carbon if {most}" if most else "Nothing serves there"
    dress(
        figure,
        title,
        "Change of the plan's carbon, same objective and levers",
        110 + 46 * len(known),
    )
    figure.update_layout(bargap=0.35)
    figure.update_yaxes(autorange="reversed", ticks="")
    figure.update_xaxes(ticksuffix=" %", zeroline=True, zerolinecolor=BASELINE)
    words = "; ".join(f"if {what}: {signed_percent(change)}" for what, change in known.items())
    return Chart(figure, title, f"Bars left for less, right for more carbon. {words}.")


def signed_percent(ratio: float) -> str:
    """A change in per cent."""
    if abs(ratio) < 0.0005:
        return f"0{NARROW_SPACE}%"
    return f"{'+' if ratio > 0 else MINUS}{percent(abs(ratio))}"
