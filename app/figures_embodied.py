"""Charts of what a product is made of, under one set of coefficients and under all.

Same rules as :mod:`app.figures`: plain data in, a titled figure out, nothing of Streamlit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import plotly.graph_objects as go

from app.figures import BASELINE, CLEAR, EMBODIED, HATCH, PANEL_PX, Chart, dress, safe, wrap
from app.text import MassUnit, mass_unit, number, percent
from ecoserve.embodied_parts import band_sum

HOST = "#80B8D8"
"""The accelerators' hue at half strength over white: the paler of the two on any ground."""
GAP = "rgba(255,255,255,0.55)"
"""Between the parts of a stacked bar."""
INK_DARK, INK_LIGHT = "#1A1A1A", "#FFFFFF"
PLOT_PX, LETTER_PX = 560, 7
"""About how wide the bars' part of a chart and a letter on it are, to see which names have room."""


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
        both = band_sum((self, other))
        return replace(
            self,
            kgco2e=both.value,
            low_kgco2e=both.low,
            high_kgco2e=both.high,
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
        return band_sum(self.parts).value

    @property
    def low_kgco2e(self) -> float:
        """Every figure at its low end."""
        return band_sum(self.parts).low

    @property
    def high_kgco2e(self) -> float:
        """Every figure at its high end."""
        return band_sum(self.parts).high

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
