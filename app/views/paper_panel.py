"""The paper's claims, tried: its scene planned with this catalog, beside what was published."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import streamlit as st

from app import figures_paper as figures
from app import reports_paper as tables
from app import state
from app.presets import PAPER_SCENE
from app.text import plain, sentence
from app.views import answer as draw
from app.views import on_demand, solve
from ecoserve.errors import EcoServeError
from ecoserve.paper_claims import CLAIMS, REGIONS, PaperClaims, SceneResult, cells, try_cell
from ecoserve.scenario import Scenario, canonical_json
from ecoserve.trends import DEFAULT_HORIZON_YEARS

WHAT = "paper"


@st.fragment
def show() -> None:
    """Published figures; on demand the same scene planned here, cell by cell."""
    st.markdown("##### The paper's claims, tried")
    published = "; ".join(f"{claim.text} {claim.what} ({claim.seen})" for claim in CLAIMS)
    st.caption(plain(sentence(f"Published, arXiv 2502.05043: {published}")))
    why = (
        "Plans the paper's scene, not yours: its hardware and intensities, under every set of "
        "embodied coefficients, by quick answers. The terminal has better ones: paper-claims."
    )
    if not on_demand.wanted(WHAT, "Try the claims", why):
        return
    try:
        claims = tried()
    except EcoServeError as error:
        st.error(plain(sentence(state.readable(str(error)))))
        return
    draw.show_chart(figures.paper_savings(claims, tables.keys(claims)), "paper")
    draw.show_table(_rows(tables.savings_heads(claims), tables.savings_rows(claims)), "")
    st.caption(f"What each R takes off the cheapest fleet as sold; {tables.WITHIN}: within the gap")
    draw.show_table(_rows(tables.lever_heads(claims), tables.lever_rows(claims)), "")
    st.caption(plain(" ".join(state.readable(line) for line in tables.remarks(claims))))


def tried() -> PaperClaims:
    """Every cell; each waits its turn and is cached by itself."""
    catalog = state.catalog()
    scenario = state.presets()[PAPER_SCENE]
    found, every = [], cells(REGIONS, tuple(catalog.coefficient_sets))
    with on_demand.progress() as tell:
        for done, (region, name) in enumerate(every):
            tell(done, len(every), f"{catalog.region(region).name}, set {name}")
            found.append(_cell(canonical_json(scenario), region, name, catalog.version, scenario))
    return PaperClaims(results=tuple(found), horizon_years=DEFAULT_HORIZON_YEARS)


@st.cache_data(max_entries=32, show_spinner=False)
def _cell(
    scenario_json: str, region: str, coefficients: str, catalog_version: str, _scenario: Scenario
) -> SceneResult:
    with solve.turn():
        return try_cell(_scenario, region, coefficients, state.catalog(), "quick", solve.memory())


def _rows(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[dict[str, Any]]:
    names = [head.removesuffix(" >") for head in heads]
    return [dict(zip(names, row, strict=True)) for row in rows]
