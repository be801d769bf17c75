"""What making one server emits, part by part, with sources."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app import figures, inputs, state
from app.figures import BreakdownPart
from app.text import number, plain
from app.views import answer as draw
from ecoserve.embodied import EmbodiedPart, Footprint, server_footprint

SET_NAMES = {
    "pcf": "pcf: manufacturers' footprints and teardowns",
    "paper": "paper: the EcoServe authors' calculator",
    "lca_high": "lca_high: upper life-cycle values",
}


def show() -> None:
    """Server and coefficient set, the chart, the table."""
    catalog = state.catalog()
    left, right = st.columns(2)
    with left:
        names = {server.id: server.name for server in catalog.servers.values()}
        server_id = st.selectbox(
            "Server",
            sorted(names, key=_own_first),
            key="in:server",
            format_func=lambda chosen: names[chosen],
        )
    with right:
        path = "policy.coefficients"
        value = state.scenario().policy.coefficients
        inputs.choice(
            "Coefficient set of the plan",
            path,
            value,
            catalog.coefficient_sets,
            inputs.to_path(path),
            names=SET_NAMES,
        )
    footprint = server_footprint(server_id, value, catalog)
    parts = [_breakdown_part(part) for part in footprint.parts]
    draw.show_chart(figures.embodied_breakdown(names[server_id], parts), "embodied")
    st.caption(plain(yearly_line(footprint)))
    draw.show_table([_row(part) for part in footprint.parts], "No part is known.", wide="Part")


def _own_first(server_id: str) -> tuple[bool, int, str]:
    server = state.catalog().server(server_id)
    year = state.catalog().accelerator(server.accelerator_id).launch_year
    return server.offer == "rental", -year, server_id


def yearly_line(footprint: Footprint) -> str:
    """What the lifetimes make of the footprint."""
    hardware = state.scenario().hardware
    card = footprint.side_kgco2e("accelerator") / hardware.accelerator_years
    host = footprint.side_kgco2e("host") / hardware.host_years
    return (
        f"Spread over their lifetimes: {number(card)} kg a year for the accelerators "
        f"({hardware.accelerator_years:g} years), {number(host)} kg for the host "
        f"({hardware.host_years:g} years). Band of the whole server: "
        f"{number(footprint.low_kgco2e)} to {number(footprint.high_kgco2e)} kg."
    )


def _breakdown_part(part: EmbodiedPart) -> BreakdownPart:
    return BreakdownPart(
        part=part.part,
        side=part.side,
        kgco2e=part.kgco2e,
        low_kgco2e=part.low_kgco2e,
        high_kgco2e=part.high_kgco2e,
        assumed=part.quality == "assumed",
    )


def _row(part: EmbodiedPart) -> dict[str, Any]:
    source = state.catalog().sources[part.source_id]
    return {
        "Part": part.part.replace("_", " "),
        "Side": part.side,
        "kgCO2e": number(part.kgco2e),
        "Low": number(part.low_kgco2e),
        "High": number(part.high_kgco2e),
        "Quality": part.quality,
        "Source": f"{source.title}, {source.publisher}",
    }
