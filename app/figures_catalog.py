"""Charts of the catalog: what a product is made of, and how far its figures can be trusted.

Same rules as :mod:`app.figures`: plain data in, a titled figure out, nothing of Streamlit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.figures import (
    BASELINE,
    CLEAR,
    DEMAND,
    EMBODIED,
    GRID_LINE,
    HATCH,
    PANEL_PX,
    Chart,
    dress,
    faded,
    safe,
    wrap,
)
from app.text import MassUnit, band_width, mass_unit, number, percent, sentence_list

HOST = "#80B8D8"
"""The accelerators' hue at half strength over white: the paler of the two on any ground."""
GAP = "rgba(255,255,255,0.55)"
"""Between the parts of a stacked bar."""
INK_DARK, INK_LIGHT = "#1A1A1A", "#FFFFFF"
PLOT_PX, LETTER_PX = 560, 7
"""About how wide the bars' part of a chart and a letter on it are, to see which names have room."""
SET_MARKS: Mapping[str, str] = {"paper": "square", "pcf": "circle", "lca_high": "triangle-up"}
QUALITIES = ("measured", "manufacturer", "modelled", "assumed")
_QUALITY_FILL = {
    "measured": "#4A5868",
    "manufacturer": "#8493A4",
    "modelled": "#C8D1DB",
    "assumed": CLEAR,
}
"""Apart on a white and on a black ground."""
CLOSE = 0.10
"""How near to a published footprint counts as agreement."""


# ---- what a product is made of


@dataclass(frozen=True, slots=True)
class BreakdownPart:
    """One part of a footprint with its band."""

    part: str
    side: str
    kgco2e: float
    low_kgco2e: float
    high_kgco2e: float
    assumed: bool

    def plus(self, other: BreakdownPart) -> BreakdownPart:
        """Both together; assumed where either is."""
        return replace(
            self,
            kgco2e=self.kgco2e + other.kgco2e,
            low_kgco2e=self.low_kgco2e + other.low_kgco2e,
            high_kgco2e=self.high_kgco2e + other.high_kgco2e,
            assumed=self.assumed or other.assumed,
        )


@dataclass(frozen=True, slots=True)
class Breakdown:
    """All parts of a product under one coefficient set."""

    set_id: str
    parts: tuple[BreakdownPart, ...]

    @property
    def kgco2e(self) -> float:
        """The whole product."""
        return sum(part.kgco2e for part in self.parts)

    @property
    def low_kgco2e(self) -> float:
        """Every figure at its low end."""
        return sum(part.low_kgco2e for part in self.parts)

    @property
    def high_kgco2e(self) -> float:
        """Every figure at its high end."""
        return sum(part.high_kgco2e for part in self.parts)

    def ranked(self) -> list[BreakdownPart]:
        """One row per part and side, the accelerators' first, each side largest first."""
        rows: dict[tuple[str, str], BreakdownPart] = {}
        for part in self.parts:
            key = (part.side, part.part)
            rows[key] = part if key not in rows else rows[key].plus(part)
        return sorted(rows.values(), key=lambda p: (p.side, -p.kgco2e, p.part))


def view_unit(breakdowns: Sequence[Breakdown]) -> MassUnit:
    """One unit for all pictures of a product."""
    return mass_unit(max(row.kgco2e for row in breakdowns))


