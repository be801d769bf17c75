"""Charts of the traffic and the grid over the day: rates, lengths, intensity.

Same rules as :mod:`app.figures`: plain data in, a titled figure out, nothing of Streamlit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.figures import (
    BASELINE,
    DEMAND,
    GRID_LINE,
    HALF_PX,
    HATCH,
    HEAT_STEP,
    HOURS,
    OPERATIONAL,
    PANEL_PX,
    Chart,
    dress,
    faded,
    heat_scale,
    safe,
)
from app.text import number, percent
from ecoserve.rows import LengthMix


def hourly_rates(
    online: Mapping[str, Sequence[float]], offline: Mapping[str, Sequence[float]]
) -> Chart:
    """Requests per second by local hour, a panel per workload on one scale; offline hatched."""
    rates = {**online, **offline}
    together = [sum(values[hour] for values in rates.values()) for hour in HOURS]
    peak = max(HOURS, key=lambda hour: together[hour])
    title = f"The busiest hour is {peak:02d}:00 with {number(together[peak])} requests/s"
    columns = min(3, max(1, len(rates)))
    rows = -(-len(rates) // columns)
    headings = [_rate_heading(name, values, name in offline) for name, values in rates.items()]
    figure = make_subplots(
        rows=rows, cols=columns, shared_yaxes="all", subplot_titles=headings,
        horizontal_spacing=0.04, vertical_spacing=0.28 / rows,
    )  # fmt: skip
    for i, (name, values) in enumerate(rates.items()):
        figure.add_bar(
            x=list(HOURS),
            y=list(values),
            marker=_demand_marker(hatched=name in offline),
            hovertemplate=f"{safe(name)} at %{{x}}:00: %{{y:,.4g}} requests/s<extra></extra>",
            row=i // columns + 1,
            col=i % columns + 1,
        )
    dress(
        figure,
        title,
        "Requests/s by local hour of the site, before burst and headroom",
        150 + 170 * rows,
        above_px=36,
    )
    figure.update_layout(bargap=0.15)
    figure.update_annotations(font={"size": 13}, xanchor="center")
    figure.update_xaxes(tickvals=[0, 6, 12, 18], ticktext=["0 h", "6 h", "12 h", "18 h"])
    figure.update_yaxes(rangemode="tozero", gridcolor=GRID_LINE)
    words = "; ".join(_rate_words(name, values) for name, values in rates.items())
    return Chart(figure, title, f"Bars by hour for each workload. {words}. {title}.")


def _demand_marker(*, hatched: bool) -> dict[str, Any]:
    if not hatched:
        return {"color": DEMAND}
    return {
        "color": faded(DEMAND, 0.35),
        "pattern": {"shape": HATCH, "fgcolor": DEMAND, "size": 6},
    }


def _rate_heading(name: str, values: Sequence[float], offline: bool) -> str:
    kind = "offline" if offline else "online"
    return (
        f"<b>{safe(name)}</b>, {kind}: mean {number(sum(values) / 24)}, peak {number(max(values))}"
    )


def _rate_words(name: str, values: Sequence[float]) -> str:
    return f"{name}: mean {number(sum(values) / 24)}, peak {number(max(values))} requests/s"


def length_histogram(mix: LengthMix) -> Chart:
    """Joint histogram of input and output lengths, as a table of shares."""
    inputs = sorted({(b.isl_lo_tokens, b.isl_hi_tokens) for b in mix.buckets})
    outputs = sorted({(b.osl_lo_tokens, b.osl_hi_tokens) for b in mix.buckets})
    shares = [[0.0] * len(inputs) for _ in outputs]
    for bucket in mix.buckets:
        row = outputs.index((bucket.osl_lo_tokens, bucket.osl_hi_tokens))
        shares[row][inputs.index((bucket.isl_lo_tokens, bucket.isl_hi_tokens))] += bucket.fraction
    title = (
        f"A mean request brings {number(mix.mean_isl_tokens)} tokens "
        f"and gets {number(mix.mean_osl_tokens)} back"
    )
    figure = go.Figure(
        go.Heatmap(
            x=[_range_text(*pair) for pair in inputs],
            y=[_range_text(*pair) for pair in outputs],
            z=[[100 * share for share in row] for row in shares],
            colorscale=heat_scale(),
            zmin=0,
            showscale=False,
            xgap=2,
            ygap=2,
            hovertemplate="in %{x}, out %{y}: %{z:.2f} % of requests<extra></extra>",
        )
    )
    largest = max(max(row) for row in shares)
    cells = [(x, y) for y in range(len(outputs)) for x in range(len(inputs))]
    shown = [(x, y) for x, y in cells if shares[y][x] >= 0.005]
    for strong in (False, True):
        cells_drawn = [(x, y) for x, y in shown if (shares[y][x] > HEAT_STEP * largest) == strong]
        figure.add_scatter(
            mode="text",
            x=[_range_text(*inputs[x]) for x, _ in cells_drawn],
            y=[_range_text(*outputs[y]) for _, y in cells_drawn],
            text=[f"{100 * shares[y][x]:.1f}" for x, y in cells_drawn],
            textfont={"color": "#FFFFFF" if strong else None},
            hoverinfo="skip",
        )
    subtitle = f"Per cent of requests by length in tokens, {safe(mix.name)}; uneven bins"
    dress(figure, title, subtitle, height=240 + 30 * len(outputs), width_px=HALF_PX)
    figure.update_xaxes(title="input tokens (ISL)", type="category", showgrid=False)
    figure.update_yaxes(title="output tokens (OSL)", type="category", showgrid=False)
    alt = f"Heat map of request lengths in the mix {mix.name}. {title}."
    return Chart(figure, title, alt)


def _range_text(low: float, high: float) -> str:
    if high - low == 1:
        return f"{high:,g}"
    return f"{low:,.0f}\N{EN DASH}{high:,.0f}"


def intensity_by_hour(gco2e_per_kwh: Sequence[float], *, assumed: bool) -> Chart:
    """Carbon intensity of the day; hatched where the figure is the user's own."""
    low = min(HOURS, key=lambda hour: gco2e_per_kwh[hour])
    high = max(HOURS, key=lambda hour: gco2e_per_kwh[hour])
    mean = sum(gco2e_per_kwh) / 24
    if gco2e_per_kwh[low] == gco2e_per_kwh[high]:
        title = f"{number(mean)} gCO2e/kWh at all hours: moving work in time saves nothing"
    else:
        ratio = 1 - gco2e_per_kwh[low] / gco2e_per_kwh[high]
        title = f"At {low:02d}:00 a kWh carries {percent(ratio)} less carbon than at {high:02d}:00"
    marker: dict[str, Any] = {"color": OPERATIONAL}
    if assumed:
        marker = {
            "color": faded(OPERATIONAL, 0.3),
            "pattern": {"shape": HATCH, "fgcolor": OPERATIONAL, "size": 6},
        }
    shown = {low, high}
    figure = go.Figure(
        go.Bar(
            x=list(HOURS),
            y=list(gco2e_per_kwh),
            marker=marker,
            text=[number(v) if h in shown else "" for h, v in enumerate(gco2e_per_kwh)],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{x}:00: %{y:,.4g} gCO2e/kWh<extra></extra>",
        )
    )
    figure.add_hline(y=mean, line={"color": BASELINE, "width": 1.5, "dash": "dot"})
    dress(
        figure,
        title,
        f"gCO2e/kWh by local hour of the day; dotted: the mean, {number(mean)}",
        height=320,
        width_px=PANEL_PX,
    )
    figure.update_layout(bargap=0.15)
    figure.update_xaxes(
        tickvals=list(range(0, 24, 3)), ticktext=[f"{h} h" for h in range(0, 24, 3)]
    )
    figure.update_yaxes(rangemode="tozero", gridcolor=GRID_LINE)
    alt = f"Bars by hour. Mean {number(mean)} gCO2e per kWh. {title}."
    return Chart(figure, title, alt)
