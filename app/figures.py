"""Charts of a plan, and what all charts share: plain data in, out a figure that says its finding.

Nothing here knows Streamlit. Colours are defined once, one per concept; grounds are transparent so
that a figure works on light and dark pages.
"""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from app.text import MassUnit, mass_unit, number, percent, times
from ecoserve.plan import Plan
from ecoserve.units import g_from_kg

OPERATIONAL = "#E69F00"
EMBODIED = "#0072B2"
PREFILL = "#56B4E9"
DECODE = "#CC79A7"
OURS = "#009E73"
MORE = "#D55E00"
BASELINE = "#8A8F98"
DEMAND = "#7C8796"
DEMAND_DARK = "#66717F"
DEMAND_DARKEST = "#46505C"
HEAT_STEP = 0.4
GRID_LINE = "rgba(128,128,128,0.25)"
CLEAR = "rgba(0,0,0,0)"
HATCH = "/"
INK: Mapping[str, str] = {"light": "#31363D", "dark": "#DADDE1"}
"""Text of a figure by the theme of the page."""
CONFIG: Mapping[str, Any] = {
    "displaylogo": False,
    "displayModeBar": "hover",
    "modeBarButtonsToRemove": ["zoom2d", "pan2d", "select2d", "lasso2d", "zoomIn2d", "zoomOut2d"],
    "toImageButtonOptions": {"format": "svg", "filename": "ecoserve"},
}
"""Options of the viewer: download as SVG, no logo, no zoom tools."""
HOURS = tuple(range(24))
PAGE_PX, PANEL_PX, HALF_PX = 760, 450, 350
"""How wide a chart is across the page, in its larger panel and in half of it, where the window is
800 px wide, the narrowest that titles are broken for."""
TITLE_LETTER_PX, SUBTITLE_LETTER_PX = 7.8, 6.1
TITLE_LINE_PX, SUBTITLE_LINE_PX = 20, 17


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure, its finding as a title, and what it shows in words for those who cannot see it."""

    figure: go.Figure
    title: str
    alt: str


@dataclass(frozen=True, slots=True)
class Segment:
    """One colour of the stacked bars: a kind of carbon on one side of the server."""

    kind: str
    side: str
    name: str
    words: str
    colour: str


def faded(colour: str, strength: float) -> str:
    """The hue at part strength, as an rgba colour.

    >>> faded("#0072B2", 0.5)
    'rgba(0,114,178,0.5)'
    """
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{strength:g})"


SEGMENTS = (
    Segment(
        "operational", "accelerator", "operational, accelerators",
        "electricity of the accelerators", OPERATIONAL,
    ),
    Segment(
        "operational", "host", "operational, hosts",
        "electricity of the hosts", faded(OPERATIONAL, 0.55),
    ),
    Segment(
        "operational", "facility", "operational, facility overhead",
        "electricity of the facility overhead", faded(OPERATIONAL, 0.25),
    ),
    Segment(
        "embodied", "accelerator", "embodied, accelerators",
        "making the accelerators", EMBODIED,
    ),
    Segment("embodied", "host", "embodied, hosts", "making the hosts", faded(EMBODIED, 0.5)),
)  # fmt: skip
"""The stack, from the axis outwards."""
_INK = {OPERATIONAL: "#1A1A1A", EMBODIED: "#FFFFFF"}
"""Text on the full tones; everywhere else the page's own colour shows."""


def plan_against_baseline(plan: Plan, other: Plan, other_name: str) -> Chart:
    """Two stacked bars: ours and one baseline, operational and embodied by side."""
    unit = mass_unit(max(plan.kgco2e_per_year, other.kgco2e_per_year))
    title = saving_title(plan, other, other_name)
    rows = ("This plan", _first_upper(other_name))
    figure = _stacked([(rows[0], OURS, plan), (rows[1], None, other)], unit, title, height=270)
    bars = f"{_bar_words(rows[0], plan, unit)} {_bar_words(rows[1], other, unit)}"
    alt = f"Stacked bars. {bars} {title}."
    return Chart(figure, title, alt)


