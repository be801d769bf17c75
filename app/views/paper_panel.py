"""The paper's claims, tried: its scene planned with this catalog, beside what was published."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import streamlit as st

from app import figures_paper as figures
from app import reports_paper as tables
from app import state
from app.presets import PAPER_SCENE
from app.solving.desk import Desk
from app.text import plain, sentence
from app.views import answer as draw
from app.views import on_demand
from ecoserve.errors import EcoServeError
from ecoserve.paper_claims import CLAIMS, REGIONS, PaperClaims, cells
from ecoserve.trends import DEFAULT_HORIZON_YEARS

WHAT = "paper"


@st.fragment
def show() -> None:
    """Published figures; on demand the same scene planned here, cell by cell."""
    st.markdown("### The paper's claims, tried")
    published = "; ".join(f"{claim.text} {claim.what} ({claim.seen})" for claim in CLAIMS)
    st.caption(plain(sentence(f"Published, arXiv 2502.05043: {published}")))
    why = (
        "Plans the paper's scene, not yours: its hardware and intensities, under every set of "
        "embodied coefficients, by quick answers. The terminal has better ones: paper-claims."
    )
    if not on_demand.wanted(WHAT, "Try the claims", why):
        return
    try:
        claims = on_demand.planned(WHAT, WHAT, tried)
    except EcoServeError as error:
        st.error(plain(sentence(state.readable(str(error)))))
        return
    if claims is None:
        return
    draw.show_chart(figures.paper_savings(claims, tables.keys(claims)), "paper")
    draw.show_table(_rows(tables.savings_heads(claims), tables.savings_rows(claims)), "")
    st.caption(f"What each R takes off the cheapest fleet as sold; {tables.WITHIN}: within the gap")
    draw.show_table(_rows(tables.lever_heads(claims), tables.lever_rows(claims)), "")
    st.caption(plain(" ".join(state.readable(line) for line in tables.remarks(claims))))


def tried(desk: Desk) -> PaperClaims:
    """Every cell; each waits its turn and is kept by itself."""
    catalog = desk.catalog
    scenario = state.presets()[PAPER_SCENE]
    found, every = [], cells(REGIONS, tuple(catalog.coefficient_sets))
    for done, (region, name) in enumerate(every):
        desk.task.tell(done, len(every), f"{catalog.region(region).name}, set {name}")
        found.append(desk.paper_cell(scenario, region, name))
    return PaperClaims(results=tuple(found), horizon_years=DEFAULT_HORIZON_YEARS)


def _rows(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[dict[str, Any]]:
    names = [head.removesuffix(" >") for head in heads]
    return [dict(zip(names, row, strict=True)) for row in rows]
