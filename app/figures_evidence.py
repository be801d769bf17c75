"""Charts of speed and power: predicted against measured, and what one replica would do.

Same rules as :mod:`app.figures`: plain data in, a titled figure out, nothing of Streamlit.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from app.figures import BASELINE, CLEAR, GRID_LINE, Chart, dress, faded, safe
from app.text import duration, number, percent, sentence_list
from app.text import limit as limit_words

SERIES = ("#7B61C9", "#98932F", "#AA3377", "#8B5A3C")
"""Colours of things side by side that are no concept of ours: apart from each other and from the
concepts in every common colour blindness, and 2.6 : 1 against a white and a black ground."""
MARKS = ("circle", "diamond", "square", "triangle-up")
FEW_ROWS = 20
"""Sources with fewer rows share one mark."""
OTHERS = "other sources"
YOURS = "yours"
OWN_COLOUR, OWN_MARK = "#E633D9", "star"
"""Of what the visitor measured, whatever its source is called."""
CLOSE = 0.20
"""How near to a measurement counts as close."""
UNITS = {"latency": "ms", "throughput": "tokens/s", "power": "W", "energy": "J/token"}
QUANTITY_WORDS = {
    "latency": "latencies", "throughput": "throughputs", "power": "powers",
    "energy": "energies per token",
}  # fmt: skip
DECADE_ROOM = 1.25
"""Free space around the points of a logarithmic axis."""


# ---- predicted against measured


@dataclass(frozen=True, slots=True, kw_only=True)
class PointCheck:
    """One measured quantity of one row beside its prediction, in the unit of :data:`UNITS`."""

    quantity: str
    source: str
    model: str
    hardware: str
    tp: int
    precision: str
    stack: str
    phase: str
    batch: float | None
    lengths: str
    measured: float
    predicted: float
    in_fit: bool
    """Whether the parameters were fitted to this row."""
    is_own: bool = False
    """Whether the visitor measured it."""

    @property
    def error(self) -> float:
        """Relative, 0.1 = 10 % above the measurement."""
        return self.predicted / self.measured - 1.0


@dataclass(frozen=True, slots=True)
class ErrorSummary:
    """How far predictions are off."""

    n: int
    median: float
    """Of the absolute relative errors."""
    close: float
    """Share of the rows within :data:`CLOSE`."""


def summary(checks: Sequence[PointCheck]) -> ErrorSummary:
    """Median error and share of the close ones; raises ValueError without rows."""
    errors = sorted(abs(check.error) for check in checks)
    if not errors:
        raise ValueError("no rows to sum up")
    middle = len(errors) // 2
    median = errors[middle] if len(errors) % 2 else (errors[middle - 1] + errors[middle]) / 2
    return ErrorSummary(len(errors), median, sum(e <= CLOSE for e in errors) / len(errors))


def predicted_against_measured(checks: Sequence[PointCheck], sources: Sequence[str]) -> Chart:
    """Dots by source around the diagonal; ``sources`` fixes who has which mark."""
    quantity, found = checks[0].quantity, summary(checks)
    title = (
        f"Predicted {QUANTITY_WORDS[quantity]} are off by {percent(found.median, 2)} at the median "
        f"of {found.n:,} measured rows; {percent(found.close, 2)} lie within {percent(CLOSE, 2)}"
    )
    low, high = _span(checks)
    figure = go.Figure([_close_band(low, high), _diagonal(low, high)])
    for i, name in enumerate([*sources, OTHERS, YOURS]):
        for in_fit in (True, False):
            own = [c for c in checks if c.in_fit == in_fit and _mark_name(c, sources) == name]
            if own:
                figure.add_trace(_dots(own, name, i, in_fit=in_fit))
    _name_sources_once(figure)
    subtitle = (
        f"Predicted over measured, {UNITS[quantity]}, both axes logarithmic; line: equal, band: "
        f"within {percent(CLOSE, 2)}; filled: used in the fit, open: not used"
    )
    dress(figure, title, subtitle, 620)
    figure.update_layout(
        showlegend=True, margin={"t": 128},
        legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0, "itemsizing": "constant"},
    )  # fmt: skip
    span = [math.log10(low), math.log10(high)]
    decades = [10.0**k for k in range(math.ceil(span[0]), math.floor(span[1]) + 1)]
    axis = {
        "type": "log", "range": span, "gridcolor": GRID_LINE, "showgrid": True,
        "tickvals": decades,
        "ticktext": [f"{value:,.0f}" if value >= 1 else f"{value:g}" for value in decades],
    }  # fmt: skip
    figure.update_xaxes(title=f"measured, {UNITS[quantity]}", **axis)
    figure.update_yaxes(title=f"predicted, {UNITS[quantity]}", **axis)
    return Chart(figure, title, f"Scatter plot. {title}. {_source_words(checks)}")


def sources_by_size(checks: Sequence[PointCheck], fewest: int = 1) -> list[str]:
    """Sources of at least so many rows, those with the most first."""
    counts = Counter(check.source for check in checks)
    known = [source for source in counts if counts[source] >= fewest]
    return sorted(known, key=lambda source: (-counts[source], source))


def _mark_name(check: PointCheck, sources: Sequence[str]) -> str:
    if check.is_own:
        return YOURS
    return check.source if check.source in sources else OTHERS


def _span(checks: Sequence[PointCheck]) -> tuple[float, float]:
    values = [value for check in checks for value in (check.measured, check.predicted)]
    return min(values) / DECADE_ROOM, max(values) * DECADE_ROOM


def _close_band(low: float, high: float) -> go.Scatter:
    return go.Scatter(
        mode="lines",
        x=[low, high, high, low],
        y=[low * (1 - CLOSE), high * (1 - CLOSE), high * (1 + CLOSE), low * (1 + CLOSE)],
        fill="toself",
        fillcolor=faded(BASELINE, 0.18),
        line={"width": 0, "color": CLEAR},
        hoverinfo="skip",
        showlegend=False,
    )


def _diagonal(low: float, high: float) -> go.Scatter:
    return go.Scatter(
        mode="lines", x=[low, high], y=[low, high], line={"width": 1.2, "color": BASELINE},
        hoverinfo="skip", showlegend=False,
    )  # fmt: skip


def _dots(checks: Sequence[PointCheck], name: str, position: int, *, in_fit: bool) -> go.Scatter:
    mark = MARKS[position // len(SERIES) % len(MARKS)]
    colour = BASELINE if name == OTHERS else SERIES[position % len(SERIES)]
    if name == YOURS:
        mark, colour = OWN_MARK, OWN_COLOUR
    return go.Scatter(
        mode="markers",
        name=safe(name),
        legendgroup=name,
        x=[check.measured for check in checks],
        y=[check.predicted for check in checks],
        marker={
            "symbol": mark if in_fit else f"{mark}-open",
            "size": 11 if name == YOURS else 6,
            "color": colour,
            "opacity": 0.6 if in_fit else 1.0,
        },
        customdata=[_row_words(check) for check in checks],
        hovertemplate="%{customdata}<extra></extra>",
    )


def _name_sources_once(figure: go.Figure) -> None:
    named: set[str] = set()
    for trace in figure.data:
        if trace.legendgroup:
            trace.showlegend = trace.legendgroup not in named
            named.add(trace.legendgroup)


def _row_words(check: PointCheck) -> str:
    unit = UNITS[check.quantity]
    batch = "batch not stated" if check.batch is None else f"batch {check.batch:,.0f}"
    sign = "+" if check.error > 0 else ""
    lines = (
        f"<b>{safe(check.source)}</b>{', yours' if check.is_own else ''}",
        safe(f"{check.model} on {check.tp} x {check.hardware}"),
        safe(f"{check.precision or 'precision not stated'}, {check.stack}, {check.phase}"),
        ", ".join(part for part in (batch, check.lengths) if part),
        f"measured {number(check.measured, 4)}, predicted {number(check.predicted, 4)} {unit}",
        f"error {sign}{percent(check.error)}, {'used' if check.in_fit else 'not used'} in the fit",
    )
    return "<br>".join(lines)


def _source_words(checks: Sequence[PointCheck]) -> str:
    parts = []
    for source in sources_by_size(checks):
        own = summary([check for check in checks if check.source == source])
        parts.append(f"{source}: {own.n:,} rows, median error {percent(own.median, 2)}")
    return f"{'; '.join(parts)}."


# ---- what one replica would do


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfilePoint:
    """A replica at one batch."""

    batch: int
    tpot_s: float
    ttft_s: float
    tokens_per_s: float
    """Of the replica."""
    power_w: float
    j_per_token: float
    """Per output token, prefill and decode."""
    prefill_j_per_token: float
    power_fitted: bool
    """Whether power was fitted at such a phase, precision and utilisation."""
    memory_gb: float
    bound_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileCurve:
    """One accelerator: its points by rising batch, the last one where memory or the engine ends."""

    name: str
    tp: int
    points: tuple[ProfilePoint, ...]
    chosen: ProfilePoint | None
    """The largest batch within both limits, margin included; None where there is none."""
    error_band: float
    provenance: str
    power_provenance: str
    ends_by: str
    """What ends the batch: memory, or the engine's limit."""

    @property
    def is_calibrated(self) -> bool:
        """Whether speed was measured on this family with this stack at this precision."""
        return self.provenance == "calibrated"


