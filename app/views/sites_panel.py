"""The sites of a scenario: which one the page shows, their names and room; adding and removing."""

from __future__ import annotations

import itertools
import re
from typing import Any

import streamlit as st

from app import inputs, state
from app.text import plain
from ecoserve.scenario import MAX_SITES

PICK = "sites:pick"
MAX_NAME_CHARS = 60


def choose() -> str:
    """The path of the site that is shown, and where to add another one or remove this."""
    names = [site.name for site in state.scenario().sites]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if len(names) == 1:
            st.session_state.pop(PICK, None)
            _add_button()
            return inputs.HOME
        if st.session_state.get(PICK) not in range(len(names)):
            st.session_state[PICK] = 0
        number: int = st.segmented_control(
            "Site", range(len(names)), key=PICK, required=True,
            format_func=lambda i: plain(names[i]),
            help="The first is the users' own: rate profiles are on its clock.",
        )  # fmt: skip
        _add_button()
        if number:
            st.button("Remove this site", on_click=_remove, args=(number - 1,), type="tertiary")
    return f"other_sites.{number - 1}" if number else inputs.HOME


def _add_button() -> None:
    full = len(state.scenario().sites) >= MAX_SITES
    why = "Where else servers may stand; a network time makes the users wait for it."
    st.button("Add a site", on_click=_add, disabled=full, help=why)


def _add() -> None:
    """Another site in the first one's region, to be moved."""
    scenario = state.scenario()
    site = {"name": free_name("site", ""), "region": scenario.site.region, "intensity": "annual"}
    others = [other.model_dump(mode="json") for other in scenario.other_sites]
    state.edit({"other_sites": [*others, site]})
    st.session_state[PICK] = len(state.scenario().sites) - 1


def _remove(index: int) -> None:
    """Takes a site out, and its name out of the workloads and the stock."""
    scenario = state.scenario()
    gone, others = scenario.other_sites[index].name, list(scenario.other_sites)
    del others[index]
    changes: dict[str, Any] = {
        "other_sites": [site.model_dump(mode="json") for site in others],
        "hardware.stock": [
            row.model_dump(mode="json") for row in scenario.hardware.stock if row.site != gone
        ],
    }
    for i, workload in enumerate(scenario.workloads):
        if workload.sites is not None:
            left = [name for name in workload.sites if name != gone]
            changes[f"workloads.{i}.sites"] = left or None
    st.session_state[PICK] = 0
    state.edit(changes)


def name(place: str) -> None:
    """What the site is called."""
    key = inputs.bound(f"{place}.name", inputs.site_at(place).name)
    st.text_input(
        "Name of the site",
        key=key,
        max_chars=MAX_NAME_CHARS,
        on_change=inputs.take,
        args=(key, lambda entry: renaming(place, entry)),
    )


def renaming(place: str, name: str) -> inputs.Changes:
    """Another name for a site, wherever it is named."""
    scenario, then = state.scenario(), inputs.site_at(place).name
    changes: dict[str, Any] = {f"{place}.name": name}
    for i, workload in enumerate(scenario.workloads):
        if workload.sites is not None and then in workload.sites:
            named = [name if site == then else site for site in workload.sites]
            changes[f"workloads.{i}.sites"] = named
    for i, row in enumerate(scenario.hardware.stock):
        if row.site == then:
            changes[f"hardware.stock.{i}.site"] = name
    return changes


def free_name(wanted: str, place: str) -> str:
    """A name in the letters that names may have, which no other site has."""
    kept = re.sub(r"[^A-Za-z0-9 _.,:+()/&'-]", "", wanted)[: MAX_NAME_CHARS - 3].strip() or "site"
    own = inputs.site_at(place).name if place else None
    taken = {site.name for site in state.scenario().sites} - {own}
    numbered = (kept if i == 1 else f"{kept} {i}" for i in itertools.count(1))
    return next(candidate for candidate in numbered if candidate not in taken)


def room(place: str) -> None:
    """How far it is from the users, what it can feed and hold."""
    site = inputs.site_at(place)
    with st.expander("Distance, power and space", expanded=place != inputs.HOME):
        inputs.number(
            "Network time there and back, s", f"{place}.round_trip_s", site.round_trip_s,
            bounds=(0, 10), step=0.01, help="From the users to its servers; part of TTFT.",
        )  # fmt: skip
        inputs.number(
            "IT power at most, kW", f"{place}.max_it_power_kw", site.max_it_power_kw,
            bounds=(0, 1e7), step=10, placeholder="no limit",
            help="What the site can feed in its busiest hour.",
        )  # fmt: skip
        inputs.number(
            "Rack units at most", f"{place}.max_rack_units", site.max_rack_units,
            bounds=(0, 1e7), step=1, placeholder="no limit",
        )  # fmt: skip