def embodied_under_sets(
    name: str, breakdowns: Sequence[Breakdown], chosen: str, unit: MassUnit
) -> Chart:
    """One stacked bar per coefficient set with the band of the whole; hatched where assumed."""
    title = _sets_title(name, breakdowns, chosen, unit)
    longest = unit.value(max(max(row.kgco2e, row.high_kgco2e) for row in breakdowns)) or 1.0
    figure = go.Figure()
    for side, part in _stack_order(breakdowns, chosen):
        figure.add_bar(**_part_bar(breakdowns, side, part, unit))
    figure.add_scatter(**_whole_bands(breakdowns, unit))
    for i, row in enumerate(breakdowns):
        _label_parts(figure, i, row, px_per_unit=PLOT_PX / (1.24 * longest))
        figure.add_annotation(
            x=unit.value(max(row.kgco2e, row.high_kgco2e)), y=i, text=_whole_label(row, unit),
            showarrow=False, xanchor="left", xshift=8, align="left",
        )  # fmt: skip
    subtitle = (
        f"{unit.name}CO2e of making one; strong: accelerators, pale: host; hatched: assumed; "
        "line below: low to high"
    )
    dress(figure, title, subtitle, 130 + 72 * len(breakdowns), width_px=PANEL_PX)
    figure.update_layout(barmode="stack", bargap=0.42)
    figure.update_yaxes(
        tickvals=list(range(len(breakdowns))),
        ticktext=[_set_label(row.set_id, chosen) for row in breakdowns],
        range=[len(breakdowns) - 0.4, -0.6], showgrid=False, ticks="",
    )  # fmt: skip
    figure.update_xaxes(range=[0, 1.24 * longest], ticksuffix=f" {unit.name}")
    return Chart(figure, title, f"Stacked bars. {_sets_words(breakdowns, unit)}")


def _sets_title(name: str, breakdowns: Sequence[Breakdown], chosen: str, unit: MassUnit) -> str:
    own = next(row for row in breakdowns if row.set_id == chosen)
    others = [f"{unit.text(row.kgco2e)} under {row.set_id}" for row in breakdowns if row is not own]
    finding = f"{name}: {unit.text(own.kgco2e)} under {chosen}, {_main_share(own)}"
    return "; ".join([finding, ", ".join(others)] if others else [finding])


def _main_share(row: Breakdown) -> str:
    """The host's share of a server; of an accelerator the share of its largest part."""
    whole = row.kgco2e or 1.0
    host = sum(part.kgco2e for part in row.parts if part.side == "host")
    if host:
        return f"{percent(host / whole, 2)} of it the host"
    most = max(row.ranked(), key=lambda part: part.kgco2e)
    return f"{percent(most.kgco2e / whole, 2)} of it {most.part}"


def _stack_order(breakdowns: Sequence[Breakdown], chosen: str) -> list[tuple[str, str]]:
    """Sides and parts in the order of the chosen set, then what only other sets have."""
    first = sorted(breakdowns, key=lambda row: row.set_id != chosen)
    order = dict.fromkeys((p.side, p.part) for row in first for p in row.ranked())
    return sorted(order, key=lambda key: key[0])


def _part_bar(
    breakdowns: Sequence[Breakdown], side: str, part: str, unit: MassUnit
) -> dict[str, Any]:
    found = [_find(row, side, part) for row in breakdowns]
    return {
        "orientation": "h",
        "y": list(range(len(breakdowns))),
        "x": [unit.value(p.kgco2e) if p else 0.0 for p in found],
        "name": f"{side}: {part}",
        "marker": {
            "color": _tone(side)["colour"],
            "line": {"width": 1, "color": GAP},
            "pattern": {
                "shape": [HATCH if p and p.assumed else "" for p in found],
                "fillmode": "overlay",
                "fgcolor": "rgba(255,255,255,0.5)",
                "size": 6,
            },
        },
        "customdata": [_band_text(p, unit) if p else "" for p in found],
        "hovertemplate": f"{side}, {safe(part)}: %{{x:,.4g}} {unit.name}CO2e%{{customdata}}"
        "<extra></extra>",
    }


def _find(row: Breakdown, side: str, part: str) -> BreakdownPart | None:
    return next((p for p in row.ranked() if (p.side, p.part) == (side, part)), None)


def _band_text(part: BreakdownPart, unit: MassUnit) -> str:
    band = f" ({number(unit.value(part.low_kgco2e))} to {number(unit.value(part.high_kgco2e))})"
    return f"{band}, assumed" if part.assumed else band


def _whole_bands(breakdowns: Sequence[Breakdown], unit: MassUnit) -> dict[str, Any]:
    """Low to high of the whole as a line under each bar."""
    return {
        "mode": "markers",
        "x": [unit.value(row.kgco2e) for row in breakdowns],
        "y": [i + 0.38 for i in range(len(breakdowns))],
        "marker": {"color": BASELINE, "size": 6},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [unit.value(row.high_kgco2e - row.kgco2e) for row in breakdowns],
            "arrayminus": [unit.value(row.kgco2e - row.low_kgco2e) for row in breakdowns],
            "color": BASELINE,
            "thickness": 1.5,
            "width": 4,
        },
        "hoverinfo": "skip",
    }


