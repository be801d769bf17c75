"""Trade-offs: what would change the answer?"""

from __future__ import annotations

import streamlit as st

from app import inputs, state
from app.views import assumptions, front_panel, on_demand, solve
from app.views.asking import asked
from app.views.front_panel import FrontAndPlan
from app.views.solve import Effort
from app.views.trade_off_parts import EFFORT_WORDS, failed
from app.views.trade_off_sections import FLEETS, SECTIONS
from ecoserve.errors import EcoServeError, SolverError

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
    title.header("What would change the answer?", anchor=False)
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
    st.markdown(f"### {FLEETS.question}")
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
    found = asked("fleets", FLEETS, scenario, chosen_effort())
    with drawn:
        front_panel.show(known.bound, known.answer, found)
        assumptions.beside(scenario)
    return True


@st.fragment
def section(name: str) -> None:
    """A question with its answer, or with the button that finds it."""
    this, scenario = SECTIONS[name], state.scenario()
    st.markdown(f"### {this.question}")
    found = asked(name, this, scenario, chosen_effort())
    if found is not None:
        this.show(found, scenario)


st.set_page_config(page_title="Trade-offs | EcoServe planner")
page()
