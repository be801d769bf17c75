"""Evidence: can I check these numbers? Speed, power and footprints beside what others found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from app import evidence, figures_footprints, inputs, state
from app import figures_catalog as figures
from app.figures_catalog import QUALITIES, QualityCount
from app.figures_footprints import FootprintPoint
from app.text import band_width, column_words, number, percent, plain, sentence
from app.views import answer as draw
from app.views import catalog_rows, speed_panel
from app.views.catalog_rows import quality_words, web_address
from app.views.embodied_panel import sets_in_order
from catalog_db import tables
from ecoserve.errors import EcoServeError
from ecoserve.footprints import FootprintCheck, check_footprints
from ecoserve.rows import ProductFootprint

Row = dict[str, Any]
TRUST = {"A": "A, reviewed or torn down", "B": "B, vendor's tool or quoted", "C": "C, indirect"}


@st.fragment
def page() -> None:
    """The answer in a sentence, then the pictures that prove it, then every figure."""
    inputs.header("Evidence")
    try:
        checks, counts = _checked(state.catalog().version), _counted(state.catalog_path())
    except EcoServeError as error:
        st.error(plain(sentence(str(error))))
        return
    st.header(plain(headline(checks, counts)), anchor=False)
    speed_panel.show()
    _footprints(checks)
    _split(checks)
    _coefficients()
    _qualities(counts)
    st.markdown("### Every number")
    catalog_rows.show(_all_tables(), "evidence", first="accelerators")
    st.markdown("### Sources")
    _sources()


@st.cache_data(max_entries=state.MAX_CATALOGS, show_spinner=False)
def _checked(catalog_version: str) -> tuple[FootprintCheck, ...]:
    return check_footprints(state.catalog())


@st.cache_data(max_entries=state.MAX_CATALOGS, show_spinner="Counting figures")
def _counted(path: Path) -> tuple[QualityCount, ...]:
    return evidence.quality_counts(path, state.catalog())


def headline(checks: tuple[FootprintCheck, ...], counts: tuple[QualityCount, ...]) -> str:
    """Whether the numbers can be checked, in one sentence."""
    chosen = state.scenario().policy.coefficients
    total = sum(row.total for row in counts)
    assumed = sum(row.counts["assumed"] for row in counts)
    return (
        f"Every one of {total:,} figures names its source, {percent(assumed / total, 2)} of them "
        f"are assumed; {evidence.out_of_sample_words(checks, chosen)}."
    )


# ---- published footprints


def _footprints(checks: tuple[FootprintCheck, ...]) -> None:
    st.markdown("### Published footprints against ours")
    chosen = state.scenario().policy.coefficients
    sets = [name for name in sets_in_order() if any(c.coefficients == name for c in checks)]
    points: list[FootprintPoint] = [evidence.footprint_point(check) for check in checks]
    draw.show_chart(figures_footprints.published_against_ours(points, sets, chosen), "footprints")
    picked = st.segmented_control(
        "Table under set", sets, default=chosen if chosen in sets else sets[0],
        key="evidence:footprints:set", required=True,
    )  # fmt: skip
    _linked([_check_cells(check) for check in checks if check.coefficients == picked], "checks")


def _check_cells(check: FootprintCheck) -> Row:
    row = check.footprint
    source = state.catalog().sources[row.source_id]
    return {
        "Product": row.name,
        "Published, kgCO2e": number(row.kgco2e),
        "Ours": number(check.ours_kgco2e),
        "Band": f"{number(check.low_kgco2e)} to {number(check.high_kgco2e)}",
        "Ours over published": number(check.ratio),
        "In our band": "yes" if check.within_our_band else "no",
        "Width of it": band_width(check.band_ratio),
        "Fitted to it": "yes, in sample" if check.in_sample else "no",
        "By": row.kind,
        "Trust": TRUST[row.trust],
        "Boundary": row.boundary,
        "Quality": quality_words(row.quality),
        "Source": f"{source.title}, {source.publisher}",
        "Link": web_address(source.url),
        "Note": row.note,
    }


def _split(checks: tuple[FootprintCheck, ...]) -> None:
    """The published parts of one product beside ours, and why they differ."""
    known = {check.footprint.id: check for check in checks if check.lines}
    if not known:
        return
    st.markdown("### The published split beside ours")
    rows: dict[str, ProductFootprint] = {name: check.footprint for name, check in known.items()}
    picked = st.selectbox(
        "Product", sorted(rows, key=lambda name: _accelerators_first(known[name])),
        key="evidence:split", format_func=lambda name: rows[name].name,
    )  # fmt: skip
    check = known[picked]
    lines = evidence.split_lines(check)
    draw.show_chart(
        figures_footprints.published_split(rows[picked].name, check.coefficients, lines), "split"
    )
    cells = [
        {
            "Part of ours": line.part,
            "Lines as published": ", ".join(line.labels),
            "Published, kgCO2e": number(line.published_kgco2e),
            "Ours": number(line.ours_kgco2e),
        }
        for line in check.lines
    ]
    draw.show_table(cells, "")
    if check.in_sample:
        st.caption(
            f"Coefficients of set {plain(check.coefficients)} come from this footprint: that they "
            "agree here is their making and no test of them."
        )
    for line in check.lines:
        if line.note:
            st.caption(plain(f"{sentence(line.part)} {line.note}"))


def _accelerators_first(check: FootprintCheck) -> tuple[bool, bool, float]:
    row = check.footprint
    return row.accelerator_id is None, not check.in_sample, -row.kgco2e


def _coefficients() -> None:
    st.markdown("### Where the coefficient sets disagree")
    chosen = state.scenario().policy.coefficients
    bands = evidence.coefficient_rows(state.catalog())
    draw.show_chart(figures.coefficient_bands(bands, chosen), "coefficients")


# ---- qualities, tables, sources


def _qualities(counts: tuple[QualityCount, ...]) -> None:
    st.markdown("### How much is measured, how much assumed")
    draw.show_chart(figures.quality_shares(counts), "qualities")
    with st.expander("The counts as a table"):
        rows = [{"Table": row.table, **{q: row.counts[q] for q in QUALITIES}} for row in counts]
        draw.show_table(rows, "The catalog has no figures.")


def _all_tables() -> dict[str, str]:
    """The tables whose rows have an id and a source, with how many rows there are."""
    path = state.catalog_path()
    return {
        size.name: f"{column_words(size.name)}, {size.n_rows:,} rows"
        for size in tables.table_sizes(path)
        if size.n_rows
        and {"id", "source_id"} <= {column.name for column in tables.columns(size.name)}
    }


def _sources() -> None:
    rows = [
        {
            "Title": source.title,
            "Publisher": source.publisher,
            "Published": source.published,
            "Retrieved": source.retrieved,
            "Licence": source.licence,
            "Link": web_address(source.url),
            "Id": source.id,
        }
        for source in sorted(state.catalog().sources.values(), key=lambda row: row.title.lower())
    ]
    _linked(rows, "sources")


def _linked(rows: list[Row], key: str) -> None:
    """A table whose links open."""
    st.dataframe(
        rows,
        hide_index=True,
        height=draw.TALL_TABLE_PX if len(rows) > catalog_rows.PAGE_ROWS else "content",
        key=f"evidence:{key}",
        column_config={"Link": st.column_config.LinkColumn("Link", display_text="open")},
        placeholder="",
        alt=f"Table of {key}.",
    )


st.set_page_config(page_title="Evidence | EcoServe planner")
page()