def throughput_against_tpot(
    by_place: Mapping[int, ProfileCurve], tpot_limit_s: float, *, per_accelerator: bool
) -> Chart:
    """A line per accelerator as the batch grows, its error band, the limit, the operating point.

    Curves stand by the place of their colour, so that a line keeps its own when another goes.
    """
    curves = list(by_place.values())
    unit = "tokens/s per accelerator" if per_accelerator else "tokens/s per replica"
    title = _profile_title(curves, tpot_limit_s, unit, per_accelerator=per_accelerator)
    figure = go.Figure()
    for i, curve in by_place.items():
        figure.add_trace(_error_area(curve, SERIES[i], _share(curve, per_accelerator)))
    for i, curve in by_place.items():
        for trace in _curve_traces(curve, i, unit, _share(curve, per_accelerator)):
            figure.add_trace(trace)
        _label_end(figure, curve, _share(curve, per_accelerator))
    limit_ms = 1000 * tpot_limit_s
    figure.add_vline(x=limit_ms, line={"color": BASELINE, "width": 1.5, "dash": "dot"})
    figure.add_annotation(
        x=math.log10(limit_ms), y=1, yref="paper", yanchor="bottom", showarrow=False,
        text=f"limit {limit_words(tpot_limit_s)}",
    )  # fmt: skip
    subtitle = (
        f"{unit} over TPOT in ms, both axes logarithmic; batch 1 at the left; ringed: largest "
        "batch within the limits, x: batch ends; band: model error; dashed: not calibrated"
    )
    dress(figure, title, subtitle, 470)
    figure.update_layout(margin={"t": 100, "r": 120})
    ticks = {"type": "log", "gridcolor": GRID_LINE, "tickformat": "~g", "dtick": "D2",
             "showgrid": True}  # fmt: skip
    figure.update_xaxes(title="TPOT, ms", range=_tpot_range(curves, limit_ms), **ticks)
    figure.update_yaxes(title=unit, **ticks)
    return Chart(figure, title, f"Lines. {title}. {_curve_words(curves, per_accelerator)}")


