"""Charts of inputs and grids moved: what that does to carbon, and to the fleet.

Same rules as :mod:`app.figures_trade_offs`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from app.figures import BASELINE, DEMAND, HATCH, MORE, OURS, Chart, dress, faded, safe, wrap
from app.figures_trade_offs import FleetWords, first_upper, signed
from app.text import MINUS, MassUnit, mass_unit, number, percent, sentence_list
from ecoserve.analysis.crossover import Crossovers, FleetLine, Segment
from ecoserve.analysis.sensitivity import SPANS, Sensitivity, SensitivityRow, Tried
from ecoserve.plan import Plan

SAMPLES = 101
"""Intensities of a band at which neighbours are compared."""
WIDE_BAND_DECADES = 0.35
"""Bands from this width on have room for their fleet's name."""
ROW_PX = 44
ROOM = "\N{NO-BREAK SPACE}\N{NO-BREAK SPACE}"
"""Keeps a label clear of the mark at the end of its bar."""


# ---- inputs moved


def sensitivity_finding(answer: Sensitivity) -> str:
    """Which input moves carbon most, and whether any changes the fleet."""
    if not answer.rows:
        return "There is no input to move"
    widest, plan = answer.rows[0], answer.plan
    changing = [row.input for row in answer.rows if row.fleet_changes]
    fleet = f"the fleet changes with {sentence_list(changing)}" if changing else (
        "no input changes the fleet"
    )  # fmt: skip
    ratio = widest.spread_kgco2e_per_year / max(plan.kgco2e_per_year, 1e-9)
    return f"{first_upper(widest.input)} moves carbon most, by {percent(ratio, 2)}; {fleet}"


def tornado(answer: Sensitivity, words: FleetWords) -> Chart:
    """Each input at both ends: carbon more or less than planned, anew and with the fleet kept."""
    plan = answer.plan
    rows = answer.rows
    largest = max((abs(delta) for row in rows for delta in _deltas(row, plan)), default=1.0)
    unit = mass_unit(plan.kgco2e_per_year)
    labels = [_input_label(row) for row in rows]
    figure = go.Figure()
    for end in ("low", "high"):
        _ends(figure, end, rows, labels, plan, unit, words)
    _kept(figure, rows, labels, plan, unit)
    title = sensitivity_finding(answer)
    subtitle = (
        f"{unit.name}CO2e a year more or less than this plan's {unit.text(plan.kgco2e_per_year)}, "
        "planned anew; upright marks: the fleet kept; hatched: ends that no source gives"
    )
    dress(figure, title, subtitle, height=130 + ROW_PX * max(2, len(rows)))
    figure.update_layout(barmode="overlay", bargap=0.35)
    figure.update_yaxes(autorange="reversed", ticks="")
    room = 1.45 * unit.value(largest)
    figure.update_xaxes(
        range=[-room, room], zeroline=True, zerolinecolor=BASELINE, ticksuffix=f" {unit.name}"
    )
    told = "; ".join(
        f"{row.input}: {_end_words(row.low, plan, unit)} at {number(row.low.value)} and "
        f"{_end_words(row.high, plan, unit)} at {number(row.high.value)} {row.unit}"
        for row in rows
    )
    return Chart(figure, title, f"Bars both ways, widest first. {told}. {title}.")


def _input_label(row: SensitivityRow) -> str:
    ends = f"{_short(row.low.value)}\N{EN DASH}{_short(row.high.value)} {row.unit}"
    return f"<b>{safe(row.input)}</b><br>{safe(ends)}"


