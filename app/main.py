"""The dashboard's entry: one session, ten pages."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app import sign_in, state

VIEWS = Path(__file__).parent / "views"


def main() -> None:
    """Opens the session and runs the page that the address names."""
    st.set_page_config(page_title="EcoServe planner", layout="wide")
    admitted = sign_in.admitted()
    state.carry_address()
    pages = [
        st.Page(VIEWS / "plan.py", title="Plan", default=True),
        st.Page(VIEWS / "traffic.py", title="Traffic", url_path="traffic"),
        st.Page(VIEWS / "grid_and_site.py", title="Grid & site", url_path="grid-and-site"),
        st.Page(VIEWS / "hardware.py", title="Hardware", url_path="hardware"),
        st.Page(VIEWS / "trade_offs.py", title="Trade-offs", url_path="trade-offs"),
        st.Page(VIEWS / "four_rs.py", title="Four Rs", url_path="four-rs"),
        st.Page(VIEWS / "schedule.py", title="Schedule", url_path="schedule"),
        st.Page(VIEWS / "lifecycle.py", title="Lifecycle", url_path="lifecycle"),
        st.Page(VIEWS / "compare.py", title="Compare", url_path="compare"),
        st.Page(VIEWS / "evidence.py", title="Evidence", url_path="evidence"),
    ]
    page = st.navigation(pages, position="top" if admitted else "hidden")
    if admitted:
        state.start(page.url_path)
        page.run()
        sign_in.foot()


main()
