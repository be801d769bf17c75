"""The charts of the schedule page: power, moved work and servers over the planned day.

Same rules as :mod:`app.figures`: plain data in, a titled figure out, nothing of Streamlit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from app.figures import (
    BASELINE,
    DEMAND,
    GRID_LINE,
    HATCH,
    HOURS,
    OPERATIONAL,
    OURS,
    Chart,
    dress,
    faded,
    safe,
)
from app.text import NARROW_SPACE, mass_unit, number, percent
from ecoserve.operational import facility_kwh
from ecoserve.plan import FleetEntry, HourlyLoad, SiteDay
from ecoserve.schedule import OfflineDay
from ecoserve.units import HOURS_PER_DAY

Array = NDArray[np.float64]
Split = Literal["workload", "side"]
SHOWN = 3
"""Workloads of a kind with a tone of their own; the rest is one layer."""
TONES = (DEMAND, "#A7B0BC", "#5B6674", "#C7CDD5")
NEARLY_ALL = 0.95
UNMOVED = 0.01
LEGEND_PX = 34
FEW = 5
SAME = 0.005
"""Shares below it are not worth a sentence."""
TICKS: Mapping[str, Any] = {
    "tickvals": list(range(0, HOURS_PER_DAY, 3)),
    "ticktext": [f"{hour} h" for hour in range(0, HOURS_PER_DAY, 3)],
}


@dataclass(frozen=True, slots=True)
class Layer:
    """One colour of the stacked bars: what draws, and how much by hour, in kW."""

    name: str
    kw: Array
    colour: str
    is_hatched: bool = False


def finding(works: Sequence[OfflineDay], days: Sequence[SiteDay]) -> str:
    """What the schedule does with work that can wait, in a sentence without its end."""
    if not works:
        return _nothing_waits(days)
    work = max(works, key=lambda one: float(one.runs_kw.sum()))
    if work.moved < UNMOVED:
        return f"The work of {work.workload} runs as it arrives"
    when, saved = _when(work), work.saved_kgco2e_per_year
    if abs(work.less_per_kwh) < SAME:
        return f"{when}: a kWh of it carries as much carbon as when it arrives"
    word = "less" if saved > 0 else "more"
    mass = mass_unit(abs(saved)).text(abs(saved))
    return (
        f"{when}: a kWh of it carries {percent(abs(work.less_per_kwh), 2)} {word} carbon than "
        f"when it arrives, {mass} a year {word}"
    )


def _when(work: OfflineDay) -> str:
    if work.hours == (0, 0):
        return f"The work of {work.workload} is moved all over the day"
    whole = work.share_in_hours >= NEARLY_ALL
    part = "The work" if whole else f"{percent(work.share_in_hours, 2)} of the work"
    return f"{part} of {work.workload} runs at {_hours(work)}"


def _hours(work: OfflineDay) -> str:
    first, end = work.hours
    return f"{first:02d}:00\N{EN DASH}{end:02d}:00"


def _nothing_waits(days: Sequence[SiteDay]) -> str:
    power = np.sum([day.hourly.it_power_kw for day in days], axis=0)
    low, high = int(power.argmin()), int(power.argmax())
    if power[high] - power[low] < SAME * power[high]:
        return f"No work can wait: the fleet draws {_kw(power[high])} at all hours"
    return (
        f"No work can wait: power follows the requests, from {_kw(power[low])} at {low:02d}:00 to "
        f"{_kw(power[high])} at {high:02d}:00"
    )


def _kw(power_kw: float) -> str:
    return f"{number(power_kw)}{NARROW_SPACE}kW"


def layers(days: Sequence[SiteDay], split: Split, *, at_meter: bool) -> tuple[Layer, ...]:
    """What draws at these sites, from the axis up: by workload, or by side of the servers.

    ``at_meter``: with the facility's overhead, which goes with every layer alike.
    """
    found: dict[tuple[str, str], Array] = {}
    for day in days:
        for load in day.loads:
            it_kw = np.array(load.it_power_kw)
            key = _key(load, split)
            drawn = facility_kwh(it_kw, day.pue) if at_meter else it_kw
            found[key] = found.get(key, np.zeros(HOURS_PER_DAY)) + drawn
    if split == "side":
        return tuple(Layer(name, found[key], colour) for key, name, colour in SIDES if key in found)
    standing = [
        Layer(name, kw, faded(BASELINE, 0.3))
        for (kind, name), kw in found.items()
        if kind == "standing"
    ]
    return (*standing, *_of_kind("online", found), *_of_kind("offline", found))


SIDES = (
    (("side", "host"), "hosts", faded(OPERATIONAL, 0.45)),
    (("side", "accelerator"), "accelerators", OPERATIONAL),
)


def _key(load: HourlyLoad, split: Split) -> tuple[str, str]:
    if split == "side":
        return "side", load.side
    return load.kind, load.workload or "on without work, and parked"


def _of_kind(kind: str, found: Mapping[tuple[str, str], Array]) -> list[Layer]:
    """The largest workloads of a kind, and the others together."""
    mine = [(name, kw) for (what, name), kw in found.items() if what == kind]
    ranked = sorted(mine, key=lambda item: -float(item[1].sum()))
    if len(ranked) > SHOWN + 1:
        rest = ranked[SHOWN:]
        others = np.sum([kw for _, kw in rest], axis=0)
        ranked = [*ranked[:SHOWN], (f"{len(rest)} others", others)]
    return [
        Layer(f"{name}, {kind}", kw, tone, is_hatched=kind == "offline")
        for (name, kw), tone in zip(ranked, TONES, strict=False)
    ]


def power_title(days: Sequence[SiteDay], gco2e_per_kwh: Sequence[float], *, at_meter: bool) -> str:
    """How far the power of the day swings, and what a kWh carries where it is highest."""
    drawn = layers(days, "side", at_meter=at_meter)
    if not drawn:
        return "Nothing is drawn here"
    power = np.sum([layer.kw for layer in drawn], axis=0)
    low, high = int(power.argmin()), int(power.argmax())
    if power[high] - power[low] < SAME * power[high]:
        return f"{_kw(power[high])} at all hours"
    mean = sum(gco2e_per_kwh) / HOURS_PER_DAY
    peak = f"Power peaks at {high:02d}:00 with {_kw(power[high])}"
    if mean <= 0 or abs(gco2e_per_kwh[high] / mean - 1) < SAME:
        return f"{peak}; at {low:02d}:00 it is {_kw(power[low])}"
    ratio = gco2e_per_kwh[high] / mean - 1
    word = "less" if ratio < 0 else "more"
    return f"{peak}, when a kWh carries {percent(abs(ratio), 2)} {word} carbon than on average"


def work_row(work: OfflineDay, deadline_h: int) -> dict[str, str]:
    """An offline workload as a row of the table."""
    unit = mass_unit(abs(work.saved_kgco2e_per_year))
    return {
        "Workload": work.workload,
        "Deadline": f"{deadline_h} h",
        "Runs mostly at": _hours(work) if work.hours != (0, 0) else "all hours",
        "Share of it then": percent(work.share_in_hours, 2),
        "Moved": percent(work.moved, 2),
        "Less carbon per kWh": percent(work.less_per_kwh, 2),
        "Saved a year": f"{unit.text(work.saved_kgco2e_per_year)}CO2e",
    }


def power_by_hour(
    days: Sequence[SiteDay],
    gco2e_per_kwh: Sequence[float],
    title: str,
    split: Split,
    *,
    at_meter: bool,
) -> Chart:
    """Stacked power by hour below the grid's intensity at the same hours."""
    drawn = layers(days, split, at_meter=at_meter)
    what = "Facility power" if at_meter else "IT power"
    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True, row_heights=[0.27, 0.73], vertical_spacing=0.12,
        subplot_titles=["<b>Carbon of a kWh</b>, gCO2e", f"<b>{what}</b>, kW"],
    )  # fmt: skip
    figure.add_bar(
        x=list(HOURS), y=list(gco2e_per_kwh), marker={"color": OPERATIONAL}, showlegend=False,
        hovertemplate="%{x}:00: %{y:,.4g} gCO2e/kWh<extra></extra>", row=1, col=1,
    )  # fmt: skip
    for layer in drawn:
        figure.add_bar(
            x=list(HOURS), y=[float(kw) for kw in layer.kw], name=safe(layer.name),
            marker=_marker(layer.colour, is_hatched=layer.is_hatched),
            hovertemplate=f"{safe(layer.name)} at %{{x}}:00: %{{y:,.4g}} kW<extra></extra>",
            row=2, col=1,
        )  # fmt: skip
    peak = float(np.sum([layer.kw for layer in drawn], axis=0).max()) if drawn else 0.0
    subtitle = f"By hour on the users' clock, the busiest hour {_kw(peak)}"
    dress(figure, title, subtitle, height=480, above_px=30)
    _by_hour(figure)
    words = "; ".join(
        f"{layer.name} {number(layer.kw.min())} to {number(layer.kw.max())} kW" for layer in drawn
    )
    low, high = min(gco2e_per_kwh), max(gco2e_per_kwh)
    alt = (
        f"Two panels of bars by hour. A kWh carries {number(low)} to {number(high)} gCO2e. "
        f"{what}, stacked: {words}. {title}."
    )
    return Chart(figure, title, alt)