def _short(value: float) -> str:
    """A number without zeros at its end.

    >>> _short(0.8), _short(1250.0)
    ('0.8', '1,250')
    """
    text = number(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def _deltas(row: SensitivityRow, plan: Plan) -> list[float]:
    tried = (row.low, row.high)
    found = [t.kgco2e_per_year for t in tried] + [t.fixed_kgco2e_per_year for t in tried]
    return [kg - plan.kgco2e_per_year for kg in found if kg is not None]


def _ends(
    figure: go.Figure,
    end: str,
    rows: Sequence[SensitivityRow],
    labels: Sequence[str],
    plan: Plan,
    unit: MassUnit,
    words: FleetWords,
) -> None:
    tried = [getattr(row, end) for row in rows]
    deltas = [
        0.0 if t.kgco2e_per_year is None else t.kgco2e_per_year - plan.kgco2e_per_year
        for t in tried
    ]
    colours = [OURS if delta < 0 else MORE for delta in deltas]
    assumed = [row.input in SPANS for row in rows]
    figure.add_bar(
        orientation="h",
        y=list(labels),
        x=[unit.value(delta) for delta in deltas],
        name=end,
        marker={
            "color": [
                faded(c, 0.35) if guess else c for c, guess in zip(colours, assumed, strict=True)
            ],
            "line": {"color": colours, "width": 1},
            "pattern": {
                "shape": [HATCH if guess else "" for guess in assumed],
                "fgcolor": colours, "size": 6,
            },
        },
        text=[_end_label(t, delta, unit) for t, delta in zip(tried, deltas, strict=True)],
        textposition="outside",
        cliponaxis=False,
        customdata=[[_tried_words(t, words), number(t.value)] for t in tried],
        hovertemplate=f"at %{{customdata[1]}}: %{{x:+,.4g}} {unit.name}CO2e a year"
        "<br>%{customdata[0]}<extra></extra>",
    )  # fmt: skip


def _end_label(tried: Tried, delta: float, unit: MassUnit) -> str:
    if tried.kgco2e_per_year is None:
        return "cannot serve"
    other = ", other fleet" if tried.fleet_changes else ""
    return f"{ROOM}{signed(unit.value(delta))}{other}{ROOM}"


def _tried_words(tried: Tried, words: FleetWords) -> str:
    if tried.kgco2e_per_year is None:
        return wrap(f"cannot serve: {tried.reason}", 60)
    return wrap(words(tried.fleet), 60)


def _kept(
    figure: go.Figure,
    rows: Sequence[SensitivityRow],
    labels: Sequence[str],
    plan: Plan,
    unit: MassUnit,
) -> None:
    """A mark where the plan's own fleet would be."""
    marks = [
        (label, tried.fixed_kgco2e_per_year - plan.kgco2e_per_year)
        for label, row in zip(labels, rows, strict=True)
        for tried in (row.low, row.high)
        if tried.fixed_kgco2e_per_year is not None
    ]
    figure.add_scatter(
        x=[unit.value(delta) for _, delta in marks],
        y=[label for label, _ in marks],
        mode="markers",
        name="fleet kept",
        marker={
            "symbol": "line-ns", "size": 22, "line": {"color": BASELINE, "width": 3},
        },
        hovertemplate=f"fleet kept: %{{x:+,.4g}} {unit.name}CO2e a year<extra></extra>",
    )  # fmt: skip


def _end_words(tried: Tried, plan: Plan, unit: MassUnit) -> str:
    if tried.kgco2e_per_year is None:
        return "no fleet can serve"
    delta = tried.kgco2e_per_year - plan.kgco2e_per_year
    return f"{signed(unit.value(delta))} {unit.name}".replace(MINUS, "minus ")


# ---- grids changed


def band_advantage(answer: Crossovers, segment: Segment) -> float | None:
    """The most by which the next best of the other fleets emits more within a band, as a ratio.

    None where there is one fleet only.
    """
    others = [s.line for s in answer.segments if s.line.fleet != segment.line.fleet]
    if not others:
        return None
    grams = np.geomspace(segment.from_g_per_kwh, segment.to_g_per_kwh, SAMPLES)
    own = _emits(segment.line, grams)
    return float((np.min([_emits(line, grams) for line in others], axis=0) / own - 1.0).max())


def _emits(line: FleetLine, grams: Any) -> Any:
    return line.making_kgco2e_per_year + line.kgco2e_per_year_per_g * grams


def crossover_finding(answer: Crossovers, mean_g_per_kwh: float) -> str:
    """Where the fleet changes, and how much that matters."""
    changes = [number(g) for g in answer.intensities_g_per_kwh]
    low, high = (
        f"{g:,.4g}" for g in (answer.segments[0].from_g_per_kwh, answer.segments[-1].to_g_per_kwh)
    )
    if not changes:
        return f"The same fleet is best from {low} to {high} gCO2e/kWh"
    today = f"your grid's mean is {number(mean_g_per_kwh)}"
    found = f"The fleet changes at {sentence_list(changes)} gCO2e/kWh; {today}"
    gains = [band_advantage(answer, segment) or 0.0 for segment in answer.segments]
    if max(gains) <= answer.gap:
        return f"{found}; all differences are within what the search left open"
    return found


def crossover_bands(answer: Crossovers, mean_g_per_kwh: float, words: FleetWords) -> Chart:
    """Bands of the axis of intensities, each with its fleet; today's mean as a line."""
    unit = mass_unit(max(s.line.kgco2e_per_year(s.to_g_per_kwh) for s in answer.segments))
    figure = go.Figure()
    for place, segment in enumerate(answer.segments):
        _band(figure, answer, place, segment, unit, words)
    today = f"your grid: {number(mean_g_per_kwh)}"
    figure.add_scatter(
        x=[mean_g_per_kwh, mean_g_per_kwh], y=[0, 1.12], mode="lines+text",
        text=["", f"<b>{today}</b>"], textposition="top center", name=today, hoverinfo="skip",
        line={"color": BASELINE, "width": 3}, cliponaxis=False,
    )  # fmt: skip
    title = crossover_finding(answer, mean_g_per_kwh)
    subtitle = (
        "Flat carbon intensity, gCO2e/kWh, logarithmic axis; hatched: better than the next fleet "
        "by less than the search left open"
    )
    dress(figure, title, subtitle, height=250)
    ends = answer.segments[0].from_g_per_kwh, answer.segments[-1].to_g_per_kwh
    figure.update_xaxes(
        type="log", range=[float(np.log10(end)) for end in ends], title="gCO2e/kWh",
        tickvals=[1, 3, 10, 30, 100, 300, 1000], showgrid=False,
    )  # fmt: skip
    figure.update_yaxes(visible=False, range=[0, 1.3])
    told = "; ".join(
        f"{number(s.from_g_per_kwh)} to {number(s.to_g_per_kwh)}: {words(s.line.fleet)}"
        for s in answer.segments
    )
    return Chart(figure, title, f"Bands of intensities with their fleets. {told}. {title}.")


def _band(
    figure: go.Figure,
    answer: Crossovers,
    place: int,
    segment: Segment,
    unit: MassUnit,
    words: FleetWords,
) -> None:
    low, high = segment.from_g_per_kwh, segment.to_g_per_kwh
    gain = band_advantage(answer, segment)
    is_open = gain is not None and gain <= answer.gap
    colour = OURS if place % 2 == 0 else DEMAND
    fleet = words(segment.line.fleet)
    ends = [unit.text(segment.line.kgco2e_per_year(g)) for g in (low, high)]
    note = "" if gain is None else f"<br>better than the next fleet by up to {percent(gain, 2)}"
    figure.add_scatter(
        x=[low, high, high, low, low], y=[0, 0, 1, 1, 0], mode="lines", fill="toself",
        line={"color": colour, "width": 1}, fillcolor=faded(colour, 0.25),
        fillpattern={
            "shape": HATCH if is_open else "", "fgcolor": faded(colour, 0.35), "solidity": 0.2,
            "bgcolor": faded(colour, 0.08), "size": 10,
        },
        name=fleet, hoveron="fills", hoverinfo="text",
        text=f"{number(low)} to {number(high)} gCO2e/kWh<br>{wrap(fleet, 60)}<br>"
        f"{ends[0]} to {ends[1]} CO2e a year{note}",
    )  # fmt: skip
    if np.log10(high / low) >= WIDE_BAND_DECADES:
        width = int(18 * np.log10(high / low))
        figure.add_annotation(
            x=float(np.log10(low * high)) / 2, y=0.5, showarrow=False,
            text=wrap(fleet, max(10, width)),
        )  # fmt: skip
