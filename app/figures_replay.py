"""Charts of a replayed day: power beside the plan, what waits, latency beside its limits.

Same rules as :mod:`app.figures`: plain data in, a titled figure out, nothing of Streamlit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from app.figures import (
    BASELINE,
    DEMAND,
    GRID_LINE,
    HALF_PX,
    HATCH,
    MORE,
    OPERATIONAL,
    OURS,
    Chart,
    dress,
    faded,
    safe,
)
from app.figures_schedule import SHOWN, TONES, Layer, Split
from app.text import NARROW_SPACE, number, percent
from ecoserve.plan import Plan, SloReport
from ecoserve.runtime.result import PowerLayer, Replay
from ecoserve.units import HOURS_PER_DAY

Array = NDArray[np.float64]
MOST_POINTS = 288
"""Across a chart: of a day, five minutes each."""
WIDTHS = (1, 2, 5, 10, 15, 30, 60)
MINUTES_PER_HOUR = 60
LEGEND_PX = 34
STANDING = "on without work, and parked"
TICK_HOURS = (1, 2, 3, 6, 12, 24)
FEWEST_TICKS, MOST_TICKS = 4, 9
SAME = 0.005
FULL_SHARE = 100.0


@dataclass(frozen=True, slots=True)
class Steps:
    """The replay in steps of whole minutes."""

    minutes: int
    hours: Array
    """Middle of each step on the users' clock, counting on past midnight."""

    def mean(self, values: Sequence[float] | Array) -> Array:
        """By step, of a figure by minute."""
        return np.array([float(part.mean()) for part in self._parts(values)])

    def most(self, values: Sequence[float] | Array) -> Array:
        """By step."""
        return np.array([float(part.max()) for part in self._parts(values)])

    def _parts(self, values: Sequence[float] | Array) -> Iterator[Array]:
        every = np.asarray(values, dtype=float)
        for begin in range(0, len(every), self.minutes):
            yield every[begin : begin + self.minutes]


def steps(seen: Replay) -> Steps:
    """As few minutes to a step as a chart can show."""
    n = len(seen.minutes.it_power_kw)
    fits = (width for width in WIDTHS if n <= width * MOST_POINTS)
    width = next(fits, WIDTHS[-1] * math.ceil(n / (WIDTHS[-1] * MOST_POINTS)))
    begins = np.arange(0, n, width, dtype=float)
    middles = (begins + np.minimum(begins + width, n)) / 2.0
    return Steps(width, seen.start_h + middles / MINUTES_PER_HOUR)


def planned_kw(plan: Plan, hours: Array) -> Array:
    """IT power of the plan at hours of the users' clock."""
    by_hour = np.sum([day.hourly.it_power_kw for day in plan.site_days], axis=0)
    return np.array([float(by_hour[int(hour) % HOURS_PER_DAY]) for hour in hours])


def layers(seen: Replay, split: Split, at: Steps) -> tuple[Layer, ...]:
    """What draws, from the axis up: by workload, or by where it runs."""
    found: dict[tuple[str, str], Array] = {}
    for layer in seen.layers:
        key = _key(layer, split)
        kw = at.mean(layer.it_power_kw)
        found[key] = found.get(key, np.zeros(len(kw))) + kw
    if split == "side":
        return tuple(Layer(name, found[key], colour) for key, name, colour in SIDES if key in found)
    standing = [
        Layer(name, kw, faded(BASELINE, 0.3))
        for (kind, name), kw in found.items()
        if kind == "standing"
    ]
    return (*standing, *_of_kind("online", found), *_of_kind("offline", found))


SIDES = (
    (("side", "standing"), STANDING, faded(BASELINE, 0.3)),
    (("side", "host"), "work on host CPUs", faded(OPERATIONAL, 0.45)),
    (("side", "accelerator"), "work on accelerators", OPERATIONAL),
)


def _key(layer: PowerLayer, split: Split) -> tuple[str, str]:
    if split == "side":
        return "side", "standing" if layer.kind == "standing" else layer.side
    return layer.kind, layer.workload or STANDING


def _of_kind(kind: str, found: Mapping[tuple[str, str], Array]) -> list[Layer]:
    """The largest workloads of a kind, and the others together."""
    mine = [(name, kw) for (what, name), kw in found.items() if what == kind and kw.any()]
    ranked = sorted(mine, key=lambda item: -float(item[1].sum()))
    if len(ranked) > SHOWN + 1:
        rest = ranked[SHOWN:]
        ranked = [*ranked[:SHOWN], (f"{len(rest)} others", np.sum([k for _, k in rest], axis=0))]
    return [
        Layer(f"{name}, {kind}", kw, tone, is_hatched=kind == "offline")
        for (name, kw), tone in zip(ranked, TONES, strict=False)
    ]


