"""Compare: up to four scenarios side by side, what differs in them and what that comes to."""

from __future__ import annotations

import json
from collections.abc import Sequence

import streamlit as st

from app import address, figures_compare, inputs, scenario_menu, side_by_side, state
from app.side_by_side import Compared
from app.solving.desk import Desk
from app.text import plain, sentence
from app.views import answer as draw
from app.views import assumptions, on_demand, solve
from ecoserve.errors import EcoServeError, InfeasibleError, ScenarioError, SolverError
from ecoserve.planner import Effort
from ecoserve.scenario import Scenario, canonical_json, check_scenario

ALONE = (
    "Add up to three scenarios: a preset, a saved one, a JSON file, or a copy of this one, to be "
    "left as it is while you change this one on the other pages."
)
NOT_IN_ADDRESS = (
    "The comparison is too large for the address. Save its scenarios to the library and add them "
    "from there, and Copy link carries all of them."
)


@st.fragment
def page() -> None:
    """Who is compared, the picture, the figures, the inputs that differ, the files."""
    inputs.header("Compare")
    scenarios = (state.scenario(), *state.session().beside)
    names = side_by_side.unlike_names(scenarios)
    _chosen(scenarios, names)
    key = tuple(names), tuple(canonical_json(scenario) for scenario in scenarios)
    task = solve.task("compare", key, lambda desk: _in_steps(desk, scenarios, names))
    assert task is not None, "or it was begun"
    try:
        compared: Sequence[Compared] | None = task.best()
    except SolverError as error:
        on_demand.broken_off(task, error)
        return
    if compared is None:
        on_demand.follow(task, "Planning")
        return
    on_demand.better(task)
    if any(one.plan is not None for one in compared):
        draw.show_chart(figures_compare.side_by_side(compared), "compare")
    for one in compared:
        if one.plan is None:
            st.error(plain(f"{one.name}: {sentence(state.readable(one.reason))}"))
    assumptions.beside(scenarios[0], f"Assumptions of {names[0]}, and what is not counted")
    st.markdown("## Plans")
    st.table(
        [_escaped(row) for row in side_by_side.figure_rows(compared, state.catalog())],
        hide_index=True,
        alt="Figures of the plans, a column per scenario.",
    )
    _inputs(compared)
    _files(compared)


def _chosen(scenarios: Sequence[Scenario], names: Sequence[str]) -> None:
    """A box per scenario, and where to add one."""
    boxes = st.columns(address.MAX_BESIDE + 1)
    for number, (box, name) in enumerate(zip(boxes, names, strict=False)):
        with box.container(border=True, height="stretch"):
            st.markdown(f"**{plain(name)}**")
            if number == 0:
                st.caption("This scenario")
            else:
                _place(number - 1, scenarios[number])
    if len(scenarios) <= address.MAX_BESIDE:
        with boxes[len(scenarios)].container(border=True, height="stretch"), st.popover("Add"):
            _add()
    if len(scenarios) == 1:
        st.caption(ALONE)
    elif address.beside_param(state.session().beside, state.session().saved) is None:
        st.caption(NOT_IN_ADDRESS)


def _place(place: int, scenario: Scenario) -> None:
    key = f"compare:{place}:{scenario.fingerprint()}"
    with st.container(horizontal=True):
        st.button(
            "Open",
            key=f"{key}:open",
            on_click=_open,
            args=(place,),
            type="tertiary",
            help="Makes it the scenario of all pages; this one takes its place here.",
        )
        st.button("Remove", key=f"{key}:remove", on_click=_remove, args=(place,), type="tertiary")


def _open(place: int) -> None:
    """The scenario and one it stands beside change places."""
    beside = list(state.session().beside)
    scenario, beside[place] = beside[place], state.scenario()
    state.replace(scenario)
    state.put_beside(tuple(beside))


def _remove(place: int) -> None:
    beside = state.session().beside
    state.put_beside((*beside[:place], *beside[place + 1 :]))


def _add() -> None:
    st.button("A copy of this scenario", on_click=_put, args=(state.scenario(),), width="stretch")
    chosen = st.selectbox("Preset", sorted(state.presets()), key="compare:preset")
    st.button("Add preset", on_click=_put, args=(state.presets()[chosen],), width="stretch")
    scenario_menu.search(_put_saved, "Add", "compare")
    scenario_menu.upload(_put, "compare")


def _put(scenario: Scenario) -> None:
    try:
        check_scenario(scenario, state.catalog())
    except ScenarioError as error:
        state.refuse(error.problems)
        return
    state.put_beside((*state.session().beside, scenario))


def _put_saved(fingerprint: str) -> None:
    try:
        saved = state.library().open(fingerprint)
    except EcoServeError as error:
        state.complain(str(error))
        return
    state.session().saved.add(fingerprint)
    _put(saved.scenario)


def _in_steps(
    desk: Desk, scenarios: Sequence[Scenario], names: Sequence[str]
) -> tuple[Compared, ...]:
    """Quick plans of all, shown at once; then one better plan after another."""
    found = [_compared(desk, *pair, "quick") for pair in zip(names, scenarios, strict=True)]
    desk.task.show(tuple(found))
    for done, one in enumerate(found):
        desk.task.tell(done, len(found), one.name)
        if one.plan is not None:
            found[done] = _compared(desk, one.name, one.scenario, "interactive")
            desk.task.show(tuple(found))
    return tuple(found)


def _compared(desk: Desk, name: str, scenario: Scenario, effort: Effort) -> Compared:
    try:
        check_scenario(scenario, desk.catalog)
        plan = desk.our_plan(scenario, effort)
    except (ScenarioError, InfeasibleError) as error:
        return Compared(name=name, scenario=scenario, plan=None, reason=str(error))
    return Compared(name=name, scenario=scenario, plan=plan)


def _inputs(compared: Sequence[Compared]) -> None:
    if len(compared) == 1:
        return
    rows = side_by_side.input_rows(compared, state.catalog())
    count = "1 input differs" if len(rows) == 1 else f"{len(rows):,} inputs differ"
    st.markdown(f"## {count if rows else 'The scenarios are the same'}")
    if rows:
        st.table([_escaped(row) for row in rows], hide_index=True, alt="Inputs that differ.")


def _escaped(row: dict[str, str]) -> dict[str, str]:
    """Cells of a table are markdown to Streamlit; names and values are not."""
    return {plain(head): plain(cell) for head, cell in row.items()}


def _files(compared: Sequence[Compared]) -> None:
    catalog = state.catalog()
    stem = "ecoserve-compare-" + "-".join(one.scenario.fingerprint()[:6] for one in compared)
    with st.container(horizontal=True):
        st.download_button(
            "Download as CSV",
            side_by_side.as_csv(compared, catalog),
            file_name=f"{stem}.csv",
            mime="text/csv",
            on_click="ignore",
        )
        st.download_button(
            "Download as JSON",
            json.dumps(side_by_side.as_record(compared, catalog), indent=2, allow_nan=False),
            file_name=f"{stem}.json",
            mime="application/json",
            key="compare:json",
            on_click="ignore",
        )


st.set_page_config(page_title="Compare | EcoServe planner")
page()
