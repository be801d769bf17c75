"""The chart of the Compare page: the carbon of several scenarios' plans, one bar each."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from app.figures import OURS, SEGMENTS, Chart, dress, wrap
from app.side_by_side import Compared, same_traffic
from app.text import MassUnit, mass_unit, number, percent, sentence_list
from ecoserve.plan import Plan
from ecoserve.units import FUNCTIONAL_UNIT_TOKENS, g_from_kg

BAR_PX, ABOVE_PX, BELOW_PX = 56, 76, 62
"""Of one bar, of the titles, of the axis and the legend under it."""
LABEL_CHARS = 24
AS_MUCH = 0.005
"""Totals closer than this are as much as each other."""


@dataclass(frozen=True, slots=True)
class _Scale:
    """What the bars are drawn in, and what their figures are called."""

    unit: str
    words: str
    of: Callable[[Plan, float], float]
    """The figure of so many kg a year of a plan."""


def side_by_side(compared: Sequence[Compared]) -> Chart:
    """A stacked bar per scenario that has a plan, the first in our colour.

    In carbon of a year where all serve the same traffic; where they do not, for 1,000 output
    tokens each. Raises :class:`ValueError` where none has a plan.
    """
    planned = [(one, one.plan) for one in compared if one.plan is not None]
    if not planned:
        raise ValueError("no scenario has a plan to draw")
    whole = same_traffic(compared)
    scale = _yearly([plan for _, plan in planned]) if whole else _PER_UNIT
    totals = [scale.of(plan, plan.kgco2e_per_year) for _, plan in planned]
    gaps = [plan.gap if math.isfinite(plan.gap) else 0.0 for _, plan in planned]
    title = _title([one.name for one, _ in planned], totals, gaps, scale)
    figure = go.Figure()
    labels = [_label(one.name, is_first=one is compared[0]) for one, _ in planned]
    for segment in SEGMENTS:
        key = f"{segment.kind} {segment.side}"
        figure.add_bar(
            orientation="h",
            y=labels,
            x=[scale.of(plan, plan.carbon_by("kind", "side").get(key, 0.0)) for _, plan in planned],
            name=segment.name,
            marker={"color": segment.colour, "line": {"width": 0}},
            hovertemplate=f"{segment.name}: %{{x:,.4g}} {scale.words}<extra></extra>",
        )
    for label, total in zip(labels, totals, strict=True):
        figure.add_annotation(
            x=total, y=label, text=f"<b>{number(total)} {scale.unit}</b>", showarrow=False,
            xanchor="left", xshift=6,
        )  # fmt: skip
    _finish(figure, title, scale, len(planned), max(totals))
    bars = "; ".join(
        f"{one.name} {number(total)} {scale.words}"
        for (one, _), total in zip(planned, totals, strict=True)
    )
    return Chart(figure, title, f"Stacked bars: {bars}. {title}.")


def _yearly(plans: Sequence[Plan]) -> _Scale:
    unit: MassUnit = mass_unit(max(plan.kgco2e_per_year for plan in plans))
    return _Scale(unit.name, f"{unit.name}CO2e per year", lambda _, kg: unit.value(kg))


def _per_unit(plan: Plan, kgco2e_per_year: float) -> float:
    return g_from_kg(kgco2e_per_year) / (plan.output_tokens_per_year / FUNCTIONAL_UNIT_TOKENS)


_PER_UNIT = _Scale("g", "gCO2e per 1,000 output tokens", _per_unit)


def _finish(figure: go.Figure, title: str, scale: _Scale, n_bars: int, largest: float) -> None:
    subtitle = f"{scale.words}, the whole fleet"
    if scale is _PER_UNIT:
        subtitle += "; the scenarios serve different traffic, so their totals are no comparison"
    dress(figure, title, subtitle, height=ABOVE_PX + BELOW_PX + BAR_PX * n_bars)
    figure.update_layout(
        barmode="stack",
        bargap=0.4,
        showlegend=True,
        legend={
            "orientation": "h", "traceorder": "normal", "x": 0,
            "yref": "container", "y": 0, "yanchor": "bottom",
        },
        margin_b=BELOW_PX,
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", ticks="")
    figure.update_xaxes(range=[0, 1.18 * (largest or 1.0)], ticksuffix=f" {scale.unit}")


def _label(name: str, *, is_first: bool) -> str:
    words = f"<b>{wrap(name, LABEL_CHARS)}</b>"
    return f'<span style="color:{OURS}">{words}</span>' if is_first else words


def _title(
    names: Sequence[str], totals: Sequence[float], gaps: Sequence[float], scale: _Scale
) -> str:
    """Who emits least, and how much less than the first, or than the next where it is the first."""
    order = sorted(range(len(names)), key=lambda i: totals[i])
    least = order[0]
    figure = f"{number(totals[least])} {scale.words}"
    if len(names) == 1:
        return f"{names[0]}: {figure}"
    best = [names[i] for i in order if totals[i] <= totals[least] * (1 + AS_MUCH)]
    if len(best) > 1:
        return f"{sentence_list(best)} emit as much: {figure}"
    other = 0 if least != 0 else order[1]
    saved = 1 - totals[least] / totals[other] if totals[other] else 0.0
    words = f"{names[least]} emits least, {figure}: {percent(saved)} less than {names[other]}"
    return f"{words}, within the solver's gap" if saved <= max(gaps[least], gaps[other]) else words
