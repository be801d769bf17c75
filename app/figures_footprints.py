"""Charts of published footprints beside ours.

Same rules as :mod:`app.figures`: plain data in, a titled figure out, nothing of Streamlit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.figures import BASELINE, EMBODIED, GRID_LINE, Chart, dress
from app.text import band_width, number

CLOSE = 0.10
"""How near to a published footprint counts as agreement."""


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
        error_x=error_bars(
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
        error_x=error_bars(
            [p.kgco2e for p in points],
            [p.low_kgco2e for p in points],
            [p.high_kgco2e for p in points],
            EMBODIED,
        ),
        customdata=[number(point.ratio) for point in points],
        hovertemplate="%{y}, ours: %{x:,.4g} kgCO2e, %{customdata} times the published"
        "<extra></extra>",
    )


def error_bars(
    values: Sequence[float], lows: Sequence[float], highs: Sequence[float], colour: str
) -> dict[str, Any]:
    """The ends of a band as plotly wants them: how far from the middle."""
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