def _label_parts(figure: go.Figure, i: int, row: Breakdown, *, px_per_unit: float) -> None:
    """Names on the parts that have room for them."""
    order = {(p.side, p.part): p for p in row.ranked()}
    left = 0.0
    for trace in figure.data:
        if trace.type != "bar":
            continue
        side, _, part = trace.name.partition(": ")
        width, text = trace.x[i], f"{wrap(part, 12)}<br>{number(trace.x[i])}"
        letters = max(len(line) for line in text.split("<br>"))
        if width * px_per_unit > letters * LETTER_PX and (side, part) in order:
            figure.add_annotation(
                x=left + width / 2, y=i, text=text,
                showarrow=False, font={"color": _tone(side)["ink"], "size": 12},
            )  # fmt: skip
        left += width


def _whole_label(row: Breakdown, unit: MassUnit) -> str:
    low, high = number(unit.value(row.low_kgco2e)), number(unit.value(row.high_kgco2e))
    return f"<b>{unit.text(row.kgco2e)}</b><br>{low} to {high}"


def _set_label(set_id: str, chosen: str) -> str:
    return f"<b>{set_id}</b><br>(the plan's)" if set_id == chosen else set_id


def _sets_words(breakdowns: Sequence[Breakdown], unit: MassUnit) -> str:
    return " ".join(
        f"Set {row.set_id}: {unit.text(row.kgco2e)}CO2e, {number(unit.value(row.low_kgco2e))} to "
        f"{number(unit.value(row.high_kgco2e))}; "
        f"{', '.join(f'{p.side} {p.part} {number(unit.value(p.kgco2e))}' for p in row.ranked())}."
        for row in breakdowns
    )


def embodied_map(name: str, breakdown: Breakdown, unit: MassUnit) -> Chart:
    """Tiles by side and part, as large as their carbon; hatched where assumed."""
    ranked = [part for part in breakdown.ranked() if part.kgco2e > 0]
    whole = breakdown.kgco2e or 1.0
    most = max(ranked, key=lambda part: part.kgco2e)
    title = (
        f"The largest single part under {breakdown.set_id}: {most.part} of the "
        f"{_of_side(most.side)}, {percent(most.kgco2e / whole, 2)} of {name}"
    )
    sides = sorted({part.side for part in ranked})
    tiles = [_side_tile(side, ranked, unit) for side in sides]
    tiles += [_part_tile(part, unit, whole) for part in ranked]
    figure = go.Figure(
        go.Treemap(
            ids=[tile["id"] for tile in tiles],
            labels=[tile["label"] for tile in tiles],
            parents=[tile["parent"] for tile in tiles],
            values=[tile["value"] for tile in tiles],
            text=[tile["text"] for tile in tiles],
            branchvalues="total",
            marker={
                "colors": [tile["colour"] for tile in tiles],
                "line": {"width": 1, "color": GAP},
                "cornerradius": 2,
                "pad": {"t": 22, "l": 2, "r": 2, "b": 2},
                "pattern": {
                    "shape": [tile["hatch"] for tile in tiles],
                    "fillmode": "overlay",
                    "fgcolor": "rgba(255,255,255,0.45)",
                    "size": 6,
                },
            },
            textfont={"color": [tile["ink"] for tile in tiles], "size": 13},
            texttemplate="%{label}<br>%{text}",
            hovertemplate="%{label}: %{text}<extra></extra>",
            tiling={"packing": "squarify", "pad": 1},
            pathbar={"visible": False},
            root={"color": CLEAR},
            sort=True,
        )
    )
    subtitle = (
        f"{unit.name}CO2e of making one; tile size is carbon; strong: accelerators, pale: host; "
        "hatched: assumed"
    )
    dress(figure, title, subtitle, 380)
    figure.update_layout(uniformtext={"minsize": 11, "mode": "hide"})
    words = ", ".join(f"{p.side} {p.part} {unit.text(p.kgco2e)}" for p in ranked)
    return Chart(figure, title, f"Tiles by size: {words}.")