def power_by_minute(seen: Replay, plan: Plan, split: Split) -> Chart:
    """Stacked power of the replay with the plan as a line, below the grid's intensity."""
    at = steps(seen)
    drawn, promised = layers(seen, split, at), planned_kw(plan, at.hours)
    title = _power_title(seen, promised, at)
    grid = at.mean(seen.minutes.gco2e_per_kwh)
    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True, row_heights=[0.27, 0.73], vertical_spacing=0.12,
        subplot_titles=["<b>Carbon of a kWh</b>, gCO2e", "<b>IT power</b>, kW"],
    )  # fmt: skip
    figure.add_scatter(
        x=at.hours, y=grid, mode="lines", line={"color": OPERATIONAL, "width": 2},
        showlegend=False, hovertemplate="%{y:,.4g} gCO2e/kWh<extra></extra>", row=1, col=1,
    )  # fmt: skip
    for layer in drawn:
        figure.add_scatter(
            x=at.hours, y=layer.kw, name=safe(layer.name), mode="lines", stackgroup="power",
            line={"width": 0, "color": layer.colour}, **_fill(layer),
            hovertemplate=f"{safe(layer.name)}: %{{y:,.4g}} kW<extra></extra>", row=2, col=1,
        )  # fmt: skip
    figure.add_scatter(
        x=at.hours, y=promised, name="planned", mode="lines", line={"color": OURS, "width": 2.5},
        hovertemplate="planned: %{y:,.4g} kW<extra></extra>", row=2, col=1,
    )  # fmt: skip
    dress(figure, title, f"{_step_words(at)} on the users' clock", height=480, above_px=30)
    _over_time(figure, at, seen)
    words = "; ".join(
        f"{one.name} {number(one.kw.min())} to {number(one.kw.max())}" for one in drawn
    )
    alt = (
        f"Two panels over time. A kWh carries {number(grid.min())} to {number(grid.max())} gCO2e. "
        f"IT power in kW, stacked: {words}; the plan's line lies at {number(promised.min())} to "
        f"{number(promised.max())}. {title}."
    )
    return Chart(figure, title, alt)


def _fill(layer: Layer) -> dict[str, Any]:
    if not layer.is_hatched:
        return {"fillcolor": layer.colour}
    pattern = {
        "shape": HATCH,
        "fgcolor": layer.colour,
        "bgcolor": faded(layer.colour, 0.3),
        "size": 6,
    }
    return {"fillpattern": pattern}


def _power_title(seen: Replay, promised: Array, at: Steps) -> str:
    power = np.asarray(seen.minutes.it_power_kw)
    mean = float(power.mean())
    planned = float(np.repeat(promised, at.minutes)[: len(power)].mean())
    words = f"The fleet drew {_kw(mean)} on average"
    if planned <= 0 or abs(mean / planned - 1) < SAME:
        return f"{words}, as planned"
    more = mean / planned - 1
    return f"{words}, {percent(abs(more), 2)} {'more' if more > 0 else 'less'} than planned"


def _kw(power_kw: float) -> str:
    return f"{number(power_kw)}{NARROW_SPACE}kW"


def _step_words(at: Steps) -> str:
    return "By minute" if at.minutes == 1 else f"Means of {at.minutes} minutes"


def waiting(seen: Replay) -> Chart:
    """Requests that wait in front of replicas; below, offline work that waits for its hour."""
    at, minutes = steps(seen), seen.minutes
    queue = np.asarray(minutes.waiting, dtype=float)
    title = _queue_title(queue, seen)
    panels = [("in front of replicas", at.most(queue), DEMAND)]
    if any(minutes.deferred):
        panels.append(("offline, for a cleaner hour", at.most(minutes.deferred), DEMAND))
    figure = make_subplots(
        rows=len(panels), cols=1, shared_xaxes=True, vertical_spacing=0.2,
        subplot_titles=[f"<b>Requests</b> {name}" for name, _, _ in panels],
    )  # fmt: skip
    for row, (name, values, colour) in enumerate(panels, start=1):
        figure.add_scatter(
            x=at.hours, y=values, mode="lines", line={"color": colour, "width": 2},
            fill="tozeroy", fillcolor=faded(colour, 0.2), showlegend=False,
            hovertemplate=f"%{{y:,}} {name}<extra></extra>", row=row, col=1,
        )  # fmt: skip
    every = "each minute" if at.minutes == 1 else f"each {at.minutes} minutes"
    subtitle = (
        f"Most at the end of a minute in {every}" if at.minutes > 1 else "At the end of each minute"
    )
    dress(figure, title, subtitle, height=360, width_px=HALF_PX, above_px=26)
    _over_time(figure, at, seen)
    figure.update_layout(showlegend=False)
    return Chart(figure, title, f"Requests that wait, over time. {title}.")