def plan_alone(plan: Plan) -> Chart:
    """One stacked bar, where no baseline can serve the traffic."""
    unit = mass_unit(plan.kgco2e_per_year)
    share = plan.operational_kgco2e_per_year / max(plan.kgco2e_per_year, 1e-9)
    title = f"{percent(share)} of the carbon is operational, the rest embodied"
    figure = _stacked([("This plan", OURS, plan)], unit, title, height=210)
    return Chart(figure, title, f"Stacked bar. {_bar_words('This plan', plan, unit)}")


def saving_title(plan: Plan, other: Plan, other_name: str) -> str:
    """The finding with its number and its largest reason."""
    saved = other.kgco2e_per_year - plan.kgco2e_per_year
    ratio = saved / other.kgco2e_per_year if other.kgco2e_per_year else 0.0
    if abs(ratio) < 0.005:
        return f"As much carbon as {other_name}"
    words = f"{percent(abs(ratio))} {'less' if saved > 0 else 'more'} carbon than {other_name}"
    if ratio < -1:
        factor = times(plan.kgco2e_per_year, other.kgco2e_per_year)
        words = f"{factor} the carbon of {other_name}"
    return f"{words}: {_reason(plan, other, saved)}"


def _reason(plan: Plan, other: Plan, saved: float) -> str:
    """The difference in mass, and what differs most."""
    unit = mass_unit(max(plan.kgco2e_per_year, other.kgco2e_per_year))
    word = "less" if saved > 0 else "more"
    name, gain = _largest_difference(plan, other, saved)
    difference, most = f"{unit.text(abs(saved))} {word}", unit.text(abs(gain))
    if abs(gain) <= abs(saved):
        return f"{difference}, {most} of it {name}"
    return f"{difference}, with {most} {word} {name}"


def _largest_difference(plan: Plan, other: Plan, saved: float) -> tuple[str, float]:
    """What differs most; between other sites the electricity itself is one of the causes.

    Their operational carbon is then split: at our intensity, and what theirs adds to it.
    """
    ours, theirs = plan.carbon_by("kind", "side"), other.carbon_by("kind", "side")
    cleaner, gains = 1.0, {}
    grams = _gco2e_per_kwh(plan), _gco2e_per_kwh(other)
    if _sites(plan) != _sites(other) and all(grams):
        cleaner = grams[0] / grams[1]
        words = f"by the grid, {grams[0]:,.0f} instead of {grams[1]:,.0f} gCO2e/kWh"
        gains[words] = other.operational_kgco2e_per_year * (1.0 - cleaner)
    for segment in SEGMENTS:
        key = f"{segment.kind} {segment.side}"
        at_ours = cleaner if segment.kind == "operational" else 1.0
        gains[segment.words] = theirs.get(key, 0.0) * at_ours - ours.get(key, 0.0)
    return max(gains.items(), key=lambda item: item[1] if saved > 0 else -item[1])


def _sites(plan: Plan) -> set[str]:
    return {entry.site for entry in plan.fleet}


def _gco2e_per_kwh(plan: Plan) -> float:
    """What a kWh at the meter carries on the mean."""
    kwh = plan.facility_kwh_per_year
    return g_from_kg(plan.operational_kgco2e_per_year) / kwh if kwh else 0.0