def _of_side(side: str) -> str:
    return "accelerators" if side == "accelerator" else "host"


def _side_tile(side: str, parts: Sequence[BreakdownPart], unit: MassUnit) -> dict[str, Any]:
    value = sum(unit.value(part.kgco2e) for part in parts if part.side == side)
    words = {"accelerator": "Accelerators", "host": "Host"}[side]
    return {
        "id": side, "label": f"<b>{words}</b> {number(value)} {unit.name}", "parent": "",
        "value": value, "text": "", "hatch": "", **_tone(side),
    }  # fmt: skip


def _part_tile(part: BreakdownPart, unit: MassUnit, whole: float) -> dict[str, Any]:
    return {
        "id": f"{part.side}/{part.part}", "label": safe(part.part), "parent": part.side,
        "value": unit.value(part.kgco2e),
        "text": f"{unit.text(part.kgco2e)}, {percent(part.kgco2e / whole, 2)}"
        + (", assumed" if part.assumed else ""),
        "hatch": HATCH if part.assumed else "", **_tone(part.side),
    }  # fmt: skip


def _tone(side: str) -> dict[str, str]:
    if side == "accelerator":
        return {"colour": EMBODIED, "ink": INK_LIGHT}
    return {"colour": HOST, "ink": INK_DARK}


# ---- published footprints against ours


@dataclass(frozen=True, slots=True, kw_only=True)
class FootprintPoint:
    """A published footprint beside what one coefficient set gives for the same product."""

    product: str
    set_id: str
    published_kgco2e: float
    published_low_kgco2e: float
    published_high_kgco2e: float
    kgco2e: float
    low_kgco2e: float
    high_kgco2e: float
    in_sample: bool
    """Whether the set was fitted to this figure."""

    @property
    def ratio(self) -> float:
        """Ours over the published figure."""
        return self.kgco2e / self.published_kgco2e

    @property
    def is_covered(self) -> bool:
        """Whether the published figure lies in our band."""
        return self.low_kgco2e <= self.published_kgco2e <= self.high_kgco2e

    @property
    def band_ratio(self) -> float:
        """Our high over our low."""
        return self.high_kgco2e / self.low_kgco2e if self.low_kgco2e > 0 else math.inf


def published_against_ours(
    points: Sequence[FootprintPoint], sets: Sequence[str], chosen: str
) -> Chart:
    """A panel per set: published figures as open marks, ours as dots with their bands."""
    products = list(dict.fromkeys(point.product for point in points))
    title = _checks_title(points, chosen)
    figure = make_subplots(
        rows=1, cols=len(sets), shared_yaxes=True, horizontal_spacing=0.02,
        subplot_titles=[_panel_heading(points, set_id) for set_id in sets],
    )  # fmt: skip
    for column, set_id in enumerate(sets, start=1):
        own = [point for point in points if point.set_id == set_id]
        figure.add_trace(_published_marks(own), row=1, col=column)
        figure.add_trace(_our_dots(own), row=1, col=column)
    subtitle = (
        "kgCO2e of making the product, logarithmic; open diamond: published; dot and line: ours, "
        "low to high; ring: in sample"
    )
    dress(figure, title, subtitle, 186 + 27 * len(products), above_px=52)
    figure.update_annotations(font={"size": 13})
    figure.update_xaxes(type="log", dtick=1, gridcolor=GRID_LINE, tickformat=",.0f")
    figure.update_yaxes(
        categoryorder="array", categoryarray=products[::-1], ticks="", gridcolor=GRID_LINE
    )
    return Chart(figure, title, f"Dots beside published figures. {_check_words(points)}")