def _share(curve: ProfileCurve, per_accelerator: bool) -> float:
    return 1.0 / curve.tp if per_accelerator else 1.0


def _profile_title(
    curves: Sequence[ProfileCurve], limit_s: float, unit: str, *, per_accelerator: bool
) -> str:
    able = [curve for curve in curves if curve.chosen is not None]
    limit = limit_words(limit_s)
    if not able:
        named = sentence_list([curve.name for curve in curves])
        return f"With a margin for the model's error, none keeps the limits at {limit}: {named}"

    def rate(curve: ProfileCurve) -> float:
        assert curve.chosen is not None
        return _share(curve, per_accelerator) * curve.chosen.tokens_per_s

    ranked = sorted(able, key=lambda curve: -rate(curve))
    best = ranked[0]
    assert best.chosen is not None
    words = (
        f"At {limit} per token {best.name} gives most, {number(rate(best))} {unit} at batch "
        f"{best.chosen.batch}, bound by {best.chosen.bound_by}"
    )
    if len(ranked) > 1:
        second = ranked[1]
        words += f"; {number(rate(best) / rate(second), 2)} times {second.name}"
    return words


def _error_area(curve: ProfileCurve, colour: str, share: float) -> go.Scatter:
    """At each batch everything takes longer or shorter by the error band."""
    slow, fast = 1.0 + curve.error_band, 1.0 / (1.0 + curve.error_band)
    edge = [(p, slow) for p in curve.points] + [(p, fast) for p in reversed(curve.points)]
    return go.Scatter(
        mode="lines",
        x=[1000 * point.tpot_s * factor for point, factor in edge],
        y=[share * point.tokens_per_s / factor for point, factor in edge],
        fill="toself",
        fillcolor=faded(colour, 0.14),
        line={"width": 0, "color": CLEAR},
        hoverinfo="skip",
    )


