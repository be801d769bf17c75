"""Charts of the catalog's figures: their quality, and how far coefficient sets stand apart.

Same rules as :mod:`app.figures`: plain data in, a titled figure out, nothing of Streamlit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from app.figures import (
    BASELINE,
    CLEAR,
    DEMAND,
    EMBODIED,
    GRID_LINE,
    HATCH,
    Chart,
    dress,
    faded,
    safe,
)
from app.figures_footprints import error_bars
from app.text import number, percent, sentence_list

SET_MARKS: Mapping[str, str] = {"paper": "square", "pcf": "circle", "lca_high": "triangle-up"}
QUALITIES = ("measured", "manufacturer", "modelled", "assumed")
_QUALITY_FILL = {
    "measured": "#4A5868",
    "manufacturer": "#8493A4",
    "modelled": "#C8D1DB",
    "assumed": CLEAR,
}
"""Apart on a white and on a black ground."""


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
        error_x=error_bars(
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