def _queue_title(queue: Array, seen: Replay) -> str:
    most = int(queue.max(initial=0.0))
    if not most:
        return "No request waited at the end of a minute"
    hour = seen.start_h + int(queue.argmax()) / MINUTES_PER_HOUR
    at = f"{int(hour) % HOURS_PER_DAY:02d}:{round(hour % 1 * 60) % 60:02d}"
    return f"At most {most:,} request{'' if most == 1 else 's'} waited, at {at}"


def latency(seen: Replay, slo: Sequence[SloReport]) -> Chart | None:
    """Median, p90 and p99 of both latencies as shares of their limits; None without online work."""
    rows = list(_latencies(seen, slo))
    if not rows:
        return None
    name, share = max(((n, s[1]) for n, s in rows), key=lambda row: row[1])
    near = percent(share / FULL_SHARE, 2)
    title = f"Closest to its limit: {name}, nine in ten within {near} of it"
    if share > FULL_SHARE:
        over = number(share / FULL_SHARE, 2)
        title = f"Furthest beyond: {name}, one in ten takes more than {over} times its limit"
    figure = go.Figure()
    labels = [name for name, _ in rows]
    for label, shares in rows:
        figure.add_scatter(
            x=[shares[0], shares[2]], y=[label, label], mode="lines",
            line={"color": BASELINE, "width": 3}, hoverinfo="skip", showlegend=False,
        )  # fmt: skip
    for k, (name, symbol) in enumerate((("p50", "circle"), ("p90", "diamond"), ("p99", "square"))):
        figure.add_scatter(
            x=[shares[k] for _, shares in rows], y=labels, mode="markers", name=name,
            marker={"symbol": symbol, "size": 11, "color": DEMAND},
            hovertemplate=f"%{{y}}, {name}: %{{x:,.3g}} % of the limit<extra></extra>",
        )  # fmt: skip
    figure.add_vline(x=FULL_SHARE, line={"color": MORE, "width": 2, "dash": "dash"})
    dress(
        figure, title, "Latency in per cent of its limit; dashed: the limit",
        height=150 + 36 * len(rows), width_px=HALF_PX,
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", ticks="", showgrid=False)
    figure.update_xaxes(rangemode="tozero", ticksuffix=" %")
    _legend_below(figure)
    words = "; ".join(f"{n} {', '.join(number(s, 2) for s in shares)}" for n, shares in rows)
    return Chart(
        figure, title, f"Dots for p50, p90 and p99 in per cent of the limit. {words}. {title}."
    )


def _latencies(
    seen: Replay, slo: Sequence[SloReport]
) -> Iterator[tuple[str, tuple[float, float, float]]]:
    limits = {row.workload: row for row in slo}
    for workload in seen.workloads:
        row = limits.get(workload.name)
        if row is None:
            continue
        for name, found, most in (
            ("first tokens", workload.ttft_s, row.ttft_limit_s),
            ("tokens after them", workload.tpot_s, row.tpot_limit_s),
        ):
            shares = tuple(FULL_SHARE * v / most for v in (found.p50, found.p90, found.p99))
            if all(math.isfinite(share) for share in shares):
                yield f"{workload.name}, {name}", (shares[0], shares[1], shares[2])


def _over_time(figure: go.Figure, at: Steps, seen: Replay) -> None:
    """What the charts over time share: hours of the users' clock, zero-based, names underneath."""
    first, last = seen.start_h, seen.start_h + seen.simulated_s / 3600.0
    every = next((h for h in TICK_HOURS if (last - first) / h <= MOST_TICKS), TICK_HOURS[-1])
    ticks = list(range(math.ceil(first / every) * every, math.floor(last) + 1, every))
    if len(ticks) < FEWEST_TICKS:
        span = last - first
        ticks_at = [first + span * k / 4 for k in range(5)]
        words = [f"{int(h) % 24:02d}:{round(h % 1 * 60) % 60:02d}" for h in ticks_at]
    else:
        ticks_at = [float(tick) for tick in ticks]
        words = [f"{tick % HOURS_PER_DAY} h" for tick in ticks]
    figure.update_layout(hovermode="x unified")
    _legend_below(figure)
    figure.update_annotations(font={"size": 13})
    figure.update_xaxes(
        showgrid=False, tickvals=ticks_at, ticktext=words, range=[first, last], hoverformat=".2f"
    )
    figure.update_yaxes(rangemode="tozero", gridcolor=GRID_LINE)


def _legend_below(figure: go.Figure) -> None:
    layout = figure.layout
    plot_px = layout.height - layout.margin.t - 60
    figure.update_layout(
        showlegend=True,
        legend={
            "orientation": "h", "traceorder": "normal", "y": -LEGEND_PX / plot_px,
            "yanchor": "top", "x": 0,
        },
    )  # fmt: skip