def _stacked(
    rows: Sequence[tuple[str, str | None, Plan]], unit: MassUnit, title: str, height: int
) -> go.Figure:
    labels = [_row_label(name, colour) for name, colour, _ in rows]
    totals = [unit.value(plan.kgco2e_per_year) for _, _, plan in rows]
    largest = max(totals) or 1.0
    bars = [
        _segment_bars(segment, labels, [plan for _, _, plan in rows], unit) for segment in SEGMENTS
    ]
    figure = go.Figure(bars)
    notes: list[dict[str, Any]] = []
    for label, total, (_, _, plan) in zip(labels, totals, rows, strict=True):
        notes += _segment_labels(label, plan, unit, smallest=0.05 * largest)
        words = {"text": _total_label(plan, unit), "align": "left"}
        notes.append(
            {"x": total, "y": label, "showarrow": False, "xanchor": "left", "xshift": 6, **words}
        )
    subtitle = f"{unit.name}CO2e per year, the whole fleet"
    dress(figure, title, subtitle, height)
    figure.update_layout(
        annotations=notes,
        barmode="stack",
        bargap=0.35,
        showlegend=True,
        legend={"orientation": "h", "traceorder": "normal", "y": -0.16, "yanchor": "top", "x": 0},
        yaxis={"autorange": "reversed", "ticks": ""},
        xaxis={"range": [0, 1.25 * largest], "ticksuffix": f" {unit.name}"},
    )
    return figure


def _segment_bars(
    segment: Segment, labels: Sequence[str], plans: Sequence[Plan], unit: MassUnit
) -> go.Bar:
    key = f"{segment.kind} {segment.side}"
    return go.Bar(
        orientation="h",
        y=labels,
        x=[unit.value(plan.carbon_by("kind", "side").get(key, 0.0)) for plan in plans],
        name=segment.name,
        marker={"color": segment.colour, "line": {"width": 0}},
        hovertemplate=f"{segment.name}: %{{x:,.4g}} {unit.name}CO2e/year<extra></extra>",
    )


def _total_label(plan: Plan, unit: MassUnit) -> str:
    """The total with its two kinds, which narrow segments have no room to tell."""
    operational = number(unit.value(plan.operational_kgco2e_per_year))
    embodied = number(unit.value(plan.embodied_kgco2e_per_year))
    total = number(unit.value(plan.kgco2e_per_year))
    return f"<b>{total} {unit.name}</b><br>{operational} operational,<br>{embodied} embodied"


def _row_label(name: str, colour: str | None) -> str:
    words = f"<b>{wrap(name, 24)}</b>"
    return words if colour is None else f'<span style="color:{colour}">{words}</span>'


def _segment_labels(
    label: str, plan: Plan, unit: MassUnit, *, smallest: float
) -> Iterator[dict[str, Any]]:
    """Figures on the segments that have room; on faded ones in the page's own ink."""
    carbon, left = plan.carbon_by("kind", "side"), 0.0
    for segment in SEGMENTS:
        value = unit.value(carbon.get(f"{segment.kind} {segment.side}", 0.0))
        if value > smallest:
            yield {
                "x": left + value / 2,
                "y": label,
                "text": number(value),
                "showarrow": False,
                "font": {"color": _INK.get(segment.colour)},
            }
        left += value


def _bar_words(name: str, plan: Plan, unit: MassUnit) -> str:
    operational = unit.text(plan.operational_kgco2e_per_year)
    embodied = unit.text(plan.embodied_kgco2e_per_year)
    total = unit.text(plan.kgco2e_per_year)
    return f"{name}: {total}CO2e a year, {operational} operational and {embodied} embodied."