def _curve_traces(curve: ProfileCurve, position: int, unit: str, share: float) -> list[go.Scatter]:
    colour, mark = SERIES[position], MARKS[position]
    line = {"width": 2, "color": colour, "dash": "solid" if curve.is_calibrated else "dash"}
    hover = "%{customdata}<extra></extra>"

    def trace(points: Sequence[ProfilePoint], **look: Any) -> go.Scatter:
        return go.Scatter(
            name=safe(curve.name),
            x=[1000 * point.tpot_s for point in points],
            y=[share * point.tokens_per_s for point in points],
            customdata=[_point_words(curve, point, unit, share) for point in points],
            hovertemplate=hover,
            **look,
        )

    small = {"size": 5, "color": colour, "symbol": mark}
    traces = [trace(curve.points, mode="lines+markers", line=line, marker=small)]
    last = {"size": 10, "color": colour, "symbol": "x-thin", "line": {"width": 2, "color": colour}}
    traces.append(trace(curve.points[-1:], mode="markers", marker=last))
    if curve.chosen is not None:
        ring = {"size": 15, "color": colour, "symbol": "circle-open", "line": {"width": 2.5}}
        traces.append(
            trace(
                [curve.chosen], mode="markers+text", marker=ring, textposition="top left",
                text=[f"batch {curve.chosen.batch}"],
            )
        )  # fmt: skip
    return traces


def _point_words(curve: ProfileCurve, point: ProfilePoint, unit: str, share: float) -> str:
    lines = (
        f"<b>{curve.tp} x {safe(curve.name)}</b>, batch {point.batch}, bound by {point.bound_by}",
        f"TPOT {duration(point.tpot_s)}, TTFT {duration(point.ttft_s)} without waiting",
        f"{number(share * point.tokens_per_s)} {unit}",
        f"{number(point.j_per_token)} J per output token, {number(point.prefill_j_per_token)} of "
        f"it prefill; {number(point.power_w)} W ({power_words(curve, point)})",
        f"{number(point.memory_gb)} GB in use; speed {curve.provenance}, "
        f"error {percent(curve.error_band, 2)}",
    )
    return "<br>".join(lines)


def power_words(curve: ProfileCurve, point: ProfilePoint) -> str:
    """How the power of a point is known."""
    if curve.power_provenance != "calibrated" or point.power_fitted:
        return curve.power_provenance
    return "outside the fit"


def _label_end(figure: go.Figure, curve: ProfileCurve, share: float) -> None:
    last = curve.points[-1]
    figure.add_annotation(
        x=math.log10(1000 * last.tpot_s), y=math.log10(share * last.tokens_per_s),
        text=f"{safe(curve.name)}{'' if curve.is_calibrated else f', {curve.provenance}'}",
        showarrow=False, xanchor="left", xshift=10, font={"size": 13},
    )  # fmt: skip


def _tpot_range(curves: Sequence[ProfileCurve], limit_ms: float) -> list[float]:
    """Everything drawn and the limit, with room for the names at the right."""
    values = [1000 * p.tpot_s * f for c in curves for p in c.points for f in _factors(c)]
    low, high = min([*values, limit_ms]), max([*values, limit_ms])
    room = 0.08 * math.log10(high / low) or 0.1
    return [math.log10(low) - room, math.log10(high) + room]


def _factors(curve: ProfileCurve) -> tuple[float, float]:
    return 1.0 / (1.0 + curve.error_band), 1.0 + curve.error_band


def _curve_words(curves: Sequence[ProfileCurve], per_accelerator: bool) -> str:
    parts = []
    for curve in curves:
        first, last = curve.points[0], curve.points[-1]
        share = _share(curve, per_accelerator)
        words = (
            f"{curve.name}: {number(share * first.tokens_per_s)} tokens/s at "
            f"{duration(first.tpot_s)} with batch 1, {number(share * last.tokens_per_s)} at "
            f"{duration(last.tpot_s)} with batch {last.batch}, {curve.provenance}"
        )
        if curve.chosen is None:
            words += ", no batch within the limits"
        else:
            words += f", batch {curve.chosen.batch} within the limits"
        parts.append(words)
    return f"{'; '.join(parts)}."
