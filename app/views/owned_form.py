"""What is owned already, and what the fleet may emit and cost."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app import inputs, state
from ecoserve.scenario_parts import MAX_STOCK_ROWS

ADDED = "owned:server"


def stock() -> None:
    """Servers that are there: how many, how old, where; a line each."""
    scenario, catalog = state.scenario(), state.catalog()
    if scenario.hardware.offer == "rental":
        return
    st.markdown("## Owned already")
    names = {s.id: s.name for s in catalog.servers.values() if s.offer == "purchase"}
    for i in range(len(scenario.hardware.stock)):
        _row(i, names)
    if len(scenario.hardware.stock) >= MAX_STOCK_ROWS:
        return
    with st.popover("Add servers you own"):
        st.selectbox("Kind", sorted(names), key=ADDED, format_func=lambda row: names[row])
        st.button("Add", key="owned:add", on_click=_add, width="stretch")


def _row(index: int, names: dict[str, str]) -> None:
    path, row = f"hardware.stock.{index}", state.scenario().hardware.stock[index]
    sites = [site.name for site in state.scenario().sites]
    with st.container(border=True):
        server = f"{path}.server"
        inputs.choice(
            f"Owned, {index + 1}", server, row.server, sorted(names), inputs.to_path(server),
            names=names,
        )  # fmt: skip
        left, right = st.columns(2)
        with left:
            inputs.whole("Servers", f"{path}.count", row.count, bounds=(1, 1_000_000))
        with right:
            inputs.number(
                "Age, years", f"{path}.age_years", row.age_years, bounds=(0, 30), step=0.5,
                help="Past the accelerators' lifetime they are retired.",
            )  # fmt: skip
        if len(sites) > 1:
            site = f"{path}.site"
            inputs.choice("Stand at", site, row.site or sites[0], sites, inputs.to_path(site))
        st.button("Remove", key=f"{path}:remove", on_click=_remove, args=(index,), type="tertiary")


def _records() -> list[dict[str, Any]]:
    return [row.model_dump(mode="json") for row in state.scenario().hardware.stock]


def _add() -> None:
    state.edit({"hardware.stock": [*_records(), {"server": st.session_state[ADDED], "count": 1}]})


def _remove(index: int) -> None:
    state.edit({"hardware.stock": [row for i, row in enumerate(_records()) if i != index]})


def caps() -> None:
    """A price on carbon, and the most that a year may emit and an hour may cost."""
    policy = state.scenario().policy
    st.markdown("## Carbon price and caps")
    inputs.number(
        "Carbon price, USD/t", "policy.carbon_price_usd_per_t", policy.carbon_price_usd_per_t,
        bounds=(0, 1e5), step=10, placeholder="none",
        help="With one, the plan is the least of cost plus carbon, whatever the objective.",
    )  # fmt: skip
    inputs.number(
        "Carbon at most, kgCO2e a year", "policy.max_kgco2e_per_year", policy.max_kgco2e_per_year,
        bounds=(0, 1e12), step=1000, placeholder="no cap",
    )  # fmt: skip
    inputs.number(
        "Cost at most, USD/h", "policy.max_usd_per_h", policy.max_usd_per_h,
        bounds=(0, 1e9), step=1, placeholder="no cap",
    )  # fmt: skip
