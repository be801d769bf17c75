"""The chart of the paper's claims: savings by intensity, a panel per set of coefficients."""

from __future__ import annotations

from collections.abc import Sequence

from plotly.subplots import make_subplots

from app.figures import BASELINE, EMBODIED, GRID_LINE, MORE, OPERATIONAL, Chart, dress, safe
from app.text import percent, sentence_list
from app.versus import short_words
from ecoserve.paper_claims import SAVING, PaperClaims

COLOURS = {"performance": MORE, "energy": OPERATIONAL, "cost": EMBODIED}


def paper_savings(claims: PaperClaims, keys: Sequence[str]) -> Chart:
    """A panel per coefficient set: saving against each plan by intensity; dotted: as published."""
    sets = list(dict.fromkeys(result.coefficients for result in claims.results))
    figure = make_subplots(
        rows=1, cols=len(sets), shared_yaxes="all", horizontal_spacing=0.04,
        subplot_titles=[f"<b>{safe(name)}</b>" for name in sets],
    )  # fmt: skip
    for place, name in enumerate(sets, start=1):
        mine = [result for result in claims.results if result.coefficients == name]
        for key in keys:
            figure.add_scatter(
                x=[f"{result.gco2e_per_kwh:g}" for result in mine],
                y=[
                    100 * result.savings[key] if key in result.savings else None for result in mine
                ],
                mode="lines+markers",
                name=safe(short_words(key)),
                legendgroup=key,
                showlegend=place == 1,
                line={"color": COLOURS.get(key.partition(":")[0], BASELINE),
                      "dash": "dot" if key.endswith(":same") else "solid"},
                hovertemplate=f"{safe(short_words(key))}: %{{y:.3g}} % less<extra></extra>",
                row=1,
                col=place,
            )  # fmt: skip
        figure.add_hline(
            y=100 * SAVING.high, line={"color": BASELINE, "width": 1.5, "dash": "dash"},
            row=1, col=place,
        )  # fmt: skip
    title = paper_title(claims, sets)
    subtitle = (
        "% less carbon than each design, by gCO2e/kWh; solid: as sold, dotted: same choices, "
        f"dashed: published, up to {percent(SAVING.high)}"
    )
    dress(figure, title, subtitle, height=380, above_px=30)
    figure.update_layout(
        showlegend=True, legend={"orientation": "h", "y": -0.16, "yanchor": "top", "x": 0}
    )
    figure.update_annotations(font={"size": 13})
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_yaxes(rangemode="tozero", gridcolor=GRID_LINE, ticksuffix=" %")
    return Chart(figure, title, f"Lines in {len(sets)} panels. {title}.")


def paper_title(claims: PaperClaims, sets: Sequence[str]) -> str:
    """The largest saving of each set, beside the published one."""
    found = [
        f"{percent(best.savings[key])} with {name}"
        for name in sets
        for best, key in [claims.largest_saving(name)]
    ]
    return f"Published: up to {percent(SAVING.high)} less. Here at most {sentence_list(found)}"
