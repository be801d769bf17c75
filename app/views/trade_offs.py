"""Trade-offs: what would change the answer?"""

from __future__ import annotations

from functools import partial

import streamlit as st

from app import inputs, state
from app.text import plain
from app.views import analyses, front_panel, on_demand, solve
from app.views.analyses import Found
from app.views.front_panel import FrontAndPlan
from app.views.solve import Effort
from app.views.trade_off_parts import EFFORT_WORDS, failed
from app.views.trade_off_sections import FLEETS, SECTIONS, Inquiry
from ecoserve.errors import EcoServeError, SolverError
from ecoserve.scenario import Scenario

EFFORT = "trade:effort"
EFFORT_HELP = (
    "Quick: the relaxation made whole, about a second for a plan. Thorough: searched on to 1 %, or "
    "as near as the search gets, several times as long. What is drawn stays until it is asked for "
    "again."
)


@st.fragment
def page() -> None:
    """The front at once; the other questions below it, each answered when asked."""
    inputs.header("Trade-offs")
    title, effort = st.columns([3, 2], vertical_alignment="bottom")
    title.subheader("What would change the answer?", anchor=False)
    with effort:
        st.segmented_control(
            "Search for plans",
            list(EFFORT_WORDS),
            default="quick",
            required=True,
            key=EFFORT,
            format_func=lambda name: EFFORT_WORDS[name],
            help=EFFORT_HELP,
            persist_state="session",
        )
    top, below = st.container(), st.empty()
    with below.container():
        for name in SECTIONS:
            section(name)
    with top:
        if not front():
            below.empty()


def chosen_effort() -> Effort:
    """How hard to search, as the page's control says."""
    return "interactive" if st.session_state.get(EFFORT) == "interactive" else "quick"


@st.fragment
def front() -> bool:
    """The first question; False where nothing can serve the traffic, which is then told.

    Drawn with a quick plan first, then with the one of the Plan page.
    """
    scenario = state.scenario()
    st.markdown(f"##### {FLEETS.question}")
    task = solve.task("front", scenario.fingerprint(), lambda d: front_panel.in_steps(d, scenario))
    assert task is not None, "or it was begun"
    try:
        known: FrontAndPlan | None = task.best()
    except SolverError as error:
        on_demand.broken_off(task, error)
        return True
    except EcoServeError as error:
        failed(error)
        return False
    if known is None:
        on_demand.follow(task, "Working out the line that no fleet can pass")
        return True
    on_demand.better(task)
    drawn = st.container()
    found = asked("fleets", FLEETS, scenario)
    with drawn:
        front_panel.show(known.bound, known.answer, found)
    return True


@st.fragment
def section(name: str) -> None:
    """A question with its answer, or with the button that finds it."""
    this, scenario = SECTIONS[name], state.scenario()
    st.markdown(f"##### {this.question}")
    found = asked(name, this, scenario)
    if found is not None:
        this.show(found, scenario)


def asked(name: str, this: Inquiry, scenario: Scenario) -> Found | None:
    """What is known of a question; its button where there is more to find."""
    known, effort = analyses.known(name, scenario), chosen_effort()
    if known is not None and known.effort in (effort, "interactive"):
        return known
    task = analyses.finding(name, scenario, effort)
    begin = partial(analyses.begin, name, scenario, effort, this.ask)
    if task is None:
        with st.container(horizontal=True, vertical_alignment="center"):
            more = "" if known is None else ", thoroughly"
            st.button(
                f"{this.button}{more}",
                key=f"ask:{name}",
                on_click=begin,
            )
            st.caption(plain(this.what))
        return known
    if not task.is_done:
        on_demand.follow(task)
        return known
    try:
        found: Found = task.result()
    except SolverError as error:
        on_demand.broken_off(task, error, begin)
    except EcoServeError as error:
        failed(error)
    else:
        return found
    return known


st.set_page_config(page_title="Trade-offs | EcoServe planner")
page()
