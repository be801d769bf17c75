"""Hardware: what may be had, how long it serves, what making it emits, what a replica does."""

from __future__ import annotations

import streamlit as st

from app import inputs
from app.views import (
    catalog_rows,
    embodied_panel,
    hardware_form,
    own_data,
    owned_form,
    profile_panel,
)

TABLES = {
    "accelerators": "Accelerators",
    "cpus": "CPUs",
    "hosts": "Hosts",
    "servers": "Servers",
    "rental_prices": "Rental prices",
    "prices": "Other prices",
    "trends": "Trends over years",
}


@st.fragment
def page() -> None:
    """Choices on the left, what they carry on the right; below, the catalog and one's own rows."""
    inputs.header("Hardware")
    choices, footprint = st.columns([3, 5], gap="large")
    with choices:
        hardware_form.accelerators()
        hardware_form.offer()
        hardware_form.lifetimes()
        hardware_form.slack()
        hardware_form.engine()
        hardware_form.levers()
        hardware_form.limits()
        owned_form.stock()
        owned_form.caps()
    with footprint:
        shown = embodied_panel.show()
    if shown is not None:
        embodied_panel.show_below(*shown)
    st.divider()
    profile_panel.show()
    st.divider()
    st.markdown("## What is in the catalog")
    catalog_rows.show(TABLES, "hardware")
    st.divider()
    own_data.show()


st.set_page_config(page_title="Hardware | EcoServe planner")
page()