def _checks_title(points: Sequence[FootprintPoint], chosen: str) -> str:
    free = [p for p in points if p.set_id == chosen and not p.in_sample]
    if not free:
        return f"Every published footprint here was used to fit set {chosen}"
    covered = sum(point.is_covered for point in free)
    middle = sorted(point.ratio for point in free)[len(free) // 2]
    width = sorted(point.band_ratio for point in free)[len(free) // 2]
    return (
        f"Set {chosen} has {covered} of the {len(free)} published footprints it was not fitted to "
        f"within its band, typically {band_width(width)}; typically it gives {number(middle)} "
        "times the published figure"
    )


def _panel_heading(points: Sequence[FootprintPoint], set_id: str) -> str:
    free = [point for point in points if point.set_id == set_id and not point.in_sample]
    near = sum(abs(point.ratio - 1) <= CLOSE for point in free)
    return f"<b>{set_id}</b>: {near} of {len(free)} not<br>fitted within {CLOSE:.0%}"


def _published_marks(points: Sequence[FootprintPoint]) -> go.Scatter:
    return go.Scatter(
        mode="markers",
        x=[point.published_kgco2e for point in points],
        y=[point.product for point in points],
        marker={
            "symbol": "diamond-open", "size": 11, "color": BASELINE, "line": {"width": 2},
        },
        error_x=_error_bars(
            [p.published_kgco2e for p in points],
            [p.published_low_kgco2e for p in points],
            [p.published_high_kgco2e for p in points],
            BASELINE,
        ),
        hovertemplate="%{y}, published: %{x:,.4g} kgCO2e<extra></extra>",
    )  # fmt: skip


def _our_dots(points: Sequence[FootprintPoint]) -> go.Scatter:
    return go.Scatter(
        mode="markers",
        x=[point.kgco2e for point in points],
        y=[point.product for point in points],
        marker={
            "symbol": ["circle-open" if point.in_sample else "circle" for point in points],
            "size": 9,
            "color": EMBODIED,
            "line": {"width": 2, "color": EMBODIED},
        },
        error_x=_error_bars(
            [p.kgco2e for p in points],
            [p.low_kgco2e for p in points],
            [p.high_kgco2e for p in points],
            EMBODIED,
        ),
        customdata=[number(point.ratio) for point in points],
        hovertemplate="%{y}, ours: %{x:,.4g} kgCO2e, %{customdata} times the published"
        "<extra></extra>",
    )


def _error_bars(
    values: Sequence[float], lows: Sequence[float], highs: Sequence[float], colour: str
) -> dict[str, Any]:
    return {
        "type": "data",
        "symmetric": False,
        "array": [high - value for value, high in zip(values, highs, strict=True)],
        "arrayminus": [value - low for value, low in zip(values, lows, strict=True)],
        "color": colour,
        "thickness": 1.3,
        "width": 3,
    }


def _check_words(points: Sequence[FootprintPoint]) -> str:
    return " ".join(
        f"{p.product} under {p.set_id}: {number(p.kgco2e)} kg, published "
        f"{number(p.published_kgco2e)}{', in sample' if p.in_sample else ''}."
        for p in points
    )


@dataclass(frozen=True, slots=True)
class SplitLine:
    """A part of our model beside the published lines that it covers."""

    part: str
    published_kgco2e: float
    kgco2e: float


def published_split(product: str, set_id: str, lines: Sequence[SplitLine]) -> Chart:
    """Two bars per part: the published lines and ours."""
    ranked = sorted(lines, key=lambda line: -max(line.published_kgco2e, line.kgco2e))
    published = sum(line.published_kgco2e for line in ranked)
    ours = sum(line.kgco2e for line in ranked)
    worst = max(ranked, key=lambda line: abs(line.kgco2e - line.published_kgco2e))
    title = (
        f"{product}: {number(ours)} kg under {set_id} beside {number(published)} published; the "
        f"split differs most in {worst.part}, {number(worst.kgco2e)} beside "
        f"{number(worst.published_kgco2e)}"
    )
    figure = go.Figure()
    for name, colour, values in (
        ("published", BASELINE, [line.published_kgco2e for line in ranked]),
        (f"ours, set {set_id}", EMBODIED, [line.kgco2e for line in ranked]),
    ):
        figure.add_bar(
            orientation="h",
            y=[line.part for line in ranked],
            x=values,
            name=name,
            marker={"color": colour},
            text=[number(value) if value else "not apart" for value in values],
            textposition="outside",
            cliponaxis=False,
            hovertemplate=f"%{{y}}, {name}: %{{x:,.4g}} kgCO2e<extra></extra>",
        )
    dress(
        figure, title, f"kgCO2e; grey: published, blue: ours under {set_id}", 120 + 46 * len(ranked)
    )
    figure.update_layout(barmode="group", bargap=0.3)
    figure.update_yaxes(autorange="reversed", ticks="")
    largest = max(max(line.published_kgco2e, line.kgco2e) for line in ranked)
    figure.update_xaxes(range=[0, 1.12 * largest])
    words = "; ".join(
        f"{line.part}: published {number(line.published_kgco2e)}, ours {number(line.kgco2e)}"
        for line in ranked
    )
    return Chart(figure, title, f"Pairs of bars in kgCO2e. {words}.")


# ---- how much is measured, how much is assumed


@dataclass(frozen=True, slots=True)
class QualityCount:
    """How many figures of a table are of which quality."""

    table: str
    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        """All figures of the table."""
        return sum(self.counts.values())

    def share(self, quality: str) -> float:
        """Ratio of the table's figures that are of this quality."""
        return self.counts.get(quality, 0) / max(1, self.total)


def quality_shares(rows: Sequence[QualityCount]) -> Chart:
    """A bar per table, full width, cut by quality; assumed hatched."""
    ranked = sorted(rows, key=lambda row: (-row.share("assumed"), row.table))
    whole = QualityCount("all", {q: sum(r.counts.get(q, 0) for r in rows) for q in QUALITIES})
    title = _quality_title(whole, ranked)
    figure = go.Figure()
    for quality in reversed(QUALITIES):
        shares = [100 * row.share(quality) for row in ranked]
        figure.add_bar(
            orientation="h",
            y=[row.table for row in ranked],
            x=shares,
            name=quality,
            marker=_quality_marker(quality),
            customdata=[row.counts.get(quality, 0) for row in ranked],
            hovertemplate=f"%{{y}}, {quality}: %{{customdata:,}} figures, %{{x:.3g}} %"
            "<extra></extra>",
        )
    for row in ranked:
        figure.add_annotation(
            x=100, y=row.table, showarrow=False, xanchor="left", xshift=6,
            text=f"{percent(row.share('assumed'), 2)} of {row.total:,}",
        )  # fmt: skip
    subtitle = "Per cent of a table's figures by quality; at the right the assumed ones"
    dress(figure, title, subtitle, 150 + 27 * len(ranked), above_px=32)
    figure.update_layout(
        barmode="stack", bargap=0.25, showlegend=True,
        legend={"orientation": "h", "traceorder": "normal", "y": 1, "yanchor": "bottom", "x": 0},
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", ticks="")
    figure.update_xaxes(range=[0, 112], tickvals=[0, 25, 50, 75, 100], ticksuffix=" %")
    words = "; ".join(
        f"{row.table}: "
        + ", ".join(f"{row.counts.get(quality, 0):,} {quality}" for quality in QUALITIES)
        for row in ranked
    )
    return Chart(figure, title, f"Bars of shares by quality. {words}.")


def _quality_title(whole: QualityCount, ranked: Sequence[QualityCount]) -> str:
    shares = sentence_list(
        [
            f"{percent(whole.share('measured'), 2)} are measured",
            f"{percent(whole.share('manufacturer'), 2)} a manufacturer's",
            f"{percent(whole.share('modelled'), 2)} modelled",
            f"{percent(whole.share('assumed'), 2)} assumed",
        ]
    )
    return f"Of {whole.total:,} figures {shares}, most of all in {ranked[0].table}"


def _quality_marker(quality: str) -> dict[str, Any]:
    marker: dict[str, Any] = {
        "color": _QUALITY_FILL[quality],
        "line": {"width": 1, "color": faded(DEMAND, 0.7)},
    }
    if quality == "assumed":
        marker["pattern"] = {"shape": HATCH, "fgcolor": DEMAND, "size": 6}
    return marker


# ---- where the coefficient sets disagree


@dataclass(frozen=True, slots=True, kw_only=True)
class CoefficientBand:
    """One coefficient under one set."""

    item: str
    """In words, with what narrows it."""
    unit: str
    set_id: str
    value: float
    low: float
    high: float
    assumed: bool


def coefficient_bands(bands: Sequence[CoefficientBand], chosen: str) -> Chart:
    """Low, central and high of every coefficient, as multiples of the chosen set's centre."""
    centres = {band.item: band.value for band in bands if band.set_id == chosen and band.value > 0}
    shown = [band for band in bands if band.item in centres and band.value > 0]
    items = sorted(centres, key=lambda item: (-_spread(shown, item), item))
    title = _bands_title(shown, items)
    figure = go.Figure()
    sets = sorted({band.set_id for band in shown}, key=list(SET_MARKS).index)
    for offset, set_id in zip((-0.24, 0.0, 0.24), sets, strict=False):
        own = [band for band in shown if band.set_id == set_id]
        figure.add_trace(_band_trace(own, items, centres, offset, strong=set_id == chosen))
    figure.add_vline(x=1, line={"color": BASELINE, "width": 1.2, "dash": "dot"})
    subtitle = (
        f"Multiples of the central value of {chosen}, logarithmic; line: low to high; "
        "open: assumed; the value of the centre beside the name"
    )
    dress(figure, title, subtitle, 170 + 40 * len(items), above_px=32)
    figure.update_layout(
        showlegend=True,
        legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0},
    )  # fmt: skip
    units = {band.item: band.unit for band in shown}
    figure.update_yaxes(
        tickvals=list(range(len(items))),
        ticktext=[f"{safe(i)}, {number(centres[i])} {safe(units[i])}" for i in items],
        range=[len(items) - 0.4, -0.6], ticks="", showgrid=False,
    )  # fmt: skip
    figure.update_xaxes(type="log", gridcolor=GRID_LINE, tickformat="~g")
    return Chart(figure, title, f"Dots with bands. {_band_words(shown)}")


def _spread(bands: Sequence[CoefficientBand], item: str) -> float:
    values = [band.value for band in bands if band.item == item]
    return max(values) / min(values)


def _bands_title(bands: Sequence[CoefficientBand], items: Sequence[str]) -> str:
    if not items:
        return "No coefficient has a value in this set"
    own = sorted((b for b in bands if b.item == items[0]), key=lambda band: band.value)
    low, high = own[0], own[-1]
    return (
        f"The sets disagree most on {items[0]}: {number(low.value)} {low.unit} under {low.set_id}, "
        f"{number(high.value)} under {high.set_id}, {number(_spread(bands, items[0]), 2)} times"
    )


def _band_trace(
    bands: Sequence[CoefficientBand],
    items: Sequence[str],
    centres: Mapping[str, float],
    offset: float,
    *,
    strong: bool,
) -> go.Scatter:
    set_id = bands[0].set_id
    colour = EMBODIED if strong else BASELINE
    relative = [(b.value / centres[b.item], b.low / centres[b.item], b.high / centres[b.item])
                for b in bands]  # fmt: skip
    mark = SET_MARKS[set_id]
    return go.Scatter(
        mode="markers",
        name=set_id,
        x=[centre for centre, _, _ in relative],
        y=[items.index(band.item) + offset for band in bands],
        marker={
            "symbol": [f"{mark}-open" if band.assumed else mark for band in bands],
            "size": 8,
            "color": colour,
        },
        error_x=_error_bars(
            [centre for centre, _, _ in relative],
            [max(low, centre / 1000) for centre, low, _ in relative],
            [high for _, _, high in relative],
            colour,
        ),
        customdata=[
            f"{number(b.value)} {b.unit}, {number(b.low)} to {number(b.high)}"
            + (", assumed" if b.assumed else "")
            for b in bands
        ],
        hovertemplate=f"{set_id}: %{{customdata}}<extra></extra>",
    )


def _band_words(bands: Sequence[CoefficientBand]) -> str:
    return " ".join(
        f"{b.item} under {b.set_id}: {number(b.value)} {b.unit}, {number(b.low)} to "
        f"{number(b.high)}{', assumed' if b.assumed else ''}."
        for b in bands
    )
