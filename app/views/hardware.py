"""Hardware: what may be had, how long it serves, and what making it emits."""

from __future__ import annotations

import streamlit as st

from app import inputs
from app.views import embodied_panel, hardware_form, hardware_tables


@st.fragment
def page() -> None:
    """Choices on the left, what they carry on the right, the catalog below."""
    inputs.header("Hardware")
    choices, footprint = st.columns([2, 3], gap="large")
    with choices:
        hardware_form.accelerators()
        hardware_form.offer()
        hardware_form.lifetimes()
        hardware_form.slack()
        hardware_form.levers()
        hardware_form.limits()
    with footprint:
        embodied_panel.show()
    with st.expander("Accelerators in the catalog"):
        hardware_tables.accelerators()
    with st.expander("Servers in the catalog"):
        hardware_tables.servers()


st.set_page_config(page_title="Hardware | EcoServe planner")
page()