def moved_work(works: Sequence[OfflineDay]) -> Chart:
    """Each offline workload as it runs, beside the line of how it arrives."""
    title = _moved_title(works)
    columns = min(3, len(works))
    rows = -(-len(works) // columns)
    figure = make_subplots(
        rows=rows, cols=columns, horizontal_spacing=0.05, vertical_spacing=0.28 / rows,
        subplot_titles=[f"<b>{safe(work.workload)}</b>" for work in works],
    )  # fmt: skip
    for place, work in enumerate(works):
        at = {"row": place // columns + 1, "col": place % columns + 1}
        figure.add_bar(
            x=list(HOURS), y=[float(kw) for kw in work.runs_kw], name="runs, this plan",
            marker=_marker(OURS, is_hatched=True), legendgroup="runs", showlegend=place == 0,
            hovertemplate="runs at %{x}:00: %{y:,.4g} kW<extra></extra>", **at,
        )  # fmt: skip
        figure.add_scatter(
            x=list(HOURS), y=[float(kw) for kw in work.arrives_kw], mode="lines",
            name="as it arrives", line={"color": BASELINE, "width": 2, "shape": "hvh"},
            legendgroup="arrives", showlegend=place == 0,
            hovertemplate="arrives at %{x}:00: %{y:,.4g} kW<extra></extra>", **at,
        )  # fmt: skip
    subtitle = "kW above idle by hour on the users' clock, before PUE"
    dress(figure, title, subtitle, height=140 + 150 * rows, above_px=30)
    _by_hour(figure)
    words = "; ".join(
        f"{work.workload}: {percent(work.moved, 2)} at other hours than it arrives"
        for work in works
    )
    return Chart(figure, title, f"Bars of what runs and lines of what arrives. {words}. {title}.")


def _moved_title(works: Sequence[OfflineDay]) -> str:
    saved = sum(work.saved_kgco2e_per_year for work in works)
    energy = sum(float(work.runs_kw.sum()) for work in works)
    moved = sum(work.moved * float(work.runs_kw.sum()) for work in works) / max(energy, 1e-12)
    if moved < UNMOVED:
        return "Offline work runs at the hours it arrives"
    unit = mass_unit(abs(saved))
    word = "less" if saved >= 0 else "more"
    return (
        f"{percent(moved, 2)} of the offline work runs at other hours than it arrives: "
        f"{unit.text(abs(saved))}CO2e a year {word}"
    )


def servers_by_hour(fleet: Sequence[FleetEntry]) -> Chart:
    """Servers that are on, and above them those that are parked."""
    on = on_by_hour(fleet)
    there = sum(entry.count for entry in fleet)
    parked = [there - count for count in on]
    title = _servers_title(on, there)
    figure = go.Figure()
    for name, counts, marker in (
        ("on", on, _marker(DEMAND, is_hatched=False)),
        ("parked", parked, _marker(BASELINE, is_hatched=True)),
    ):
        if any(counts):
            figure.add_bar(
                x=list(HOURS), y=list(counts), name=name, marker=marker,
                hovertemplate=f"%{{x}}:00: %{{y:,}} {name}<extra></extra>",
            )  # fmt: skip
    dress(figure, title, "Servers by hour on the users' clock", height=260)
    _by_hour(figure)
    if there <= FEW:
        figure.update_yaxes(dtick=1)
    alt = f"Stacked bars by hour: {min(on):,} to {max(on):,} of {there:,} servers on. {title}."
    return Chart(figure, title, alt)


def on_by_hour(fleet: Sequence[FleetEntry]) -> list[int]:
    """Servers of all kinds that are on, 24 figures."""
    return [sum(entry.on_by_hour[hour] for entry in fleet) for hour in HOURS]


def _servers_title(on: Sequence[int], there: int) -> str:
    parked = there - min(on)
    servers = "server" if there == 1 else "servers"
    if not parked:
        return f"{'The' if there == 1 else 'All'} {there:,} {servers} stay on all day"
    hours = sum(count < there for count in on)
    if len(set(on)) <= 2 and max(on) == there:
        is_off = "is" if parked == 1 else "are"
        return f"{parked:,} of {there:,} {servers} {is_off} parked for {hours} h of the day"
    return f"Up to {parked:,} of {there:,} {servers} are parked, at least one for {hours} h"


def _marker(colour: str, *, is_hatched: bool) -> dict[str, Any]:
    if not is_hatched:
        return {"color": colour, "line": {"width": 0}}
    return {
        "color": faded(colour, 0.3),
        "line": {"width": 0},
        "pattern": {"shape": HATCH, "fgcolor": colour, "size": 6},
    }


def _by_hour(figure: go.Figure) -> None:
    """What the charts of this page share: hours below, zero-based, names underneath."""
    layout = figure.layout
    plot_px = layout.height - layout.margin.t - 60
    figure.update_layout(
        barmode="stack", bargap=0.15, showlegend=len(figure.data) > 1,
        legend={
            "orientation": "h", "traceorder": "normal", "y": -LEGEND_PX / plot_px,
            "yanchor": "top", "x": 0,
        },
    )  # fmt: skip
    figure.update_annotations(font={"size": 13})
    figure.update_xaxes(showgrid=False, **TICKS)
    figure.update_yaxes(rangemode="tozero", gridcolor=GRID_LINE)