def carbon_by_part(plan: Plan, shown: int = 14) -> Chart:
    """Where the carbon of the plan comes from: the largest parts, one bar each."""
    totals: dict[tuple[str, str, str], float] = {}
    for part in plan.carbon_parts:
        key = (part.kind, part.side, part.part)
        totals[key] = totals.get(key, 0.0) + part.kgco2e_per_year
    ranked = sorted(totals.items(), key=lambda item: (-item[1], item[0]))
    positive = [item for item in ranked if item[1] > 0]
    kept, rest = positive[:shown], positive[shown:]
    unit = mass_unit(plan.kgco2e_per_year)
    (kind, side, name), most = kept[0] if kept else (("", "", "nothing"), 0.0)
    share = percent(most / max(plan.kgco2e_per_year, 1e-9))
    title = f"{share} of the total is {part_label(kind, side, name)}, the largest part"
    labels = [part_label(*key) for key, _ in kept]
    values = [unit.value(kg) for _, kg in kept]
    colours = [colour_of(key[0], key[1]) for key, _ in kept]
    if rest:
        labels.append(f"{len(rest)} others")
        values.append(unit.value(sum(kg for _, kg in rest)))
        colours.append(BASELINE)
    figure = go.Figure(
        go.Bar(
            orientation="h",
            y=labels,
            x=values,
            marker={"color": colours},
            text=[number(value) for value in values],
            textposition="outside",
            cliponaxis=False,
            hovertemplate=f"%{{y}}: %{{x:,.4g}} {unit.name}CO2e/year<extra></extra>",
        )
    )
    total = unit.text(plan.kgco2e_per_year)
    subtitle = f"{unit.name}CO2e per year; the bars add up to {total}"
    dress(figure, title, subtitle, height=110 + 26 * max(2, len(labels)))
    figure.update_yaxes(autorange="reversed", ticks="")
    figure.update_xaxes(rangemode="tozero")
    words = ", ".join(
        f"{label} {number(v)} {unit.name}" for label, v in zip(labels, values, strict=True)
    )
    return Chart(figure, title, f"Bars, largest first: {words}.")


def part_label(kind: str, side: str, part: str) -> str:
    """A part in words: of which side, what, of which kind."""
    return f"{side}: {part.replace('_', ' ')} ({kind})"


def colour_of(kind: str, side: str) -> str:
    """The colour of one kind of carbon on one side of the server."""
    for segment in SEGMENTS:
        if (segment.kind, segment.side) == (kind, side):
            return segment.colour
    return BASELINE


def heat_scale() -> list[tuple[float, str]]:
    """Faint below the step, strong above it, so that text has contrast on any ground."""
    return [
        (0, faded(DEMAND, 0.05)),
        (HEAT_STEP, faded(DEMAND, 0.25)),
        (HEAT_STEP, DEMAND_DARK),
        (1, DEMAND_DARKEST),
    ]


def dress(
    figure: go.Figure,
    title: str,
    subtitle: str,
    height: int,
    *,
    width_px: int = PAGE_PX,
    above_px: int = 0,
) -> None:
    """Title, subtitle, transparent ground and quiet axes, the same for every chart.

    The title breaks where the chart is ``width_px`` wide; ``above_px`` is for what stands between
    the subtitle and the plot.
    """
    lines = textwrap.wrap(title, int(width_px / TITLE_LETTER_PX)) or [""]
    below = textwrap.wrap(subtitle, int(width_px / SUBTITLE_LETTER_PX)) or [""]
    more_px = TITLE_LINE_PX * (len(lines) - 1) + SUBTITLE_LINE_PX * (len(below) - 1)
    figure.update_layout(
        title={
            "text": "<br>".join(safe(line) for line in lines),
            "subtitle": {"text": "<br>".join(below), "font": {"size": 13}},
            "x": 0,
            "xref": "container",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"t": 22, "l": 0},
            "font": {"size": 16},
        },
        height=height + more_px,
        margin={"l": 8, "r": 16, "t": 76 + above_px + more_px, "b": 8},
        paper_bgcolor=CLEAR,
        plot_bgcolor=CLEAR,
        showlegend=False,
        separators=".,",
    )
    figure.update_xaxes(automargin=True, zeroline=False, gridcolor=GRID_LINE, tickformat=",")
    figure.update_yaxes(automargin=True, zeroline=False, tickformat=",")


def safe(words: str) -> str:
    """Words without markup; names may hold any character."""
    return html.escape(words, quote=False)


def wrap(words: str, width: int) -> str:
    """Words without markup, broken into lines of at most ``width`` characters."""
    return "<br>".join(safe(line) for line in textwrap.wrap(words, width))


def _first_upper(words: str) -> str:
    return words[:1].upper() + words[1:]
